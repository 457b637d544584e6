"""The event bus: one place every event of the core passes through, in order."""

from __future__ import annotations

from collections.abc import Iterable

from switchroom.core.ports import Listener
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import Event


class Bus:
    """Hands each event to every listener, at once and in order; listeners never block."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._last = 0

    def attach(self, listener: Listener, *, last: bool = False) -> None:
        """``last``: after all others, for one who publishes more because of what it hears."""
        if last:
            self._listeners.append(listener)
            self._last += 1
        else:
            self._listeners.insert(len(self._listeners) - self._last, listener)

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from ``endpoint`` would reach anybody (SIP answers 404 otherwise)."""
        return any(listener.takes(endpoint) for listener in self._listeners)

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            for listener in self._listeners:
                listener.hear(event)
