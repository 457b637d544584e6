"""The four machines cell by cell, their timers, and how messages find their transaction."""

from __future__ import annotations

import math
from itertools import count, product

import pytest

from switchroom.wire.sip.errors import SipError
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
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.table_limits import MIN_SWEEP
from switchroom.wire.sip.timers import Durations, Lingering, Timers
from switchroom.wire.sip.transactions import Transaction, client_key, invite_key, server_key

UDP = Flow("udp", "main", "192.0.2.1", 5060)
TCP = Flow("tcp", "main", "192.0.2.1", 40000)
DURATIONS = Durations(0.5, 4.0, 5.0, 32.0)

by_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
CELLS = [(machine, state, happening) for machine in MACHINES for state, happening in machine.table]


def new(machine: Machine, flow: Flow = UDP, serial: int = 1) -> Transaction:
    return Transaction(machine, "key", serial, flow, b"data")


# ---- the tables


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


# ---- timers


def test_durations_are_those_of_the_rfcs() -> None:
    assert DURATIONS.trying == 3.5
    assert {timer.name[-1]: seconds for timer, seconds in DURATIONS.lives.items() if timer is not None} == {
        "B": 32, "D": 32, "F": 32, "H": 32, "I": 5, "J": 32, "K": 5, "L": 32, "M": 32, "E": 32,
    }  # fmt: skip
    zero = {timer.name for timer, seconds in DURATIONS.reliable_lives.items() if timer and not seconds}
    assert zero == {"TIMER_D", "TIMER_I", "TIMER_J", "TIMER_K"}


def test_timer_d_is_32_seconds_even_where_t1_is_short() -> None:
    assert Durations(0.1, 4.0, 5.0, 6.4).lives[Input.TIMER_D] == 32.0


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
        (NON_INVITE_SERVER, None, [3.5, 32.0]),
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


# ---- keys


def request(method: str = "INVITE", **fields: str) -> Request:
    lines = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc",
        "From": "<sip:alice@pbx>;tag=f1",
        "To": "<sip:bob@pbx>",
        "Call-ID": "c1",
        "CSeq": f"1 {method}",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    message = parse(f"{method} sip:bob@pbx SIP/2.0\r\n{head}\r\n".encode())
    assert isinstance(message, Request)
    return message


def via(branch: str, sent_by: str = "192.0.2.1:5060") -> str:
    return f"SIP/2.0/UDP {sent_by};branch={branch}"


def test_branch_sent_by_and_method_make_the_transaction() -> None:
    key = server_key(request())
    assert server_key(request(From="<sip:other@pbx>", Call_ID="other", CSeq="9 INVITE")) == key
    assert server_key(request("ACK")) == key
    assert server_key(request("BYE")) != key
    assert server_key(request("CANCEL")) != key
    assert server_key(request(Via=via("z9hG4bKabd"))) != key
    assert server_key(request(Via=via("z9hG4bKabc", "192.0.2.1"))) != key
    assert server_key(request(Via=via("z9hG4bKabc", "192.0.2.2:5060"))) != key


def test_a_cancel_finds_its_invite() -> None:
    cancel = request("CANCEL")
    assert invite_key(cancel, server_key(cancel)) == server_key(request())


def test_no_spelling_of_a_branch_makes_one_key_of_two_transactions() -> None:
    tricky = request("OPTIONS", Via='SIP/2.0/UDP h;branch="z9hG4bK 192.0.2.1:5060 z9hG4bKabc"')
    assert server_key(tricky) != server_key(request("OPTIONS"))
    assert server_key(tricky) != server_key(request("OPTIONS", Via=via("z9hG4bKabc", "h")))


@pytest.mark.parametrize("old", ["1", "z9hg4bkabc", ""])
def test_peers_of_rfc_2543_are_known_by_everything_else(old: str) -> None:
    top = f"SIP/2.0/UDP 192.0.2.1:5060{f';branch={old}' if old else ''}"
    key = server_key(request(Via=top))
    assert server_key(request(Via=top)) == key
    # Its ACK has the To tag of the answer and its CANCEL has none (17.2.3).
    assert server_key(request("ACK", Via=top, To="<sip:bob@pbx>;tag=ours")) == key
    assert invite_key(request("CANCEL", Via=top), server_key(request("CANCEL", Via=top))) == key
    for changed in ({"From": "<sip:alice@pbx>;tag=f2"}, {"Call_ID": "c2"}, {"CSeq": "2 INVITE"}):
        assert server_key(request(Via=top, **changed)) != key
    assert server_key(request(Via="SIP/2.0/UDP 192.0.2.1:5061")) != key
    assert server_key(request("BYE", Via=top, To="<sip:bob@pbx>;tag=a")) != server_key(
        request("BYE", Via=top, To="<sip:bob@pbx>;tag=b")
    )


def test_a_long_request_of_rfc_2543_has_a_short_key() -> None:
    assert len(server_key(request(Via="SIP/2.0/UDP h", Call_ID="c" * 8000))) < 64


def test_without_a_via_there_is_no_transaction() -> None:
    with pytest.raises(SipError):
        server_key(request(Via="nonsense"))


def test_client_key_tells_a_cancel_from_its_invite() -> None:
    assert client_key("z9hG4bKabc", "INVITE") != client_key("z9hG4bKabc", "CANCEL")
