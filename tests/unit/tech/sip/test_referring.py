"""REFER out and its NOTIFYs (RFC 3515, docs/rulings.md 6 and 8)."""

from __future__ import annotations

import asyncio

import pytest

from support.call_world import Exchange, Phone, at, exchange
from support.sip_world import SERVER, Sent, SipWorld, aor, auth, phone, reply, settings
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import Fallback, ReferralState
from switchroom.tech.sip.limits import FALLBACK_PATIENCE, SUBSCRIPTION_LIFE


async def world() -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice", auth=()),
            phone("carol", auth=()),
            phone("dave", auth=()),
            phone("erin"),
            phone("trunk", auth=(), from_user="trunkuser", from_domain="trunk.example"),
            aors=[
                aor("alice", contact=("sip:al@192.0.2.4:5090",)),
                aor("carol", contact=("sip:carol@192.0.2.5:5091",)),
                aor("dave", contact=("sip:dave@192.0.2.5:5092", "sip:dave@192.0.2.5:5093")),
                aor("erin"),
                aor("trunk", contact=("sip:192.0.2.6:5094",)),
            ],
            auths=[auth("erin")],
        )
    ).start()
    w.sent()
    return w


def refer(w: SipWorld, refer_to: str, **more: object) -> Sent:
    w.referrals.refer("pjsip:carol", "alice", refer_to, {}, **more)  # type: ignore[arg-type]
    (sent,) = w.sent()
    return sent


@pytest.mark.parametrize(
    ("refer_to", "shown"),
    [
        ("alice", "<sip:al@192.0.2.4:5090>"),
        ("pjsip:alice", "<sip:al@192.0.2.4:5090>"),
        ("PJSIP:trunk", "<sip:192.0.2.6:5094>"),
        ("PJSIP/77@alice", "<sip:77@192.0.2.4:5090>"),
        ("alice/sip:u@198.51.100.4", "<sip:u@198.51.100.4>"),
        ("alice/alice", "<sip:al@192.0.2.4:5090>"),
        ("dave", "<sip:dave@192.0.2.5:5092>"),
        ("100@h.example", "<sip:100@h.example>"),
        ("sip:100@h.example;user=phone", "<sip:100@h.example;user=phone>"),
        ("sip:100@h.example?Replaces=abc%3Bto-tag%3D1", "<sip:100@h.example?Replaces=abc%3Bto-tag%3D1>"),
        ('"N N" <sip:100@h.example>', '"N N" <sip:100@h.example>'),
        ("pjsip:sip:100@h.example", "<sip:100@h.example>"),
        ("tel:+15551234", "<tel:+15551234>"),
        ("sips:100@h.example", "<sips:100@h.example>"),
    ],
)
async def test_whom_a_phone_is_referred_to(refer_to: str, shown: str) -> None:
    assert refer(await world(), refer_to).request.first("refer-to") == shown


@pytest.mark.parametrize(
    ("refer_to", "shown"),
    [
        ("alice", "<sip:alice@192.0.2.1:5060>"),
        ("PJSIP/77@alice", "<sip:77@192.0.2.1:5060>"),
        ("erin", "<sip:erin@192.0.2.1:5060>"),
        ("trunk", "<sip:trunk@192.0.2.1:5060>"),
        ("alice/sip:u@198.51.100.4:99", "<sip:u@192.0.2.1:5060>"),
        ("sip:u@h.example", "<sip:u@h.example>"),
    ],
)
async def test_to_self_names_the_endpoint_at_our_address(refer_to: str, shown: str) -> None:
    assert refer(await world(), refer_to, to_self=True).request.first("refer-to") == shown


@pytest.mark.parametrize("refer_to", ["nobody", "pjsip:nobody", "erin", "nobody/x", "alice/other", "host.only"])
async def test_whom_there_is_not_is_not_found(refer_to: str) -> None:
    w = await world()
    with pytest.raises(EndpointNotFound):
        refer(w, refer_to)
    assert not w.sent()


@pytest.mark.parametrize("refer_to", ["", "foo:bar", "xmpp:romeo@h", "sip:", "a\r\nb", "sip:a@b@c", "<", "mailto:a@b"])
async def test_what_is_no_target_is_refused(refer_to: str) -> None:
    w = await world()
    with pytest.raises(InvalidParameter):
        refer(w, refer_to)
    assert not w.sent()


async def test_the_request_on_the_wire() -> None:
    w = await world()
    w.referrals.refer(
        "pjsip:carol",
        "pjsip:trunk",
        "alice",
        {"Refer-Sub": "false", "Refer-To": "<sip:evil@x>"},
        display_name='Al "x" B',
    )
    (sent,) = w.sent()
    r = sent.request
    assert (r.method, r.target, r.body) == ("REFER", "sip:carol@192.0.2.5:5091", b"")
    assert r.lines("refer-to") == ['"Al \\"x\\" B" <sip:al@192.0.2.4:5090>']
    assert (r.first("from") or "").startswith("<sip:trunkuser@trunk.example>;tag=")
    assert r.first("contact") == "<sip:trunkuser@192.0.2.1:5060>"
    assert r.first("event") == "refer"
    assert r.first("refer-sub") == "false"


