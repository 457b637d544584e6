"""``fallback = invite``: a phone that takes no REFER outside a dialog is called and referred inside one."""

from __future__ import annotations

from random import Random

import pytest

from support.called_phone import (
    CAROL,
    CONTACT,
    OFFER,
    SDP,
    answer,
    ask,
    called,
    nothing_left,
    notify,
    progress,
    refer,
    referred,
    takes,
    world,
)
from support.sip_world import SipWorld, aor, auth, phone, reply, settings, wire
from switchroom.model.message import Fallback, ReferralState
from switchroom.tech.sip.limits import FALLBACK_PATIENCE, MAX_FORKS, SUBSCRIPTION_LIFE
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request

# ---- when a phone is called


@pytest.mark.parametrize("status", [403, 405, 481, 489, 501, 603])
async def test_a_phone_that_refuses_is_called(status: int) -> None:
    w = await world()
    r = called(w, status).request
    assert r.target == f"sip:carol@{CAROL}"
    assert r.first("contact") == "<sip:alice@192.0.2.1:5060>"
    assert r.first("content-type") == "application/sdp"
    assert b"\r\na=inactive\r\n" in r.body
    assert not r.to.tag
    assert progress(w) == [(ReferralState.SENT, 0)]


@pytest.mark.parametrize("status", [400, 404, 410, 480, 486, 500, 503, 600])
async def test_a_phone_that_is_not_there_or_busy_is_not_called(status: int) -> None:
    w = await world()
    assert w.receive(reply(refer(w), status), CAROL) == []
    assert progress(w)[1:] == [(ReferralState.FAILED, status)]
    assert nothing_left(w)


async def test_without_being_asked_nobody_is_called() -> None:
    w = await world()
    assert w.receive(reply(refer(w, fallback=Fallback.NONE), 405), CAROL) == []
    assert progress(w)[1:] == [(ReferralState.FAILED, 405)]


async def test_a_phone_that_takes_the_referral_is_not_called() -> None:
    w = await world()
    assert w.receive(reply(refer(w), 202), CAROL) == []
    assert w.pass_time(60) == []
    assert progress(w)[1:] == [(ReferralState.ACCEPTED, 202)]


async def test_a_phone_that_is_silent_is_called_before_the_transaction_gives_up() -> None:
    w = await world()
    first = refer(w)
    sent = w.pass_time(FALLBACK_PATIENCE + 0.1)
    assert [s.request.method for s in sent] == ["REFER", "REFER", "REFER", "INVITE"]
    takes(w, sent[-1])
    # Referred inside the call: the first REFER is not repeated any more, a late answer to it means nothing.
    assert w.receive(reply(first, 202), CAROL) == []
    assert progress(w) == [(ReferralState.SENT, 0), (ReferralState.SENT, 200)]


async def test_a_late_yes_ends_the_call_that_nobody_took() -> None:
    w = await world()
    first = refer(w)
    invite = w.pass_time(FALLBACK_PATIENCE + 0.1)[-1]
    w.receive(reply(invite, 180), CAROL)
    (cancel,) = w.receive(reply(first, 202), CAROL)
    assert cancel.request.method == "CANCEL"
    assert progress(w)[1:] == [(ReferralState.SENT, 180), (ReferralState.ACCEPTED, 202)]


async def test_a_notify_says_yes_too() -> None:
    """The answer to the REFER was lost; a NOTIFY of its subscription is proof that the phone took it."""
    w = await world()
    first = refer(w)
    w.receive(notify(first, "SIP/2.0 100 Trying"), CAROL)
    assert all(s.request.method == "REFER" for s in w.pass_time(33))
    assert progress(w)[1:] == [(ReferralState.TRYING, 100)]
    w.receive(notify(first, "SIP/2.0 200 OK", "terminated", 2), CAROL)
    assert progress(w)[2:] == [(ReferralState.ANSWERED, 200)]
    assert nothing_left(w)


async def test_a_late_notify_ends_the_call_that_nobody_took() -> None:
    w = await world()
    first = refer(w)
    invite = w.pass_time(FALLBACK_PATIENCE + 0.1)[-1]
    w.receive(reply(invite, 180), CAROL)
    cancel, ok = w.receive(notify(first, "SIP/2.0 180 Ringing"), CAROL)
    assert (cancel.request.method, ok.response.status) == ("CANCEL", 200)
    assert progress(w)[1:] == [(ReferralState.SENT, 180), (ReferralState.RINGING, 180)]


async def test_a_late_no_changes_nothing() -> None:
    w = await world()
    first = refer(w)
    w.pass_time(FALLBACK_PATIENCE + 0.1)
    assert w.receive(reply(first, 603), CAROL) == []
    assert progress(w) == [(ReferralState.SENT, 0)]


