"""RFC 3263 and 2782 against a name server made of a dictionary."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from switchroom.net import dns as module
from switchroom.net.dns import Resolver, in_order
from switchroom.net.limits import (
    MAX_LOOKUPS,
    MAX_NAMES,
    MAX_NEGATIVE_TTL,
    MAX_RECORDS,
    MAX_TTL,
    MAX_WAITING,
    NEGATIVE_TTL,
)
from switchroom.net.records import Pointer, Service, SystemBackend


class FakeBackend:
    """Zones as dictionaries; counts questions. A value that is an exception is raised."""

    def __init__(
        self,
        addresses: dict[str, list[str] | OSError] | None = None,
        services: dict[str, list[Service]] | None = None,
        ttl: float = 60.0,
        pointers: dict[str, list[Pointer] | OSError] | None = None,
    ) -> None:
        self.zone = addresses or {}
        self.zone_services = services or {}
        self.zone_pointers = pointers or {}
        self.ttl = ttl
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.now_asking = self.most_asking = 0
        self.full = asyncio.Event()

    async def pointers(self, name: str) -> tuple[Sequence[Pointer], float]:
        self.asked[f"NAPTR {name}"] += 1
        found = self.zone_pointers.get(name, [])
        if isinstance(found, OSError):
            raise found
        return found, self.ttl

    async def services(self, name: str) -> tuple[Sequence[Service], float]:
        self.asked[name] += 1
        return self.zone_services.get(name, []), self.ttl

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        self.asked[name] += 1
        self.now_asking += 1
        self.most_asking = max(self.most_asking, self.now_asking)
        if self.now_asking == MAX_LOOKUPS:
            self.full.set()
        await self.gate.wait()
        self.now_asking -= 1
        found = self.zone.get(name, [])
        if isinstance(found, OSError):
            raise found
        return found, self.ttl


class Hands:
    """A clock moved by hand, as the loop's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)


@pytest.mark.parametrize(
    ("host", "port", "transport", "expected"),
    [
        ("192.0.2.1", None, "udp", ("192.0.2.1", 5060)),
        ("192.0.2.1", 5070, "udp", ("192.0.2.1", 5070)),
        ("192.0.2.1", None, "tls", ("192.0.2.1", 5061)),
        ("192.0.2.1", None, "wss", ("192.0.2.1", 443)),
        ("[2001:db8::1]", None, "tcp", ("2001:db8::1", 5060)),
        ("2001:db8::1", 1, "udp", ("2001:db8::1", 1)),
    ],
)
async def test_an_address_costs_no_look_up(host: str, port: int | None, transport: str, expected: object) -> None:
    backend = FakeBackend()
    assert await Resolver(backend).resolve(host, port, transport) == [expected]
    assert not backend.asked


async def test_with_a_port_only_addresses_are_looked_up() -> None:
    backend = FakeBackend({"example.com": ["192.0.2.1", "2001:db8::1"]})
    assert await Resolver(backend).resolve("Example.COM.", 5070, "udp") == [("192.0.2.1", 5070), ("2001:db8::1", 5070)]
    assert backend.asked == {"example.com": 1}


@pytest.mark.parametrize(
    ("transport", "service"),
    [("udp", "_sip._udp.example.com"), ("tcp", "_sip._tcp.example.com"), ("tls", "_sips._tcp.example.com")],
)
async def test_servers_are_tried_by_priority(transport: str, service: str) -> None:
    backend = FakeBackend(
        {"a.example.com": ["192.0.2.1"], "b.example.com": ["192.0.2.2", "192.0.2.3"]},
        {service: [Service(20, 0, 5080, "a.example.com"), Service(10, 0, 5070, "b.example.com")]},
    )
    found = await Resolver(backend).resolve("example.com", None, transport)
    assert found == [("192.0.2.2", 5070), ("192.0.2.3", 5070), ("192.0.2.1", 5080)]