async def test_the_latest_reachable_contact_is_referred() -> None:
    w = await world()
    w.register("erin", "<sip:e1@192.0.2.9>")
    w.pass_time(1)
    w.register("erin", "<sip:e2@192.0.2.9>")
    w.referrals.refer("pjsip:erin", "alice", "carol", {})
    (sent,) = w.sent()
    assert sent.request.target == "sip:e2@192.0.2.9"


def notify(sent: Sent, fragment: str, *, state: str = "active;expires=60", tag: str = "", cseq: int = 1) -> str:
    """A NOTIFY of the phone that was referred, in the dialog of the REFER."""
    r = sent.request
    to = (r.first("from") or "").replace(f"tag={r.from_.tag}", f"tag={tag or r.from_.tag}")
    body = f"{fragment}\r\n"
    return (
        f"NOTIFY sip:alice@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.5:5091;branch=z9hG4bKn{cseq}{state[:4]}\n"
        f"Max-Forwards: 70\nFrom: <sip:carol@192.0.2.5>;tag=phone\nTo: {to}\n"
        f"Call-ID: {r.call_id}\nCSeq: {cseq} NOTIFY\n"
        f"Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\n"
        f"Content-Length: {len(body)}\n\n{body}"
    )


async def test_notifies_are_answered_and_tell_how_far_it_got() -> None:
    w = await world()
    sent = refer(w, "alice")
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    for n, fragment in enumerate(("SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 180 Ringing"), 1):
        (answer,) = w.receive(notify(sent, fragment, cseq=n), "192.0.2.5:5091")
        assert answer.response.status == 200
    last = notify(sent, "SIP/2.0 200 OK", state="terminated;reason=noresource", cseq=9)
    (answer,) = w.receive(last, "192.0.2.5:5091")
    assert answer.response.status == 200
    assert [p.state for p in w.progress] == [
        ReferralState.SENT,
        ReferralState.ACCEPTED,
        ReferralState.TRYING,
        ReferralState.RINGING,
        ReferralState.ANSWERED,
    ]
    (late,) = w.receive(notify(sent, "SIP/2.0 200 OK", cseq=11), "192.0.2.5:5091")
    assert late.response.status == 481


async def test_a_notify_of_no_subscription_is_refused_and_tells_nothing() -> None:
    w = await world()
    sent = refer(w, "alice")
    (answer,) = w.receive(notify(sent, "SIP/2.0 200 OK", tag="guess"), "192.0.2.5:5091")
    assert answer.response.status == 481
    assert [p.state for p in w.progress] == [ReferralState.SENT]


@pytest.mark.parametrize("status", [405, 501, 603])
async def test_a_phone_that_refuses_is_a_failure(status: int) -> None:
    w = await world()
    w.receive(reply(refer(w, "alice"), status), "192.0.2.5:5091")
    assert [(p.state, p.status_code) for p in w.progress][1:] == [(ReferralState.FAILED, status)]


async def test_a_phone_that_is_silent_is_a_failure_and_nothing_is_kept() -> None:
    w = await world()
    refer(w, "alice")
    w.pass_time(33)
    await asyncio.sleep(0)
    assert [(p.state, p.status_code) for p in w.progress][1:] == [(ReferralState.FAILED, 408)]
    assert not w.sip._referring._subscriptions


async def test_without_a_subscription_nothing_more_is_awaited() -> None:
    w = await world()
    w.receive(reply(refer(w, "alice"), 202, "Refer-Sub: false\n"), "192.0.2.5:5091")
    assert not w.sip._referring._subscriptions


async def test_a_subscription_ends_with_its_time() -> None:
    w = await world()
    w.receive(reply(refer(w, "alice"), 202), "192.0.2.5:5091")
    w.pass_time(601)
    assert not w.sip._referring._subscriptions


async def test_notifies_that_overtake_each_other_do_not_go_back() -> None:
    w = await world()
    sent = refer(w, "alice")
    w.receive(notify(sent, "SIP/2.0 180 Ringing", cseq=2), "192.0.2.5:5091")
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    w.receive(notify(sent, "SIP/2.0 100 Trying", cseq=1), "192.0.2.5:5091")
    w.receive(notify(sent, "SIP/2.0 200 OK", cseq=4), "192.0.2.5:5091")
    w.receive(notify(sent, "SIP/2.0 180 Ringing", cseq=3), "192.0.2.5:5091")
    assert [p.state for p in w.progress] == [ReferralState.SENT, ReferralState.RINGING, ReferralState.ANSWERED]


