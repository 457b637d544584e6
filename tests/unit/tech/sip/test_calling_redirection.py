"""3xx to an INVITE of our own (``fallback = invite``), where ``follow_redirect_methods`` allows to follow it."""

from __future__ import annotations

import gc

import pytest

from support.call_world import at, exchange
from support.called_phone import CAROL, OFFER, SDP, called, nothing_left, notify, progress, takes, world
from support.sip_world import SERVER, Sent, SipWorld, aor, phone, reply
from switchroom.model.message import Fallback, ReferralState
from switchroom.tech.sip.limits import MAX_REDIRECT_CONTACTS, MAX_REDIRECTS, RING_LIFE

HOME = "192.0.2.7:5099"
AT_HOME = f"Contact: <sip:c@{HOME}>\n"


async def following(**of_carol: object) -> SipWorld:
    return await world(**{"follow_redirect_methods": ("message", "invite"), **of_carol})


def sent_on(w: SipWorld, invite: Sent, contact: str = AT_HOME, status: int = 302) -> Sent:
    """The INVITE that a 3xx leads to, after the ACK."""
    ack, again = w.receive(reply(invite, status, contact), CAROL)
    assert (ack.request.method, again.request.method) == ("ACK", "INVITE")
    return again


async def test_the_phone_is_referred_where_the_3xx_led_to() -> None:
    w = await following()
    first = called(w, headers={"Alert-Info": "<urn:a>"})
    second = sent_on(w, first, f"Contact: <sip:low@192.0.2.6>;q=0.5, <sip:c@{HOME};x=y?Subject=no>;q=0.9\n")
    assert (second.request.target, second.to) == (f"sip:c@{HOME};x=y", ("192.0.2.7", 5099))
    for name in ("from", "to", "call-id", "contact", "alert-info", "content-type", "max-forwards"):
        assert second.request.lines(name) == first.request.lines(name) != []
    assert second.request.body == first.request.body
    assert second.request.cseq.number == first.request.cseq.number + 1
    w.receive(reply(second, 180), HOME)
    ack, inside = w.receive(reply(second, 200, f"{AT_HOME}{SDP}", OFFER), HOME)
    assert (ack.request.method, ack.request.cseq.number, ack.to) == ("ACK", 2, ("192.0.2.7", 5099))
    assert (inside.request.method, inside.request.target, inside.to) == ("REFER", f"sip:c@{HOME}", ack.to)
    w.receive(reply(inside, 202), HOME)
    w.receive(notify(second, "SIP/2.0 200 OK", "terminated"), HOME)
    (bye,) = w.pass_time(0)
    assert (bye.request.method, bye.to) == ("BYE", ack.to)
    w.receive(reply(bye), HOME)
    assert progress(w)[1:] == [
        (ReferralState.SENT, 180),
        (ReferralState.SENT, 200),
        (ReferralState.ACCEPTED, 202),
        (ReferralState.ANSWERED, 200),
    ]
    assert nothing_left(w)


@pytest.mark.parametrize("methods", [(), ("message",)])
async def test_without_leave_it_is_a_failure(methods: tuple[str, ...]) -> None:
    w = await world(follow_redirect_methods=methods)
    (ack,) = w.receive(reply(called(w), 302, AT_HOME), CAROL)
    assert ack.request.method == "ACK"
    assert progress(w)[1:] == [(ReferralState.FAILED, 302)]
    assert nothing_left(w)


async def test_a_3xx_to_the_refer_itself_is_not_followed() -> None:
    w = await following()
    w.referrals.refer("pjsip:carol", "alice", "alice", {}, fallback=Fallback.INVITE)
    (first,) = w.sent()
    assert w.receive(reply(first, 302, AT_HOME), CAROL) == []
    assert progress(w)[1:] == [(ReferralState.FAILED, 302)]