@pytest.mark.parametrize(("transport", "port"), [("udp", 5060), ("tls", 5061), ("ws", 80)])
async def test_without_servers_the_name_itself_is_used(transport: str, port: int) -> None:
    backend = FakeBackend({"example.com": ["192.0.2.1"]})
    assert await Resolver(backend).resolve("example.com", None, transport) == [("192.0.2.1", port)]


async def test_a_server_without_address_is_left_out() -> None:
    backend = FakeBackend(
        {"good.example.com": ["192.0.2.1"], "dead.example.com": OSError("timeout")},
        {
            "_sip._udp.example.com": [
                Service(1, 0, 5060, "dead.example.com"),
                Service(2, 0, 5060, "gone.example.com"),
                Service(3, 0, 5060, "good.example.com"),
            ]
        },
    )
    assert await Resolver(backend).resolve("example.com", None, "udp") == [("192.0.2.1", 5060)]


async def test_a_service_that_is_not_offered_is_an_error() -> None:
    backend = FakeBackend({"example.com": ["192.0.2.1"]}, {"_sip._udp.example.com": [Service(0, 0, 0, ".")]})
    with pytest.raises(OSError, match=r"no server of example\.com"):
        await Resolver(backend).resolve("example.com", None, "udp")


async def test_answers_are_kept_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hands(monkeypatch)
    backend = FakeBackend({"example.com": ["192.0.2.1"]}, ttl=60)
    resolver = Resolver(backend)
    for ahead, asked in ((0, 1), (59, 1), (61, 2)):
        clock.ahead = ahead
        await resolver.resolve("example.com", 5060, "udp")
        assert backend.asked["example.com"] == asked


async def test_no_answer_is_kept_for_longer_than_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hands(monkeypatch)
    backend = FakeBackend({"example.com": ["192.0.2.1"]}, ttl=10 * MAX_TTL)
    resolver = Resolver(backend)
    for ahead, asked in ((0, 1), (MAX_TTL - 1, 1), (MAX_TTL + 1, 2)):
        clock.ahead = ahead
        await resolver.resolve("example.com", 5060, "udp")
        assert backend.asked["example.com"] == asked


