"""Requests of others: matched, answered once, answered again, bounded. Whole calls are in tests/transcripts."""

from __future__ import annotations

import tracemalloc

import pytest

from switchroom.wire.sip import server_transactions
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import (
    AckReceived,
    Discarded,
    RequestReceived,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.stack import Stack
from unit.wire.sip.packets import (
    PHONE,
    STREAM,
    events,
    new_stack,
    packet,
    parse_request,
    received,
    sent,
    sent_response,
)


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
    stack.respond(incoming, 200, now=32.0)
    stack.handle_timer(37.0)
    stack.respond(incoming, 200, now=37.0)
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


def test_an_invite_that_is_over_stays_over() -> None:
    """A fork that rings late must not leave a transaction behind that nothing ever ends."""
    stack = new_stack()
    incoming = received(stack, packet("INVITE"), STREAM)
    stack.respond(incoming, 486, now=0.0)
    stack.receive(packet("ACK"), STREAM, 0.1)
    sent(stack)
    for now in (0.2, 30.0, 60.0):
        stack.respond(incoming, 180, now=now)
        stack.respond(incoming, 200, now=now)
        stack.begin(incoming, now)
    assert sent(stack) == []
    stack.handle_timer(60.0)
    assert stack.counts() == dict.fromkeys(stack.counts(), 0)


def test_an_invite_that_was_begun_may_ring_for_ever() -> None:
    stack = new_stack()
    incoming = received(stack, packet("INVITE"))
    stack.begin(incoming, 0.0)
    stack.handle_timer(3600.0)
    sent(stack)
    stack.respond(incoming, 180, now=3600.0)
    assert sent_response(stack).status == 180


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
    tiny = (
        b"OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
        b"f:sip:a;tag=1\r\nt:sip:a\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n"
    )
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


# ---- bounds


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
