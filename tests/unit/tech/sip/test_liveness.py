"""Calls that died without a BYE: noticed by silence, by what a party says when it is asked, by its connection."""

from __future__ import annotations

import asyncio

import pytest

from support.call_world import SDP, Dialog, Exchange, Phone, at, exchange, talk
from switchroom.tech.sip import liveness as module
from switchroom.tech.sip.limits import (
    FLOW_GRACE,
    LONGEST_SESSION,
    PROBE_AFTER,
    SHORTEST_SESSION,
    SILENT_SUBSCRIPTION,
    SUBSCRIPTION_LIFE,
    WATCH_EVERY,
)
from switchroom.wire.sip.message import Request

#: A party has been silent for so long that it was asked.
ASKED = PROBE_AFTER + WATCH_EVERY
#: And nobody answered: 64*T1.
GIVEN_UP = 32.0


async def pair(transport: str = "udp") -> tuple[Exchange, Phone, Phone]:
    x = await exchange("alice", "bob")
    if transport != "udp":
        x.listen(transport, 8088)
    alice = at(x, "alice", "192.0.2.10:5060")
    return x, alice, at(x, "bob", "192.0.2.20:5060", transport=transport)


def requests(phone: Phone, method: str) -> list[Request]:
    """Those it heard since it was asked last, without copies; all else is forgotten."""
    found: dict[bytes, Request] = {}
    for sent in phone.take():
        if isinstance(sent.message, Request) and sent.message.method == method:
            found.setdefault(sent.data, sent.message)
    return list(found.values())


async def test_silent_parties_are_asked_in_the_dialog_and_go_on_when_they_answer() -> None:
    x, alice, bob = await pair()
    talking, called = talk(alice, bob)
    x.pass_time(PROBE_AFTER)
    assert (alice.methods(), bob.methods()) == ([], [])
    x.pass_time(WATCH_EVERY)
    asked = bob.got("OPTIONS").request
    assert (asked.from_.tag, asked.to.tag) == (called.remote.partition("tag=")[2], called.local.partition("tag=")[2])
    assert (asked.target, asked.call_id, asked.cseq.number) == (bob.contact, talking.call_id, talking.cseq)
    other = alice.got("OPTIONS").request
    assert (other.from_.tag, other.to.tag) == (asked.to.tag, asked.from_.tag)
    assert (other.target, other.cseq.number) == (alice.contact, 0)
    # Whatever is answered, they are there.
    bob.answer(bob.got("OPTIONS"), 500)
    alice.answer(alice.got("OPTIONS"), 200)
    bob.take()
    alice.take()
    x.pass_time(PROBE_AFTER - 1)
    assert (bob.methods(), alice.methods()) == ([], [])
    x.pass_time(WATCH_EVERY + 1)
    assert (bob.methods(), alice.methods()) == (["OPTIONS"], ["OPTIONS"])
    assert x.calls == 1


async def test_the_number_is_that_of_the_last_request_of_the_other_party() -> None:
    x, alice, bob = await pair()
    talking, called = talk(alice, bob)
    called.cseq = 700
    called.send("INFO")
    alice.answer(alice.got("INFO"), 200)
    talking.send("INFO")
    bob.answer(bob.got("INFO"), 200)
    x.pass_time(ASKED)
    assert alice.got("OPTIONS").request.cseq.number == 701
    assert bob.got("OPTIONS").request.cseq.number == talking.cseq


async def test_who_was_heard_is_not_asked() -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    for _ in range(3):
        x.pass_time(PROBE_AFTER - WATCH_EVERY)
        talking.send("INFO")
        bob.answer(bob.got("INFO"), 200)
        assert requests(alice, "OPTIONS") == []
        assert requests(bob, "OPTIONS") == []


@pytest.mark.parametrize("lost", ["caller", "called"])
async def test_a_party_that_does_not_answer_is_gone_and_the_other_is_told(lost: str) -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    gone, there = (alice, bob) if lost == "caller" else (bob, alice)
    x.pass_time(ASKED)
    there.answer(there.got("OPTIONS"), 200)
    gone.take()
    there.take()
    x.pass_time(GIVEN_UP + 1)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    (bye,) = requests(there, "BYE")
    assert (bye.target, bye.call_id) == (there.contact, talking.call_id)
    assert bye.cseq.number == (talking.cseq + 1 if lost == "caller" else 1)
    assert len(requests(gone, "BYE")) == 1


async def test_a_party_that_knows_nothing_of_the_call_ends_it_at_once() -> None:
    x, alice, bob = await pair()
    talk(alice, bob)
    x.pass_time(ASKED)
    bob.answer(bob.got("OPTIONS"), 481)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    assert len(requests(alice, "BYE")) == 1
    # The other question is still open; its end changes nothing.
    x.pass_time(GIVEN_UP * 2)
    assert x.calls == 0


async def test_a_call_with_a_session_timer_is_not_asked_and_ends_with_its_session() -> None:
    x, alice, bob = await pair()
    dialling = alice.invite("bob", extra="Supported: timer\n")
    bob.answer(bob.got("INVITE"), 200, extra="Session-Expires: 300;refresher=uac\nRequire: timer\n", body=SDP)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    x.pass_time(290)
    refresh(talking, bob, "300")
    x.pass_time(290)
    assert (requests(alice, "OPTIONS"), requests(bob, "OPTIONS")) == ([], [])
    assert x.calls == 1
    x.pass_time(10 + WATCH_EVERY)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    assert (requests(alice, "BYE"), requests(bob, "BYE")) == ([], []), "RFC 4028 8.2: that is for the phones"


