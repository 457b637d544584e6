"""The stack: what it does with any bytes at all, and what it tells of itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchroom.wire.sip.events import (
    Discarded,
    KeepAlive,
    RequestReceived,
    ResponseReceived,
    TransactionTimeout,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.outbox import COUNTERS
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.table_limits import MAX_DISCARDED_PREFIX
from unit.wire.sip.packets import (
    PHONE,
    answered_by,
    events,
    new_stack,
    outgoing,
    packet,
    parse_request,
    sent,
    sent_response,
)

# ---- malformed


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (packet(start="OPTIONS sip:pbx SIP/7.0"), 505),
        (packet(extra="Call-ID: second\r\n"), 400),
        (packet()[:-4] + b"\r\nl: 99\r\n\r\n", 400),
        (packet(start="OPTIONS sip:a b SIP/2.0"), 400),
    ],
)
def test_malformed_requests_are_answered_where_that_can_be_done(data: bytes, status: int) -> None:
    stack = new_stack()
    for _ in range(2):
        stack.receive(data, PHONE, 0.0)
        response = sent_response(stack)
        assert (response.status, response.call_id) == (status, "call-1")
        assert [type(event) for event in events(stack)] == [Discarded]
    assert stack.counters["rejected"] == stack.counters["discarded"] == 2
    assert stack.counts() == dict.fromkeys(stack.counts(), 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\0\0\0",
        b"hello",
        b"GET / HTTP/1.1\r\nHost: pbx\r\n\r\n",
        packet()[:100],
        packet().replace(b"Via:", b"X-Via:"),
        packet().replace(b"branch=z9hG4bK1", b'branch="'),
        packet().replace(b"Call-ID:", b"X-Call-ID:"),
        packet().replace(b"1 OPTIONS", b"99999999999 OPTIONS"),
        packet().replace(b"From: <sip:alice", b"From: <sip: alice"),
        packet().replace(b"To: <sip:bob", b"To: <nothing"),
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n\r\n",
        packet(start="SIP/2.0 200 OK"),
        packet(start="SIP/2.0 999 OK"),
    ],
)
def test_the_rest_is_met_with_silence(data: bytes) -> None:
    stack = new_stack()
    stack.receive(data, PHONE, 0.0)
    [event] = events(stack)
    assert isinstance(event, Discarded)
    assert event.reason
    assert event.data_prefix == data[:MAX_DISCARDED_PREFIX]
    assert sent(stack) == []


@pytest.mark.parametrize(
    ("data", "ping"), [(b"\r\n", False), (b"\r\n\r\n", True), (b"\r\n" * 50, True), (b"\n", False)]
)
def test_keep_alives(data: bytes, ping: bool) -> None:
    stack = new_stack()
    stack.receive(data, PHONE, 0.0)
    assert events(stack) == [KeepAlive(PHONE, ping)]
    assert sent(stack) == []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_packet_raises_and_each_is_answered_at_most_once(data: st.DataObject) -> None:
    """Any packet, also a good one with some bytes exchanged: one event or an answer, never two packets out."""
    stack = new_stack()
    stack.request(outgoing("INVITE"), PHONE, 0.0)
    [(invite, _)] = sent(stack)
    good = [packet(), packet("INVITE"), packet("ACK"), packet("CANCEL"), answered_by(parse_request(invite), 486)]
    noise = bytearray(data.draw(st.sampled_from(good) | st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(0, 4))):
        if noise:
            noise[data.draw(st.integers(0, len(noise) - 1))] = data.draw(st.integers(0, 255))
    stack.receive(bytes(noise), PHONE, 0.1)
    assert len(sent(stack)) <= 1
    assert len(events(stack)) <= 1


# ---- what goes on


def test_idle_means_nobody_waits() -> None:
    stack = new_stack()
    assert stack.idle()
    stack.receive(packet(), PHONE, 0.0)
    assert not stack.idle()
    incoming = stack.next_event()
    assert isinstance(incoming, RequestReceived)
    stack.begin(incoming, 0.0)
    assert not stack.idle()
    stack.respond(incoming, 200, now=0.0)
    assert not stack.idle()
    sent(stack)
    assert stack.idle()
    transaction = stack.request(outgoing(), PHONE, 0.0)
    sent(stack)
    assert not stack.idle()
    stack.forget(transaction)
    assert stack.idle()


def test_every_counter_is_explained() -> None:
    stack = new_stack()
    assert stack.counters.keys() == COUNTERS.keys()
    assert all(COUNTERS.values())


# ---- two stacks and a bad network


class Network:
    """Two stacks, ours asking and theirs answering, and between them packets that are lost, doubled and overtaken."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ours, self.theirs = new_stack(), new_stack()
        self.now = 0.0
        self.serial = count()
        #: (when, order, what): a packet that arrives, or something a user wants to do by then.
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.ends: dict[int, list[str]] = {}
        self.offered: dict[str, int] = {}

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heappush(self.agenda, (self.now + seconds, next(self.serial), what))

    def ask(self, method: str, number: int) -> None:
        request = outgoing(method)
        headers = [(name, f"call-{number}" if name == "Call-ID" else value) for name, value in request.headers]
        transaction = self.ours.request(request._replace(headers=headers), PHONE, self.now)
        self.ends[transaction] = []
        if method == "INVITE":
            if self.chance.random() < 0.3:
                self.later(self.chance.uniform(0, 20), lambda: self.ours.cancel(transaction, self.now))
            self.later(180, partial(self.give_up, transaction))

    def give_up(self, transaction: int) -> None:
        """Timer C is the user's."""
        if not self.ends[transaction]:
            self.ours.forget(transaction)
            self.ends[transaction].append("given up")

    def run(self) -> None:
        """Until nothing more can happen."""
        while True:
            self.carry(self.ours, self.theirs)
            self.carry(self.theirs, self.ours)
            self.hear_ours()
            self.hear_theirs()
            due = [self.agenda[0][0]] if self.agenda else []
            due += [when for stack in (self.ours, self.theirs) if (when := stack.next_timer()) is not None]
            if not due:
                return
            self.now = max(self.now, min(due))
            while self.agenda and self.agenda[0][0] <= self.now:
                heappop(self.agenda)[2]()
            self.ours.handle_timer(self.now)
            self.theirs.handle_timer(self.now)

    def carry(self, source: Stack, target: Stack) -> None:
        for data, flow in sent(source):
            while self.chance.random() < 0.7:
                self.later(self.chance.uniform(0, 0.8), partial(self.arrive, target, data, flow))

    def arrive(self, target: Stack, data: bytes, flow: Flow) -> None:
        target.receive(data, flow, self.now)

    def hear_ours(self) -> None:
        for event in events(self.ours):
            if isinstance(event, ResponseReceived):
                if event.response.status >= 200:
                    self.ends[event.transaction].append(f"{event.response.status}")
            elif isinstance(event, TransactionTimeout):
                self.ends[event.transaction].append("timeout")

    def hear_theirs(self) -> None:
        for event in events(self.theirs):
            if not isinstance(event, RequestReceived):
                continue
            self.offered[event.transaction] = self.offered.get(event.transaction, 0) + 1
            status = 200 if event.request.method == "CANCEL" else self.chance.choice([200, 202, 404, 486, 0])
            if self.chance.random() < 0.5 and status:
                self.answer(event, status)
                continue
            self.theirs.begin(event, self.now)
            if status or event.request.method == "INVITE":
                wait = self.chance.uniform(0, 40)
                self.later(wait, partial(self.answer, event, status or 480))

    def answer(self, event: RequestReceived, status: int) -> None:
        self.theirs.respond(event, status, now=self.now)
        if event.request.method == "INVITE" and status < 300:
            # 13.3.1.4: repeating a 2xx is the user's.
            for seconds in (0.5, 1.5, 3.5, 7.5):
                self.later(seconds, lambda: self.theirs.respond(event, status, now=self.now))


@pytest.mark.parametrize("seed", range(40))
def test_every_request_ends_once_and_nothing_is_left_behind(seed: int) -> None:
    network = Network(seed)
    for number in range(30):
        method = network.chance.choice(["INVITE", "MESSAGE", "REGISTER"])
        network.later(network.chance.uniform(0, 60), partial(network.ask, method, number))
    network.run()
    for ends in network.ends.values():
        assert len(ends) == 1 or (ends and set(ends) <= {"200", "202"})
    assert len(network.ends) == 30
    # Nobody was asked twice: retransmissions of what was begun or answered stay in the stack.
    assert set(network.offered.values()) == {1}
    for stack in (network.ours, network.theirs):
        assert stack.idle()
        assert stack.counts() == dict.fromkeys(stack.counts(), 0)
