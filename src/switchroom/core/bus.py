"""The event bus: one place every event of the core passes through, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from switchroom.core.ports import Listener
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import Event, TextMessageStatusChange


def _always() -> bool:
    return True


class Bus:
    """Hands each event to every listener, at once and in order; listeners never block."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._last = 0
        #: What each of them hears, where that is not everything.
        self._only: dict[int, tuple[type[Event], ...]] = {}
        #: Who hears events of a kind, in order; made when the first of the kind comes.
        self._hearing: dict[type[Event], list[Listener]] = {}
        self._follows: list[Callable[[], bool]] = []

    def attach(
        self,
        listener: Listener,
        *,
        last: bool = False,
        only: tuple[type[Event], ...] = (),
        follows: Callable[[], bool] = _always,
    ) -> None:
        """``last``: after all others, for one who publishes more because of what it hears. ``only``: it hears these
        kinds of events; all, when there are none. ``follows`` tells whether it wants to hear now of messages that are
        on their way; it hears of their beginning and their end in any case.
        """
        if TextMessageStatusChange in (only or (TextMessageStatusChange,)):
            self._follows.append(follows)
        if last:
            self._listeners.append(listener)
            self._last += 1
        else:
            self._listeners.insert(len(self._listeners) - self._last, listener)
        if only:
            self._only[id(listener)] = only
        self._hearing.clear()

    def follows(self) -> bool:
        """Whether anybody wants to hear of messages that are on their way."""
        return any(follows() for follows in self._follows)

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from ``endpoint`` would reach anybody (SIP answers 404 otherwise)."""
        return any(listener.takes(endpoint) for listener in self._listeners)

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            for listener in self._hearing.get(type(event)) or self._who_hears(type(event)):
                listener.hear(event)

    def _who_hears(self, kind: type[Event]) -> list[Listener]:
        found = [listener for listener in self._listeners if kind in self._only.get(id(listener), (kind,))]
        self._hearing[kind] = found
        return found
