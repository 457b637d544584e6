"""S20: loops and forks do not multiply requests (RFC 3261 16.3, RFC 5393)."""

from __future__ import annotations

from hashlib import md5
from ipaddress import ip_network

import pytest

from support.call_world import Exchange, Phone, at, exchange, talk
from support.sip_world import HERE, SERVER, Sent, aor, phone
from switchroom.model.settings import IdentifySettings
from switchroom.tech.sip.limits import MAX_BREADTH
from switchroom.wire.sip.message import Request

#: Behind this proxy every contact of one is the other's address of record here.
MIRROR = "192.0.2.40"
OTHER = {"bob": "carol", "carol": "bob"}


async def hall_of_mirrors(contacts: int, real: str = "") -> tuple[Exchange, Phone, Phone]:
    """alice, and a proxy that sends what it gets back to us: calls to bob to carol, and calls to carol to bob. Who is
    ``real`` has a phone.
    """
    mirrored = tuple(aor(name, contact=_contacts(name, contacts if name != real else 0)) for name in OTHER)
    x = await exchange(
        "alice",
        endpoints=[phone("mirror", auth=(), identify_by=("ip",)), *(phone(name) for name in OTHER)],
        aors=mirrored,
        identifies=[IdentifySettings(name="i", source=HERE, endpoint="mirror", match=((ip_network(MIRROR), 0),))],
    )
    alice = at(x, "alice", "192.0.2.10:5060")
    return x, alice, at(x, "mirror", f"{MIRROR}:5060", register=False)


def _contacts(name: str, contacts: int) -> tuple[str, ...]:
    return tuple(f"sip:{name}.{number}@{MIRROR}" for number in range(contacts))


def reflect(mirror: Phone, *, fewer: int = 1) -> int:
    """The proxy works off what it heard, stateless (RFC 3261 16.11); how many INVITEs it got. Each goes on with
    ``fewer`` hops less.
    """
    invites = 0
    while mirror.heard:
        sent = mirror.heard.pop(0)
        if not isinstance(sent.message, Request):
            mirror.send(_without_via(sent))
            continue
        if sent.message.method == "INVITE":
            invites += 1
        mirror.send(_passed_on(sent, fewer))
    return invites


def _without_via(sent: Sent) -> str:
    head, _, body = sent.data.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    del lines[1]
    return "\n".join(lines) + "\n\n" + body


def _passed_on(sent: Sent, fewer: int) -> str:
    head, _, body = sent.data.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    name = target[len("sip:") :].partition(".")[0].partition("@")[0]
    branch = md5((sent.request.via.branch or "").encode()).hexdigest()
    hops = sent.request.max_forwards or 0
    lines = [f"Max-Forwards: {hops - fewer}" if line.startswith("Max-Forwards") else line for line in lines]
    ours = [f"Via: SIP/2.0/UDP {MIRROR}:5060;branch=z9hG4bK{branch}"]
    if sent.request.to.tag is None:
        target = f"sip:{OTHER.get(name, name)}@{SERVER}"
        ours.append(f"Record-Route: <sip:{MIRROR};lr>")
    lines.remove(f"Route: <sip:{MIRROR};lr>") if f"Route: <sip:{MIRROR};lr>" in lines else None
    return "\n".join([f"{method} {target} SIP/2.0", *ours, *lines]) + "\n\n" + body


async def test_two_addresses_that_point_at_each_other() -> None:
    """alice -> bob -> carol -> bob: that one has been here."""
    x, alice, mirror = await hall_of_mirrors(1)
    alice.invite("bob")
    assert reflect(mirror) == 2
    assert alice.statuses() == [100, 482]
    x.pass_time(64)
    assert x.calls == 0


async def test_with_ten_contacts_each_the_breadth_is_used_up() -> None:
    x, alice, mirror = await hall_of_mirrors(10)
    alice.invite("bob")
    assert reflect(mirror) == 10
    assert alice.statuses() == [100, 440]
    x.pass_time(64)
    assert x.calls == 0
    assert x.world.sip._stack.counts()["client"] == 0