async def test_headers_that_tell_how_to_ring_are_in_the_call_too() -> None:
    w = await world()
    given = {"Alert-Info": "<urn:a>;info=alert-autoanswer", "X-Case": "7", "Refer-Sub": "true", "Replaces": "a;b=c"}
    invite = called(w, headers=given)
    assert invite.request.first("alert-info") == given["Alert-Info"]
    assert invite.request.first("x-case") == "7"
    assert invite.request.first("refer-sub") is None
    assert invite.request.first("replaces") is None
    _, inside = takes(w, invite)
    assert inside.request.first("refer-sub") == "true"


# ---- the call


async def test_the_phone_is_referred_inside_the_call_and_let_go() -> None:
    w = await world()
    invite = called(w)
    assert w.receive(reply(invite, 180), CAROL) == []
    ack, inside = takes(w, invite)
    r = invite.request
    assert ack.request.method == "ACK"
    assert ack.request.cseq.number == r.cseq.number
    assert ack.request.via.branch != r.via.branch
    assert inside.request.method == "REFER"
    assert inside.request.cseq.number == r.cseq.number + 1
    assert (inside.request.call_id, inside.request.to.tag) == (r.call_id, "phone")
    assert inside.request.first("refer-to") == "<sip:al@192.0.2.4:5090>"
    assert inside.request.from_.tag == r.from_.tag
    w.receive(reply(inside, 202), CAROL)
    for n, fragment in enumerate(("100 Trying", "180 Ringing"), 1):
        (ok,) = w.receive(notify(invite, f"SIP/2.0 {fragment}", cseq=n), CAROL)
        assert ok.response.status == 200
    (ok,) = w.receive(notify(invite, "SIP/2.0 200 OK", "terminated;reason=noresource", 3), CAROL)
    assert ok.response.status == 200
    (bye,) = w.pass_time(0)
    assert (bye.request.method, bye.request.cseq.number) == ("BYE", inside.request.cseq.number + 1)
    w.receive(reply(bye), CAROL)
    assert progress(w) == [
        (ReferralState.SENT, 0),
        (ReferralState.SENT, 180),
        (ReferralState.SENT, 200),
        (ReferralState.ACCEPTED, 202),
        (ReferralState.TRYING, 100),
        (ReferralState.RINGING, 180),
        (ReferralState.ANSWERED, 200),
    ]
    assert nothing_left(w)


async def test_the_phone_has_a_channel_while_it_is_called() -> None:
    w = await world()
    invite = called(w)

    def channels() -> int:
        endpoint = w.registry.get("PJSIP", "carol")
        assert endpoint is not None
        return len(endpoint.channel_ids)

    w.receive(reply(invite, 100), CAROL)
    assert channels() == 0
    w.receive(reply(invite, 180), CAROL)
    assert channels() == 1
    takes(w, invite)
    assert channels() == 1
    w.receive(ask(invite, "BYE"), CAROL)
    assert channels() == 0


async def test_requests_go_the_way_the_answer_tells() -> None:
    w = await world()
    w.addresses.known["moved.example"] = ["192.0.2.77"]
    ack, inside = takes(w, called(w), extra="Record-Route: <sip:192.0.2.66:5070;lr>, <sip:192.0.2.67;lr>\n")
    for sent in (ack, inside):
        assert sent.to == ("192.0.2.67", 5060)
        assert sent.request.lines("route") == ["<sip:192.0.2.67;lr>", "<sip:192.0.2.66:5070;lr>"]
        assert sent.request.target == f"sip:carol@{CAROL}"


async def test_the_call_is_acknowledged_as_often_as_it_is_answered() -> None:
    w = await world()
    invite = called(w)
    takes(w, invite)
    (ack,) = takes(w, invite)
    assert ack.request.method == "ACK"
    assert progress(w)[-1] == (ReferralState.SENT, 200)


async def test_other_forks_are_taken_and_ended() -> None:
    w = await world()
    invite = called(w)
    takes(w, invite)
    ack, bye = takes(w, invite, "other")
    assert (ack.request.method, bye.request.method) == ("ACK", "BYE")
    assert (ack.request.to.tag, bye.request.to.tag) == ("other", "other")
    assert [s.request.method for s in takes(w, invite, "other")] == ["ACK"]
    more = [len(takes(w, invite, f"t{n}")) for n in range(MAX_FORKS + 3)]
    assert more.count(2) == MAX_FORKS - 1
    assert more[-1] == 0


