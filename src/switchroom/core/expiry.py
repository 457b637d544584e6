"""When messages end that nobody took: one heap of due times, whatever becomes of the messages meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from switchroom.core.limits import MIN_SWEEP
from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule

#: What a message waits for; see ``core.waiting``.
Key = tuple[str, str]


class Expiry:
    """Calls ``expire`` for each message whose time has come, unless it has ended by then.

    Most messages end long before: their entries stay until they are the greater part, then the heap is swept.
    """

    def __init__(
        self,
        schedule: Schedule,
        clock: Clock,
        expire: Callable[[str, Key], None],
        alive: Callable[[str, Key], bool],
        count: Callable[[], int],
    ) -> None:
        """``alive`` tells whether a message has not ended, ``count`` how many have not."""
        self._schedule = schedule
        self._clock = clock
        self._expire = expire
        self._alive = alive
        self._count = count
        self._heap: list[tuple[float, str, Key]] = []
        self._armed: Deadline | None = None

    def __len__(self) -> int:
        """Entries, of ended messages too."""
        return len(self._heap)

    def add(self, due: float, message_id: str, key: Key) -> None:
        """``due`` is on the monotonic scale."""
        heap = self._heap
        if len(heap) >= MIN_SWEEP and len(heap) > 2 * self._count():
            heap[:] = [entry for entry in heap if self._alive(entry[1], entry[2])]
            heapq.heapify(heap)
        heapq.heappush(heap, (due, message_id, key))
        if heap[0][0] == due:
            self._arm()

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._armed is not None:
            if self._armed.action is not None and self._armed.when <= due:
                return
            self._schedule.cancel(self._armed)
        self._armed = self._schedule.at(due, self._run)

    def _run(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, message_id, key = heapq.heappop(heap)
            self._expire(message_id, key)
        if heap:
            self._arm()
