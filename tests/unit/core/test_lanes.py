"""Lanes: order for each contact, and nobody waits for somebody else's phone."""

from __future__ import annotations

import pytest

from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.lanes import Key, Lanes, Turn
from switchroom.core.schedule import Schedule

A: Key = ("PJSIP", "sip:a@192.0.2.1")
B: Key = ("PJSIP", "sip:b@192.0.2.1")


class Bench:
    """Lanes of texts; ``sent`` holds what has begun and its turn."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.lanes: Lanes[str] = Lanes(Schedule(self.clock, self.timers), self.clock, self.begin)
        self.sent: list[tuple[str, Turn[str]]] = []
        self.refused: set[str] = set()

    def begin(self, turn: Turn[str], item: str) -> bool:
        if item in self.refused:
            return False
        self.sent.append((item, turn))
        if item.startswith("at once"):
            turn.done()
        return True

    def names(self) -> list[str]:
        return [item for item, _ in self.sent]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_at_a_time_and_in_order(bench: Bench) -> None:
    for item in ("1", "2", "3"):
        bench.lanes.push(A, item)
    bench.lanes.push(B, "other")
    assert bench.names() == ["1", "other"]
    bench.sent[0][1].done()
    assert bench.names() == ["1", "other", "2"]
    assert bench.lanes.waiting(A) == 2


def test_an_end_counts_once(bench: Bench) -> None:
    for item in ("1", "2", "3"):
        bench.lanes.push(A, item)
    turn = bench.sent[0][1]
    turn.done()
    turn.done()
    assert not turn.retry(1)
    assert bench.names() == ["1", "2"]


def test_ends_that_come_at_once_and_refusals_do_not_nest(bench: Bench) -> None:
    bench.lanes.push(A, "first")
    bench.refused = {"no"}
    for number in range(5_000):
        bench.lanes.push(A, f"at once {number}")
        bench.lanes.push(A, "no")
    bench.sent[0][1].done()
    assert len(bench.sent) == 5_001
    assert len(bench.lanes) == 0


async def test_what_failed_for_now_stays_first_and_goes_again(bench: Bench) -> None:
    bench.lanes.push(A, "1")
    bench.lanes.push(A, "2")
    assert bench.sent[0][1].retry(5)
    await bench.timers.pass_time(4.9)
    assert bench.names() == ["1"]
    await bench.timers.pass_time(0.1)
    assert bench.names() == ["1", "1"]
    bench.sent[1][1].done()
    assert bench.names() == ["1", "1", "2"]


async def test_an_older_pause_ends_nothing_younger(bench: Bench) -> None:
    bench.lanes.push(A, "1")
    bench.sent[0][1].retry(5)
    bench.lanes.nudge(A)
    assert bench.names() == ["1", "1"]
    bench.sent[1][1].retry(60)
    await bench.timers.pass_time(59)
    assert bench.names() == ["1", "1"]
    await bench.timers.pass_time(1)
    assert bench.names() == ["1", "1", "1"]


async def test_a_held_lane_waits_for_its_contact(bench: Bench) -> None:
    bench.lanes.push(A, "1", held=True)
    bench.lanes.push(A, "2")
    bench.lanes.nudge(A)
    await bench.timers.pass_time(1_000)
    assert bench.names() == []
    bench.lanes.wake(A)
    assert bench.names() == ["1"]
    bench.lanes.hold(A)
    bench.sent[0][1].done()
    assert bench.names() == ["1"]
    bench.lanes.wake(A)
    assert bench.names() == ["1", "2"]


def test_a_lane_whose_contact_goes_hands_back_what_was_not_on_its_way(bench: Bench) -> None:
    for item in ("1", "2", "3"):
        bench.lanes.push(A, item)
    assert bench.lanes.drop(A) == ["2", "3"]
    assert bench.lanes.drop(A) == []
    assert not bench.sent[0][1].retry(1)
    assert len(bench.lanes) == 0
    bench.lanes.push(A, "new", held=True)
    assert bench.lanes.drop(A) == ["new"]
    assert len(bench.lanes) == 0


@pytest.mark.parametrize("push", [True, False])
def test_nothing_overtakes_the_head_when_the_contact_comes_back(bench: Bench, push: bool) -> None:
    bench.lanes.push(A, "old")
    bench.lanes.push(A, "handed back")
    bench.lanes.drop(A)
    bench.lanes.wake(A)
    if push:
        bench.lanes.push(A, "new")
    assert bench.names() == ["old"]
    assert bench.sent[0][1].retry(1)
    bench.lanes.nudge(A)
    bench.sent[1][1].done()
    assert bench.names() == ["old", "old", *(["new"] if push else [])]


def test_nothing_begins_after_the_stop(bench: Bench) -> None:
    bench.lanes.push(A, "1")
    bench.lanes.push(A, "2")
    bench.lanes.stop()
    bench.sent[0][1].done()
    bench.lanes.push(B, "3")
    assert bench.names() == ["1"]
