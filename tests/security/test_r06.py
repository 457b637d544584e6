"""R06: more comes than can be done. What strangers begin waits; what was begun, and what is proven, goes on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from ipaddress import ip_network

import pytest

from support.config import Address
from support.phone import Phone, answer_challenge
from support.phone import phone as phone_at
from support.sip_world import HERE, SipWorld, aor, auth, authorized, phone, request, settings, wire
from switchroom.listeners import Listeners
from switchroom.model.settings import IdentifySettings, TransportSettings
from switchroom.net.admission import Admission
from switchroom.tech.sip.limits import PROVEN_FOR
from switchroom.tech.sip.overload import Proven

TRUNK = "192.0.2.77"


async def world() -> SipWorld:
    """Bob, who has a password, and a trunk, which is known by its address."""
    identify = IdentifySettings(name="trunk", source=HERE, endpoint="trunk", match=((ip_network(TRUNK), 0),))
    made = settings(
        phone("bob"), phone("trunk", auth=()), aors=[aor("bob")], auths=[auth("bob")], identifies=[identify]
    )
    return await SipWorld(made).start()


def register(w: SipWorld) -> str:
    """Bob's REGISTER with the answer to a challenge."""
    text = request("REGISTER", "bob", extra="Contact: <sip:bob@192.0.2.9:5090>\n")
    (challenge,) = w.receive(text)
    return authorized(text, challenge.response, "bob")


async def test_only_what_strangers_begin_is_left_alone() -> None:
    w = await world()
    proven = register(w)
    spared = [
        proven,
        proven.replace("Authorization:", "AUTHORIZATION:"),
        proven.replace("Authorization:", "Proxy-Authorization:"),
        request("INVITE", "bob", extra="Route: <sip:x@192.0.2.1;lr>\n"),
        request("ACK", "bob"),
        request("BYE", "bob"),
        request("CANCEL", "bob"),
        "SIP/2.0 200 OK\n",
        "\n\n",
        "hello",
        "",
    ]
    begun = [request(method, "bob") for method in ("REGISTER", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "REFER")]
    assert not [text for text in spared if w.sip.sheds(wire(text), "192.0.2.9", 5090)]
    assert not [text for text in begun if w.sip.sheds(wire(text), TRUNK, 5060)]
    assert w.sip.overload.shed == 0
    assert [text for text in begun if not w.sip.sheds(wire(text), "192.0.2.9", 5090)] == []
    assert w.sip.overload.shed == len(begun)


async def test_who_has_proven_themselves_is_known_for_an_hour_or_two() -> None:
    w = await world()
    text = wire(request("REGISTER", "bob", extra="Contact: <sip:bob@192.0.2.9:5090>\n"))
    assert w.sip.sheds(text, "192.0.2.9", 5090)
    w.register("bob", "<sip:bob@192.0.2.9:5090>", expires="3600")
    assert not w.sip.sheds(text, "192.0.2.9", 5090)
    assert w.sip.sheds(text, "192.0.2.9", 5091)
    for known in (True, False):
        w.pass_time(PROVEN_FOR)
        # Somebody else's proof is what turns the page.
        w.register("bob", "<sip:bob@192.0.2.8:5090>", source="192.0.2.8:5090")
        assert w.sip.sheds(text, "192.0.2.9", 5090) is not known


def test_few_strangers_are_taken_for_somebody_who_is_known() -> None:
    proven = Proven()
    for number in range(10_000):
        proven.add(f"10.0.{number >> 8}.{number & 255}", 5060, 0.0)
    mistaken = sum(proven.holds(f"192.168.{number >> 8}.{number & 255}", 5060) for number in range(10_000))
    assert mistaken < 200


async def test_a_socket_that_is_behind_serves_who_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world()
    async with AsyncExitStack() as closing:
        listeners = Listeners(w.sip, closing, Admission(100))
        at = await listeners.open(TransportSettings(name="real", source=HERE, bind_host="127.0.0.1", bind_port=0))
        assert at is not None
        bob: Phone = await closing.enter_async_context(phone_at("bob", Address(*at)))
        contact, uri = f"Contact: <{bob.contact}>", f"sip:{bob.server}"
        challenge = await bob.request("REGISTER", "bob", uri=uri, headers=[contact])
        (udp,) = listeners.datagrams
        monkeypatch.setattr("switchroom.net.udp.MAX_BATCH", 1)
        monkeypatch.setattr("switchroom.net.udp.UdpListener._waiting", lambda listener: 1.0)
        udp.behind = True
        with pytest.raises(AssertionError, match="no answer"):
            await bob.request("REGISTER", "bob", uri=uri, headers=[contact], within=0.05)
        assert w.sip.overload.shed == 1
        credentials = answer_challenge(challenge.first("WWW-Authenticate"), "REGISTER", uri, "bob", "bobpw")
        answer = await bob.request("REGISTER", "bob", uri=uri, headers=[contact, credentials])
        assert answer.status == 200
        monkeypatch.undo()
        udp.behind = False
        assert (await bob.request("REGISTER", "bob", uri=uri, headers=[contact])).status == 401
