"""Lanes: one queue for each contact, so that order is kept and nobody waits for somebody else's phone.

A contact gets one message at a time (RFC 3428 8: no second request while the first is pending). A lane whose
head failed for now waits and tries again; a lane whose contact can not be reached is held until it is back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from switchroom.core.ports import Clock
from switchroom.core.schedule import Schedule

Item = TypeVar("Item")
Key = tuple[str, str]


class _Lane(Generic[Item]):
    """``active``: the head is on its way. ``held``: nothing goes until the contact is back. ``paused``: the
    head failed for now; ``turn`` counts its attempts, so that what belongs to an older one changes nothing.
    ``gone``: so is the contact, and the lane ends with its head, unless the contact comes back before.
    """

    __slots__ = ("active", "gone", "held", "items", "key", "paused", "running", "turn")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.items: deque[Item] = deque()
        self.active = False
        self.gone = False
        self.held = False
        self.paused = False
        self.running = False
        self.turn = 0


class Turn(Generic[Item]):
    """A head on its way: ``done`` or ``retry`` is called once, possibly before ``begin`` returns."""

    __slots__ = ("_lane", "_lanes", "_number", "key")

    def __init__(self, lanes: Lanes[Item], lane: _Lane[Item]) -> None:
        self._lanes = lanes
        self._lane = lane
        self._number = lane.turn
        self.key = lane.key

    def done(self) -> None:
        """It has ended, one way or the other."""
        if self._end():
            self._lane.items.popleft()
            self._lanes.run(self._lane)

    def retry(self, delay: float) -> bool:
        """It failed for now: it stays first and goes again after ``delay`` seconds, or when the lane is woken.

        False when the contact is gone: it has ended here.
        """
        if not self._end():
            return False
        if self._lane.gone:
            self._lane.items.popleft()
            self._lanes.run(self._lane)
            return False
        self._lane.paused = True
        self._lanes.resume_later(self._lane, delay)
        return True

    def _end(self) -> bool:
        lane = self._lane
        if not lane.active or lane.turn != self._number:
            return False
        lane.active = False
        return True


class Lanes(Generic[Item]):
    """All lanes, by technology and contact URI; an empty lane takes no room."""

    def __init__(self, schedule: Schedule, clock: Clock, begin: Callable[[Turn[Item], Item], bool]) -> None:
        """``begin(turn, item)`` sends the head, or tells by False that there is nothing to send any more."""
        self._schedule = schedule
        self._clock = clock
        self._begin = begin
        self._lanes: dict[Key, _Lane[Item]] = {}
        self._stopped = False

    def __len__(self) -> int:
        return len(self._lanes)

    def waiting(self, key: Key) -> int:
        """Items in a lane, the one on its way included."""
        lane = self._lanes.get(key)
        return len(lane.items) if lane is not None else 0

    def push(self, key: Key, item: Item, *, held: bool = False) -> None:
        """Puts an item at the end of the contact's lane; ``held`` when the contact is known to be unreachable."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
            lane.held = held
        lane.gone = False
        lane.items.append(item)
        self.run(lane)

    def wake(self, key: Key) -> None:
        """The contact is back: what is held or pauses goes on."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.gone = lane.held = lane.paused = False
            self.run(lane)

    def nudge(self, key: Key) -> None:
        """A head that waits for its next attempt has it now; a held lane stays held."""
        lane = self._lanes.get(key)
        if lane is not None and lane.paused:
            lane.paused = False
            self.run(lane)

    def hold(self, key: Key) -> None:
        """The contact can not be reached: what is not on its way waits for ``wake``."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.held = True

    def drop(self, key: Key) -> list[Item]:
        """The contact is gone: what was not on its way is handed back in order. A head that is stays first, so that
        nothing overtakes it should the contact come back.
        """
        lane = self._lanes.get(key)
        if lane is None:
            return []
        items = list(lane.items)
        lane.items.clear()
        if lane.active:
            lane.gone = True
            lane.items.append(items.pop(0))
        else:
            del self._lanes[key]
        return items

    def stop(self) -> None:
        """Begins nothing any more."""
        self._stopped = True

    def resume_later(self, lane: _Lane[Item], delay: float) -> None:
        """Ends the pause of a lane's head after ``delay`` seconds, unless something else did before."""
        turn = lane.turn

        def resume(now: float) -> None:
            if lane.paused and lane.turn == turn:
                lane.paused = False
                self.run(lane)

        self._schedule.at(self._clock.monotonic() + delay, resume)

    def run(self, lane: _Lane[Item]) -> None:
        """Begins heads until one is on its way. Not recursive: an end that comes at once only ends a turn."""
        if lane.running or self._stopped or self._lanes.get(lane.key) is not lane:
            return
        lane.running = True
        try:
            while lane.items and not (lane.active or lane.held or lane.paused):
                lane.active = True
                lane.turn += 1
                if not self._begin(Turn(self, lane), lane.items[0]):
                    lane.active = False
                    lane.items.popleft()
        finally:
            lane.running = False
        if not lane.items and self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]
