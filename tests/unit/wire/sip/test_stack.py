"""The stack: matching, bounds, refusals and what it tells its user. Whole calls are in tests/transcripts."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchroom.wire.sip import client_transactions, server_transactions
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import (
    AckReceived,
    Discarded,
    Event,
    KeepAlive,
    RequestReceived,
    ResponseReceived,
    TransactionTimeout,
    TransportFailed,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.outbox import COUNTERS
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.stack import Outgoing, Stack
from switchroom.wire.sip.table_limits import MAX_DISCARDED_PREFIX
from switchroom.wire.sip.write import write_response

PHONE = Flow("udp", "main", "192.0.2.1", 40001)
STREAM = Flow("tcp", "main", "192.0.2.1", 40002)


def tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"t{next(numbers)}"


def new_stack(**timing: float) -> Stack:
    return Stack(node="n1", token=tokens(), **timing)


def packet(
    method: str = "OPTIONS",
    branch: str = "z9hG4bK1",
    *,
    to_tag: str = "",
    start: str = "",
    cseq: str = "",
    extra: str = "",
) -> bytes:
    return (
        f"{start or f'{method} sip:pbx.example.com SIP/2.0'}\r\n"
        f"Via: SIP/2.0/UDP 198.51.100.7:5060;branch={branch};rport\r\n"
        f"From: <sip:alice@pbx.example.com>;tag=f\r\n"
        f"To: <sip:bob@pbx.example.com>{f';tag={to_tag}' if to_tag else ''}\r\n"
        f"Call-ID: call-1\r\n"
        f"CSeq: {cseq or f'1 {method}'}\r\n{extra}"
        "Max-Forwards: 70\r\n"
        "User-Agent: a telephone that says a little about itself\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def outgoing(method: str = "MESSAGE", body: bytes = b"hello") -> Outgoing:
    headers = [
        ("Max-Forwards", "70"),
        ("Route", "<sip:edge.example.com;lr>"),
        ("From", "<sip:us@pbx.example.com>;tag=us"),
        ("To", "<sip:alice@192.0.2.1>"),
        ("Call-ID", "ours-1"),
        ("CSeq", f"7 {method}"),
    ]
    return Outgoing(method, "sip:alice@192.0.2.1:40001", headers, body, "198.51.100.1:5060")


def events(stack: Stack) -> list[Event]:
    found = []
    while (event := stack.next_event()) is not None:
        found.append(event)
    return found


def sent(stack: Stack) -> list[tuple[bytes, Flow]]:
    found = []
    while (item := stack.to_send()) is not None:
        found.append(item)
    return found


def sent_response(stack: Stack) -> Response:
    [(data, _)] = sent(stack)
    message = parse(data)
    assert isinstance(message, Response)
    return message


def sent_request(stack: Stack) -> Request:
    [(data, _)] = sent(stack)
    message = parse(data)
    assert isinstance(message, Request)
    return message


def received(stack: Stack, data: bytes, flow: Flow = PHONE, now: float = 0.0) -> RequestReceived:
    stack.receive(data, flow, now)
    [event] = events(stack)
    assert isinstance(event, RequestReceived)
    return event


def answered_by(request: Request, status: int, tag: str = "phone") -> bytes:
    return write_response(request, status, to_tag=tag)


# ---- answering


def test_an_answer_goes_to_the_source_and_says_so() -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    assert incoming.size == len(packet())
    stack.respond(incoming, 200, now=0.0)
    [(data, flow)] = sent(stack)
    assert flow == PHONE
    assert data.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1;")
    assert b";received=192.0.2.1;rport=40001\r\n" in data


def test_an_answered_request_comes_once() -> None:
    stack = new_stack()
    stack.respond(received(stack, packet()), 200, now=0.0)
    [first] = sent(stack)
    stack.receive(packet(), PHONE, 1.0)
    assert events(stack) == []
    assert sent(stack) == [first]
    assert stack.counters["retransmissions_absorbed"] == 1


def test_a_begun_request_comes_once_and_waits_in_silence() -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    stack.begin(incoming, 0.0)
    stack.begin(incoming, 0.0)
    stack.receive(packet(), PHONE, 0.5)
    assert (events(stack), sent(stack)) == ([], [])
    stack.respond(incoming, 202, now=1.0)
    assert sent_response(stack).status == 202


def test_a_copy_from_elsewhere_is_answered_to_the_first_source() -> None:
    """Whoever learns a branch can not have the answer sent to himself or to a victim."""
    stack = new_stack()
    stack.respond(received(stack, packet()), 200, now=0.0)
    sent(stack)
    stack.receive(packet(), PHONE._replace(host="203.0.113.9"), 1.0)
    assert [flow for _, flow in sent(stack)] == [PHONE]


def test_a_stateless_answer_is_forgotten_but_has_the_same_tag() -> None:
    stack = new_stack()
    answers = []
    for _ in range(2):
        stack.respond(received(stack, packet("INVITE")), 401, now=0.0, stateless=True)
        answers += sent(stack)
    assert answers[0] == answers[1]
    assert stack.next_timer() is None
    assert stack.counts() == dict.fromkeys(stack.counts(), 0)


def test_the_ack_to_a_stateless_answer_is_absorbed() -> None:
    stack = new_stack()
    stack.respond(received(stack, packet("INVITE")), 401, now=0.0, stateless=True)
    tag = sent_response(stack).to.tag
    assert tag
    stack.receive(packet("ACK", to_tag=tag), PHONE, 0.1)
    assert events(stack) == []
    # With any other tag or branch it is somebody's ACK to a 2xx.
    stack.receive(packet("ACK", to_tag="other"), PHONE, 0.1)
    stack.receive(packet("ACK", "z9hG4bK2", to_tag=tag), PHONE, 0.1)
    assert [type(event) for event in events(stack)] == [AckReceived, AckReceived]


def test_an_ack_is_never_answered() -> None:
    stack = new_stack()
    stack.receive(packet("ACK", cseq="x ACK"), PHONE, 0.0)
    stack.receive(packet("ACK", start="ACK sip:a SIP/3.0"), PHONE, 0.0)
    stack.receive(packet("ACK", to_tag="a"), PHONE, 0.0)
    assert [type(event) for event in events(stack)] == [Discarded, Discarded, AckReceived]
    ack = RequestReceived(parse_request(packet("ACK")), PHONE, "INVITE h z9hG4bK1", 0.0)
    stack.respond(ack, 400, now=0.0)
    assert sent(stack) == []


def parse_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_tags() -> None:
    stack, other = new_stack(), Stack(node="n1", token=lambda: "another secret")
    first, second = received(stack, packet()), received(stack, packet(branch="z9hG4bK2"))
    assert stack.to_tag(first) != stack.to_tag(second)
    assert stack.to_tag(first) != other.to_tag(first)
    invite, cancel = received(stack, packet("INVITE")), received(stack, packet("CANCEL"))
    assert stack.to_tag(invite) == stack.to_tag(cancel)
    stack.respond(first, 200, now=0.0)
    assert sent_response(stack).to.tag == stack.to_tag(first)
    stack.respond(second, 200, now=0.0, to_tag="mine")
    assert sent_response(stack).to.tag == "mine"


def test_a_100_has_no_tag_and_a_dialog_keeps_its_own() -> None:
    stack = new_stack()
    stack.begin(received(stack, packet("INVITE")), 0.0)
    assert sent_response(stack).to.tag is None
    stack.respond(received(stack, packet("BYE", to_tag="dialog")), 200, now=0.0)
    assert sent_response(stack).to.tag == "dialog"


def test_an_answer_that_can_not_be_written_changes_nothing() -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    with pytest.raises(SipError):
        stack.respond(incoming, 200, headers=[("X-A", "b\r\nX-C: d")], now=0.0)
    stack.respond(incoming, 500, now=0.0)
    assert sent_response(stack).status == 500


@pytest.mark.parametrize("status", [408, 180, 183, 199])
def test_rfc_4320_forbids_some_answers_to_a_non_invite(status: int) -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    stack.begin(incoming, 0.0)
    stack.respond(incoming, status, now=0.0)
    assert sent(stack) == []
    assert stack.counters["refused"] == 1
    stack.respond(incoming, 200, now=0.0)
    assert sent_response(stack).status == 200


@pytest.mark.parametrize("begun", [False, True])
def test_rfc_4320_forbids_late_answers(begun: bool) -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    if begun:
        stack.begin(incoming, 0.0)
        stack.handle_timer(3.5)
        assert sent_response(stack).status == 100
        stack.handle_timer(32.0)
    stack.respond(incoming, 200, now=32.0)
    assert sent(stack) == []
    assert stack.idle()


def test_a_second_final_answer_is_refused() -> None:
    stack = new_stack()
    incoming = received(stack, packet())
    stack.respond(incoming, 200, now=0.0)
    sent(stack)
    stack.respond(incoming, 500, now=0.0)
    stack.answer(incoming, 500, b"raw", 0.0)
    assert sent(stack) == []
    assert stack.counters["refused"] == 2


def test_a_written_answer_is_passed_on_and_repeated() -> None:
    stack = new_stack()
    stack.answer(received(stack, packet()), 200, b"raw", 0.0)
    stack.receive(packet(), PHONE, 1.0)
    assert sent(stack) == [(b"raw", PHONE)] * 2


def test_a_cancel_names_the_invite_it_is_for() -> None:
    stack = new_stack()
    assert received(stack, packet("CANCEL")).cancels == ""
    invite = received(stack, packet("INVITE"))
    stack.begin(invite, 0.0)
    assert received(stack, packet("CANCEL")).cancels == invite.transaction
    assert received(stack, packet("CANCEL", "z9hG4bK2")).cancels == ""


def test_streams_need_no_memory_of_answers() -> None:
    stack = new_stack()
    stack.respond(received(stack, packet(), STREAM), 200, now=0.0)
    assert stack.counts()["server_answered"] == 0
    assert stack.next_timer() is None


# ---- amplification


def test_a_stateless_answer_is_at_most_twice_the_request() -> None:
    stack = new_stack()
    tiny = b"OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\nf:sip:a;tag=1\r\nt:sip:a\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n"
    challenge = [
        ("WWW-Authenticate", 'Digest realm="asterisk",nonce="0123456789abcdef01234567",algorithm=MD5,qop="auth"')
    ]
    stack.respond(received(stack, tiny), 401, headers=challenge, now=0.0, stateless=True)
    assert sent(stack) == []
    assert stack.counters["silenced"] == 1
    stack.respond(received(stack, tiny, STREAM), 401, headers=challenge, now=0.0, stateless=True)
    assert len(sent(stack)) == 1
    stack.respond(received(stack, packet()), 401, headers=challenge, now=0.0, stateless=True)
    [(data, _)] = sent(stack)
    assert len(data) <= 2 * len(packet())


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


# ---- asking


def test_a_request_has_our_via_first() -> None:
    stack = new_stack()
    assert stack.request(outgoing(), PHONE, 0.0, context="x") == 1
    [(data, flow)] = sent(stack)
    assert flow == PHONE
    assert data.startswith(
        b"MESSAGE sip:alice@192.0.2.1:40001 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bKn1.t2\r\nMax-Forwards: 70\r\n"
    )
    assert stack.request(outgoing(), STREAM, 0.0) == 2
    assert sent_request(stack).via.transport == "TCP"


def test_answers_are_told_until_the_final_one_and_then_absorbed() -> None:
    stack = new_stack()
    transaction = stack.request(outgoing(), PHONE, 0.0, context="x")
    request = sent_request(stack)
    for status in (100, 200, 200, 500, 100):
        stack.receive(answered_by(request, status), PHONE, 1.0)
    found = events(stack)
    assert [(e.transaction, e.context, e.response.status) for e in found if isinstance(e, ResponseReceived)] == [
        (transaction, "x", 100),
        (transaction, "x", 200),
    ]
    assert len(found) == 2
    assert stack.counters["retransmissions_absorbed"] == 3
    assert stack.idle()


def test_an_answer_to_another_method_or_branch_is_a_stray() -> None:
    stack = new_stack()
    stack.request(outgoing(), PHONE, 0.0)
    good = answered_by(sent_request(stack), 200)
    stack.receive(good.replace(b"7 MESSAGE", b"7 CANCEL"), PHONE, 0.0)
    stack.receive(good.replace(b"n1.t2", b"n1.t3"), PHONE, 0.0)
    assert [type(event) for event in events(stack)] == [Discarded, Discarded]
    stack.receive(good, PHONE, 0.0)
    assert [type(event) for event in events(stack)] == [ResponseReceived]


def test_a_timeout_is_told_once() -> None:
    stack = new_stack()
    transaction = stack.request(outgoing(), PHONE, 0.0, context="x")
    stack.handle_timer(32.0)
    stack.handle_timer(64.0)
    assert events(stack) == [TransactionTimeout(transaction, "x")]
    assert stack.next_timer() is None
    assert stack.counts() == dict.fromkeys(stack.counts(), 0)


def test_a_forgotten_request_is_silent() -> None:
    stack = new_stack()
    transaction = stack.request(outgoing(), PHONE, 0.0)
    request = sent_request(stack)
    stack.forget(transaction)
    stack.forget(transaction)
    stack.handle_timer(60.0)
    assert (events(stack), sent(stack)) == ([], [])
    stack.receive(answered_by(request, 200), PHONE, 61.0)
    assert [type(event) for event in events(stack)] == [Discarded]


def test_a_broken_flow_fails_what_was_sent_on_it_and_nothing_else() -> None:
    stack = new_stack()
    first = stack.request(outgoing(), STREAM, 0.0, context="a")
    second = stack.request(outgoing("INVITE"), STREAM, 0.0, context="b")
    other = stack.request(outgoing(), PHONE, 0.0, context="c")
    stack.transport_failed(STREAM, 1.0, "connection reset")
    stack.transport_failed(STREAM, 1.0)
    assert events(stack) == [
        TransportFailed(first, "a", "connection reset"),
        TransportFailed(second, "b", "connection reset"),
    ]
    assert stack.counts()["client"] == 1
    stack.handle_timer(40.0)
    assert events(stack) == [TransactionTimeout(other, "c")]


def test_a_broken_flow_after_the_final_answer_is_no_news() -> None:
    stack = new_stack()
    for status in (200, 486):
        stack.request(outgoing("INVITE"), PHONE, 0.0)
        stack.receive(answered_by(parse_request(sent(stack)[0][0]), status), PHONE, 0.0)
    assert len(events(stack)) == 2
    sent(stack)
    stack.transport_failed(PHONE, 1.0)
    assert events(stack) == []


def test_an_ack_has_no_transaction() -> None:
    stack = new_stack()
    assert stack.request(outgoing("ACK", b""), PHONE, 0.0) == 0
    assert sent_request(stack).method == "ACK"
    assert stack.next_timer() is None


def test_a_request_that_can_not_be_written_is_refused_at_once() -> None:
    stack = new_stack()
    with pytest.raises(SipError):
        stack.request(outgoing()._replace(target="sip:a\r\nX: y"), PHONE, 0.0)
    assert stack.counts() == dict.fromkeys(stack.counts(), 0)


def test_tokens_that_repeat_are_refused() -> None:
    stack = Stack(node="n1", token=lambda: "same")
    stack.request(outgoing(), PHONE, 0.0)
    with pytest.raises(ValueError, match="repeats"):
        stack.request(outgoing(), PHONE, 0.0)


def test_a_node_that_is_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        Stack(node="a b", token=tokens())


def test_bytes_outside_any_transaction() -> None:
    stack = new_stack()
    stack.send(b"\r\n", STREAM)
    assert sent(stack) == [(b"\r\n", STREAM)]


# ---- bounds


def test_too_many_requests_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transactions, "MAX_CLIENT_TRANSACTIONS", 2)
    stack = new_stack()
    first = stack.request(outgoing(), PHONE, 0.0)
    stack.request(outgoing(), PHONE, 0.0)
    with pytest.raises(SipError) as caught:
        stack.request(outgoing(), PHONE, 0.0)
    assert caught.value.status == 503
    stack.forget(first)
    stack.request(outgoing(), PHONE, 0.0)


def test_too_many_bytes_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transactions, "MAX_CLIENT_BYTES", 10_000)
    stack = new_stack()
    first = stack.request(outgoing(body=b"x" * 8000), PHONE, 0.0)
    with pytest.raises(SipError):
        stack.request(outgoing(body=b"x" * 8000), PHONE, 0.0)
    stack.forget(first)
    stack.request(outgoing(body=b"x" * 8000), PHONE, 0.0)


def test_too_many_open_requests_are_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_transactions, "MAX_OPEN_TRANSACTIONS", 2)
    stack = new_stack()
    for number in range(2):
        stack.begin(received(stack, packet("INVITE", f"z9hG4bK{number}")), 0.0)
    sent(stack)
    stack.receive(packet("MESSAGE", "z9hG4bK9"), PHONE, 0.0)
    response = sent_response(stack)
    assert (response.status, response.first("retry-after")) == (503, "16")
    assert events(stack) == []
    # What ends one of them passes.
    assert received(stack, packet("CANCEL", "z9hG4bK1")).cancels
    assert stack.counts()["server"] == 2


def test_answers_beyond_the_bound_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_transactions, "MAX_ANSWERED_BYTES", 20_000)
    stack = new_stack()
    for number in range(200):
        incoming = received(stack, packet(branch=f"z9hG4bK{number}"), now=number / 2)
        stack.respond(incoming, 200, now=number / 2)
        assert stack.counts()["server_answered"] <= 100
    sent(stack)
    stack.receive(packet(branch="z9hG4bK199"), PHONE, 100.0)
    assert events(stack) == []
    stack.receive(packet(branch="z9hG4bK0"), PHONE, 100.0)
    assert len(events(stack)) == 1
    assert stack.counters["evicted"] > 0


def test_one_answer_larger_than_the_bound_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_transactions, "MAX_ANSWERED_BYTES", 100)
    stack = new_stack()
    stack.respond(received(stack, packet()), 200, now=0.0)
    assert len(sent(stack)) == 1
    assert stack.counts()["server_answered"] == 0


def test_twenty_thousand_answered_requests_fit_into_16_megabytes() -> None:
    stack = new_stack()
    contact = [("Contact", "<sip:alice@192.0.2.1:40001>;expires=120")]
    tracemalloc.start()
    try:
        for number in range(20_000):
            flow = Flow("udp", "main", f"192.0.2.{number % 250}", number + 1)
            stack.receive(packet("REGISTER", f"z9hG4bKPj{number:020}"), flow, number / 1000)
            incoming = stack.next_event()
            assert isinstance(incoming, RequestReceived)
            stack.respond(incoming, 200, headers=contact, now=number / 1000)
            stack.to_send()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stack.counts()["server_answered"] == 20_000
    assert used < 16_000_000
    stack.handle_timer(20.0 + 33.0)
    assert stack.counts()["server_answered"] == 0
    assert stack.next_timer() is None


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
