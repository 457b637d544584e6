"""The short memory of applications: what they miss between two WebSockets, when they asked for it (``resume=true``).

A memory holds events as they would have been sent. It ends when the application is back, or after some minutes; what
does not fit is counted, so that the application can be told that it missed something.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import NamedTuple

from switchroom.ari.limits import FORGOTTEN, MEMORY_BYTES, MEMORY_EVENTS, MEMORY_SECONDS
from switchroom.core.ports import Clock


class Recalled(NamedTuple):
    """What an application missed since ``since`` (wall-clock seconds).

    ``lost`` events could not be kept; None: nobody knows how many.
    """

    events: tuple[bytes, ...]
    lost: int | None
    since: float


class Memory:
    """One application's. Made by ``Memories`` only."""

    __slots__ = ("_memories", "_torn", "_until", "events", "lost", "since", "size")

    def __init__(self, memories: Memories, since: float, until: float, *, torn: bool) -> None:
        self._memories = memories
        self._until = until
        self._torn = torn
        self.since = since
        self.events: deque[bytes] = deque()
        #: Their bytes.
        self.size = 0
        self.lost = 0

    def keep(self, event: bytes) -> None:
        """Adds an event; the oldest gives way when there are too many."""
        self.events.append(event)
        self.size += len(event)
        self._memories.grow(len(event))
        if len(self.events) > MEMORY_EVENTS:
            self.shed()

    def shed(self) -> None:
        """Loses the oldest event."""
        size = len(self.events.popleft())
        self.size -= size
        self._memories.grow(-size)
        self.lost += 1

    def over(self, now: float) -> bool:
        """Whether its time is over; what it held is lost then."""
        return now >= self._until

    def recall(self, now: float) -> Recalled:
        lost = self.lost
        if self.over(now):
            return Recalled((), lost + len(self.events), self.since)
        return Recalled(tuple(self.events), None if self._torn else lost, self.since)


class Memories:
    """All memories, bounded together, and who lost one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: By name, the oldest first.
        self._open: OrderedDict[str, Memory] = OrderedDict()
        self._forgotten: OrderedDict[str, float] = OrderedDict()
        self._size = 0

    def begin(self, name: str, unsent: Iterable[bytes] = (), *, torn: bool = False) -> Memory:
        """A memory for an application, with what its WebSocket had not sent yet.

        ``torn``: more was on its way, and nobody knows how much of it arrived.
        """
        self.end(name)
        memory = Memory(self, self._clock.wall(), self._clock.monotonic() + MEMORY_SECONDS, torn=torn)
        self._open[name] = memory
        for event in unsent:
            memory.keep(event)
        return memory

    def end(self, name: str) -> None:
        """The memory is not needed any more."""
        memory = self._open.pop(name, None)
        if memory is not None:
            self._size -= memory.size

    def recall(self, name: str) -> Recalled | None:
        """What the application missed, which is the end of its memory; None when it missed nothing."""
        memory = self._open.get(name)
        self.end(name)
        since = self._forgotten.pop(name, None)
        if memory is not None:
            recalled = memory.recall(self._clock.monotonic())
            return recalled if recalled.events or recalled.lost != 0 else None
        return Recalled((), None, since) if since is not None else None

    def forget(self, name: str) -> None:
        """Gives a memory up; the application will be told that it missed something."""
        memory = self._open.get(name)
        if memory is None:
            return
        self.end(name)
        self._forgotten[name] = memory.since
        if len(self._forgotten) > FORGOTTEN:
            self._forgotten.popitem(last=False)

    def over(self) -> list[str]:
        """Whose time is over."""
        now = self._clock.monotonic()
        return [name for name, memory in self._open.items() if memory.over(now)]

    def grow(self, size: int) -> None:
        """Memories hold so many bytes more; the oldest events of the oldest memories give way."""
        self._size += size
        if self._size <= MEMORY_BYTES:
            return
        for memory in self._open.values():
            while memory.events and self._size > MEMORY_BYTES:
                memory.shed()