async def test_referrals_that_ended_leave_nothing_behind() -> None:
    w = await world()
    for _ in range(20):
        w.receive(reply(refer(w, "alice"), 603), "192.0.2.5:5091")
    assert not w.sip._referring._subscriptions
    assert len(w.sip._schedule) == 0


@pytest.mark.parametrize("refer_to", ["PJSIP/7 7@alice", "PJSIP/a>b@alice", "PJSIP/a@b@alice"])
async def test_an_odd_user_is_escaped_for_us_too(refer_to: str) -> None:
    w = await world()
    user = refer_to[6:].partition("@")[0].replace(" ", "%20").replace(">", "%3E")
    if refer_to.count("@") == 1:
        assert refer(w, refer_to, to_self=True).request.first("refer-to") == f"<sip:{user}@192.0.2.1:5060>"
    else:
        with pytest.raises(EndpointNotFound):
            refer(w, refer_to, to_self=True)


@pytest.mark.parametrize("to_self", [False, True])
async def test_a_user_that_is_missing_is_not_found(to_self: bool) -> None:
    with pytest.raises(EndpointNotFound):
        refer(await world(), "PJSIP/@alice", to_self=to_self)


async def test_a_sender_is_escaped_once_in_the_contact() -> None:
    w = await world()
    w.referrals.refer("pjsip:carol", "x y", "alice", {})
    (sent,) = w.sent()
    assert sent.request.first("contact") == "<sip:x%20y@192.0.2.1:5060>"


async def test_a_referral_that_fits_no_datagram_is_refused() -> None:
    w = await world()
    with pytest.raises(InvalidParameter):
        w.referrals.refer("pjsip:carol", "alice", "alice", {"X-Long": "x" * 66_000})
    assert not w.sent()
    assert not w.sip._referring._subscriptions


# ---- each end there is


@pytest.mark.parametrize(
    ("fragment", "state"),
    [
        ("SIP/2.0 100 Trying", ReferralState.TRYING),
        ("SIP/2.0 179 Odd", ReferralState.TRYING),
        ("SIP/2.0 180 Ringing", ReferralState.RINGING),
        ("SIP/2.0 183 Session Progress", ReferralState.RINGING),
        ("SIP/2.0 200 OK", ReferralState.ANSWERED),
        ("SIP/2.0 202", ReferralState.ANSWERED),
        ("SIP/2.0 302 Moved", ReferralState.FAILED),
        ("SIP/2.0 404 Not Found", ReferralState.FAILED),
        ("SIP/2.0 487 Request Terminated", ReferralState.FAILED),
        ("SIP/2.0 503 Service Unavailable", ReferralState.FAILED),
        ("SIP/2.0 603 Decline", ReferralState.FAILED),
    ],
)
async def test_what_a_fragment_says(fragment: str, state: ReferralState) -> None:
    w = await world()
    sent = refer(w, "alice")
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    w.receive(notify(sent, fragment), "192.0.2.5:5091")
    last = w.progress[-1]
    status, _, reason = fragment.removeprefix("SIP/2.0 ").partition(" ")
    assert (last.state, last.status_code, last.reason) == (state, int(status), reason)


@pytest.mark.parametrize("fragment", ["", "junk", "SIP/2.0 999 Far", "SIP/3.0 200 OK", "HTTP/1.1 200 OK"])
async def test_a_fragment_that_says_nothing_changes_nothing(fragment: str) -> None:
    w = await world()
    sent = refer(w, "alice")
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    (answer,) = w.receive(notify(sent, fragment), "192.0.2.5:5091")
    assert answer.response.status == 200
    assert [p.state for p in w.progress] == [ReferralState.SENT, ReferralState.ACCEPTED]


async def test_a_subscription_that_ends_early_leaves_what_is_known() -> None:
    """What became of the call nobody can say; ``trying`` is the last that is true."""
    w = await world()
    sent = refer(w, "alice")
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    w.receive(notify(sent, "SIP/2.0 100 Trying", state="terminated;reason=noresource"), "192.0.2.5:5091")
    assert [p.state for p in w.progress][2:] == [ReferralState.TRYING]
    assert not w.sip._referring._subscriptions
    assert w.pass_time(SUBSCRIPTION_LIFE + 1) == []
    assert len(w.schedule) == 0


async def test_a_notify_before_the_answer_counts() -> None:
    """RFC 6665 4.1.2.4: on UDP it may come first."""
    w = await world()
    sent = refer(w, "alice")
    last = notify(sent, "SIP/2.0 200 OK", state="terminated;reason=noresource")
    (answer,) = w.receive(last, "192.0.2.5:5091")
    assert answer.response.status == 200
    assert w.receive(reply(sent, 202), "192.0.2.5:5091") == []
    assert [p.state for p in w.progress] == [ReferralState.SENT, ReferralState.ANSWERED]


