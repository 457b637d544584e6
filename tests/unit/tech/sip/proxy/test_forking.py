"""One call, several phones: who is asked, whose answer goes back, and what happens when answers cross (RFC 3261 16)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.call_world import SDP, Exchange, Phone, at, exchange
from support.sip_world import SERVER, aor, phone
from switchroom.tech.sip.limits import TIMER_C


async def trio(**more: Any) -> tuple[Exchange, Phone, Phone, Phone]:
    """alice, and two phones of bob."""
    x = await exchange("alice", "bob", **more)
    alice, desk = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    x.pass_time(1)
    return x, alice, desk, at(x, "bob", "192.0.2.21:5060")


async def test_every_phone_rings_and_the_others_stop_when_one_answers() -> None:
    x, alice, desk, mobile = await trio()
    dialling = alice.invite("bob")
    desk.answer(desk.got("INVITE"), 180)
    mobile.answer(mobile.got("INVITE"), 180)
    assert alice.statuses() == [100, 180, 180]
    assert x.channels("bob") == 1
    mobile.answer(mobile.got("INVITE"), 200, body=SDP)
    assert desk.got("CANCEL").request.first("via") == desk.got("INVITE").request.first("via")
    desk.answer(desk.got("CANCEL"), 200)
    desk.answer(desk.got("INVITE"), 487)
    assert desk.got("ACK")
    talking = dialling.learn(alice.got(200).response)
    assert alice.statuses() == [200]
    talking.send("ACK")
    assert (mobile.methods(), desk.methods()) == (["INVITE", "ACK"], ["INVITE", "CANCEL", "ACK"])
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (1, 1, 1)
    talking.send("BYE")
    mobile.answer(mobile.got("BYE"), 200)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)


async def test_two_answer_at_once_and_both_answers_go_back() -> None:
    """The caller hangs up one of them (RFC 3261 13.2.2.4); both dialogs pass."""
    x, alice, desk, mobile = await trio()
    dialling = alice.invite("bob")
    desk.answer(desk.got("INVITE"), 180)
    desk.answer(desk.got("INVITE"), 200, tag="d")
    mobile.answer(mobile.got("INVITE"), 200, tag="m")
    ones = [sent.response for sent in alice.take() if sent.data.startswith(b"SIP/2.0 200")]
    assert [one.to.tag for one in ones] == ["d", "m"]
    first, second = (dialling.learn(one) for one in ones)
    first.send("ACK")
    second.send("ACK")
    second.send("BYE")
    mobile.answer(mobile.got("BYE"), 200)
    assert x.calls == 1
    first.send("INFO")
    assert desk.got("INFO").request.to.tag == "d"
    first.send("BYE")
    desk.answer(desk.got("BYE"), 200)
    assert (x.calls, x.channels("bob")) == (0, 0)


async def test_a_cancel_is_answered_and_stops_every_phone() -> None:
    _, alice, desk, mobile = await trio()
    dialling = alice.invite("bob")
    desk.answer(desk.got("INVITE"), 180)
    dialling.cancel()
    assert [s.response.cseq.method for s in alice.heard if s.data.startswith(b"SIP/2.0 200")] == ["CANCEL"]
    assert desk.methods() == ["INVITE", "CANCEL"]
    assert mobile.methods() == ["INVITE"], "nobody may cancel before an answer (RFC 3261 9.1)"
    alice.take()


async def test_a_phone_that_rings_only_after_the_cancel_is_stopped_then() -> None:
    x, alice, desk, mobile = await trio()
    dialling = alice.invite("bob")
    dialling.cancel()
    rings = mobile.got("INVITE")
    busy = desk.got("INVITE")
    mobile.answer(rings, 180)
    assert mobile.got("CANCEL")
    mobile.answer(rings, 487)
    desk.answer(busy, 486)
    assert alice.statuses()[-1] == 487
    assert x.calls == 0


async def test_a_200_that_crosses_the_cancel_is_a_call_all_the_same() -> None:
    x, alice, desk, _ = await trio()
    dialling = alice.invite("bob")
    invite = desk.got("INVITE")
    desk.answer(invite, 180)
    dialling.cancel()
    desk.answer(invite, 200, body=SDP)
    desk.answer(desk.got("CANCEL"), 481)
    talking = dialling.learn(
        next(
            s.response for s in alice.heard if s.data.startswith(b"SIP/2.0 200") and s.response.cseq.method == "INVITE"
        )
    )
    talking.send("ACK")
    assert desk.heard[-1].request.method == "ACK"
    talking.send("BYE")
    desk.answer(desk.got("BYE"), 200)
    x.pass_time(40)
    assert x.calls == 0


async def test_a_200_after_the_final_answer_still_reaches_the_caller() -> None:
    """The CANCEL was lost, the phone was given up, and is picked up after all: its dialog is passed on."""
    x, alice, desk, mobile = await trio()
    dialling = alice.invite("bob")
    invite = desk.got("INVITE")
    mobile.answer(mobile.got("INVITE"), 603)
    assert alice.statuses() == [100]
    desk.answer(invite, 183)
    assert desk.got("CANCEL")
    desk.answer(invite, 487)
    assert alice.statuses() == [183, 603]
    assert x.calls == 0
    assert dialling.cseq == 2


async def test_a_6xx_ends_it_for_everybody() -> None:
    x, alice, desk, mobile = await trio()
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), 180)
    mobile.answer(mobile.got("INVITE"), 603)
    assert alice.statuses() == [100, 180], "only when nobody can answer 200 any more (16.7 step 5)"
    desk.answer(desk.got("INVITE"), 487)
    assert alice.statuses() == [603]
    assert (x.calls, x.channels("bob")) == (0, 0)


async def test_a_200_beats_a_6xx_that_came_before() -> None:
    _, alice, desk, mobile = await trio()
    alice.invite("bob")
    mobile.answer(mobile.got("INVITE"), 600)
    desk.answer(desk.got("INVITE"), 200)
    assert alice.statuses() == [100, 200]


@pytest.mark.parametrize(
    ("one", "other", "best"),
    [
        (486, 404, 486),
        (404, 486, 404),
        (500, 486, 486),
        (486, 500, 486),
        (302, 486, 302),
        (486, 407, 407),
        (404, 415, 415),
        (503, 486, 486),
        (503, 503, 500),
        (408, 480, 408),
    ],
)
async def test_the_best_answer_goes_back(one: int, other: int, best: int) -> None:
    _, alice, desk, mobile = await trio()
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), one)
    mobile.answer(mobile.got("INVITE"), other)
    assert alice.statuses() == [100, best]


async def test_the_challenges_of_all_phones_go_back_together() -> None:
    """16.7 step 7: the caller can answer each in its next request."""
    _, alice, desk, mobile = await trio()
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), 401, extra='WWW-Authenticate: Digest realm="desk", nonce="1"\n')
    mobile.answer(mobile.got("INVITE"), 407, extra='Proxy-Authenticate: Digest realm="mobile", nonce="2"\n')
    answer = alice.got(401).response
    assert answer.lines("www-authenticate") == ['Digest realm="desk", nonce="1"']
    assert answer.lines("proxy-authenticate") == ['Digest realm="mobile", nonce="2"']


async def test_credentials_for_others_go_on_and_those_for_us_do_not() -> None:
    _, alice, desk, _ = await trio()
    alice.invite("bob", extra='Proxy-Authorization: Digest username="a", realm="desk", nonce="1", uri="sip:b", '
                 'response="00000000000000000000000000000000"\n')  # fmt: skip
    lines = desk.got("INVITE").request.lines("proxy-authorization")
    assert len(lines) == 1
    assert 'realm="desk"' in lines[0]


async def test_nobody_answers_at_all() -> None:
    x, alice, desk, mobile = await trio()
    alice.invite("bob")
    x.pass_time(31)
    assert alice.statuses() == [100]
    x.pass_time(2)
    assert alice.statuses()[0] == 408
    assert set(desk.methods()) == set(mobile.methods()) == {"INVITE"}
    x.pass_time(40)
    assert x.calls == 0


async def test_what_rings_too_long_is_given_up() -> None:
    """Timer C, which every 18x but 100 sets again (16.7 step 2)."""
    x, alice, desk, mobile = await trio()
    alice.invite("bob")
    invite = desk.got("INVITE")
    mobile.answer(mobile.got("INVITE"), 486)
    desk.answer(invite, 180)
    x.pass_time(TIMER_C - 1)
    desk.answer(invite, 180)
    x.pass_time(TIMER_C - 1)
    assert desk.methods() == ["INVITE"]
    x.pass_time(2)
    assert desk.methods()[0] == "CANCEL"
    desk.answer(invite, 487)
    assert alice.statuses() == [100, 180, 180, 486], "the phone that was given up is a 408, and a 486 says more"
    assert x.calls == 0


async def test_who_ignores_the_cancel_of_timer_c_is_forgotten() -> None:
    x, alice, desk, mobile = await trio()
    alice.invite("bob")
    mobile.answer(mobile.got("INVITE"), 100)
    desk.answer(desk.got("INVITE"), 180)
    x.pass_time(TIMER_C + 1)
    x.pass_time(33)
    assert alice.statuses()[:3] == [100, 180, 408]
    x.pass_time(40)
    assert (x.calls, x.channels("bob"), x.channels("alice")) == (0, 0, 0)


async def test_fork_first_asks_one_after_another() -> None:
    _, alice, desk, mobile = await trio(fork="first")
    alice.invite("bob")
    assert mobile.methods() == ["INVITE"], "the latest that registered"
    assert desk.methods() == []
    assert alice.statuses() == [100]


async def test_fork_first_goes_on_when_one_fails_and_stops_when_it_is_cancelled() -> None:
    _, alice, desk, mobile = await trio(fork="first")
    alice.invite("bob")
    mobile.answer(mobile.got("INVITE"), 486)
    assert desk.methods() == ["INVITE"]
    _, alice, desk, mobile = await trio(fork="first")
    dialling = alice.invite("bob")
    mobile.answer(mobile.got("INVITE"), 180)
    dialling.cancel()
    mobile.answer(mobile.got("INVITE"), 487)
    assert desk.methods() == []
    assert alice.statuses()[-1] == 487


async def test_fork_first_prefers_by_q() -> None:
    x = await exchange("alice", "bob", fork="first")
    alice = at(x, "alice", "192.0.2.10:5060")
    desk = at(x, "bob", "192.0.2.20:5060", register=False)
    desk.register(contact="<sip:bob@192.0.2.20:5060>;q=0.9")
    mobile = at(x, "bob", "192.0.2.21:5060", register=False)
    mobile.register(contact="<sip:bob@192.0.2.21:5060>;q=0.5")
    alice.invite("bob")
    assert (desk.methods(), mobile.methods()) == (["INVITE"], [])


async def test_a_redirection_within_is_followed_where_it_may_be() -> None:
    bob = phone("bob", follow_redirect_methods=("invite",))
    x = await exchange("alice", "carol", endpoints=[bob], aors=[aor("bob")])
    alice, desk, carol = (
        at(x, name, f"192.0.2.{host}:5060") for name, host in (("alice", 10), ("bob", 20), ("carol", 30))
    )
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), 302, extra=f"Contact: <sip:carol@{SERVER}>, <sip:bob@{SERVER}>\n")
    assert carol.got("INVITE").request.target == "sip:carol@192.0.2.30:5060"
    assert desk.methods() == ["INVITE", "ACK"], "nobody is asked twice"
    carol.answer(carol.got("INVITE"), 200)
    assert alice.statuses() == [100, 200]
    assert (x.channels("carol"), x.channels("bob")) == (1, 0)


@pytest.mark.parametrize("contact", ["sip:x@evil.example.com", "sip:carol", "tel:+1900", "<<<"])
async def test_a_redirection_to_elsewhere_goes_back(contact: str) -> None:
    bob = phone("bob", follow_redirect_methods=("invite",))
    x = await exchange("alice", "carol", endpoints=[bob], aors=[aor("bob")])
    alice, desk = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), 302, extra=f"Contact: <{contact}>\n")
    assert alice.statuses() == [100, 302]
    await asyncio.sleep(0)
    x.deliver()
    assert x.lost == []


async def test_without_the_setting_a_redirection_goes_back() -> None:
    _, alice, desk, mobile = await trio()
    alice.invite("bob")
    desk.answer(desk.got("INVITE"), 302, extra=f"Contact: <sip:alice@{SERVER}>\n")
    mobile.answer(mobile.got("INVITE"), 486)
    assert alice.statuses() == [100, 302]
    assert alice.methods() == []


async def test_a_phone_known_to_be_unreachable_is_not_called() -> None:
    x = await exchange("alice", endpoints=[phone("bob")], aors=[aor("bob", qualify_frequency=60)])
    alice = at(x, "alice", "192.0.2.10:5060")
    dead = at(x, "bob", "192.0.2.20:5060")
    x.pass_time(40)
    alive = at(x, "bob", "192.0.2.21:5060")
    x.pass_time(0.1)
    alive.answer(alive.got("OPTIONS"), 200)
    assert "OPTIONS" in dead.methods()
    dead.take()
    alive.take()
    alice.invite("bob")
    assert (alive.methods(), dead.methods()) == (["INVITE"], [])
