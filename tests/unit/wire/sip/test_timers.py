"""Timers and what lingers: when they fire, and how little they keep."""

from __future__ import annotations

from itertools import count

import pytest

from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.machines import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Input,
    Machine,
    State,
)
from switchroom.wire.sip.table_limits import MIN_SWEEP
from switchroom.wire.sip.timers import Durations, Lingering, Timers
from switchroom.wire.sip.transactions import Transaction

UDP = Flow("udp", "main", "192.0.2.1", 5060)
TCP = Flow("tcp", "main", "192.0.2.1", 40000)
DURATIONS = Durations(0.5, 4.0, 5.0, 32.0)


def new(machine: Machine, flow: Flow = UDP, serial: int = 1) -> Transaction:
    return Transaction(machine, "key", serial, flow, b"data")


def test_durations_are_those_of_the_rfcs() -> None:
    assert DURATIONS.trying == 3.5
    lives = {timer.name.removeprefix("TIMER_"): seconds for timer, seconds in DURATIONS.lives.items() if timer}
    assert lives == {
        "B": 32, "D": 32, "F": 32, "H": 32, "I": 5, "J": 32, "K": 5, "L": 32, "M": 32, "LATE": 37,
    }  # fmt: skip
    zero = {timer.name for timer, seconds in DURATIONS.reliable_lives.items() if timer and not seconds}
    assert zero == {"TIMER_D", "TIMER_I", "TIMER_J", "TIMER_K"}


def test_timer_d_is_32_seconds_even_where_t1_is_short() -> None:
    assert Durations(0.1, 4.0, 5.0, 6.4).lives[Input.TIMER_D] == 32.0


@pytest.mark.parametrize("wrong", [(0.0, 4.0, 5.0, 32.0), (-1.0, 4.0, 5.0, 32.0), (0.5, 4.0, 5.0, 0.0)])
def test_durations_that_make_no_sense_are_refused(wrong: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Durations(*wrong)


def test_a_round_trip_longer_than_t2() -> None:
    durations = Durations(6.0, 4.0, 5.0, 384.0)
    assert (durations.t2, durations.trying) == (6.0, 6.0)


def fired(timers: Timers, now: float) -> list[Input]:
    found = []
    for transaction, timer in timers.due(now):
        timers.advance(transaction, timer, now)
        found.append(timer)
    return found


@pytest.mark.parametrize(
    ("machine", "first", "times"),
    [
        (INVITE_CLIENT, None, [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]),
        (NON_INVITE_CLIENT, None, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]),
        (NON_INVITE_CLIENT, Input.PROVISIONAL, [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5, 32.0]),
        (INVITE_SERVER, Input.FAILURE, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]),
        (INVITE_SERVER, Input.SUCCESS, [32.0]),
        (NON_INVITE_SERVER, None, [3.5, 37.0]),
    ],
)
def test_when_timers_fire(machine: Machine, first: Input | None, times: list[float]) -> None:
    timers = Timers(DURATIONS)
    transaction = new(machine)
    timers.start(transaction, 0.0)
    if first is not None:
        timers.advance(transaction, first, 0.0)
    seen = []
    while (when := timers.next()) is not None:
        assert len(fired(timers, when)) == 1
        seen.append(when)
    assert seen == times
    assert transaction.state is State.TERMINATED


def test_nothing_is_sent_again_on_a_stream() -> None:
    for machine in (INVITE_CLIENT, NON_INVITE_CLIENT):
        timers = Timers(DURATIONS)
        timers.start(new(machine, TCP), 0.0)
        assert timers.next() == 32.0
    timers = Timers(DURATIONS)
    transaction = new(INVITE_SERVER, TCP)
    timers.start(transaction, 0.0)
    timers.advance(transaction, Input.FAILURE, 0.0)
    assert timers.next() == 32.0


def test_after_a_jump_of_the_clock_a_timer_fires_once() -> None:
    timers = Timers(DURATIONS)
    timers.start(new(NON_INVITE_CLIENT), 0.0)
    assert fired(timers, 20.0) == [Input.TIMER_E]
    assert timers.next() == 21.0
    assert fired(timers, 3600.0) == [Input.TIMER_F]
    assert timers.next() is None


def test_nothing_fires_early() -> None:
    timers = Timers(DURATIONS)
    timers.start(new(NON_INVITE_CLIENT), 0.0)
    assert fired(timers, 0.4999) == []
    assert timers.next() == 0.5


def test_the_heap_holds_at_most_as_many_dead_as_living() -> None:
    timers = Timers(DURATIONS)
    serials = count(1)
    living = [new(NON_INVITE_CLIENT, serial=next(serials)) for _ in range(100)]
    for transaction in living:
        timers.start(transaction, 0.0)
    longest = 0
    for _ in range(20_000):
        transaction = new(NON_INVITE_CLIENT, serial=next(serials))
        timers.start(transaction, 0.0)
        timers.advance(transaction, Input.SUCCESS, 0.0)
        longest = max(longest, len(timers))
    assert longest <= MIN_SWEEP
    assert len(fired(timers, 0.5)) == len(living)


def test_timers_of_many_fire_in_the_order_of_time() -> None:
    timers = Timers(DURATIONS)
    for serial in range(1, 101):
        timers.start(new(NON_INVITE_CLIENT, serial=serial), (serial * 37 % 100) / 100)
    order = [transaction.ends_at for transaction, _ in timers.due(0.9)]
    assert order == sorted(order)
    assert len(order) == 41


# ---- what lingers


def test_lingering_ends_in_time_and_at_most_a_bucket_late() -> None:
    lingering: Lingering[int] = Lingering(32.0, 100)
    lingering.add("a", 1, 0.0)
    lingering.add("b", 2, 0.9)
    lingering.add("c", 3, 1.0)
    assert lingering.next() == 33.0
    assert lingering.end_due(32.99) == []
    assert lingering.get("a") == 1
    assert lingering.end_due(33.0) == [1, 2]
    assert "a" not in lingering
    assert "c" in lingering
    assert lingering.next() == 34.0
    assert lingering.end_due(3600.0) == [3]
    assert lingering.next() is None


def test_lingering_is_bounded_and_drops_the_oldest_first() -> None:
    lingering: Lingering[int] = Lingering(32.0, 10)
    dropped: list[int] = []
    for number in range(100):
        dropped += lingering.add(str(number), number, number / 4)
        assert len(lingering) <= 10
        assert lingering.get(str(number)) == number
    assert dropped == list(range(len(dropped)))
    assert len(dropped) + len(lingering) == 100