@pytest.mark.parametrize("failure", [OSError("the server failed"), []], ids=["no answer", "no such name"])
async def test_failures_are_kept_too(failure: list[str] | OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hands(monkeypatch)
    backend = FakeBackend({"example.com": failure}, ttl=0)
    resolver = Resolver(backend)
    for ahead, asked in ((0, 1), (NEGATIVE_TTL - 1, 1), (NEGATIVE_TTL + 1, 2)):
        clock.ahead = ahead
        with pytest.raises(OSError, match=r"the server failed|no address for example\.com"):
            await resolver.resolve("example.com", 5060, "udp")
        assert backend.asked["example.com"] == asked


@pytest.mark.parametrize(("said", "kept"), [(7, 7), (86_400, MAX_NEGATIVE_TTL)])
async def test_that_there_is_no_record_is_kept_as_long_as_the_zone_says(
    said: float, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hands(monkeypatch)
    backend = FakeBackend({"example.com": []}, ttl=said)
    resolver = Resolver(backend)
    for ahead, asked in ((0, 1), (kept - 1, 1), (kept + 1, 2)):
        clock.ahead = ahead
        with pytest.raises(OSError, match=r"no address for example\.com"):
            await resolver.resolve("example.com", 5060, "udp")
        assert backend.asked["example.com"] == asked


# ---- which transport (RFC 3263 4.1)

EXAMPLE = [
    Pointer(50, 50, "sips+d2t", "_sips._tcp.example.com"),
    Pointer(90, 50, "sip+d2t", "_sip._tcp.example.com"),
    Pointer(100, 50, "sip+d2u", "_sip._udp.example.com"),
    Pointer(10, 10, "sip+d2w", "_sip._ws.example.com"),
    Pointer(10, 10, "e2u+email", "_smtp.example.com"),
]
SERVERS = {
    "_sips._tcp.example.com": [Service(0, 0, 5071, "tls.example.com")],
    "_sip._tcp.example.com": [Service(0, 0, 5072, "tcp.example.com")],
    "_sip._udp.example.com": [Service(0, 0, 5073, "udp.example.com")],
}
ADDRESSES: dict[str, list[str] | OSError] = {
    "tls.example.com": ["192.0.2.1"],
    "tcp.example.com": ["192.0.2.2"],
    "udp.example.com": ["192.0.2.3"],
    "example.com": ["192.0.2.4"],
}


@pytest.mark.parametrize(
    ("transports", "expected"),
    [
        (("udp", "tcp", "tls"), ("tls", "192.0.2.1", 5071)),
        (("udp", "tcp"), ("tcp", "192.0.2.2", 5072)),
        (("udp",), ("udp", "192.0.2.3", 5073)),
    ],
)
async def test_naptr_chooses_among_the_transports_there_are(
    transports: tuple[str, ...], expected: tuple[str, str, int]
) -> None:
    backend = FakeBackend(ADDRESSES, SERVERS, pointers={"example.com": list(EXAMPLE)})
    assert await Resolver(backend).locate("example.com", None, transports) == [expected]


async def test_pointers_of_one_order_are_tried_by_preference() -> None:
    pointers = [Pointer(5, 20, "sip+d2u", "_sip._udp.example.com"), Pointer(5, 10, "sip+d2t", "_sip._tcp.example.com")]
    backend = FakeBackend(ADDRESSES, SERVERS, pointers={"example.com": pointers})
    found = await Resolver(backend).locate("example.com", None, ("udp", "tcp"))
    assert found == [("tcp", "192.0.2.2", 5072), ("udp", "192.0.2.3", 5073)]


async def test_a_pointer_may_lead_to_another_domain() -> None:
    backend = FakeBackend(
        {"a.hosting.example": ["192.0.2.9"]},
        {"_sip._udp.hosting.example": [Service(0, 0, 5060, "a.hosting.example")]},
        pointers={"example.com": [Pointer(0, 0, "sip+d2u", "_sip._udp.hosting.example")]},
    )
    assert await Resolver(backend).locate("example.com", None, ("udp",)) == [("udp", "192.0.2.9", 5060)]


async def test_whoever_takes_the_secure_server_away_gets_nobody_to_another() -> None:
    backend = FakeBackend({**ADDRESSES, "tls.example.com": []}, SERVERS, pointers={"example.com": list(EXAMPLE)})
    with pytest.raises(OSError, match="no server of example"):
        await Resolver(backend).locate("example.com", None, ("udp", "tcp", "tls"))


async def test_a_pointer_to_nothing_that_is_a_name_is_an_error() -> None:
    backend = FakeBackend(pointers={"example.com": [Pointer(0, 0, "sip+d2u", "")]})
    with pytest.raises(OSError, match="not a host name"):
        await Resolver(backend).locate("example.com", None, ("udp",))


@pytest.mark.parametrize("pointers", [[], OSError("the server failed")], ids=["none", "no answer"])
async def test_without_pointers_the_services_say_which_transports_there_are(pointers: list[Pointer] | OSError) -> None:
    servers = {name: found for name, found in SERVERS.items() if "udp" not in name}
    backend = FakeBackend(ADDRESSES, servers, pointers={"example.com": pointers})
    found = await Resolver(backend).locate("example.com", None, ("udp", "tcp", "tls"))
    assert found == [("tcp", "192.0.2.2", 5072), ("tls", "192.0.2.1", 5071)]


async def test_without_any_record_the_usual_transport_is_meant() -> None:
    backend = FakeBackend(ADDRESSES)
    assert await Resolver(backend).locate("Example.Com.", None, ("tls", "tcp")) == [("tls", "192.0.2.4", 5061)]


async def test_a_transport_that_is_not_offered_is_left_out() -> None:
    servers = {**SERVERS, "_sip._udp.example.com": [Service(0, 0, 0, ".")]}
    found = await Resolver(FakeBackend(ADDRESSES, servers)).locate("example.com", None, ("udp", "tcp"))
    assert found == [("tcp", "192.0.2.2", 5072)]


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("192.0.2.1", None, ("tcp", "192.0.2.1", 5060)),
        ("[2001:db8::1]", None, ("tcp", "2001:db8::1", 5060)),
        ("example.com", 5070, ("tcp", "192.0.2.4", 5070)),
    ],
)
async def test_an_address_or_a_port_leaves_nothing_to_choose(
    host: str, port: int | None, expected: tuple[str, str, int]
) -> None:
    backend = FakeBackend(ADDRESSES, SERVERS, pointers={"example.com": list(EXAMPLE)})
    assert await Resolver(backend).locate(host, port, ("tcp", "udp")) == [expected]
    assert not [name for name in backend.asked if name.startswith("NAPTR")]


