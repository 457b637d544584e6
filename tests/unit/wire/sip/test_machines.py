"""The four machines, cell by cell."""

from __future__ import annotations

import math
from itertools import product

import pytest

from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.machines import (
    INVITE_CLIENT,
    INVITE_SERVER,
    MACHINES,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Action,
    Input,
    Machine,
    State,
)
from switchroom.wire.sip.timers import Durations, Timers
from switchroom.wire.sip.transactions import Transaction

UDP = Flow("udp", "main", "192.0.2.1", 5060)
TCP = Flow("tcp", "main", "192.0.2.1", 40000)
DURATIONS = Durations(0.5, 4.0, 5.0, 32.0)

by_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
CELLS = [(machine, state, happening) for machine in MACHINES for state, happening in machine.table]


def new(machine: Machine, flow: Flow = UDP, serial: int = 1) -> Transaction:
    return Transaction(machine, "key", serial, flow, b"data")


@by_machine
def test_every_cell_is_in_the_table_or_impossible_for_a_reason(machine: Machine) -> None:
    impossible = machine.impossible()
    assert not impossible.keys() & machine.table.keys()
    assert all(impossible.values())
    assert impossible.keys() | machine.table.keys() == set(product(machine.timers, machine.inputs()))


@by_machine
def test_exactly_the_timers_that_run_in_a_state_have_a_cell(machine: Machine) -> None:
    for state, running in machine.timers.items():
        cells = {timer for at, timer in machine.table if at is state and timer.name.startswith("TIMER_")}
        assert cells == {timer for timer in running if timer is not None}


@by_machine
def test_every_state_can_be_reached_and_left_for_good(machine: Machine) -> None:
    reached = {machine.first}
    while more := {to for (at, _), (to, _) in machine.table.items() if at in reached} - reached:
        reached |= more
    assert reached == machine.timers.keys() | {State.TERMINATED}
    for start in machine.timers:
        onward = {start}
        while more := {to for (at, _), (to, _) in machine.table.items() if at in onward} - onward:
            onward |= more
        assert State.TERMINATED in onward


@by_machine
def test_the_timer_that_ends_a_state_leaves_it_and_the_other_one_is_alive(machine: Machine) -> None:
    for state, (repeats, ends) in machine.timers.items():
        if ends is not None:
            assert machine.table[state, ends][0] is State.TERMINATED
            assert ends in DURATIONS.lives
        if repeats is not None:
            assert machine.table[state, repeats][1] in (Action.RESEND, Action.SEND_TRYING)


def test_only_a_call_may_wait_for_ever() -> None:
    """A phone may ring as long as its user lets it; everything else ends by itself."""
    endless = {(m.name, state) for m in MACHINES for state, (_, ends) in m.timers.items() if ends is None}
    assert endless == {("INVITE client", State.PROCEEDING), ("INVITE server", State.PROCEEDING)}


@pytest.mark.parametrize("reliable", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("machine", "state", "happening"), CELLS, ids=[f"{m.name}-{s.name}-{i.name}" for m, s, i in CELLS]
)
def test_walking_a_cell(machine: Machine, state: State, happening: Input, reliable: bool) -> None:
    """Each cell does as the table says and leaves just those timers running that belong to where it leads."""
    timers = Timers(DURATIONS)
    flow = TCP if reliable else UDP
    transaction = new(machine, flow)
    timers.start(transaction, 0.0)
    transaction.state = state
    repeats, ends = machine.timers[state]
    transaction.repeats_at = 1.0 if repeats else math.inf
    transaction.ends_at = 2.0 if ends else math.inf

    before = timers.next()

    action = timers.advance(transaction, happening, 10.0)

    target, expected = machine.table[state, happening]
    assert action is expected
    lives = DURATIONS.reliable_lives if reliable else DURATIONS.lives
    if target is not state and target is not State.TERMINATED and not lives[machine.timers[target][1]]:
        target = State.TERMINATED
    assert transaction.state is target
    if target is state:
        assert timers.next() == before
    elif target is State.TERMINATED or (machine.brief and target is State.COMPLETED):
        assert timers.next() is None
    else:
        new_ends = machine.timers[target][1]
        kept = new_ends is not None and new_ends is ends
        assert transaction.ends_at == (2.0 if kept else 10.0 + lives[new_ends])


# ---- what the RFCs say about single cells, said again


@pytest.mark.parametrize(
    ("machine", "state", "happening", "leads_to", "does"),
    [
        # RFC 3261 figure 5
        (INVITE_CLIENT, State.CALLING, Input.FAILURE, State.COMPLETED, Action.DELIVER_AND_ACK),
        (INVITE_CLIENT, State.COMPLETED, Input.FAILURE, State.COMPLETED, Action.RESEND_ACK),
        # RFC 6026 7.2
        (INVITE_CLIENT, State.PROCEEDING, Input.SUCCESS, State.ACCEPTED, Action.DELIVER),
        (INVITE_CLIENT, State.ACCEPTED, Input.SUCCESS, State.ACCEPTED, Action.DELIVER),
        # RFC 3261 figure 6: E and F go on in Proceeding
        (NON_INVITE_CLIENT, State.PROCEEDING, Input.TIMER_E, State.PROCEEDING, Action.RESEND),
        (NON_INVITE_CLIENT, State.PROCEEDING, Input.TIMER_F, State.TERMINATED, Action.REPORT_TIMEOUT),
        # RFC 3261 figure 7
        (INVITE_SERVER, State.COMPLETED, Input.ACK, State.CONFIRMED, Action.ABSORB),
        (INVITE_SERVER, State.COMPLETED, Input.TIMER_G, State.COMPLETED, Action.RESEND),
        # RFC 6026 7.1: the INVITE is absorbed, the 2xx is the user's to repeat
        (INVITE_SERVER, State.ACCEPTED, Input.REQUEST, State.ACCEPTED, Action.ABSORB),
        (INVITE_SERVER, State.ACCEPTED, Input.SUCCESS, State.ACCEPTED, Action.SEND),
        (INVITE_SERVER, State.ACCEPTED, Input.ACK, State.ACCEPTED, Action.DELIVER),
        # RFC 3261 figure 8
        (NON_INVITE_SERVER, State.TRYING, Input.REQUEST, State.TRYING, Action.ABSORB),
        (NON_INVITE_SERVER, State.COMPLETED, Input.REQUEST, State.COMPLETED, Action.RESEND),
        (NON_INVITE_SERVER, State.COMPLETED, Input.FAILURE, State.COMPLETED, Action.REFUSE),
        # RFC 4320 4.1 and 4.2
        (NON_INVITE_SERVER, State.TRYING, Input.TIMER_TRYING, State.PROCEEDING, Action.SEND_TRYING),
        (NON_INVITE_SERVER, State.PROCEEDING, Input.TIMER_LATE, State.TERMINATED, Action.NOTHING),
    ],
)
def test_the_rfcs_say_so(machine: Machine, state: State, happening: Input, leads_to: State, does: Action) -> None:
    assert machine.table[state, happening] == (leads_to, does)
