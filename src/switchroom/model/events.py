"""What happens to endpoints: the events the core publishes.

Names are ARI's. ``endpoint`` is the snapshot at the moment of the event; ``at`` is wall-clock seconds.
"""

from __future__ import annotations

import msgspec

from switchroom.model.endpoint import ContactStatus, Endpoint
from switchroom.model.message import ReceivedText


class EndpointEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Any event about one endpoint."""

    endpoint: Endpoint
    at: float


class EndpointStateChange(EndpointEvent, frozen=True, kw_only=True):
    """The endpoint's state or channels changed."""


class PeerStatusChange(EndpointEvent, frozen=True, kw_only=True):
    """The endpoint as a whole became ``Reachable`` or ``Unreachable`` (other technologies: more)."""

    peer_status: str
    address: str | None = None
    port: str | None = None
    cause: str | None = None
    time: str | None = None


class ContactStatusChange(EndpointEvent, frozen=True, kw_only=True):
    """A contact appeared, disappeared (``Removed``) or changed its reachability."""

    uri: str
    aor: str
    contact_status: ContactStatus
    roundtrip_usec: int


class TextMessageReceived(EndpointEvent, frozen=True, kw_only=True):
    """A text came from an endpoint."""

    message: ReceivedText
