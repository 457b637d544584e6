"""Who may call whom: endpoints of this server and trunks, and nobody else by whatever a Request-URI or Route says."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from support.call_world import Exchange, Phone, at, exchange
from support.sip_world import HERE, SERVER, aor, phone
from switchroom.model.settings import IdentifySettings

TRUNK = "203.0.113.1:5080"


async def office(**of_trunk: object) -> tuple[Exchange, Phone, Phone]:
    """alice with a password, and a trunk that is known by its address."""
    x = await exchange(
        "alice",
        endpoints=[phone("trunk", auth=(), identify_by=("ip",), **of_trunk)],
        aors=[aor("trunk", contact=(f"sip:{TRUNK};x=1",))],
        identifies=[IdentifySettings(name="i", source=HERE, endpoint="trunk", match=((ip_network("203.0.113.1"), 0),))],
    )
    return x, at(x, "alice", "192.0.2.10:5060"), at(x, "trunk", TRUNK, register=False)


async def test_a_number_at_the_host_of_a_trunk_goes_there() -> None:
    x, alice, trunk = await office()
    alice.invite("sip:+49301234@203.0.113.1;user=phone")
    invite = trunk.got("INVITE").request
    assert invite.target == f"sip:+49301234@{TRUNK};x=1;user=phone"
    trunk.answer(trunk.got("INVITE"), 200)
    assert alice.statuses() == [100, 200]
    assert x.channels("trunk") == 1


async def test_a_trunk_calls_in() -> None:
    x, alice, trunk = await office()
    dialling = trunk.invite("alice", to="sip:+4930@203.0.113.1")
    alice.answer(alice.got("INVITE"), 200)
    talking = dialling.learn(trunk.got(200).response)
    talking.send("ACK")
    talking.send("BYE")
    alice.answer(alice.got("BYE"), 200)
    assert trunk.statuses() == [100, 200, 200]
    assert x.calls == 0


async def test_who_is_known_by_an_address_alone_does_not_go_out() -> None:
    """A forged source address must not call numbers that cost money; nor may a stranger be let through."""
    x, _, trunk = await office()
    trunk.invite("sip:+1900@203.0.113.1")
    assert trunk.statuses() == [403]
    assert x.lost == []


@pytest.mark.parametrize(
    "target",
    [
        "sip:+49@203.0.113.1:5099",
        "sip:+49@203.0.113.2",
        "sip:203.0.113.1:5080",
        "sip:x@evil.example.com",
        "sip:x@192.0.2.66",
        "sip:x@127.0.0.1",
        "sip:x@[::1]",
        "sips:x@evil.example.com",
        "tel:+1900",
        f"sip:x@evil.example.com;maddr={SERVER}",
    ],
)
async def test_nobody_else_is_reached(target: str) -> None:
    x, alice, _ = await office()
    alice.invite(target)
    await asyncio.sleep(0)
    x.deliver()
    assert alice.statuses() == [404]
    assert x.lost == []


@pytest.mark.parametrize("parameter", ["maddr=198.51.100.7", "transport=tcp", "maddr=evil.example.com"])
async def test_the_way_to_a_trunk_is_the_configured_one(parameter: str) -> None:
    x, alice, trunk = await office()
    alice.invite(f"sip:+49@203.0.113.1;{parameter}")
    assert trunk.got("INVITE").request.target == f"sip:+49@{TRUNK};x=1"
    assert x.lost == []


async def test_the_way_to_a_phone_is_its_contact() -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:5060")
    bob = at(x, "bob", "192.0.2.20:5060", contact="sip:bob-0x55@192.0.2.20:5060;line=7")
    alice.invite(f"sip:bob@{SERVER};maddr=198.51.100.7;transport=tls?Route=%3Csip:evil.example.com%3E")
    assert bob.got("INVITE").request.target == "sip:bob-0x55@192.0.2.20:5060;line=7"
    assert bob.got("INVITE").request.lines("route") == []
    assert x.lost == []


async def test_a_route_to_us_is_taken_off() -> None:
    """baresip names its outbound proxy so in every request (RFC 3261 16.4)."""
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", extra=f"Route: <sip:{SERVER};lr>\n")
    assert bob.got("INVITE").request.lines("route") == []


async def test_a_route_to_the_name_we_are_called_by_is_taken_off() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("sip:bob@pbx.example.com", extra="Route: <sip:pbx.example.com;lr>\n")
    assert bob.got("INVITE").request.lines("route") == []
    alice.take()
    alice.invite("sip:bob@pbx.example.com", extra="Route: <sip:pbx.example.com;lr>, <sip:pbx.example.com;lr>\n")
    assert alice.statuses() == [403]


@pytest.mark.parametrize(
    "routes",
    [
        "<sip:192.0.2.66;lr>",
        f"<sip:{SERVER};lr>, <sip:192.0.2.66;lr>",
        f"<sip:{SERVER}:5061;lr>",
        f"<sip:{SERVER};lr>,<sip:{SERVER};lr>,<sip:{SERVER};lr>",
        "<sip:evil.example.com;lr>",
    ],
)
async def test_a_route_to_elsewhere_is_refused(routes: str) -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:5060")
    at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", extra=f"Route: {routes}\n")
    assert alice.statuses() == [403]
    assert x.lost == []


@pytest.mark.parametrize("value", ["Route: <<>\n", "Route: <sip:\n", 'Route: "\n'])
async def test_a_route_that_can_not_be_understood_is_refused(value: str) -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:5060")
    at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", extra=value)
    assert alice.statuses() == [400]


async def test_the_outbound_proxy_and_the_path_are_taken() -> None:
    bob = phone("bob")
    x = await exchange("alice", endpoints=[bob], aors=[aor("bob", support_path=True)])
    alice = at(x, "alice", "192.0.2.10:5060")
    edge = at(x, "bob", "192.0.2.40:5060", register=False)
    edge.contact = "sip:bob@10.0.0.5"
    edge.register("Path: <sip:edge@192.0.2.40;lr>\nSupported: path\n")
    dialling = alice.invite("bob")
    invite = edge.got("INVITE")
    assert (invite.request.target, invite.request.lines("route")) == (
        "sip:bob@10.0.0.5",
        ["<sip:edge@192.0.2.40;lr>"],
    )
    ours = invite.request.first("record-route")
    edge.answer(invite, 200, extra="", raw="")
    talking = dialling.learn(alice.got(200).response)
    assert talking.routes == [ours]


async def test_a_request_inside_a_dialog_takes_the_route_set_beyond_us() -> None:
    """The edge proxy of the called phone stays in the way (RFC 3261 16.12.1)."""
    x = await exchange("alice", endpoints=[phone("bob")], aors=[aor("bob", support_path=True)])
    alice = at(x, "alice", "192.0.2.10:5060")
    edge = at(x, "bob", "192.0.2.40:5060", register=False)
    edge.contact = "sip:bob@10.0.0.5"
    edge.register("Path: <sip:edge@192.0.2.40;lr>\nSupported: path\n")
    dialling = alice.invite("bob")
    invite = edge.got("INVITE")
    vias = "".join(f"Via: {via}\n" for via in invite.request.lines("via"))
    edge.send(
        f"SIP/2.0 200 OK\n{vias}Record-Route: <sip:edge@192.0.2.40;lr;f=1>, {invite.request.first('record-route')}\n"
        f"From: {invite.request.first('from')}\nTo: {invite.request.first('to')};tag=b\nCall-ID: {dialling.call_id}\n"
        "CSeq: 2 INVITE\nContact: <sip:bob@10.0.0.5>\n\n"
    )
    talking = dialling.learn(alice.got(200).response)
    assert len(talking.routes) == 2
    talking.send("ACK")
    ack = edge.got("ACK").request
    assert (ack.target, ack.lines("route")) == ("sip:bob@10.0.0.5", ["<sip:edge@192.0.2.40;lr;f=1>"])
    talking.routes[1] = "<sip:192.0.2.66;lr>"
    talking.send("INFO")
    assert alice.statuses()[-1] == 403
    assert x.lost == []


async def test_who_calls_is_asserted_where_it_is_to_be_known() -> None:
    trusting = phone("bob", send_pai=True)
    x = await exchange(
        "carol", endpoints=[trusting, phone("alice", callerid_name="Alice")], aors=[aor("bob"), aor("alice")]
    )
    alice = at(x, "alice", "192.0.2.10:5060")
    bob, carol = at(x, "bob", "192.0.2.20:5060"), at(x, "carol", "192.0.2.30:5060")
    forged = "P-Asserted-Identity: <sip:president@example.com>\n"
    alice.invite("bob", extra=forged)
    assert bob.got("INVITE").request.lines("p-asserted-identity") == [f'"Alice" <sip:alice@{SERVER}>']
    alice.invite("carol", extra=forged)
    assert carol.got("INVITE").request.lines("p-asserted-identity") == []
    bob.take()
    alice.invite("bob", extra=forged + "Privacy: id; header\n")
    assert bob.got("INVITE").request.lines("p-asserted-identity") == []
    bob.answer(bob.got("INVITE"), 180, extra=forged)
    assert alice.got(180).response.lines("p-asserted-identity") == []


async def test_the_word_of_a_trusted_trunk_is_passed_on_and_back() -> None:
    x = await exchange(
        endpoints=[
            phone("trunk", auth=(), identify_by=("ip",), trust_id_inbound=True),
            phone("bob", send_pai=True),
        ],
        aors=[aor("trunk", contact=(f"sip:{TRUNK}",)), aor("bob")],
        identifies=[IdentifySettings(name="i", source=HERE, endpoint="trunk", match=((ip_network("203.0.113.1"), 0),))],
    )
    bob, trunk = at(x, "bob", "192.0.2.20:5060"), at(x, "trunk", TRUNK, register=False)
    trunk.invite("bob", extra="P-Asserted-Identity: <sip:+4930@carrier.example>\n")
    assert bob.got("INVITE").request.lines("p-asserted-identity") == ["<sip:+4930@carrier.example>"]
    bob.invite("sip:+4930@203.0.113.1")
    trunk.answer(trunk.got("INVITE"), 180, extra="P-Asserted-Identity: <sip:+4931@carrier.example>\n")
    assert bob.got(180).response.lines("p-asserted-identity") == ["<sip:+4931@carrier.example>"]


async def test_a_trunk_that_asks_for_a_password_is_given_that_of_outbound_auth() -> None:
    """Under the CSeq of the caller, who can not know it."""
    _, alice, trunk = await office(outbound_auth=("trunk",))
    alice.invite("sip:+49@203.0.113.1")
    first = trunk.got("INVITE")
    trunk.answer(first, 407, extra='Proxy-Authenticate: Digest realm="carrier", nonce="n", qop="auth"\n')
    again = trunk.got("INVITE")
    assert again is not first
    assert again.request.first("cseq") == first.request.first("cseq")
    assert 'realm="carrier"' in (again.request.first("proxy-authorization") or "")
    assert alice.statuses() == [100]
    trunk.answer(again, 200)
    assert alice.statuses() == [200]
