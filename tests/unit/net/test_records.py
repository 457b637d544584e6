"""The real backend: a name server of a few lines on the loopback interface, and a system that hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from switchroom.net.dns import Resolver
from switchroom.net.limits import MAX_SYSTEM_LOOKUPS
from switchroom.net.records import Pointer, Service, SystemBackend
from switchroom.net.udp import UdpListener

ZONE = {
    ("both.example.", "A"): (300, ["192.0.2.1", "192.0.2.2"]),
    ("both.example.", "AAAA"): (200, ["2001:db8::1"]),
    ("four.example.", "A"): (300, ["192.0.2.3"]),
    ("_sip._udp.example.", "SRV"): (100, ["10 60 5070 a.example.", "10 40 5060 b.example."]),
    ("_sip._tcp.example.", "SRV"): (100, ["0 0 0 ."]),
    ("hosted.example.", "NAPTR"): (
        90,
        [
            '20 10 "s" "SIP+D2U" "" _sip._udp.example.',
            '10 10 "S" "SIP+D2T" "" _sip._tcp.cluster.example.',
            '1 1 "u" "E2U+sip" "!^.*$!sip:x@y!" .',
            '1 1 "a" "SIPS+D2T" "" both.example.',
        ],
    ),
    ("_sip._tcp.cluster.example.", "SRV"): (100, ["1 0 5070 alias.example.", "2 0 5071 both.example."]),
    ("alias.example.", "CNAME"): (20, ["four.example."]),
}

#: What says for how long it holds that there is nothing: RFC 2308 section 5.
SOA = dns.rrset.from_text("example.", 3600, "IN", "SOA", "ns.example. me.example. 1 2 3 4 45")


class NameServer:
    """Answers from ZONE; ``broken`` names with SERVFAIL, names of no record in it with NXDOMAIN."""

    def __init__(self) -> None:
        self.broken: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []

    async def open(self) -> None:
        self.listener = await UdpListener.open("127.0.0.1", 0, self._receive, after=lambda: None)

    def stub(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.listener.address[1]
        return made

    def _receive(self, data: bytes, host: str, port: int) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        key = (question.name.to_text().lower(), question.rdtype.name)
        self.asked.append(key)
        if key in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif key in ZONE:
            ttl, values = ZONE[key]
            response.answer.append(dns.rrset.from_text_list(question.name, ttl, "IN", key[1], values))
        elif (key[0], "CNAME") in ZONE:
            ttl, (target,) = ZONE[key[0], "CNAME"]
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", "CNAME", target))
            if (target, key[1]) in ZONE:
                response.answer.append(
                    dns.rrset.from_text_list(target, ZONE[target, key[1]][0], "IN", key[1], ZONE[target, key[1]][1])
                )
        else:
            response.authority.append(SOA)
            if not any(name == key[0] for name, _ in ZONE):
                response.set_rcode(dns.rcode.NXDOMAIN)
        self.listener.send(response.to_wire(), host, port)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    made = NameServer()
    await made.open()
    yield made
    made.listener.close()


async def test_both_families_are_asked_and_the_shorter_time_holds(server: NameServer) -> None:
    found, ttl = await SystemBackend(server.stub()).addresses("both.example")
    # The order within a family is the name server's to shuffle.
    assert (sorted(found[:2]), found[2:], ttl) == (["192.0.2.1", "192.0.2.2"], ["2001:db8::1"], 200)


async def test_one_family_is_enough(server: NameServer) -> None:
    server.broken.add(("four.example.", "AAAA"))
    found, ttl = await SystemBackend(server.stub()).addresses("four.example")
    assert (list(found), ttl) == (["192.0.2.3"], 300)


async def test_services_are_read(server: NameServer) -> None:
    found, ttl = await SystemBackend(server.stub()).services("_sip._udp.example")
    assert set(found) == {Service(10, 60, 5070, "a.example"), Service(10, 40, 5060, "b.example")}
    assert ttl == 100


async def test_a_service_that_is_not_offered_is_a_dot(server: NameServer) -> None:
    assert await SystemBackend(server.stub()).services("_sip._tcp.example") == ([Service(0, 0, 0, ".")], 100)


async def test_no_record_is_an_empty_answer(server: NameServer) -> None:
    backend = SystemBackend(server.stub())
    assert await backend.services("both.example") == ([], 45)
    assert await backend.pointers("nobody.example") == ([], 45)
    assert await backend.addresses("nobody.example") == ([], 45)


async def test_half_an_answer_without_an_address_is_no_answer(server: NameServer) -> None:
    server.broken.add(("_sip._udp.example.", "A"))
    with pytest.raises(OSError, match="no answer about _sip"):
        await SystemBackend(server.stub()).addresses("_sip._udp.example")


async def test_pointers_to_servers_are_read_and_no_others(server: NameServer) -> None:
    found, ttl = await SystemBackend(server.stub()).pointers("hosted.example")
    assert set(found) == {
        Pointer(20, 10, "sip+d2u", "_sip._udp.example"),
        Pointer(10, 10, "sip+d2t", "_sip._tcp.cluster.example"),
    }
    assert ttl == 90


async def test_an_alias_holds_for_the_shortest_of_its_times(server: NameServer) -> None:
    assert await SystemBackend(server.stub()).addresses("alias.example") == (["192.0.2.3"], 20)


async def test_from_a_domain_to_addresses(server: NameServer) -> None:
    resolver = Resolver(SystemBackend(server.stub()))
    found = await resolver.locate("hosted.example", None, ("udp", "tcp", "tls"))
    assert found[0] == ("tcp", "192.0.2.3", 5070)
    assert set(found[1:]) == {("tcp", host, 5071) for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1")}
    asked = len(server.asked)
    await resolver.locate("hosted.example", None, ("udp", "tcp", "tls"))
    assert len(server.asked) == asked


async def test_a_server_that_fails_is_an_os_error(server: NameServer) -> None:
    server.broken |= {("both.example.", "A"), ("both.example.", "AAAA"), ("both.example.", "SRV")}
    backend = SystemBackend(server.stub())
    with pytest.raises(OSError, match=r"no answer about both\.example"):
        await backend.addresses("both.example")
    with pytest.raises(OSError, match=r"no answer about both\.example"):
        await backend.services("both.example")


async def test_a_system_that_hangs_is_asked_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        release.wait(10)
        return [(socket.AF_INET6, 0, 0, "", ("::1", 0)), (socket.AF_INET, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    backend = SystemBackend()
    waiting = [asyncio.create_task(backend.addresses(f"host{number}")) for number in range(MAX_SYSTEM_LOOKUPS)]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many names"):
        await backend.addresses("one-more")
    waiting[0].cancel()
    release.set()
    answers = await asyncio.gather(*waiting[1:])
    assert {tuple(found) for found, _ in answers} == {("127.0.0.1", "::1")}
    found, _ = await backend.addresses("again")
    assert found == ["127.0.0.1", "::1"]
