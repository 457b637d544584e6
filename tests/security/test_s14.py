"""S14: what pretends to belong to a dialog is challenged or refused, and never passed on."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from support.call_world import Exchange, Phone, at, exchange, talk
from support.sip_world import SERVER
from switchroom.wire.sip.flow import Flow

METHODS = ["BYE", "INFO", "INVITE", "UPDATE", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "OPTIONS", "PUBLISH"]
_branches = count(1)
STRANGER = Flow("udp", "udp", "198.51.100.9", 5060)


async def office() -> tuple[Exchange, Phone, Phone, Phone]:
    x = await exchange("alice", "bob", "mallory")
    return (
        x,
        at(x, "alice", "192.0.2.10:5060"),
        at(x, "bob", "192.0.2.20:5060"),
        at(x, "mallory", "192.0.2.66:5060"),
    )


def pretence(
    method: str, *, user: str = "alice", call_id: str = "none", tags: tuple[str, str] = ("a", "b"), route: str = ""
) -> str:
    return (
        f"{method} sip:bob@192.0.2.20:5060 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 198.51.100.9;rport;branch=z9hG4bK{next(_branches)}\n"
        f"{f'Route: {route}' + chr(10) if route else ''}Max-Forwards: 70\nFrom: <sip:{user}@{SERVER}>;tag={tags[0]}\n"
        f"To: <sip:bob@{SERVER}>;tag={tags[1]}\nCall-ID: {call_id}\nCSeq: 7 {method}\nContact: <sip:x@198.51.100.9>\n"
        "Event: refer\nRefer-To: <sip:+1900@evil.example.com>\nContent-Length: 0\n\n"
    )


def routes() -> list[str]:
    return [
        "",
        f"<sip:{SERVER};lr>",
        f"<sip:AAAAAAAAAAAAAAAA@{SERVER}:5060;lr>",
        f"<sip:{SERVER};lr>, <sip:bob@192.0.2.20:5060;lr>",
        "<sip:bob@192.0.2.20:5060;lr>",
        f"<sip:{'A' * 400}@{SERVER};lr>",
        "<sip:%ff@x;lr>",
        "<<",
    ]


@pytest.mark.parametrize("method", METHODS)
async def test_a_stranger_with_any_tag_and_any_route_is_challenged(method: str) -> None:
    x, alice, bob, _ = await office()
    for route in routes():
        x.receive(pretence(method, user="nobody", route=route), STRANGER)
    await asyncio.sleep(0)
    x.pass_time(1)
    assert alice.take() + bob.take() == []
    assert len(x.lost) == len(routes())
    assert {s.to for s in x.lost} == {("198.51.100.9", 5060)}
    assert {s.response.status for s in x.lost} <= {401, 407}


@pytest.mark.parametrize("method", METHODS)
async def test_an_endpoint_with_tags_of_no_dialog_gets_481(method: str) -> None:
    _, alice, bob, mallory = await office()
    talk(alice, bob)
    text = pretence(method, user="mallory")
    mallory._proven(text)
    assert mallory.statuses()[-1] == 481
    assert alice.take() + bob.take() == []


@pytest.mark.parametrize("method", [*METHODS, "ACK"])
async def test_somebody_who_knows_call_id_and_tags_but_is_elsewhere(method: str) -> None:
    """One who has read the tags in a log, or shares the wire of one party, is not that party."""
    x, alice, bob, _ = await office()
    talking, _ = talk(alice, bob)
    local, remote = (talking.local.rpartition("tag=")[2], talking.remote.rpartition("tag=")[2])
    for tags in ((local, remote), (remote, local)):
        for route in routes():
            x.receive(pretence(method, call_id=talking.call_id, tags=tags, route=route), STRANGER)
    assert alice.take() + bob.take() == []
    assert x.calls == 1
    assert len(x.lost) == (0 if method == "ACK" else 2 * len(routes()))
    assert {s.response.status for s in x.lost} <= {401, 407}


async def test_a_party_of_one_call_is_not_a_party_of_another() -> None:
    """Mallory has a Route of ours from a call of her own; it opens that call alone."""
    x, alice, bob, mallory = await office()
    talking, _ = talk(alice, bob)
    hers, _ = talk(mallory, alice, "alice")
    local, remote = (talking.local.rpartition("tag=")[2], talking.remote.rpartition("tag=")[2])
    mallory.send(pretence("BYE", call_id=talking.call_id, tags=(local, remote), route=hers.routes[0]))
    assert alice.take() + bob.take() == []
    assert mallory.statuses() == [401]
    assert x.calls == 2


async def test_a_party_reaches_nobody_but_the_other_one() -> None:
    """Request-URI and Route inside a dialog do not make us send anywhere else."""
    x, alice, bob, _ = await office()
    talking, called = talk(alice, bob)
    talking.send("INFO", target="sip:victim@198.51.100.50")
    assert bob.methods() == ["INFO"]
    talking.routes.append("<sip:198.51.100.50;lr>")
    talking.send("INFO")
    assert alice.statuses() == [403]
    called.routes = ["<sip:198.51.100.50;lr>"]
    called.send("INFO")
    assert 403 in bob.statuses()
    await asyncio.sleep(0)
    x.pass_time(1)
    assert x.lost == []


async def test_a_dialog_that_is_over_is_none() -> None:
    x, alice, bob, _ = await office()
    talking, called = talk(alice, bob)
    talking.send("BYE")
    bob.answer(bob.got("BYE"), 200)
    bob.take()
    alice.take()
    for method in METHODS:
        talking.send(method)
        called.send(method)
    assert {s.response.status for s in alice.take() + bob.take()} <= {401, 407}
    assert x.calls == 0


async def test_a_cancel_from_elsewhere_cancels_nothing() -> None:
    x, alice, bob, mallory = await office()
    dialling = alice.invite("bob")
    bob.answer(bob.got("INVITE"), 180)
    dialling.owner = mallory
    dialling.cancel()
    assert mallory.statuses() == [481]
    assert bob.methods() == ["INVITE"]
    assert x.calls == 1