# ---- phones on connections


async def browsers(*names: str) -> tuple[Exchange, list[Phone]]:
    world = await exchange("bob", *names)
    world.listen("ws", 5080)
    found = [
        at(world, name, f"198.51.100.{n}:4000", transport="ws", contact=f"sip:{name}x@{name}.invalid;transport=ws")
        for n, name in enumerate(names, 1)
    ]
    return world, [at(world, "bob", "192.0.2.44:5060"), *found]


def progress(world: Exchange) -> list[tuple[ReferralState, int]]:
    return [(report.state, report.status_code) for report in world.world.progress]


def tell(phone: Phone, referred: Sent, fragment: str) -> None:
    r = referred.request
    body = f"SIP/2.0 {fragment}"
    phone.send(
        f"NOTIFY sip:x@{SERVER} SIP/2.0\n{phone.via('z9hG4bKnotify')}Max-Forwards: 70\nFrom: {r.first('to')};tag=p\n"
        f"To: {r.first('from')}\nCall-ID: {r.call_id}\nCSeq: 1 NOTIFY\nEvent: refer\nSubscription-State: active\n"
        f"Content-Length: {len(body)}\n\n{body}"
    )


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_phone_that_is_gone_with_its_connection_is_a_failure(accepted: bool) -> None:
    world, (_, sue) = await browsers("sue")
    world.world.referrals.refer("pjsip:sue", "bob", "bob", {})
    world.deliver()
    referred = sue.got("REFER")
    if accepted:
        sue.answer(referred, 202)
        tell(sue, referred, "180 Ringing")
    world.disconnect(sue)
    assert progress(world)[-1] == (ReferralState.FAILED, 503)
    referring = world.world.sip._referring
    assert not referring._subscriptions
    assert not referring._tied


async def test_a_phone_whose_referral_ended_may_go() -> None:
    world, (_, sue) = await browsers("sue")
    world.world.referrals.refer("pjsip:sue", "bob", "bob", {})
    world.deliver()
    referred = sue.got("REFER")
    sue.answer(referred, 202)
    tell(sue, referred, "200 OK")
    world.disconnect(sue)
    assert progress(world)[-1] == (ReferralState.ANSWERED, 200)
    assert not world.world.sip._referring._tied


async def test_a_browser_is_offered_what_it_can_take_and_gone_with_its_connection() -> None:
    world, (_, sue) = await browsers("sue")
    world.world.referrals.refer("pjsip:sue", "bob", "bob", {}, fallback=Fallback.INVITE)
    world.deliver()
    sue.answer(sue.got("REFER"), 405)
    invite = sue.got("INVITE")
    assert invite.request.target == "sip:suex@sue.invalid;transport=ws"
    assert invite.request.to.uri.user == "sue"
    assert b"UDP/TLS/RTP/SAVPF" in invite.request.body
    sue.answer(invite, 200, body="v=0")
    assert (sue.got("ACK").to, sue.got("REFER").request.to.tag) == (("198.51.100.1", 4000), "sue.198.51.100.1.4000")
    world.disconnect(sue)
    assert progress(world)[-1] == (ReferralState.FAILED, 503)
    world.pass_time(100)
    assert world.channels("sue") == 0
    assert world.lost == []
    assert not world.world.sip._referring._calls._calls


async def test_a_phone_that_went_while_it_was_waited_for_is_a_failure() -> None:
    world, (_, sue) = await browsers("sue")
    world.world.referrals.refer("pjsip:sue", "bob", "bob", {}, fallback=Fallback.INVITE)
    world.disconnect(sue)
    world.pass_time(FALLBACK_PATIENCE + 1)
    assert progress(world)[-1] == (ReferralState.FAILED, 503)


# ---- ``to_self``


@pytest.mark.parametrize("fallback", list(Fallback))
async def test_the_referred_phone_calls_through_us(fallback: Fallback) -> None:
    world, (bob, sue) = await browsers("sue")
    world.world.referrals.refer("pjsip:sue", "bob", "bob", {}, to_self=True, fallback=fallback)
    world.deliver()
    first = referred = sue.got("REFER")
    if fallback is Fallback.INVITE:
        sue.answer(first, 405)
        sue.answer(sue.got("INVITE"), 200, body="v=0")
        referred = sue.got("REFER")
    sue.answer(referred, 202)
    target = (referred.request.first("refer-to") or "").strip("<>")
    sue.take()
    sue.invite(target)
    bob.answer(bob.got("INVITE"), 200)
    assert sue.got(200).response.cseq.method == "INVITE"
    assert progress(world)[-1] == (ReferralState.ACCEPTED, 202)
