"""Text messages and referrals on their way out, and texts that came in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from switchroom.model.endpoint import EndpointId


class TextMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A text to send. ``destination`` and ``sender`` are as the caller wrote them, the destination
    without its technology (``carol``, ``carol/sip:u@h``); the technology resolves both.
    """

    id: str
    technology: str
    destination: str
    #: The destination is an endpoint's name to the letter, not the technology's destination grammar.
    by_name: bool = False
    sender: str
    body: str
    headers: Mapping[str, str] = {}
    #: Servers it may still pass, so that no loop of servers turns for ever; None: as many as a new text.
    max_forwards: int | None = None
    #: Wall-clock seconds.
    created: float = 0.0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one contact; a message has one for each contact it goes to."""

    message: TextMessage
    #: None when the destination is a URI outside every endpoint.
    endpoint: EndpointId | None
    #: The contact's URI, as shown to people.
    contact: str
    #: What the technology needs to send it; opaque to the core.
    route: object
    #: False when the contact is known to be unreachable, and there is another: it waits until the contact is back.
    reachable: bool = True
    #: Deliveries with the same one go one at a time, in order; the contact, unless the technology tries several.
    lane: str = ""


class DeliveryState(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"


class Notification(StrEnum):
    """What a recipient's device tells of a text it got, after it was taken: ARI addition ``notification``."""

    DELIVERED = "delivered"
    DISPLAYED = "displayed"
    FAILED = "failed"


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a delivery. ``status_code`` is the protocol's (SIP: of the final response,
    408 for a timeout), 0 when there was none.
    """

    delivery: Delivery
    state: DeliveryState
    status_code: int = 0
    reason: str = ""
    #: The contact that answered, where the technology tried several.
    contact: str = ""
    #: What the recipient's device told with it.
    notification: Notification | None = None


class Fallback(StrEnum):
    """What is done about an endpoint that does not take a referral as it is."""

    NONE = "none"
    #: It is called, and referred inside the call.
    INVITE = "invite"


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """A request that an endpoint contacts ``refer_to`` (RFC 3515); texts are as the caller wrote them."""

    id: str
    technology: str
    destination: str
    #: As in ``TextMessage``.
    by_name: bool = False
    sender: str
    refer_to: str
    to_self: bool = False
    display_name: str | None = None
    fallback: Fallback = Fallback.NONE
    headers: Mapping[str, str] = {}
    #: Wall-clock seconds.
    created: float = 0.0


class ReferralState(StrEnum):
    """How far a referral got, see docs/referrals.md: what ``/referrals/{id}`` shows."""

    SENT = "sent"
    ACCEPTED = "accepted"
    TRYING = "trying"
    RINGING = "ringing"
    ANSWERED = "answered"
    FAILED = "failed"


class ReferralReport(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of a referral: the answer to the REFER, then its NOTIFYs' sipfrags."""

    referral: Referral
    state: ReferralState
    status_code: int = 0
    reason: str = ""


class ReceivedText(msgspec.Struct, frozen=True):
    """ARI model ``TextMessage``; ``sender`` is rendered as ``from``."""

    sender: str = msgspec.field(name="from")
    to: str
    body: str
    variables: dict[str, str]