async def test_a_name_is_asked_once_however_many_want_it() -> None:
    backend = FakeBackend({"example.com": ["192.0.2.1"]})
    backend.gate.clear()
    resolver = Resolver(backend)
    callers = [asyncio.create_task(resolver.resolve("example.com", 5060, "udp")) for _ in range(100)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    backend.gate.set()
    found = await asyncio.gather(*callers[1:])
    assert found == [[("192.0.2.1", 5060)]] * 99
    assert backend.asked["example.com"] == 1


async def test_look_ups_under_way_and_waiting_are_bounded() -> None:
    backend = FakeBackend()
    backend.gate.clear()
    resolver = Resolver(backend)
    bound = MAX_LOOKUPS + MAX_WAITING
    callers = [asyncio.create_task(resolver.resolve(f"n{number}.test", 1, "udp")) for number in range(bound)]
    await backend.full.wait()
    with pytest.raises(OSError, match="too many names"):
        await resolver.resolve("one.too.many", 1, "udp")
    backend.gate.set()
    assert all(isinstance(result, OSError) for result in await asyncio.gather(*callers, return_exceptions=True))
    assert backend.most_asking == MAX_LOOKUPS
    assert sum(backend.asked.values()) == bound


async def test_what_is_remembered_is_bounded() -> None:
    backend = FakeBackend({f"n{number}.test": ["192.0.2.1"] for number in range(MAX_NAMES + 1)})
    resolver = Resolver(backend)
    for number in (*range(MAX_NAMES + 1), MAX_NAMES, 0):
        await resolver.resolve(f"n{number}.test", 1, "udp")
    assert backend.asked[f"n{MAX_NAMES}.test"] == 1
    assert backend.asked["n0.test"] == 2


async def test_a_long_answer_is_cut() -> None:
    backend = FakeBackend({"example.com": [f"192.0.2.{number}" for number in range(200)]})
    assert len(await Resolver(backend).resolve("example.com", 1, "udp")) == MAX_RECORDS


async def test_no_answer_in_time_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESOLVE_TIMEOUT", 0)
    backend = FakeBackend()
    backend.gate.clear()
    with pytest.raises(OSError):
        await Resolver(backend).resolve("example.com", 1, "udp")
    backend.gate.set()


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "x" * 64 + ".com", "a." * 127 + "com", "2130706433", "0x7f000001", "127.1", "a b.com", "ü.de"],
)
async def test_what_is_no_name_is_refused(host: str) -> None:
    backend = FakeBackend()
    with pytest.raises(OSError, match="not a host name"):
        await Resolver(backend).resolve(host, 5060, "udp")
    assert not backend.asked


def test_servers_of_one_priority_are_drawn_by_weight() -> None:
    servers = [Service(0, 0, 1, "never"), Service(0, 10, 1, "seldom"), Service(0, 90, 1, "often")]
    random = Random(1)
    first = Counter(in_order(servers, random)[0].target for _ in range(10_000))
    assert 800 < first["seldom"] < 1200
    assert first["never"] < 200
    assert {len(set(in_order(servers, random))) for _ in range(100)} == {3}


async def test_localhost_is_known_without_a_name_server() -> None:
    found = await Resolver(SystemBackend()).resolve("localhost", 5060, "udp")
    assert ("127.0.0.1", 5060) in found


async def test_an_unknown_word_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no address for"):
        await SystemBackend().addresses("no-such-host-here")