async def test_the_next_is_called_when_one_refuses() -> None:
    w = await following()
    second = sent_on(w, called(w), "Contact: <sip:a@192.0.2.6>;q=.2, <sip:b@192.0.2.7>\n")
    ack, third = w.receive(reply(second, 486), "192.0.2.7:5060")
    assert ack.request.method == "ACK"
    assert (third.request.target, third.request.cseq.number) == ("sip:a@192.0.2.6", 3)
    w.receive(reply(third, 480), "192.0.2.6:5060")
    assert progress(w)[1:] == [(ReferralState.FAILED, 480)]
    assert nothing_left(w)


@pytest.mark.parametrize(
    "contact",
    [
        *("<sip:x@169.254.169.254>", "<sip:x@127.0.0.1>", "<sip:x@192.0.2.7;maddr=224.0.0.1>", "<tel:+900>"),
        *("<sip:a@b@c>", "*", f"<sip:alice@{SERVER}>", f"<sip:carol@{CAROL}>"),
    ],
)
async def test_where_no_call_may_go_none_goes(contact: str) -> None:
    """SECURITY.md S16; and nobody is called twice, nor this server."""
    w = await following()
    (ack,) = w.receive(reply(called(w), 302, f"Contact: {contact}\n"), CAROL)
    assert ack.request.method == "ACK"
    assert progress(w)[1:] == [(ReferralState.FAILED, 302)]
    assert nothing_left(w)


async def test_a_3xx_without_a_contact_is_a_failure() -> None:
    w = await following()
    assert len(w.receive(reply(called(w), 302), CAROL)) == 1
    assert progress(w)[1:] == [(ReferralState.FAILED, 302)]


async def test_circles_and_chains_end() -> None:
    w = await following()
    invite = called(w)
    for n in range(MAX_REDIRECTS):
        invite = sent_on(w, invite, f"Contact: <sip:carol@{CAROL}>, <sip:hop{n}@192.0.2.7>\n")
        assert invite.request.target == f"sip:hop{n}@192.0.2.7"
    (ack,) = w.receive(reply(invite, 302, "Contact: <sip:more@192.0.2.7>\n"), CAROL)
    assert ack.request.method == "ACK"
    assert progress(w)[1:] == [(ReferralState.FAILED, 302)]
    assert nothing_left(w)


async def test_so_many_are_called_and_no_more() -> None:
    w = await following()
    many = "".join(f"Contact: <sip:c{n}@192.0.2.7>\n" for n in range(60))
    left, tried = w.receive(reply(called(w), 300, many), CAROL), 0
    while len(left) == 2:
        tried += 1
        left = w.receive(reply(left[1], 480), "192.0.2.7:5060")
    assert tried == MAX_REDIRECT_CONTACTS
    assert progress(w)[1:] == [(ReferralState.FAILED, 480)]


async def test_who_is_given_up_is_cancelled_and_nobody_else_is_called() -> None:
    w = await following()
    second = sent_on(w, called(w), f"{AT_HOME}Contact: <sip:next@192.0.2.6>\n")
    w.receive(reply(second, 180), HOME)
    (cancel,) = w.pass_time(RING_LIFE + 0.1)
    assert (cancel.request.method, cancel.request.target) == ("CANCEL", f"sip:c@{HOME}")
    w.receive(reply(cancel), HOME)
    (ack,) = w.receive(reply(second, 487), HOME)
    assert ack.request.method == "ACK"
    assert progress(w)[-1] == (ReferralState.FAILED, 487)
    assert nothing_left(w)


async def test_a_3xx_that_comes_too_late_leads_nowhere() -> None:
    w = await following()
    first = called(w)
    w.receive(reply(first, 180), CAROL)
    w.pass_time(RING_LIFE + 0.1)
    (ack,) = w.receive(reply(first, 302, AT_HOME), CAROL)
    assert ack.request.method == "ACK"
    assert nothing_left(w)


