"""A clock that stands until it is told to go, and alarms on it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class VirtualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        #: What the wall clock was set to beside the monotonic one.
        self.offset = 1_700_000_000.0

    def wall(self) -> float:
        return self.offset + self.now

    def monotonic(self) -> float:
        return self.now


class VirtualAlarm:
    """See ``core.ports.Alarm``."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualTimers:
    """Alarms of a virtual clock, rung in order by ``pass_time``."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._alarms: list[tuple[float, int, VirtualAlarm]] = []
        self._order = count()

    def call_later(self, delay: float, action: Callable[[], None]) -> VirtualAlarm:
        alarm = VirtualAlarm(action)
        heapq.heappush(self._alarms, (self._clock.now + delay, next(self._order), alarm))
        return alarm

    def keep(self, wanted: Callable[[VirtualAlarm], bool]) -> None:
        """Forgets all other alarms, as when the process that set them has died."""
        self._alarms = [entry for entry in self._alarms if wanted(entry[2])]
        heapq.heapify(self._alarms)

    async def pass_time(self, seconds: float) -> None:
        """Time passes; tasks run as far as they get before each alarm and after the last."""
        end = self._clock.now + seconds
        await settle()
        while self._alarms and self._alarms[0][0] <= end:
            when, _, alarm = heapq.heappop(self._alarms)
            if not alarm.cancelled:
                self._clock.now = max(self._clock.now, when)
                alarm.action()
                await settle()
        self._clock.now = end


async def settle() -> None:
    """Lets tasks run until all of them wait for something that is not there yet."""
    loop = asyncio.get_running_loop()
    # The handles of the loop that are due: nothing else can run, as nothing here waits for the world.
    ready = loop._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110  # nobody tells when it is empty
        await asyncio.sleep(0)
