"""Referrals between phones; what they may not do is in ``tests/security/test_s15.py``."""

from __future__ import annotations

import pytest

from support.call_world import Dialog, Exchange, Phone, at, exchange, exchange_beside
from support.sip_world import SERVER
from switchroom.tech.sip.limits import MAX_REFERRERS, REFERRAL_WINDOW, REFERRALS_PER_WINDOW
from switchroom.tech.sip.referral_policy import Rates
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request


def test_an_account_has_so_many_in_a_window() -> None:
    rates = Rates()
    assert all(rates.take("a", 100.0) for _ in range(REFERRALS_PER_WINDOW))
    assert not rates.take("a", 100.0)
    assert rates.take("b", 100.0)
    assert not rates.take("a", 99.9 + REFERRAL_WINDOW)
    assert rates.take("a", 100.0 + REFERRAL_WINDOW)


def test_of_too_many_accounts_the_one_whose_window_is_oldest_is_forgotten() -> None:
    rates = Rates()
    for n in range(MAX_REFERRERS + 5):
        assert rates.take(str(n), float(n) / 1e6)
    assert len(rates._windows) == MAX_REFERRERS
    assert "4" not in rates._windows
    assert "5" in rates._windows


def test_a_refusal_does_not_make_a_window_longer() -> None:
    rates = Rates()
    for n in range(3 * REFERRALS_PER_WINDOW):
        rates.take("a", float(n) / 10)
    assert rates.take("a", REFERRAL_WINDOW)


async def office(referrer: str, referred: str) -> tuple[Exchange, Phone, Phone]:
    """alice and carol on these transports; bob is there to be called."""
    world = await exchange("alice", "bob", "carol")
    for number, protocol in enumerate(("tcp", "ws"), 5070):
        world.listen(protocol, number)
    at(world, "bob", "192.0.2.44:5060")
    phones = []
    for name, transport, host in (("alice", referrer, "198.51.100.1"), ("carol", referred, "198.51.100.2")):
        contact = f"sip:{name}x@{name}.invalid;transport=ws" if transport == "ws" else ""
        phones.append(at(world, name, f"{host}:4000", transport=transport, contact=contact))
    alice, carol = phones
    return world, alice, carol


def tells_how_it_went(dialog: Dialog, referrer: Phone) -> None:
    """The NOTIFYs of who was referred reach who referred, until the subscription ends; its answers come back."""
    referred = dialog.owner
    for fragment, state in (("100 Trying", "active"), ("200 OK", "terminated;reason=noresource")):
        extra = f"Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\n"
        dialog.send("NOTIFY", extra=extra, body=f"SIP/2.0 {fragment}\r\n")
        told = referrer.got("NOTIFY")
        assert fragment.encode() in told.request.body
        referrer.answer(told, 200)
        answered = referred.got(200).message
        assert not isinstance(answered, Request)
        assert answered.cseq.method == "NOTIFY"
    dialog.send("NOTIFY", extra="Event: refer\nSubscription-State: active\n")
    assert referred.statuses()[-1] in (401, 407, 481)


@pytest.mark.parametrize("referrer", ["udp", "tcp", "ws"])
@pytest.mark.parametrize("referred", ["udp", "tcp", "ws"])
async def test_a_referral_and_what_came_of_it_pass_between_transports(referrer: str, referred: str) -> None:
    _, alice, carol = await office(referrer, referred)
    refer = alice._outside(
        "REFER", f"sip:carol@{SERVER}", "carol", f"Contact: <{alice.contact}>\nRefer-To: <sip:bob@{SERVER}>\n"
    )
    alice._proven(refer)
    asked = carol.got("REFER")
    assert asked.request.target == carol.contact
    dialog = carol.answer(asked, 202, extra=f"Contact: <{carol.contact}>\n")
    assert alice.got(202).response.first("contact") == f"<{carol.contact}>"
    carol.invite("bob")
    tells_how_it_went(dialog, alice)


@pytest.mark.parametrize("outward", [True, False], ids=["to_sip", "to_pjsip"])
async def test_a_referral_passes_to_the_other_technology_and_what_came_of_it_comes_back(outward: bool) -> None:
    pjsip = await exchange("alice", "dora")
    sip = await exchange_beside(pjsip, "bob", "erin")
    alice, bob = at(pjsip, "alice", "192.0.2.10:5060"), at(sip, "bob", "192.0.2.20:5062")
    at(pjsip, "dora", "192.0.2.11:5060")
    at(sip, "erin", "192.0.2.21:5062")
    referrer, referred = (alice, bob) if outward else (bob, alice)
    own, other = (5060, 5070) if outward else (5070, 5060)
    for number, meant in enumerate(("dora", "erin"), 1):
        headers = f"Contact: <{referrer.contact}>\nRefer-To: <sip:{meant}@{SERVER}:{other}>\n"
        referrer._proven(referrer._outside("REFER", f"sip:{referred.name}@{SERVER}", referred.name, headers))
        asked = referred.got("REFER")
        assert asked.request.target == referred.contact
        assert asked.request.first("refer-to") == f"<sip:{meant}@{SERVER}:{other}>"
        assert asked.request.lines("via")[0].partition(";")[0].endswith(f"{SERVER}:{other}")
        dialog = referred.answer(asked, 202, extra=f"Contact: <{referred.contact}>\n")
        assert [parse_name_addr(route).uri.port for route in dialog.routes] == [other, own]
        assert referrer.got(202).response.first("contact") == f"<{referred.contact}>"
        referred.invite(meant)
        referred.take()
        tells_how_it_went(dialog, referrer)
        assert referrer.methods() == ["NOTIFY"] * 2
        assert pjsip.calls == number
    pjsip.pass_time(4_000)
    assert [pjsip.left_over(), sip.left_over()] == [{}, {}]


async def test_a_phone_of_ones_own_technology_is_referred_to_the_other_one() -> None:
    pjsip = await exchange("alice", "carol")
    await exchange_beside(pjsip, "bob")
    alice, carol = at(pjsip, "alice", "192.0.2.10:5060"), at(pjsip, "carol", "192.0.2.11:5060")
    headers = f"Contact: <{alice.contact}>\nRefer-To: <sip:bob@{SERVER}>\n"
    alice._proven(alice._outside("REFER", f"sip:carol@{SERVER}", "carol", headers))
    assert carol.methods() == ["REFER"]


async def test_a_phone_that_refuses_is_told_of() -> None:
    world, alice, carol = await office("udp", "ws")
    alice._proven(
        alice._outside(
            "REFER", f"sip:carol@{SERVER}", "carol", f"Contact: <{alice.contact}>\nRefer-To: <sip:bob@{SERVER}>\n"
        )
    )
    carol.answer(carol.got("REFER"), 603)
    assert alice.statuses()[-1] == 603
    assert world.calls == 0


async def test_inside_a_call_a_referral_passes_with_the_call() -> None:
    """Whatever it says: there the two parties decide for themselves."""
    _, alice, carol = await office("udp", "tcp")
    dialling = alice.invite("carol")
    called = carol.answer(carol.got("INVITE"), 200)
    dialling.learn(alice.got(200).response).send("ACK")
    called.cseq = 1
    called.send("REFER", extra=f"Contact: <{carol.contact}>\nRefer-To: <tel:+4930123>\n")
    assert alice.got("REFER").request.first("refer-to") == "<tel:+4930123>"
