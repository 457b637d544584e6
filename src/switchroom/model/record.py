"""What is kept of a message until its end is known, and for a while after: the durable side of ``message``."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from switchroom.model.message import Notification, ReferralState


class MessageState(StrEnum):
    """ARI addition ``/messages/{id}``; the last four are final."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (MessageState.QUEUED, MessageState.SENDING)


class DeliveryRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message to one contact. ``status_code`` and ``reason`` are of the last attempt, 0 before it."""

    contact: str
    state: MessageState = MessageState.QUEUED
    status_code: int = 0
    reason: str = ""
    attempts: int = 0
    #: Wall-clock seconds.
    updated: float = 0.0
    #: What the device told of it since, and when (wall-clock seconds).
    notification: Notification | None = None
    notified: float = 0.0


class MessageRecord(msgspec.Struct, kw_only=True):
    """A message as the journal keeps it. Times are wall-clock seconds.

    The message is delivered once one delivery is; the rest is seen per contact.
    """

    id: str
    #: Order of acceptance, given by the journal; 0 before that.
    sequence: int = 0
    technology: str
    #: Without the technology, as the caller wrote it; see ``TextMessage``.
    destination: str
    by_name: bool = False
    #: Resource of the endpoint it goes to; empty for a URI outside every endpoint.
    endpoint: str = ""
    sender: str
    body: str
    headers: dict[str, str] = {}
    #: SHA-256 in hex of what makes two messages the same (technology, destination, sender, body, headers).
    digest: str = ""
    #: As in ``TextMessage``.
    max_forwards: int | None = None
    #: Kept while the endpoint has no contact.
    offline: bool = False
    state: MessageState = MessageState.QUEUED
    created: float
    updated: float = 0.0
    expires: float
    deliveries: list[DeliveryRecord] = []

    @property
    def over(self) -> bool:
        """Whether nothing more will become of it; one that is delivered may still be on its way elsewhere."""
        return self.state.final and all(delivery.state.final for delivery in self.deliveries)


class ReferralRecord(msgspec.Struct, kw_only=True):
    """A referral and how far it got; known while the process lives. Times are wall-clock seconds."""

    id: str
    technology: str
    #: Without the technology, as the caller wrote it; see ``Referral``.
    destination: str
    sender: str
    refer_to: str
    state: ReferralState = ReferralState.SENT
    status_code: int = 0
    reason: str = ""
    created: float
    updated: float