@pytest.mark.parametrize(("code", "header"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
async def test_challenges_are_answered_and_the_ack_has_the_proof(code: int, header: str) -> None:
    w = await world()
    challenge = f'{header}: Digest realm="phone", nonce="n{code}", algorithm=MD5, qop="auth"\n'
    ack, invite = w.receive(reply(called(w), code, challenge), CAROL)
    assert (ack.request.method, invite.request.method) == ("ACK", "INVITE")
    proof = "authorization" if code == 401 else "proxy-authorization"
    assert invite.request.first(proof)
    assert invite.request.cseq.number == 2
    ack, inside = takes(w, invite)
    assert ack.request.first(proof) == invite.request.first(proof)
    assert ack.request.cseq.number == 2
    # The REFER is challenged in turn; its repetition has the next number of the dialog, and so has the BYE.
    (again,) = w.receive(reply(inside, code, challenge), CAROL)
    assert (inside.request.cseq.number, again.request.cseq.number) == (3, 4)
    w.receive(reply(again, 603), CAROL)
    (bye,) = w.pass_time(0)
    assert (bye.request.method, bye.request.cseq.number) == ("BYE", 5)


@pytest.mark.parametrize("status", [415, 488, 606])
async def test_a_phone_that_wants_other_media_may_say_which(status: int) -> None:
    """RFC 3261 13.2.1: it offers in its 2xx, and the ACK answers."""
    w = await world()
    first = called(w)
    ack, second = w.receive(reply(first, status), CAROL)
    assert (ack.request.method, second.request.method) == ("ACK", "INVITE")
    assert (second.request.cseq.number, second.request.body) == (2, b"")
    assert second.request.call_id == first.request.call_id
    offer = OFFER.replace("RTP/AVP 0", f"RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}")
    for count_of_acks in (1, 2):
        left = w.receive(reply(second, 200, CONTACT + SDP, offer), CAROL)
        assert b"m=audio 9 RTP/SAVP 0" in left[0].request.body
        assert b"a=inactive" in left[0].request.body
        assert left[0].request.first("content-type") == "application/sdp"
        assert [s.request.method for s in left] == ["ACK", "REFER"][: 3 - count_of_acks]
    assert left[0].request.cseq.number == 2


# ---- what the phone does inside the call


@pytest.mark.parametrize(
    ("method", "extra", "body", "status"),
    [
        ("INFO", "", "", 200),
        ("INFO", "Info-Package: x\n", "", 469),
        ("OPTIONS", "", "", 200),
        ("UPDATE", CONTACT, "", 200),
        ("UPDATE", CONTACT + SDP, OFFER, 200),
        ("UPDATE", CONTACT + SDP, "junk", 488),
        ("UPDATE", CONTACT + "Content-Type: text/plain\n", "junk", 415),
        ("UPDATE", "Contact: <tel:+1>\n", "", 400),
        ("UPDATE", CONTACT + "Content-Type: ///\n", "junk", 400),
        ("INVITE", CONTACT + SDP, "junk", 488),
        ("PRACK", "", "", 481),
        ("MESSAGE", "", "", 405),
        ("REFER", CONTACT + "Refer-To: <sip:x@y>\n", "", 405),
        ("SUBSCRIBE", CONTACT + "Event: refer\n", "", 405),
        ("ODD", "", "", 405),
        ("INFO", "Require: nothing\n", "", 420),
        ("NOTIFY", "Event: presence\n", "", 489),
    ],
)
async def test_requests_inside_the_call(method: str, extra: str, body: str, status: int) -> None:
    w = await world()
    invite, _ = referred(w)
    assert answer(w, ask(invite, method, extra=extra, body=body)).status == status


async def test_requests_out_of_order_are_refused() -> None:
    w = await world()
    invite, _ = referred(w)
    assert answer(w, ask(invite, "INFO", cseq=9)).status == 200
    assert answer(w, ask(invite, "INFO", cseq=8)).status == 500


@pytest.mark.parametrize("tag", ["", "guess"])
async def test_who_does_not_know_both_tags_is_not_in_the_call(tag: str) -> None:
    w = await world()
    invite, _ = referred(w)
    text = ask(invite, "BYE")
    theirs = text.replace(";tag=phone", f";tag={tag}" if tag else "")
    assert answer(w, theirs).status == 481
    ours = text.replace(f"tag={invite.request.from_.tag}", f"tag={tag}" if tag else "x").replace("z9hG4bKp", "z9hG4bKq")
    assert answer(w, ours).status in (401, 481)
    assert answer(w, ask(invite, "INFO", cseq=2)).status == 200


async def test_the_session_stays_inactive_whatever_the_phone_offers() -> None:
    w = await world()
    invite, _ = referred(w)
    response = answer(w, ask(invite, "INVITE", extra=CONTACT + SDP, body=OFFER))
    assert response.status == 200
    assert response.first("contact") == invite.request.first("contact")
    assert b"m=audio 9 RTP/AVP 0\r\n" in response.body
    assert b"a=inactive" in response.body
    w.receive(ask(invite, "ACK"), CAROL)
    offered = answer(w, ask(invite, "INVITE", cseq=2, extra=CONTACT))
    assert b"m=audio 9 RTP/AVP 0 8 101\r\n" in offered.body


async def test_a_200_is_repeated_until_its_ack_comes() -> None:
    """RFC 3261 13.3.1.4: by the transaction user, at T1, 2*T1, up to T2."""
    w = await world()
    invite, _ = referred(w)
    text = ask(invite, "INVITE", extra=CONTACT + SDP, body=OFFER)
    w.receive(text, CAROL)
    assert [s.response.status for s in w.pass_time(3.6)] == [200, 200, 200]
    w.receive(ask(invite, "ACK", cseq=7), CAROL)
    assert len(w.pass_time(4)) == 1
    w.receive(ask(invite, "ACK"), CAROL)
    assert w.pass_time(31) == []


# ---- where phones are


async def test_a_phone_behind_nat_is_reached_where_its_registration_came_from() -> None:
    w = await SipWorld(
        settings(
            phone("alice", auth=()),
            phone("erin", rewrite_contact=True),
            aors=[aor("alice", contact=("sip:al@192.0.2.4:5090",)), aor("erin")],
            auths=[auth("erin")],
        )
    ).start()
    w.register("erin", "<sip:erin@10.0.0.7:5060>", source="198.51.100.7:40000")
    w.sent()
    w.referrals.refer("pjsip:erin", "alice", "alice", {}, fallback=Fallback.INVITE)
    (first,) = w.sent()
    (invite,) = w.receive(reply(first, 501), "198.51.100.7:40000")
    text = reply(invite, 200, f"Contact: <sip:erin@10.0.0.7:5060>\n{SDP}", OFFER)
    for sent in w.receive(text, "198.51.100.7:40000"):
        assert sent.to == ("198.51.100.7", 40000)
        assert sent.request.target == "sip:erin@10.0.0.7:5060"


async def test_a_phone_can_not_send_us_anywhere() -> None:
    """SECURITY.md S16: its Contact names an address that no packet may go to."""
    w = await world()
    assert w.receive(reply(called(w), 200, f"Contact: <sip:x@169.254.169.254>\n{SDP}", OFFER), CAROL) == []
    assert progress(w)[-1][0] is ReferralState.FAILED
    assert w.pass_time(1) == []


async def test_calls_to_one_phone_do_not_know_each_other() -> None:
    w = await world()
    first, second = called(w), called(w)
    assert first.request.call_id != second.request.call_id
    takes(w, first)
    takes(w, second)
    assert answer(w, ask(first, "BYE")).status == 200
    assert answer(w, ask(second, "INFO")).status == 200


def damaged(text: str, random: Random) -> bytes:
    """A message with a few bytes of its head and body changed, lost or doubled."""
    data = bytearray(wire(text))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                del data[at : at + random.randint(1, 30)]
            case 2:
                data[at:at] = random.choice([b"\r\n", b"\0", b";", b",", b"<", b'"', b"\xff", b"99999999999"])
            case _:
                data[at:at] = data[at : at + random.randint(1, 30)]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_a_phone_says_raises(seed: int) -> None:
    """SECURITY.md S01: answers to our INVITE and REFER, and requests inside the call, all damaged."""
    random = Random(seed)
    w = await world()
    flow = Flow("udp", "udp", "192.0.2.5", 5091)
    called = 0
    for _ in range(150):
        refused = reply(refer(w), 405)
        for _ in range(3):
            w.sip.receive(damaged(refused, random), flow)
        left = [s for s in w.receive(refused, CAROL) if isinstance(s.message, Request)]
        invite = next((s for s in left if s.request.method == "INVITE"), None)
        if invite is None:
            continue  # what was damaged said something else
        called += 1
        taken = reply(invite, 200, f"{CONTACT}Record-Route: <sip:192.0.2.66;lr>\n{SDP}", OFFER)
        for text in (reply(invite, 180), taken):
            for _ in range(3):
                w.sip.receive(damaged(text, random), flow)
        w.sip.receive(wire(taken), flow)
        for method, extra, body in (
            ("INVITE", CONTACT + SDP, OFFER),
            ("UPDATE", CONTACT + SDP, OFFER),
            ("NOTIFY", "Event: refer\nSubscription-State: active\n", "SIP/2.0 180 Ringing"),
            ("INFO", "Info-Package: x\n", ""),
            ("ACK", "", ""),
        ):
            for n in range(4):
                w.sip.receive(damaged(ask(invite, method, cseq=n, extra=extra, body=body), random), flow)
        w.receive(ask(invite, "BYE", cseq=2**31 - 1), CAROL)
        w.pass_time(1)
        w.sent()
    w.pass_time(2 * SUBSCRIPTION_LIFE)
    assert called > 100
    assert nothing_left(w)