async def test_who_is_picked_up_too_late_is_let_go_there() -> None:
    w = await following()
    second = sent_on(w, called(w))
    w.receive(reply(second, 180), HOME)
    w.pass_time(RING_LIFE + 0.1)
    left = w.receive(reply(second, 200, f"{AT_HOME}{SDP}", OFFER), HOME)
    assert [(s.request.method, s.to) for s in left] == [(m, ("192.0.2.7", 5099)) for m in ("ACK", "BYE")]
    assert progress(w)[-1] == (ReferralState.FAILED, 487)


async def test_a_phone_there_that_wants_other_media_may_say_which() -> None:
    """It is asked for at home again, and sent on again."""
    w = await following()
    second = sent_on(w, called(w))
    ack, third = w.receive(reply(second, 488), HOME)
    assert (ack.request.method, third.request.method) == ("ACK", "INVITE")
    assert (third.request.target, third.request.body, third.request.cseq.number) == (f"sip:carol@{CAROL}", b"", 3)
    fourth = sent_on(w, third)
    assert (fourth.request.target, fourth.request.body, fourth.request.cseq.number) == (f"sip:c@{HOME}", b"", 4)
    ack, inside = w.receive(reply(fourth, 200, f"{AT_HOME}{SDP}", OFFER), HOME)
    assert b"a=inactive" in ack.request.body
    assert (inside.request.method, inside.to) == ("REFER", ("192.0.2.7", 5099))


async def test_our_password_is_for_the_host_it_is_for() -> None:
    """SECURITY.md S37."""
    challenge = 'WWW-Authenticate: Digest realm="phone", nonce="n", algorithm=MD5, qop="auth"\n'
    for host, proven in (("192.0.2.5:5099", True), (HOME, False)):
        w = await following()
        second = sent_on(w, called(w), f"Contact: <sip:c@{host}>\n")
        left = w.receive(reply(second, 401, challenge), host)
        assert [s.request.method for s in left] == ["ACK", "INVITE"][: 1 + proven]
        assert all(s.request.first("authorization") for s in left[1:])


async def test_a_call_at_another_place_outlives_the_connection_of_the_phone_that_sent_it_there() -> None:
    x = await exchange(
        endpoints=[phone("alice", auth=()), phone("carol", follow_redirect_methods=("invite",))],
        aors=[aor("alice", contact=("sip:al@192.0.2.4:5090",)), aor("carol")],
    )
    x.listen("ws", 8088)
    contact = "sip:c@carol.invalid;transport=ws"
    for led_away in (True, False):
        desk = at(x, "carol", "192.0.2.5:40000", transport="ws", contact=contact)
        home = at(x, "carol", HOME, register=False)
        x.world.referrals.refer("pjsip:carol", "alice", "alice", {}, fallback=Fallback.INVITE)
        x.deliver()
        desk.answer(desk.got("REFER"), 405)
        if led_away:
            desk.answer(desk.got("INVITE"), 302, extra=f"Contact: <{home.contact}>\n")
        there = home if led_away else desk
        there.answer(there.got("INVITE"), 200, extra=SDP, body=OFFER)
        there.answer(there.got("REFER"), 202)
        assert progress(x.world)[-1] == (ReferralState.ACCEPTED, 202)
        x.disconnect(desk)
        x.pass_time(1)
        assert (progress(x.world)[-1] == (ReferralState.ACCEPTED, 202)) is led_away
        assert "BYE" not in home.methods()
    assert progress(x.world)[-1] == (ReferralState.FAILED, 503)


async def test_calls_that_were_sent_on_leave_no_cycle() -> None:
    w = await following()
    gc.collect()
    gc.disable()
    try:
        second = sent_on(w, called(w))
        w.receive(reply(second, 486), HOME)
        second = sent_on(w, called(w))
        _, inside = w.receive(reply(second, 200, f"{AT_HOME}{SDP}", OFFER), HOME)
        w.receive(reply(inside, 603), HOME)
        (bye,) = w.pass_time(0)
        w.receive(reply(bye), HOME)
        takes(w, called(w))
        del second, inside, bye
        w.pass_time(700)
        w.progress.clear()
        w.ear.take()
        w.pass_time(100)
        assert gc.collect() == 0
    finally:
        gc.enable()
