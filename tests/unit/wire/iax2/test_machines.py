"""The machines, cell by cell."""

from __future__ import annotations

from itertools import product

import pytest

from switchroom.wire.iax2.calls import Calls
from switchroom.wire.iax2.machines import MACHINES, Action, Input, Role, State

FIRST = {
    Role.POKER: {State.ASKING},
    Role.TEXTER: {State.ASKING},
    Role.REGISTRANT: {State.ASKING},
    # Our user takes it to the others.
    Role.CALLEE: {State.CHALLENGED, State.ACCEPTING, State.CLOSING},
}
CELLS = [(role, *cell) for role, cells in MACHINES.items() for cell in cells.items()]

by_role = pytest.mark.parametrize("role", Role)


def states(role: Role) -> set[State]:
    return {state for state, _ in MACHINES[role]}


@by_role
def test_every_state_is_reached_and_left_by_silence_refusal_and_time(role: Role) -> None:
    cells = MACHINES[role]
    reached = set(FIRST[role])
    while more := {to for (at, _), (to, _) in cells.items() if at in reached} - reached:
        reached |= more
    assert reached == states(role) | {State.OVER} | ({State.JUDGED} if role is Role.CALLEE else set())
    for state in states(role):
        onward = {state}
        for happened in (Input.LOST, Input.EXPIRED):
            assert (state, happened) in cells
        while more := {to for (at, i), (to, _) in cells.items() if at in onward and i is Input.LOST} - onward:
            onward |= more
        assert State.OVER in onward


@by_role
def test_nothing_happens_to_what_is_over(role: Role) -> None:
    assert State.OVER not in states(role)


@pytest.mark.parametrize(("role", "at", "to"), CELLS)
def test_whoever_waits_for_an_outcome_gets_it_once(
    role: Role, at: tuple[State, Input], to: tuple[State, Action]
) -> None:
    """Of our own calls each way out of ASKING and SPEAKING but onward to each other tells the outcome."""
    if role is Role.CALLEE:
        return
    waiting = {State.ASKING, State.SPEAKING}
    tells = {Action.DELIVERED, Action.FAIL, Action.GIVE_UP, Action.REGISTERED, Action.ALIVE}
    assert (to[1] in tells) == (at[0] in waiting and to[0] not in waiting)


def test_every_action_is_done_somewhere_and_by_somebody() -> None:
    calls = Calls(lambda: 1, lambda data, to: None, lambda event: None)
    assert calls._actions.keys() == set(Action)
    assert {action for cells in MACHINES.values() for _, action in cells.values()} == set(Action)


def test_what_has_no_cell_is_a_frame_out_of_its_place() -> None:
    """Inputs that no cell of the role names can come from the network at any time, and change nothing."""
    for role, cells in MACHINES.items():
        for state, happened in product(states(role), Input):
            if (state, happened) not in cells:
                assert happened not in (Input.LOST, Input.EXPIRED)