def refresh(talking: Dialog, bob: Phone, expires: str) -> None:
    talking.send("UPDATE", extra="Supported: timer\n")
    bob.answer(bob.got("UPDATE"), 200, extra=f"Session-Expires: {expires};refresher=uac\n" if expires else "")
    bob.take()


async def test_a_session_is_not_shorter_than_it_may_be() -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    refresh(talking, bob, "1")
    x.pass_time(SHORTEST_SESSION - WATCH_EVERY)
    assert x.calls == 1
    x.pass_time(WATCH_EVERY * 2)
    assert x.calls == 0


@pytest.mark.parametrize("contact", ["", "*", "<<", "<mailto:bob@example.com>"])
async def test_a_party_without_a_contact_is_asked_where_it_speaks_from(contact: str) -> None:
    x, alice, bob = await pair()
    talk(alice, bob)
    (call,) = list(x.world.sip.calls)
    call.confirmed_legs[0].contact = contact
    x.pass_time(ASKED)
    assert bob.got("OPTIONS").request.target == "sip:anonymous@anonymous.invalid"
    bob.answer(bob.got("OPTIONS"), 404)
    alice.answer(alice.got("OPTIONS"), 200)
    x.pass_time(GIVEN_UP + 1)
    assert x.calls == 1


async def test_a_name_that_can_not_be_resolved_says_nothing_of_the_call() -> None:
    x, alice, bob = await pair()
    talk(alice, bob)
    (call,) = list(x.world.sip.calls)
    call.caller.direct, call.caller.contact = False, "<sip:alice@trunk.example.com>"
    for _ in range(3):
        x.pass_time(ASKED)
        await asyncio.sleep(0)
        bob.answer(bob.got("OPTIONS"), 200)
        bob.take()
    assert x.calls == 1
    assert alice.methods() == []
    x.world.addresses.known["trunk.example.com"] = [alice.flow.host]
    x.pass_time(ASKED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    x.deliver()
    assert alice.got("OPTIONS").request.target == "sip:alice@trunk.example.com"


@pytest.mark.parametrize("expires", ["", str(LONGEST_SESSION + 1), "nonsense"])
async def test_without_a_session_timer_that_can_be_relied_on_parties_are_asked(expires: str) -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    refresh(talking, bob, expires)
    x.pass_time(ASKED)
    assert len(requests(bob, "OPTIONS")) == 1


async def test_a_party_whose_connection_closed_is_given_a_while_then_the_other_is_told() -> None:
    x, alice, bob = await pair("ws")
    talk(alice, bob)
    x.disconnect(bob)
    x.pass_time(FLOW_GRACE - 1)
    assert x.calls == 1
    x.pass_time(2)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    assert len(requests(alice, "BYE")) == 1


async def test_a_connection_of_nobody_in_a_call_is_no_matter() -> None:
    x, alice, bob = await pair("ws")
    before = len(x.world.schedule)
    x.disconnect(bob)
    assert len(x.world.schedule) <= before
    assert alice.take() == []


async def test_a_caller_whose_connection_closes_lets_nobody_ring() -> None:
    x, alice, bob = await pair("ws")
    bob.invite("alice")
    alice.answer(alice.got("INVITE"), 180)
    x.disconnect(bob)
    alice.answer(alice.got("CANCEL"), 200)
    alice.answer(alice.got("INVITE"), 487)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)


async def test_no_more_than_so_many_are_asked_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBES_PER_LOOK", 3)
    x, alice, bob = await pair()
    for _ in range(3):
        talk(alice, bob)
    x.pass_time(ASKED)
    asked = requests(alice, "OPTIONS") + requests(bob, "OPTIONS")
    assert len(asked) == 3
    x.pass_time(WATCH_EVERY)
    again = {(r.call_id, r.to.tag) for r in requests(alice, "OPTIONS") + requests(bob, "OPTIONS")}
    assert len(again | {(r.call_id, r.to.tag) for r in asked}) == 6


async def test_who_is_asked_is_not_asked_again_meanwhile() -> None:
    x, alice, bob = await pair()
    talk(alice, bob)
    x.pass_time(ASKED + GIVEN_UP - WATCH_EVERY)
    assert len(requests(bob, "OPTIONS")) == 1
    assert len(requests(alice, "OPTIONS")) == 1


async def test_nothing_waits_when_there_is_no_call() -> None:
    x, alice, bob = await pair()
    before = len(x.world.schedule)
    talking, _ = talk(alice, bob)
    talking.send("BYE")
    bob.answer(bob.got("BYE"), 200)
    x.pass_time(GIVEN_UP + WATCH_EVERY * 2)
    assert (x.calls, len(x.world.schedule)) == (0, before)


@pytest.mark.parametrize(("method", "life"), [("SUBSCRIBE", SILENT_SUBSCRIPTION), ("REFER", SUBSCRIPTION_LIFE)])
async def test_a_subscription_that_nobody_ends_is_forgotten(method: str, life: float) -> None:
    """SIP.js takes a REFER and never sends a NOTIFY."""
    x, alice, bob = await pair()
    talk(alice, bob)
    (call,) = list(x.world.sip.calls)
    call.method = method
    x.pass_time(life)
    assert x.calls == 1
    x.pass_time(WATCH_EVERY * 2)
    assert (x.calls, requests(bob, "OPTIONS"), requests(bob, "BYE")) == (0, [], [])
