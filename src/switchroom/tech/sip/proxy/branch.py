"""One branch of a request that is passed on (RFC 3261 16.6): to one target, over one address after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from switchroom.model.endpoint import Contact, EndpointId
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.exchange import Exchange, NextHop
from switchroom.tech.sip.transports import Listener, route_to
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.stack import Outgoing

if TYPE_CHECKING:
    from switchroom.tech.sip.proxy.context import ResponseContext
    from switchroom.tech.sip.proxy.office import Office

Header = tuple[str, str]
Record = tuple[str, str, str]


class Branch(Exchange):
    """An exchange whose CSeq and credentials are the sender's own."""

    __slots__ = ("cancelling", "contact", "context", "expected_by", "flow", "mark", "office", "record", "vias")

    def __init__(
        self,
        method: str,
        target: str,
        vias: Sequence[str],
        headers: Sequence[Header],
        body: bytes,
        office: Office,
        endpoint: SipEndpointSettings,
        hop: NextHop,
        context: ResponseContext | None,
    ) -> None:
        """``office`` is the technology of ``endpoint``, to which it goes: it sends it. ``headers`` are all but Via,
        Route and our Record-Route; without a context nobody waits for an answer.
        """
        super().__init__(method, target, [*(("Route", route) for route in hop.routes), *headers], body, endpoint, hop)
        self.office = office
        self.vias = vias
        self.context = context
        #: The binding it goes to; None inside a dialog.
        self.contact: Contact | None = None
        self.mark = ""
        #: User and scheme of our Record-Route, and how it looks to the sender; None: none is added.
        self.record: Record | None = None
        #: Where it went.
        self.flow: Flow | None = None
        #: Of an INVITE: when it has to have an answer (Timer C), monotonic seconds; and whether it was cancelled.
        self.expected_by = 0.0
        self.cancelling = False

    @property
    def callee(self) -> EndpointId:
        """Whom it goes to."""
        return EndpointId(self.office.technology, self.endpoint.name)

    def compose(self, listener: Listener, host: str, port: int) -> Outgoing:
        """The request as it goes to one address: the Record-Route names us as either side reaches us."""
        self.flow = listener.flow(host, port)
        headers = [("Via", via) for via in self.vias]
        if self.record is not None:
            user, scheme, behind = self.record
            ahead = route_to(user, scheme, listener, host)
            headers.append(("Record-Route", ahead))
            # RFC 5658: each side finds an address of its own transport in its route.
            if ahead != behind:
                headers.append(("Record-Route", behind))
        headers += self.headers
        return Outgoing(self.method, self.target, headers, self.body, listener.sent_by(host), self.mark)
