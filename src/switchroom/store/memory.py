"""A journal in memory: what was accepted is known while the process lives."""

from __future__ import annotations

from collections.abc import Sequence

from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, TextMessage


class MemoryJournal:
    """Counts open deliveries of each message; a message leaves when its last delivery has ended."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    @property
    def open_messages(self) -> int:
        """Messages with a delivery whose end is not known."""
        return len(self._open)

    async def append(self, message: TextMessage, deliveries: Sequence[Delivery]) -> None:
        self._open[message.id] = len(deliveries)

    def transition(self, report: DeliveryReport) -> None:
        if report.state is DeliveryState.SENDING:
            return
        message = report.delivery.message.id
        left = self._open.get(message, 0) - 1
        if left > 0:
            self._open[message] = left
        else:
            self._open.pop(message, None)
