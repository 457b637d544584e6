"""Messages and referrals as JSON: how far they got (charter section 3)."""

from __future__ import annotations

from typing import Any

from switchroom.ari.timestamps import timestamp
from switchroom.model.record import DeliveryRecord, MessageRecord, ReferralRecord


def message_document(record: MessageRecord) -> dict[str, Any]:
    """ARI model ``Message`` of the resource messages."""
    return {
        "id": record.id,
        "from": record.sender,
        "to": f"{record.technology.lower()}:{record.destination}",
        "body": record.body,
        "state": record.state.value,
        "created": timestamp(record.created),
        "updated": timestamp(record.updated),
        "expires": timestamp(record.expires),
        "deliveries": [_delivery(delivery) for delivery in record.deliveries],
    }


def _delivery(delivery: DeliveryRecord) -> dict[str, Any]:
    return {
        "contact": delivery.contact,
        "state": delivery.state.value,
        "status_code": delivery.status_code,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "updated": timestamp(delivery.updated),
    }


def referral_document(record: ReferralRecord) -> dict[str, Any]:
    """ARI model ``Referral``."""
    return {
        "id": record.id,
        "from": record.sender,
        "to": f"{record.technology.lower()}:{record.destination}",
        "refer_to": record.refer_to,
        "state": record.state.value,
        "status_code": record.status_code,
        "reason": record.reason,
        "created": timestamp(record.created),
        "updated": timestamp(record.updated),
    }
