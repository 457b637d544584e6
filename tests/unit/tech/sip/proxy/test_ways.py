"""How a party of a call is reached inside it: over its connection, where it speaks from, by its Contact."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from support.call_world import Exchange, Phone, at, exchange, routes_to_us, talk
from support.sip_world import HERE, SERVER, aor, phone
from switchroom.model.settings import IdentifySettings
from switchroom.tech.sip.limits import FLOW_GRACE
from switchroom.wire.sip.flow import Flow

BROWSER = "sip:5rq8@df7jal23ls0d.invalid;transport=ws"


async def mixed() -> tuple[Exchange, Phone, Phone]:
    """alice on UDP, and bob in a browser."""
    x = await exchange("alice", "bob")
    x.listen("ws", 8088)
    x.listen("tcp", 5060)
    return (
        x,
        at(x, "alice", "192.0.2.10:5060"),
        at(x, "bob", "192.0.2.20:40123", transport="ws", contact=BROWSER),
    )


async def test_each_side_gets_a_route_of_its_own_transport() -> None:
    """RFC 5658: two Record-Routes where the legs differ."""
    _, alice, bob = await mixed()
    alice.invite("bob")
    ahead, behind = routes_to_us(bob.got("INVITE").request)
    assert ahead.endswith(f"@{SERVER}:8088;transport=ws;lr")
    assert behind.endswith(f"@{SERVER}:5060;lr")
    assert bob.got("INVITE").request.vias_raw[0].startswith("SIP/2.0/WS ")


async def test_a_browser_is_reached_over_its_connection_all_the_way() -> None:
    x, alice, bob = await mixed()
    talking, called = talk(alice, bob)
    assert talking.target == BROWSER
    talking.send("INFO")
    assert bob.got("INFO").request.target == BROWSER
    bob.answer(bob.got("INFO"), 200)
    called.send("BYE")
    assert alice.got("BYE").request.lines("route") == []
    alice.answer(alice.got("BYE"), 200)
    assert bob.statuses() == [200]
    assert (x.calls, x.lost) == (0, [])


async def test_a_browser_calls_a_phone() -> None:
    x, alice, bob = await mixed()
    talking, called = talk(bob, alice)
    called.send("INFO")
    assert bob.got("INFO").request.target == BROWSER
    talking.send("BYE")
    alice.answer(alice.got("BYE"), 200)
    assert bob.statuses()[-1] == 200
    assert (x.calls, x.lost) == (0, [])


async def test_a_dead_connection_is_430_inside_a_call_and_480_outside() -> None:
    x, alice, bob = await mixed()
    talking, _ = talk(alice, bob)
    x.links["ws"].open.clear()
    talking.send("INFO")
    assert alice.statuses() == [430]
    alice.invite("bob")
    assert alice.statuses() == [480]


async def test_a_connection_that_closes_ends_the_call_unless_the_phone_is_back() -> None:
    x, alice, bob = await mixed()
    talking, _ = talk(alice, bob)
    x.disconnect(bob)
    assert x.calls == 1
    x.pass_time(FLOW_GRACE + 1)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    talking.send("BYE")
    assert alice.statuses() == [401]


async def test_a_phone_that_is_back_on_another_connection_goes_on() -> None:
    """It shows the Route it got; from then on it is reached there."""
    x, alice, bob = await mixed()
    talking, called = talk(alice, bob)
    x.disconnect(bob)
    again = at(x, "bob", "192.0.2.77:50001", transport="ws", contact=BROWSER)
    called.owner = again
    called.send("INFO")
    assert alice.got("INFO")
    alice.answer(alice.got("INFO"), 200)
    assert again.statuses() == [200]
    x.pass_time(FLOW_GRACE + 1)
    assert x.calls == 1
    talking.send("INFO")
    assert again.methods() == ["INFO"]


async def test_a_call_that_rings_is_over_when_the_connection_of_the_phone_closes() -> None:
    x, alice, bob = await mixed()
    alice.invite("bob")
    bob.answer(bob.got("INVITE"), 180)
    x.disconnect(bob)
    x.pass_time(FLOW_GRACE + 1)
    assert x.calls == 0
    assert x.channels("alice") == 0


async def test_tcp_phones_with_ports_of_their_own_and_without() -> None:
    x = await exchange("alice", "bob")
    x.listen("tcp", 5060)
    alice = at(x, "alice", "192.0.2.10:49152", transport="tcp", contact="sip:alice@192.0.2.10:49152;transport=tcp;ob")
    bob = at(x, "bob", "192.0.2.20:49200", transport="tcp", contact="sip:bob@192.0.2.20:5070;transport=tcp")
    talking, called = talk(alice, bob)
    called.send("INFO")
    assert alice.methods() == ["INFO"]
    x.disconnect(bob)
    listening = at(x, "bob", "192.0.2.20:5070", transport="tcp", register=False)
    x.links["tcp"].open.discard(("192.0.2.20", 5070))
    talking.send("INFO")
    await asyncio.sleep(0)
    x.deliver()
    assert x.links["tcp"].opened == [("192.0.2.20", 5070)]
    assert listening.methods() == ["INFO"]
    x.disconnect(alice)
    listening.take()
    called.owner = listening
    called.send("INFO")
    assert listening.statuses() == [430]


async def test_a_phone_behind_a_nat_is_where_it_speaks_from() -> None:
    x = await exchange("alice", endpoints=[phone("bob", rewrite_contact=True)], aors=[aor("bob")])
    alice = at(x, "alice", "192.0.2.10:61000", contact="sip:alice@10.0.0.10:5060")
    bob = at(x, "bob", "192.0.2.20:61001", contact="sip:bob@10.0.0.20:5060")
    talking, called = talk(alice, bob)
    assert talking.target == "sip:bob@10.0.0.20:5060"
    talking.send("INFO")
    assert bob.got("INFO").request.target == "sip:bob@10.0.0.20:5060"
    called.send("INFO")
    assert alice.got("INFO").request.target == "sip:alice@10.0.0.10:5060"
    assert x.lost == []


async def test_a_phone_that_listens_at_another_port_is_called_there() -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:40000", contact="sip:alice@192.0.2.10:5060")
    bob = at(x, "bob", "192.0.2.20:5060")
    _, called = talk(alice, bob)
    called.send("BYE")
    assert [sent.to for sent in x.lost] == [("192.0.2.10", 5060)]


async def test_a_contact_at_this_server_is_the_phone_on_the_same_machine() -> None:
    """Whatever port it names: a request that we sent to ourselves would go round until its hops are used up."""
    x = await exchange("alice", "bob")
    alice = at(x, "alice", f"{SERVER}:40000", contact=f"sip:alice@{SERVER}:5060")
    bob = at(x, "bob", "192.0.2.20:5060")
    _, called = talk(alice, bob)
    called.send("INFO")
    assert alice.methods() == ["INFO"]
    assert x.lost == []


async def test_a_trunk_is_where_its_contact_says() -> None:
    x = await exchange(
        "alice",
        endpoints=[phone("trunk", auth=(), identify_by=("ip",))],
        aors=[aor("trunk", contact=("sip:203.0.113.1:5060",))],
        identifies=[
            IdentifySettings(name="i", source=HERE, endpoint="trunk", match=((ip_network("203.0.113.0/24"), 0),))
        ],
    )
    alice = at(x, "alice", "192.0.2.10:5060")
    trunk = at(x, "trunk", "203.0.113.1:5060", contact="sip:media@203.0.113.9:5070", register=False)
    media = at(x, "trunk", "203.0.113.9:5070", register=False)
    dialling = alice.invite("sip:+49@203.0.113.1")
    trunk.answer(trunk.got("INVITE"), 200)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    talking.send("BYE")
    assert media.methods() == ["ACK", "BYE"]
    incoming = trunk.invite("alice")
    called = alice.answer(alice.got("INVITE"), 200)
    incoming.learn(trunk.got(200).response).send("ACK")
    called.send("BYE")
    assert media.methods() == ["BYE"]


async def test_a_contact_that_leads_where_no_packet_may_go() -> None:
    x = await exchange(
        "alice",
        endpoints=[phone("trunk", auth=(), identify_by=("ip",))],
        aors=[aor("trunk", contact=("sip:203.0.113.1:5060",))],
        identifies=[
            IdentifySettings(name="i", source=HERE, endpoint="trunk", match=((ip_network("203.0.113.0/24"), 0),))
        ],
    )
    alice = at(x, "alice", "192.0.2.10:5060")
    trunk = at(x, "trunk", "203.0.113.1:5060", contact="sip:media@169.254.169.254:80", register=False)
    trunk.invite("alice")
    called = alice.answer(alice.got("INVITE"), 200)
    called.send("BYE")
    assert alice.statuses() == [430]
    assert x.lost == []


@pytest.mark.parametrize("contact", ["sip:alice@", "mailto:alice@example.com", "*", "<<"])
async def test_a_contact_that_is_none_is_not_needed(contact: str) -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.contact = contact
    _, called = talk(alice, bob)
    called.target = f"sip:alice@{SERVER}"
    called.send("BYE")
    assert alice.methods() == ["BYE"]


async def test_a_request_uri_that_names_us_is_the_other_party() -> None:
    """Phones that take the To of a call for its remote target."""
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    talking, _ = talk(alice, bob)
    talking.send("BYE", target=f"sip:bob@{SERVER}")
    assert bob.got("BYE").request.target == "sip:bob@192.0.2.20:5060"


async def test_the_contact_of_a_re_invite_is_the_target_from_then_on() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    talking, called = talk(alice, bob)
    moved = at(x, "alice", "192.0.2.10:5099", register=False)
    talking.send("UPDATE", extra="Contact: <sip:alice@192.0.2.10:5099>\n")
    bob.answer(bob.got("UPDATE"), 200)
    called.target = "sip:alice@192.0.2.10:5099"
    called.send("BYE")
    assert moved.methods() == ["BYE"]


async def test_large_requests_leave_udp_only_where_that_is_wanted() -> None:
    x = await exchange("alice", "bob")
    x.listen("tcp", 5060)
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob", body="v=0\r\n" + "a=x\r\n" * 1000)
    assert len(bob.got("INVITE").request.body) > 5000
    bob.take()
    alice.flow = Flow("tcp", "tcp", "192.0.2.10", 5060)
    alice.invite("bob", body="a" * 65_500)
    alice.flow = Flow("udp", "udp", "192.0.2.10", 5060)
    assert 513 in alice.statuses()
    assert x.calls == 1, "the first alone"
