"""One heap of due times for all that happens later: expiry, qualify, retries."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from switchroom.core.limits import MIN_SWEEP
from switchroom.core.ports import Alarm, Clock, Timers


class Deadline:
    """Something that is to happen; ``Schedule.cancel`` takes it back."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Callable[[float], None]) -> None:
        self.when = when
        #: None once it was called or cancelled.
        self.action: Callable[[float], None] | None = action


class Schedule:
    """Actions by the time they are due, on the core clock's monotonic scale.

    What is cancelled stays in the heap until it comes up; when such entries are the greater part the heap
    is swept, so it is never more than twice as long as what is still to happen. One loop alarm serves all.
    """

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        self._running = False
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = count()
        self._cancelled = 0

    def __len__(self) -> int:
        """How much is still to happen."""
        return len(self._heap) - self._cancelled

    def at(self, when: float, action: Callable[[float], None]) -> Deadline:
        """``action(now)`` is called once at ``when`` or soon after; those of one time in the order they came."""
        deadline = Deadline(when, action)
        heapq.heappush(self._heap, (when, next(self._order), deadline))
        if not self._running and (self._alarm is None or when < self._alarm_at):
            self._arm(when)
        return deadline

    def cancel(self, deadline: Deadline) -> None:
        """The action is not called any more; nothing happens when it was, or is cancelled already."""
        if deadline.action is None:
            return
        deadline.action = None
        self._cancelled += 1
        heap = self._heap
        if self._cancelled * 2 > len(heap) >= MIN_SWEEP:
            # In place: ``run`` may be walking this very list.
            heap[:] = [entry for entry in heap if entry[2].action is not None]
            heapq.heapify(heap)
            self._cancelled = 0

    def next_due(self) -> float | None:
        """When the next action is due; None when there is none."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def run(self, now: float) -> None:
        """Calls everything that is due."""
        self._running = True
        try:
            while (due := self.next_due()) is not None and due <= now:
                deadline = heapq.heappop(self._heap)[2]
                action, deadline.action = deadline.action, None
                assert action is not None
                action(now)
        finally:
            self._running = False
            if (due := self.next_due()) is not None:
                self._arm(due)

    def stop(self) -> None:
        """Nothing is called any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._heap.clear()
        self._cancelled = 0

    def _arm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._timers.call_later(max(0.0, due - self._clock.monotonic()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        # An alarm may ring a little early; what it was set for is due then all the same.
        self.run(max(self._alarm_at, self._clock.monotonic()))
