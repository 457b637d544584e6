"""R05: name servers that are silent, broken or mad. Other traffic goes on, and nothing is without a bound."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from support.sip_world import SipWorld, aor, auth, phone, settings
from support.wait import until
from switchroom.model.message import DeliveryState
from switchroom.net import dns as resolving
from switchroom.net import records
from switchroom.net.dns import Resolver
from switchroom.net.limits import MAX_LOOKUPS, MAX_RECORDS, MAX_WAITING
from switchroom.net.records import Pointer, Service, SystemBackend
from switchroom.net.udp import UdpListener
from switchroom.tech.sip.limits import MAX_ADDRESSES


def stub(port: int) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    made.port = port
    return made


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """The port of a name server that never says anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def world(resolver: Resolver) -> SipWorld:
    w = SipWorld(
        settings(phone("alice"), phone("trunk", auth=()), aors=[aor("alice"), aor("trunk")], auths=[auth("alice")])
    )
    w.addresses.locate = resolver.locate  # type: ignore[method-assign]
    w.addresses.resolve = resolver.resolve  # type: ignore[method-assign]
    return await w.start()


async def test_nobody_waits_for_a_silent_name_server_but_who_asked(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (resolving, records):
        monkeypatch.setattr(module, "RESOLVE_TIMEOUT", 0.3)
    w = await world(Resolver(SystemBackend(stub(silent))))
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    for number in range(20):
        await w.messages.send(f"pjsip:trunk/sip:x@h{number}.example", "me", "hello", {})
    assert w.sent() == []
    await w.messages.send("pjsip:alice", "me", "at once", {})
    assert [sent.to for sent in w.sent()] == [("192.0.2.9", 5090)]
    assert w.register("alice", "<sip:alice@192.0.2.9:5091>").status == 200
    await until(lambda: len(w.deliveries) == 20, "the end of all that waited")
    assert {(d.state, d.status_code) for d in w.deliveries} == {(DeliveryState.FAILED, 503)}


class Broken:
    """A name server that counts questions and answers each with what is wrong with it."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.asked: Counter[str] = Counter()

    async def open(self) -> int:
        self.listener = await UdpListener.open("127.0.0.1", 0, self._receive, after=lambda: None)
        return self.listener.address[1]

    def _receive(self, data: bytes, host: str, port: int) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        self.asked[question.rdtype.name] += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        answer = response.to_wire()
        if self.fault == "SERVFAIL":
            response.set_rcode(dns.rcode.SERVFAIL)
            answer = response.to_wire()
        elif self.fault == "another question":
            answer = answer[:2] + answer[2:].replace(b"\x01h", b"\x01g")
        elif self.fault == "rubbish":
            answer = answer[:2] + b"\xff" * 40
        elif self.fault == "loop of aliases":
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", question.name.to_text()))
            answer = response.to_wire()
        self.listener.send(answer, host, port)


@pytest.mark.parametrize("fault", ["SERVFAIL", "another question", "rubbish", "loop of aliases"])
async def test_a_broken_name_server_is_a_failure_that_is_remembered(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (resolving, records):
        monkeypatch.setattr(module, "RESOLVE_TIMEOUT", 0.3)
    server = Broken(fault)
    port = await server.open()
    resolver = Resolver(SystemBackend(stub(port)))
    for _ in range(3):
        with pytest.raises(OSError):
            await resolver.locate("h.example", None, ("udp", "tcp"))
    # What is left of a look-up that was given up may come to its end still.
    await asyncio.sleep(0)
    asked = server.asked.total()
    for _ in range(100):
        with pytest.raises(OSError):
            await resolver.locate("h.example", None, ("udp", "tcp"))
    assert server.asked.total() - asked <= 4
    server.listener.close()


class Plenty:
    """A zone that has a hundred of everything, and counts how many are asked at a time."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.now = self.most = 0

    async def _turn(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate.wait()
        self.now -= 1

    async def pointers(self, name: str) -> tuple[Sequence[Pointer], float]:
        await self._turn()
        return [Pointer(1, n, "sip+d2u", f"_sip._udp.s{n}.{name}") for n in range(100)], 60

    async def services(self, name: str) -> tuple[Sequence[Service], float]:
        await self._turn()
        return [Service(1, 1, 5060 + n, f"a{n}.{name}") for n in range(100)], 60

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        await self._turn()
        return [f"192.0.2.{n}" for n in range(100, 200)], 60


async def test_a_hundred_records_are_a_few_attempts() -> None:
    backend = Plenty()
    backend.gate.set()
    found = await Resolver(backend).locate("h.example", None, ("udp",))
    assert len(found) == MAX_RECORDS
    w = await world(Resolver(backend))
    await w.messages.send("pjsip:trunk/sip:x@h.example", "me", "hello", {})
    await until(lambda: bool(w._sent), "the first attempt")
    tried = {sent.to for sent in w.sent()}
    for _ in range(MAX_ADDRESSES + 1):
        tried |= {sent.to for sent in w.pass_time(33)}
    assert 1 < len(tried) <= MAX_ADDRESSES
    assert [d.state for d in w.deliveries] == [DeliveryState.FAILED]


async def test_however_many_names_are_asked_for_few_are_at_a_time_and_too_many_are_refused() -> None:
    backend = Plenty()
    resolver = Resolver(backend)
    names = [asyncio.create_task(resolver.resolve(f"h{n}.example", 5060, "udp")) for n in range(2 * MAX_WAITING)]
    await until(lambda: backend.now == MAX_LOOKUPS, "as many look-ups as there may be")
    refused = [task for task in names if task.done()]
    assert len(refused) == len(names) - MAX_LOOKUPS - MAX_WAITING
    assert all(isinstance(task.exception(), OSError) for task in refused)
    backend.gate.set()
    await asyncio.gather(*names, return_exceptions=True)
    assert backend.most == MAX_LOOKUPS
