"""The way of a text in the log: every line names the message, as the answer to sendMessage does and the Call-ID on the
wire, so that one word finds all of it.

A listener of the bus that is attached only where its lines are wanted: without, it costs nothing.
"""

from __future__ import annotations

import structlog

from switchroom.model.endpoint import EndpointId
from switchroom.model.events import Event, TextMessageStatusChange
from switchroom.model.record import MessageRecord, MessageState

log = structlog.get_logger(__name__)

_UNDELIVERED = (MessageState.FAILED, MessageState.EXPIRED)


class Trail:
    """Logs what becomes of texts: what is not delivered at info, every step at debug."""

    def __init__(self, *, every_step: bool) -> None:
        self._every_step = every_step

    def takes(self, endpoint: EndpointId) -> bool:
        """Who only writes down takes no texts."""
        return False

    def hear(self, event: Event) -> None:
        if type(event) is not TextMessageStatusChange:
            return
        record = event.message
        if record.state in _UNDELIVERED and record.over and not event.notified:
            log.info("a text was not delivered", **_step(record))
        elif self._every_step:
            log.debug("a text gets further", **_step(record))


def _step(record: MessageRecord) -> dict[str, object]:
    """What a line says, of the deliveries the one that changed last; never the text itself."""
    step: dict[str, object] = {
        "message": record.id,
        "state": record.state.value,
        "technology": record.technology,
        "sender": record.sender,
        "to": record.endpoint or record.destination,
    }
    if record.deliveries:
        last = max(record.deliveries, key=lambda delivery: delivery.updated)
        step |= {
            "contact": last.contact,
            "delivery": last.state.value,
            "attempt": last.attempts,
            "status": last.status_code,
            "reason": last.reason,
        }
    return step
