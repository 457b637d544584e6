"""Requests of ours: sent, matched with their answers, ended once. Whole calls are in tests/transcripts."""

from __future__ import annotations

import pytest

from switchroom.wire.sip import client_transactions
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import (
    Discarded,
    ResponseReceived,
    TransactionTimeout,
    TransportFailed,
)
from switchroom.wire.sip.stack import Stack
from unit.wire.sip.packets import (
    PHONE,
    STREAM,
    answered_by,
    events,
    new_stack,
    outgoing,
    parse_request,
    sent,
    sent_request,
    tokens,
)


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
