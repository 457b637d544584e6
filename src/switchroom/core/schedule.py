"""One heap of due times for all that happens later: expiry, qualify, retries."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Schedule:
    """Actions by the time they are due, on the core clock's monotonic scale.

    Nothing is cancelled: an action looks at the world when its time comes and may schedule itself anew,
    so a refreshed registration costs no timer. The owner arms one loop timer for ``next_due``.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """``action(now)`` is called at ``when`` or soon after."""
        heapq.heappush(self._heap, (when, next(self._order), action))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Calls everything that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            heapq.heappop(heap)[2](now)
