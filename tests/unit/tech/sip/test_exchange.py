"""Requests of ours on their way: names, addresses of both families, and what never gets a packet."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import HERE, SERVER, SipWorld, aor, auth, phone, reply, settings
from switchroom.model.errors import InvalidParameter
from switchroom.model.message import DeliveryState
from switchroom.model.settings import TransportSettings
from switchroom.tech.sip.transports import Listener

SERVER6 = "2001:db8::1"


async def world(*, ipv6: bool = False, **of_bob: object) -> SipWorld:
    w = SipWorld(
        settings(
            phone("alice", auth=()),
            phone("bob", auth=(), **of_bob),
            phone("carol"),
            aors=[aor("alice"), aor("carol"), aor("bob", contact=("sip:bob@192.0.2.5:5091",))],
            auths=[auth("carol")],
        )
    )
    if ipv6:
        transport = TransportSettings(name="udp6", source=HERE, bind_host=SERVER6)
        w.sip.attach(Listener(transport, SERVER6, 5060, w._leave, lambda peer: SERVER6))
    return await w.start()


async def send(w: SipWorld, to: str) -> None:
    await w.messages.send(f"pjsip:bob/{to}", "alice", "hello", {})
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize("status", [503, 408])
async def test_the_next_address_of_a_name_is_tried(status: int) -> None:
    w = await world()
    w.addresses.known = {"h.example": ["192.0.2.71", "192.0.2.72"]}
    await send(w, "sip:x@h.example")
    (first,) = w.sent()
    (second,) = w.receive(reply(first, status))
    assert (first.to[0], second.to[0]) == ("192.0.2.71", "192.0.2.72")
    assert first.request.via.branch != second.request.via.branch
    w.receive(reply(second))
    assert [d.state for d in w.deliveries] == [DeliveryState.DELIVERED]


async def test_a_name_with_addresses_of_the_other_family_leaves_by_the_other_listener() -> None:
    w = await world(ipv6=True)
    w.addresses.known = {"six.example": ["2001:db8::77"]}
    await send(w, "sip:x@six.example")
    (sent,) = w.sent()
    assert sent.to == ("2001:db8::77", 5060)
    assert sent.request.via.sent_by == f"[{SERVER6}]:5060"


class TcpConnections:
    """Connections that open, unless the address is in ``deaf``."""

    def __init__(self) -> None:
        self.deaf: set[str] = set()
        self.opened: list[tuple[str, int, str]] = []

    def connected(self, host: str, port: int) -> bool:
        return any(known[:2] == (host, port) for known in self.opened)

    async def connect(self, host: str, port: int, server_name: str) -> None:
        if host in self.deaf:
            raise OSError("nobody listens")
        self.opened.append((host, port, server_name))


def with_tcp(w: SipWorld) -> TcpConnections:
    connections = TcpConnections()
    transport = TransportSettings(name="tcp", source=HERE, protocol="tcp", bind_host=SERVER)
    w.sip.attach(Listener(transport, SERVER, 5060, w._leave, lambda peer: SERVER, connections))
    return connections


async def test_dns_chooses_the_transport_where_the_uri_does_not() -> None:
    w = await world()
    connections = with_tcp(w)
    w.addresses.located = {"h.example": [("tcp", "192.0.2.71", 5070), ("udp", "192.0.2.71", 5070)]}
    await send(w, "sip:x@h.example")
    (sent,) = w.sent()
    assert connections.opened == [("192.0.2.71", 5070, "h.example")]
    assert sent.request.vias_raw[0].startswith("SIP/2.0/TCP ")
    w.receive(reply(sent))
    assert [d.state for d in w.deliveries] == [DeliveryState.DELIVERED]


async def test_what_can_not_be_connected_to_is_followed_by_the_next_target_on_its_own_transport() -> None:
    w = await world()
    with_tcp(w).deaf = {"192.0.2.71", "192.0.2.72"}
    w.addresses.located = {
        "h.example": [("tcp", "192.0.2.71", 5070), ("tcp", "192.0.2.72", 5070), ("udp", "192.0.2.73", 5071)]
    }
    await send(w, "sip:x@h.example")
    (sent,) = w.sent()
    assert sent.to == ("192.0.2.73", 5071)
    assert sent.request.vias_raw[0].startswith("SIP/2.0/UDP ")


@pytest.mark.parametrize(
    "uri", ["sip:x@h.example;transport=udp", "sip:x@h.example:5060"], ids=["a transport", "a port"]
)
async def test_dns_does_not_choose_where_the_uri_says_it(uri: str) -> None:
    w = await world()
    with_tcp(w)
    w.addresses.known = {"h.example": ["192.0.2.74"]}
    w.addresses.located = {"h.example": [("tcp", "192.0.2.71", 5070)]}
    await send(w, uri)
    assert [s.to for s in w.sent()] == [("192.0.2.74", 5060)]


async def test_dns_does_not_choose_another_transport_than_the_endpoints_own() -> None:
    w = await world(transport="udp")
    with_tcp(w)
    w.addresses.located = {"h.example": [("tcp", "192.0.2.71", 5070), ("udp", "192.0.2.72", 5071)]}
    await send(w, "sip:x@h.example")
    assert [s.to for s in w.sent()] == [("192.0.2.72", 5071)]


async def test_an_endpoints_own_transport_is_kept_to() -> None:
    w = await world(ipv6=True, transport="udp")
    w.addresses.known = {"six.example": ["2001:db8::77"]}
    await send(w, "sip:x@six.example")
    assert w.sent() == []
    assert [d.status_code for d in w.deliveries] == [503]
    with pytest.raises(InvalidParameter):
        await send(w, "sip:x@[2001:db8::77]")


async def test_a_phone_on_ipv4_with_a_contact_on_ipv6_is_reached_over_ipv6() -> None:
    w = await world(ipv6=True)
    w.register("carol", "<sip:carol@[2001:db8::9]:5070>")
    await w.messages.send("pjsip:carol", "alice", "hello", {})
    (sent,) = w.sent()
    assert sent.to == ("2001:db8::9", 5070)
    assert sent.request.via.sent_by == f"[{SERVER6}]:5060"


async def test_maddr_decides_the_family_too() -> None:
    w = await world(ipv6=True)
    await send(w, "sip:x@[2001:db8::77];maddr=192.0.2.9")
    (sent,) = w.sent()
    assert sent.to == ("192.0.2.9", 5060)
    assert sent.request.via.sent_by == f"{SERVER}:5060"


async def test_what_only_looks_like_an_address_is_a_name() -> None:
    w = await world()
    await send(w, "sip:x@192.0.2.5;maddr=192.0.2.9%25x")
    assert w.sent() == []
    assert [d.status_code for d in w.deliveries] == [503]


@pytest.mark.parametrize("target", [f"sip:x@{SERVER}", f"sip:x@{SERVER}:5060", f"sip:x@h.example;maddr={SERVER}"])
async def test_nothing_is_sent_to_ourselves(target: str) -> None:
    w = await world()
    with pytest.raises(InvalidParameter):
        await send(w, target)
    assert w.sent() == []


async def test_nothing_is_sent_to_ourselves_by_name() -> None:
    w = await world()
    w.addresses.known = {"us.example": [SERVER]}
    await send(w, "sip:x@us.example")
    assert w.sent() == []
    assert [d.status_code for d in w.deliveries] == [503]
    await send(w, "sip:x@us.example:5070")
    assert [s.to for s in w.sent()] == [(SERVER, 5070)]


async def test_a_listener_on_every_address_knows_its_own() -> None:
    w = SipWorld(settings(phone("bob", auth=()), aors=[aor("bob")]), bind="0.0.0.0")
    await w.start()
    with pytest.raises(InvalidParameter):
        await w.messages.send(f"pjsip:bob/sip:x@{SERVER}", "me", "hello", {})
    assert w.sent() == []


async def test_a_question_given_up_while_its_name_is_looked_up_is_never_sent() -> None:
    w = SipWorld(
        settings(
            phone("dave", auth=()),
            aors=[aor("dave", contact=("sip:dave@slow.example",), qualify_frequency=60, qualify_timeout=1.0)],
        )
    )
    answered = asyncio.Event()

    async def resolve(host: str, port: int | None, transport: str) -> list[tuple[str, int]]:
        await answered.wait()
        return [("192.0.2.99", 5060)]

    w.addresses.resolve = resolve  # type: ignore[method-assign]
    await w.start()
    w.pass_time(60)
    await asyncio.sleep(0)
    w.pass_time(2)
    answered.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert w.sent() == []
    assert w.sip._exchanges._open == set()
