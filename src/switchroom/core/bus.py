"""The event bus: one place every event of the core passes through, in order."""

from __future__ import annotations

from collections.abc import Iterable

from switchroom.core.ports import Listener
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import Event


class Bus:
    """Hands each event to every listener, at once and in order; listeners never block."""

    def __init__(self) -> None:
        #: Who listens, and to which kinds alone; to all when there are none.
        self._listeners: list[tuple[Listener, tuple[type[Event], ...]]] = []
        self._last = 0
        #: Who hears events of a kind, in order; made when the first of the kind comes.
        self._hearing: dict[type[Event], list[Listener]] = {}

    def attach(self, listener: Listener, *, last: bool = False, only: tuple[type[Event], ...] = ()) -> None:
        """``last``: after all others, for one who publishes more because of what it hears. ``only``: it hears these
        kinds of events; all, when there are none.
        """
        if last:
            self._listeners.append((listener, only))
            self._last += 1
        else:
            self._listeners.insert(len(self._listeners) - self._last, (listener, only))
        self._hearing.clear()

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from ``endpoint`` would reach anybody (SIP answers 404 otherwise)."""
        return any(listener.takes(endpoint) for listener, _ in self._listeners)

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            for listener in self._hearing.get(type(event)) or self._who_hears(type(event)):
                listener.hear(event)

    def _who_hears(self, kind: type[Event]) -> list[Listener]:
        found = [listener for listener, only in self._listeners if not only or kind in only]
        self._hearing[kind] = found
        return found