async def test_however_it_branches_no_more_than_the_breadth_is_sent() -> None:
    for contacts in (1, 2, 3, 7, MAX_BREADTH):
        x, alice, mirror = await hall_of_mirrors(contacts)
        alice.invite("bob")
        assert reflect(mirror) <= 2 * MAX_BREADTH
        x.pass_time(64)
        assert x.calls == 0


async def test_more_contacts_than_the_breadth() -> None:
    _, alice, mirror = await hall_of_mirrors(MAX_BREADTH + 1)
    alice.invite("bob")
    assert alice.statuses() == [440]
    assert mirror.heard == []


async def test_a_spiral_is_no_loop() -> None:
    """The same call passes us twice with another Request-URI; both dialogs are kept apart."""
    x, alice, mirror = await hall_of_mirrors(1, real="carol")
    carol = at(x, "carol", "192.0.2.30:5060")
    dialling = alice.invite("bob")
    assert reflect(mirror) == 1
    invite = carol.got("INVITE")
    assert len(invite.request.lines("record-route")) == 3
    assert x.calls == 2
    called = carol.answer(invite, 200)
    reflect(mirror)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    reflect(mirror)
    assert carol.heard[-1].request.method == "ACK"
    called.send("BYE")
    reflect(mirror)
    alice.answer(alice.got("BYE"), 200)
    reflect(mirror)
    assert carol.statuses() == [200]
    assert x.calls == 0


@pytest.mark.parametrize(("hops", "reached", "status"), [(0, 0, 483), (1, 1, 100), (70, 1, 100), (255, 1, 100)])
async def test_max_forwards(hops: int, reached: int, status: int) -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", hops=hops)
    assert alice.statuses() == [status]
    assert [s.request.max_forwards for s in bob.take()] == [hops - 1] * reached


@pytest.mark.parametrize("hops", ["256", "-1", "70 ", "x", "", "99999999999"])
async def test_max_forwards_that_is_no_number(hops: str) -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    text = alice._outside("INVITE", f"sip:bob@{SERVER}", "bob", "").replace("Max-Forwards: 70", f"Max-Forwards: {hops}")
    alice._proven(text)
    assert alice.statuses()[-1] in (400, 100 if hops == "70 " else 400)
    assert len(bob.take()) == (hops == "70 ")


async def test_max_forwards_inside_a_dialog() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    talking, _ = talk(alice, bob)
    talking.send("INFO", hops=0)
    assert alice.statuses() == [483]
    talking.send("ACK", hops=0)
    assert bob.methods() == []
    talking.send("INFO", hops=1)
    assert bob.got("INFO").request.max_forwards == 0


async def test_max_forwards_is_set_where_the_phone_sent_none() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice._proven(alice._outside("INVITE", f"sip:bob@{SERVER}", "bob", "").replace("Max-Forwards: 70\n", ""))
    assert bob.got("INVITE").request.max_forwards == 70


@pytest.mark.parametrize(
    ("breadth", "reached", "shown"),
    [("60", 2, "30"), ("2", 2, "1"), ("3", 2, "1"), ("1", 0, ""), ("0", 0, ""), ("9999999999", 2, "30"), ("x", 0, "")],
)
async def test_max_breadth_is_shared_out(breadth: str, reached: int, shown: str) -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:5060")
    phones = [at(x, "bob", "192.0.2.20:5060"), at(x, "bob", "192.0.2.21:5060")]
    alice.invite("bob", extra=f"Max-Breadth: {breadth}\n")
    heard = [s.request.first("max-breadth") for p in phones for s in p.take()]
    assert heard == [shown] * reached
    if not reached:
        assert alice.statuses() == [400 if breadth == "x" else 440]


async def test_a_proxy_require_that_is_not_understood() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", extra="Proxy-Require: sec-agree, foo\nRequire: 100rel\n")
    assert alice.got(420).response.first("unsupported") == "sec-agree, foo"
    alice.invite("bob", extra="Require: whatever\n")
    assert bob.methods() == ["INVITE"], "what is required is for the phone to understand"
