"""Texts from one technology to another: as whom, how far, and not in a circle."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.sip_world import VirtualClock
from switchroom.core.addresses import Address, Addresses
from switchroom.core.crossing import Crossing
from switchroom.core.limits import ECHO_WINDOW, MAX_CONVERSATIONS, MAX_CROSSINGS, MAX_ECHOES, MAX_REMEMBERED_TEXTS
from switchroom.core.registry import Registry
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound
from switchroom.model.record import MessageRecord

ALICE = Address(EndpointId("PJSIP", "alice"))
BOB = Address(EndpointId("PJSIP", "bob"))
GATE = Address(EndpointId("XMPP", "gate"))
ROMEO = Address(GATE.endpoint, "romeo@example.org")


class Network:
    """A technology that carries everything with an ``@``."""

    def sender(self, alias: str, through: str) -> str:
        return f"{alias} by {through}"

    def carrier(self, beyond: str) -> str | None:
        return "gate" if "@" in beyond else None


class Outlet:
    """Remembers what went out: where to, as whom, and how far it may still go."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int | None]] = []
        self.failing = False

    async def send(
        self, to: str, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord:
        if self.failing:
            raise EndpointNotFound
        self.sent.append((to, sender, max_forwards))
        return MessageRecord(id="1", technology="", destination=to, sender=sender, body=body, created=0.0, expires=1.0)

    async def send_to(
        self, endpoint: EndpointId, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord:
        return await self.send(str(endpoint), sender, body, headers, max_forwards=max_forwards)


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        registry = Registry(self.clock)
        addresses = Addresses(registry)
        for address in (ALICE, BOB, GATE):
            registry.add(address.endpoint)
        addresses.add("PJSIP", NoNetwork())
        addresses.add("XMPP", Network())
        self.outlet = Outlet()
        self.crossing = Crossing(addresses, self.outlet, self.clock)

    async def forward(self, origin: Address, target: Address, body: str = "hi", hops: int | None = None) -> None:
        await self.crossing.forward(origin, target, body, {}, max_forwards=hops)


class NoNetwork(Network):
    def carrier(self, beyond: str) -> str | None:
        return None


async def test_there_and_back() -> None:
    w = World()
    there = w.crossing.find("romeo@example.org", "PJSIP")
    assert there == ROMEO
    await w.forward(ALICE, there)
    await w.forward(ROMEO, ALICE)
    await w.forward(ALICE, GATE)
    assert [(to, sender) for to, sender, _ in w.outlet.sent] == [
        ("XMPP:gate/romeo@example.org", "alice by gate"),
        ("PJSIP/alice", "romeo@example.org by alice"),
        ("XMPP/gate", "alice by gate"),
    ]


def test_what_is_found_is_elsewhere() -> None:
    w = World()
    assert w.crossing.find("alice", "PJSIP") is None
    assert w.crossing.find("alice", "XMPP") == ALICE


@pytest.mark.parametrize(("hops", "left"), [(None, MAX_CROSSINGS), (69, MAX_CROSSINGS), (3, 3), (1, 1)])
async def test_a_text_may_pass_few_servers_after_it_crossed(hops: int | None, left: int) -> None:
    w = World()
    await w.forward(ALICE, ROMEO, hops=hops)
    assert w.outlet.sent[0][2] == left


@pytest.mark.parametrize(
    ("origin", "target", "hops"),
    [(ALICE, ROMEO, 0), (ROMEO, GATE, None), (ROMEO, Address(GATE.endpoint, "juliet@example.org"), None)],
)
async def test_loops_are_cut(origin: Address, target: Address, hops: int | None) -> None:
    w = World()
    with pytest.raises(EndpointNotFound, match="loop"):
        await w.forward(origin, target, hops=hops)
    assert not w.outlet.sent


async def test_an_echo_ends_where_nobody_counts() -> None:
    w = World()
    for _ in range(MAX_ECHOES):
        await w.forward(ROMEO, ALICE, "tick")
    with pytest.raises(EndpointNotFound, match="loop"):
        await w.forward(ROMEO, ALICE, "tick")
    await w.forward(ROMEO, BOB, "tick")
    await w.forward(ROMEO, ALICE, "tock")
    await w.forward(ROMEO, ALICE, "tick", hops=5)
    w.clock.now += ECHO_WINDOW
    await w.forward(ROMEO, ALICE, "tick")
    assert len(w.outlet.sent) == MAX_ECHOES + 4


async def test_who_wrote_last_gets_the_answer() -> None:
    w = World()
    assert w.crossing.correspondent(ROMEO) is None
    await w.forward(ALICE, ROMEO)
    await w.forward(BOB, ROMEO)
    w.outlet.failing = True
    with pytest.raises(EndpointNotFound):
        await w.forward(ALICE, ROMEO)
    assert w.crossing.correspondent(ROMEO) == BOB


async def test_what_is_remembered_is_bounded() -> None:
    w = World()
    for number in range(max(MAX_CONVERSATIONS, MAX_REMEMBERED_TEXTS) + 1):
        await w.forward(ALICE, Address(GATE.endpoint, f"r{number}@example.org"))
    assert w.crossing.correspondent(Address(GATE.endpoint, "r0@example.org")) is None
    assert w.crossing.correspondent(Address(GATE.endpoint, "r1@example.org")) == ALICE
    assert len(w.crossing._echoes._counts) == MAX_REMEMBERED_TEXTS
