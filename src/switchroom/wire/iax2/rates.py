"""How many answers a second go to a host that has proven nothing: it may be the victim of somebody's forgery."""

from __future__ import annotations

from switchroom.wire.iax2.limits import MAX_ANSWERS_PER_SECOND, MAX_COUNTED_HOSTS


class Rates:
    """Counts by host, of one second at a time."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._counts: dict[str, int] = {}

    def allow(self, host: str, now: float) -> bool:
        """Whether one more may go there now; counts it."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._counts.clear()
        count = self._counts.get(host)
        if count is None:
            if len(self._counts) < MAX_COUNTED_HOSTS:
                self._counts[host] = 1
            return True
        self._counts[host] = count + 1
        return count < MAX_ANSWERS_PER_SECOND
