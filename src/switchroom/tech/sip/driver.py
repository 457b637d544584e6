"""What differs between Asterisk's two SIP drivers. All else, the kernel and the steps, is the same for both.

Here is PJSIP; the older one is in ``tech.sip.chan_sip``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from switchroom.core.peers import Contacts
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.model.endpoint import EndpointState
from switchroom.model.message import ReceivedText
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.identity import identify
from switchroom.tech.sip.messaging import received_text
from switchroom.tech.sip.names import Names
from switchroom.wire.sip.events import RequestReceived


class Driver(Protocol):
    """The decisions in which the drivers differ."""

    @property
    def names(self) -> Names:
        """How callers write destinations and senders."""
        ...

    @property
    def contacts(self) -> Contacts:
        """What is told when contacts come, go and answer."""
        ...

    @property
    def accepts_texts(self) -> bool:
        """Whether anybody may send a MESSAGE at all."""
        ...

    def state(self, endpoint: SipEndpointSettings) -> EndpointState:
        """The state of an endpoint that nobody has heard of yet."""
        ...

    def identify(self, incoming: RequestReceived) -> SipEndpointSettings | None:
        """Whom a request claims to be from; None for a stranger."""
        ...

    def trusts(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> bool:
        """Whether the endpoint need not prove this request."""
        ...

    def received(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> ReceivedText:
        """What applications see of a text."""
        ...


#: Makes the driver of a technology: its name, its directory, the registry, the time.
MakeDriver = Callable[[str, Directory, Registry, Clock], Driver]


class Pjsip:
    """See ``Driver``."""

    accepts_texts = True
    received = staticmethod(received_text)

    def __init__(self, technology: str, directory: Directory, registry: Registry, clock: Clock) -> None:
        self._directory = directory
        self.names = Names(technology, directory, registry)
        self.contacts: Contacts = registry

    def state(self, endpoint: SipEndpointSettings) -> EndpointState:
        return EndpointState.OFFLINE

    def identify(self, incoming: RequestReceived) -> SipEndpointSettings | None:
        return identify(self._directory, incoming)

    def trusts(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> bool:
        return endpoint.allow_unauthenticated_options and incoming.request.method == "OPTIONS"
