"""Names to addresses: RFC 3263 with SRV (RFC 2782) and A/AAAA, remembered for as long as the answers allow.

Names with a dot are asked of DNS. Names without one (``localhost``, a container's name) are asked of the operating
system, which knows ``/etc/hosts`` and the local search list.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from switchroom.net.limits import (
    MAX_LOOKUPS,
    MAX_NAMES,
    MAX_RECORDS,
    MAX_SYSTEM_LOOKUPS,
    MAX_TTL,
    MAX_WAITING,
    NEGATIVE_TTL,
    RESOLVE_TIMEOUT,
)

if TYPE_CHECKING:
    import dns.asyncresolver

#: Where a transport's servers are named (RFC 3263 4.2), and the port without such a record (RFC 3261 19.1.2).
_SERVICES = {"udp": ("_sip._udp", 5060), "tcp": ("_sip._tcp", 5060), "tls": ("_sips._tcp", 5061)}
#: RFC 7118 names no service for WebSocket.
_PORTS = {"ws": 80, "wss": 443}

#: What a label may hold (RFC 1123 2.1, and the underscore of RFC 2782).
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
#: ``127.1``, ``0x7f000001`` and ``2130706433`` are addresses to the operating system and names to nobody.
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\Z")

T = TypeVar("T")


class Service(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Backend(Protocol):
    """Where names are looked up. Each answer comes with the seconds it holds; empty when there is no record.

    All raise OSError when there is no answer.
    """

    async def services(self, name: str) -> tuple[Sequence[Service], float]: ...

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        """A and AAAA records, or what the operating system says of a name without a dot."""
        ...


class Resolver:
    """Looks names up, each once however many ask for it at a time, and remembers answers and failures."""

    def __init__(self, backend: Backend | None = None, random: Random | None = None) -> None:
        self._backend = backend or SystemBackend()
        self._random = random or Random()  # noqa: S311  # spreads load, guards nothing
        self._services: _Memory[Service] = _Memory(self._backend.services)
        self._addresses: _Memory[str] = _Memory(self._backend.addresses)

    async def resolve(self, host: str, port: int | None, transport: str) -> list[tuple[str, int]]:
        """The addresses to try in this order, at least one, without brackets.

        ``host`` is a name or an address, ``transport`` one of udp, tcp, tls, ws, wss. With a port or for an address
        only addresses are looked up (RFC 3263 4.2); an address costs no look-up.

        Raises:
            OSError: there is no such name or no answer within five seconds.
        """
        service, default = _SERVICES.get(transport, ("", _PORTS.get(transport, 5060)))
        literal = host.removeprefix("[").removesuffix("]")
        if _is_address(literal):
            return [(literal, port or default)]
        name = _checked_name(host)
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            if port is None and service and "." in name:
                servers = await self._services.get(f"{service}.{name}")
                if servers:
                    return await self._servers_addresses(name, servers)
            return [(address, port or default) for address in await self._some_addresses(name)]

    async def _servers_addresses(self, name: str, servers: Sequence[Service]) -> list[tuple[str, int]]:
        found: dict[tuple[str, int], None] = {}
        for server in in_order(servers, self._random):
            # A single target "." says that the service is not offered (RFC 2782).
            if server.target not in ("", ".") and len(found) < MAX_RECORDS:
                with suppress(OSError):
                    for address in await self._some_addresses(_checked_name(server.target)):
                        found[address, server.port] = None
        if not found:
            raise OSError(f"no server of {name} has an address")
        return list(found)[:MAX_RECORDS]

    async def _some_addresses(self, name: str) -> Sequence[str]:
        found = await self._addresses.get(name)
        if not found:
            raise OSError(f"no address for {name}")
        return found


def in_order(servers: Iterable[Service], random: Random) -> list[Service]:
    """SRV records in the order to try: by priority, within one at random by weight (RFC 2782)."""
    ordered: list[Service] = []
    left = sorted(servers, key=lambda server: (server.priority, server.weight))
    while left:
        group = [server for server in left if server.priority == left[0].priority]
        mark = random.randint(0, sum(server.weight for server in group))
        for server in group:
            mark -= server.weight
            if mark <= 0:
                ordered.append(server)
                left.remove(server)
                break
    return ordered


class _Memory(Generic[T]):
    """Answers of one kind by name, failures too: at most so many, each for its time, the oldest forgotten first."""

    def __init__(self, look_up: Callable[[str], Awaitable[tuple[Sequence[T], float]]]) -> None:
        self._look_up = look_up
        self._known: OrderedDict[str, tuple[float, Sequence[T] | OSError]] = OrderedDict()
        self._pending: dict[str, asyncio.Task[Sequence[T]]] = {}
        self._places = asyncio.Semaphore(MAX_LOOKUPS)

    async def get(self, name: str) -> Sequence[T]:
        known = self._known.get(name)
        if known is not None:
            until, answer = known
            if asyncio.get_running_loop().time() < until:
                if isinstance(answer, OSError):
                    raise OSError(str(answer))
                return answer
            del self._known[name]
        task = self._pending.get(name)
        if task is None:
            if len(self._pending) >= MAX_LOOKUPS + MAX_WAITING:
                raise OSError("too many names are being looked up")
            task = self._pending[name] = asyncio.create_task(self._ask(name))
            task.add_done_callback(partial(self._forget_task, name))
        # Whoever gives up leaves the look-up to the others who wait for it.
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> Sequence[T]:
        answer: Sequence[T] | OSError
        async with self._places:
            try:
                found, ttl = await self._look_up(name)
                answer, ttl = tuple(found[:MAX_RECORDS]), ttl if found else max(ttl, NEGATIVE_TTL)
            except OSError as failure:
                answer, ttl = failure, NEGATIVE_TTL
        self._known[name] = (asyncio.get_running_loop().time() + min(ttl, MAX_TTL), answer)
        if len(self._known) > MAX_NAMES:
            self._known.popitem(last=False)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _forget_task(self, name: str, task: asyncio.Task[Sequence[T]]) -> None:
        del self._pending[name]
        if not task.cancelled():
            task.exception()  # marks a failure as seen: everybody who waited for it may have given up


class SystemBackend:
    """The name servers of ``/etc/resolv.conf`` (or of ``stub``), and the operating system for names without a dot."""

    def __init__(self, stub: dns.asyncresolver.Resolver | None = None) -> None:
        self._stub = stub
        self._threads = 0

    async def services(self, name: str) -> tuple[Sequence[Service], float]:
        records, ttl = await self._query(name, "SRV")
        return [Service(r.priority, r.weight, r.port, r.target.to_text(omit_final_dot=True)) for r in records], ttl

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        if "." not in name:
            return await self._system_addresses(name), NEGATIVE_TTL
        answers = await asyncio.gather(self._query(name, "A"), self._query(name, "AAAA"), return_exceptions=True)
        good = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not good:
            raise OSError(f"no answer about {name}: {answers[0]}")
        found = [record.address for records, _ in good for record in records]
        return found, min(ttl for records, ttl in good if records or not found)

    async def _query(self, name: str, kind: str) -> tuple[list[Any], float]:
        """The records' data and their TTL; none, and no time, when the name has no such record."""
        # Loaded with the first name that is looked up: where contacts are addresses, nobody pays for it.
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            if self._stub is None:
                self._stub = dns.asyncresolver.Resolver()
            answer = await self._stub.resolve(f"{name}.", kind, lifetime=RESOLVE_TIMEOUT, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return [], 0.0
        except (dns.exception.DNSException, OSError) as failure:
            raise OSError(f"no answer about {name}: {type(failure).__name__}") from failure
        return list(answer), float(answer.rrset.ttl if answer.rrset else 0)

    async def _system_addresses(self, name: str) -> list[str]:
        """Asks in a thread of its own, which no other work waits behind and no exit waits for."""
        if self._threads >= MAX_SYSTEM_LOOKUPS:
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[str] | OSError] = loop.create_future()

        def finish(answer: list[str] | OSError) -> None:
            self._threads -= 1
            if not done.cancelled():
                done.set_result(answer)

        def look() -> None:
            answer: list[str] | OSError
            try:
                answer = [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)]
            except OSError as failure:
                answer = failure
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(finish, answer)

        self._threads += 1
        threading.Thread(target=look, name="getaddrinfo", daemon=True).start()
        answer = await done
        if isinstance(answer, OSError):
            raise OSError(f"no address for {name}: {answer.strerror or answer}") from answer
        return sorted(dict.fromkeys(answer), key=lambda address: ":" in address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _checked_name(host: str) -> str:
    """The name in lower case without the root's dot.

    Raises:
        OSError: it can not be a host name.
    """
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.match, labels)) or _NUMERIC_LABEL.match(labels[-1]):
        raise OSError(f"not a host name: {host[:253]!r}")
    return name
