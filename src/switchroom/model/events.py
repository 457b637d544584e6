"""What happens to endpoints, messages and referrals: the events the core publishes.

Names are ARI's, or additions in their style. ``endpoint`` is the snapshot at the moment of the event; ``at`` is
wall-clock seconds.
"""

from __future__ import annotations

import msgspec

from switchroom.model.endpoint import ContactStatus, DeviceUse, Endpoint
from switchroom.model.message import ReceivedText
from switchroom.model.record import MessageRecord, ReferralRecord


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that happened."""

    at: float


class EndpointEvent(Event, frozen=True, kw_only=True):
    """Any event about one endpoint."""

    endpoint: Endpoint


class EndpointStateChange(EndpointEvent, frozen=True, kw_only=True):
    """The endpoint's state or channels changed."""

    #: None while it has no channel.
    use: DeviceUse | None = None


class DeviceUseChange(EndpointEvent, frozen=True, kw_only=True):
    """The endpoint has the channels it had, and one of them came to another state: it rang and was answered."""

    use: DeviceUse


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
    #: False where applications hear of the endpoint as a whole alone, in PeerStatusChange.
    shown: bool = True


class TextMessageReceived(EndpointEvent, frozen=True, kw_only=True):
    """A text came from an endpoint."""

    message: ReceivedText


class TextMessageStatusChange(Event, frozen=True, kw_only=True):
    """A text we were asked to send has another state, as a whole or at one contact. ``message`` is live: who
    wants to keep it takes a copy.
    """

    message: MessageRecord
    #: No state changed: a device told what became of a text that it got.
    notified: bool = False


class ReferStatusChange(Event, frozen=True, kw_only=True):
    """A referral got further. ``referral`` is live: who wants to keep it takes a copy."""

    referral: ReferralRecord
