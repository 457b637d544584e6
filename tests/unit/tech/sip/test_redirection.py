"""3xx answers to MESSAGE (RFC 3261 8.1.3.4), where ``follow_redirect_methods`` allows it."""

from __future__ import annotations

import pytest

from support.sip_world import SipWorld, aor, auth, phone, reply, settings
from switchroom.model.message import DeliveryState
from switchroom.tech.sip.limits import MAX_REDIRECT_CONTACTS, MAX_REDIRECTS


async def world(**of_bob: object) -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice", auth=()),
            phone("bob", auth=(), **{"follow_redirect_methods": ("message",), **of_bob}),
            aors=[aor("alice"), aor("bob", contact=("sip:bob@192.0.2.5:5091",))],
            auths=[auth("out", username="us", password="secret", realm="them")],
        )
    ).start()
    await w.messages.send("pjsip:bob", "alice", "hello", {"X-One": "1", "Content-Type": "text/html"})
    return w


def outcome(w: SipWorld) -> list[tuple[DeliveryState, int]]:
    return [(d.state, d.status_code) for d in w.deliveries]


async def test_the_preferred_contact_is_tried_first_and_the_next_when_it_fails() -> None:
    w = await world()
    (first,) = w.sent()
    contact = "Contact: <sip:low@192.0.2.6>;q=0.5, <sip:high@192.0.2.7:5099>;q=0.9\nContact: sip:mid@192.0.2.8;q=.7\n"
    (second,) = w.receive(reply(first, 302, contact))
    assert (second.request.target, second.to) == ("sip:high@192.0.2.7:5099", ("192.0.2.7", 5099))
    (third,) = w.receive(reply(second, 486))
    assert third.request.target == "sip:mid@192.0.2.8"
    (fourth,) = w.receive(reply(third, 480))
    assert fourth.request.target == "sip:low@192.0.2.6"
    assert not w.deliveries
    w.receive(reply(fourth, 200))
    assert outcome(w) == [(DeliveryState.DELIVERED, 200)]


async def test_what_is_sent_on_is_the_same_text_with_its_headers() -> None:
    w = await world()
    (first,) = w.sent()
    (second,) = w.receive(reply(first, 305, "Contact: <sip:new@192.0.2.7;x=y?Subject=no>\n"))
    a, b = first.request, second.request
    assert (b.target, b.body, b.first("x-one"), b.first("content-type")) == (
        "sip:new@192.0.2.7;x=y",
        b"hello",
        "1",
        "text/html",
    )
    for name in ("from", "to", "call-id", "user-agent", "max-forwards"):
        assert b.lines(name) == a.lines(name)
    assert b.first("contact") is None
    assert b.cseq.number == a.cseq.number + 1
    assert b.via.branch != a.via.branch


async def test_without_leave_nothing_is_followed() -> None:
    w = await world(follow_redirect_methods=())
    (first,) = w.sent()
    assert w.receive(reply(first, 302, "Contact: <sip:new@192.0.2.7>\n")) == []
    assert outcome(w) == [(DeliveryState.FAILED, 302)]


async def test_a_uri_is_tried_once() -> None:
    w = await world()
    (first,) = w.sent()
    again = "Contact: <sip:bob@192.0.2.5:5091>, <sip:b2@192.0.2.6>, <sip:b2@192.0.2.6>\n"
    (second,) = w.receive(reply(first, 302, again))
    assert second.request.target == "sip:b2@192.0.2.6"
    assert w.receive(reply(second, 302, again)) == []
    assert outcome(w) == [(DeliveryState.FAILED, 302)]


async def test_the_number_of_hops_is_bounded() -> None:
    w = await world()
    sent = w.sent()
    for n in range(MAX_REDIRECTS):
        sent = w.receive(reply(sent[0], 302, f"Contact: <sip:hop{n}@192.0.2.7>\n"))
        assert [s.request.target for s in sent] == [f"sip:hop{n}@192.0.2.7"]
    assert w.receive(reply(sent[0], 302, "Contact: <sip:more@192.0.2.7>\n")) == []
    assert outcome(w) == [(DeliveryState.FAILED, 302)]


async def test_the_number_of_contacts_is_bounded() -> None:
    w = await world()
    sent, tried = w.sent(), 0
    many = "".join(f"Contact: <sip:c{n}@192.0.2.7>\n" for n in range(60))
    sent = w.receive(reply(sent[0], 300, many))
    while sent:
        tried += 1
        sent = w.receive(reply(sent[0], 500))
    assert tried == MAX_REDIRECT_CONTACTS
    assert outcome(w) == [(DeliveryState.FAILED, 500)]


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:x@169.254.169.254>",
        "<sip:x@127.0.0.1>",
        "<sip:x@192.0.2.7;maddr=224.0.0.1>",
        "<tel:+123>",
        "<sip:a@b@c>",
        "*",
        f"<sip:{'a' * 600}@192.0.2.7>",
        "<sip:alice@192.0.2.1>",
    ],
)
async def test_where_no_packet_may_go_none_goes(contact: str) -> None:
    w = await world()
    (first,) = w.sent()
    assert w.receive(reply(first, 302, f"Contact: {contact}\n")) == []
    assert outcome(w) == [(DeliveryState.FAILED, 302)]


async def test_a_challenge_of_a_new_target_at_the_same_host_is_answered_and_the_old_answer_stays_away() -> None:
    w = await world(outbound_auth=("out",))
    (first,) = w.sent()
    challenge = 'WWW-Authenticate: Digest realm="them", nonce="n1", algorithm=MD5, qop="auth"\n'
    (proven,) = w.receive(reply(first, 401, challenge))
    (second,) = w.receive(reply(proven, 302, "Contact: <sip:new@192.0.2.5:5099>\n"))
    assert second.request.first("authorization") is None
    assert second.request.cseq.number == proven.request.cseq.number + 1
    (third,) = w.receive(reply(second, 401, challenge))
    assert 'uri="sip:new@192.0.2.5:5099"' in (third.request.first("authorization") or "")
    w.receive(reply(third, 202))
    assert outcome(w) == [(DeliveryState.DELIVERED, 202)]


async def test_the_outbound_proxy_stays_on_the_way() -> None:
    w = await world(outbound_proxy="sip:192.0.2.40;lr")
    (first,) = w.sent()
    (second,) = w.receive(reply(first, 302, "Contact: <sip:new@198.51.100.7>\n"))
    assert second.to == ("192.0.2.40", 5060)
    assert second.request.lines("route") == ["<sip:192.0.2.40;lr>"]
