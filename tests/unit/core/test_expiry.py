"""Expiry: messages whose time has come, and a heap that does not grow with those that ended before."""

from __future__ import annotations

from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.expiry import Expiry
from switchroom.core.limits import MIN_SWEEP
from switchroom.core.schedule import Schedule

KEY = ("PJSIP", "bob")


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.alive: set[str] = set()
        self.expired: list[str] = []
        self.expiry = Expiry(
            Schedule(self.clock, self.timers),
            self.clock,
            lambda message_id, key: self.expired.append(message_id),
            lambda message_id, key: message_id in self.alive,
            lambda: len(self.alive),
        )

    def add(self, message_id: str, seconds: float) -> None:
        self.alive.add(message_id)
        self.expiry.add(self.clock.monotonic() + seconds, message_id, KEY)


async def test_each_in_its_time_whatever_the_order_they_came_in() -> None:
    bench = Bench()
    for name, seconds in (("c", 30.0), ("a", 10.0), ("b", 20.0), ("b2", 20.0)):
        bench.add(name, seconds)
    for seconds, names in ((9.9, []), (0.1, ["a"]), (10, ["a", "b", "b2"]), (10, ["a", "b", "b2", "c"])):
        await bench.timers.pass_time(seconds)
        assert bench.expired == names
    assert len(bench.expiry) == 0


async def test_one_that_is_over_already_goes_at_once() -> None:
    bench = Bench()
    bench.add("late", -5)
    await bench.timers.pass_time(0)
    assert bench.expired == ["late"]


async def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    bench = Bench()
    bench.add("a", 10)
    bench.clock.offset += 3_600
    await bench.timers.pass_time(9)
    bench.clock.offset -= 7_200
    assert bench.expired == []
    await bench.timers.pass_time(1)
    assert bench.expired == ["a"]


async def test_entries_of_ended_messages_are_swept() -> None:
    bench = Bench()
    for number in range(20 * MIN_SWEEP):
        bench.add(f"m{number}", 7 * 86_400)
        bench.alive.discard(f"m{number}")
        assert len(bench.expiry) <= MIN_SWEEP
    bench.add("stays", 1)
    await bench.timers.pass_time(1)
    assert bench.expired == ["stays"]
