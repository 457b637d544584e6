"""The schedule: in order, once, and no longer than what is still to happen."""

from __future__ import annotations

from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.limits import MIN_SWEEP
from switchroom.core.schedule import Schedule


def a_schedule() -> Schedule:
    clock = VirtualClock()
    return Schedule(clock, VirtualTimers(clock))


def test_what_is_due_happens_in_order_and_once() -> None:
    schedule = a_schedule()
    done: list[tuple[str, float]] = []
    for when, name in ((3.0, "late"), (1.0, "first"), (1.0, "second"), (9.0, "never")):
        schedule.at(when, lambda now, name=name: done.append((name, now)))  # type: ignore[misc]
    schedule.run(0.5)
    assert done == []
    schedule.run(3.0)
    schedule.run(3.0)
    assert done == [("first", 3.0), ("second", 3.0), ("late", 3.0)]
    assert schedule.next_due() == 9.0
    assert len(schedule) == 1


def test_what_is_cancelled_never_happens_and_wakes_nobody() -> None:
    schedule = a_schedule()
    done: list[float] = []
    first = schedule.at(1.0, done.append)
    schedule.at(2.0, done.append)
    schedule.cancel(first)
    schedule.cancel(first)
    assert len(schedule) == 1
    assert schedule.next_due() == 2.0
    schedule.run(5.0)
    assert done == [5.0]
    schedule.cancel(first)
    assert len(schedule) == 0
    assert schedule.next_due() is None


def test_an_action_may_schedule_and_cancel_while_others_are_due() -> None:
    schedule = a_schedule()
    done: list[str] = []
    second = schedule.at(2.0, lambda now: done.append("second"))

    def first(now: float) -> None:
        schedule.cancel(second)
        schedule.at(now, lambda now: done.append("third"))

    schedule.at(1.0, first)
    schedule.run(2.0)
    assert done == ["third"]
    assert len(schedule) == 0


def test_cancelled_entries_are_swept_out() -> None:
    schedule = a_schedule()
    done: list[float] = []
    kept = schedule.at(5.0, done.append)
    for _ in range(20 * MIN_SWEEP):
        schedule.cancel(schedule.at(9.0, done.append))
    assert len(schedule) == 1
    assert len(schedule._heap) <= MIN_SWEEP
    schedule.run(9.0)
    assert done == [9.0]
    assert kept.action is None
