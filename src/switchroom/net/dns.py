"""Names to addresses: RFC 3263 with NAPTR, SRV (RFC 2782) and A/AAAA, remembered for as long as the answers allow.

Names with a dot are asked of DNS. Names without one (``localhost``, a container's name) are asked of the operating
system, which knows ``/etc/hosts`` and the local search list.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from random import Random
from typing import Generic, TypeVar

from switchroom.net.limits import (
    MAX_LOOKUPS,
    MAX_NAMES,
    MAX_NEGATIVE_TTL,
    MAX_RECORDS,
    MAX_TTL,
    MAX_WAITING,
    NEGATIVE_TTL,
    POINTERS_TIMEOUT,
    RESOLVE_TIMEOUT,
)
from switchroom.net.records import Backend, Pointer, Service, SystemBackend

#: Where a transport's servers are named (RFC 3263 4.2), and the port without such a record (RFC 3261 19.1.2).
_SERVICES = {"udp": ("_sip._udp", 5060), "tcp": ("_sip._tcp", 5060), "tls": ("_sips._tcp", 5061)}
#: RFC 7118 names no SRV service for WebSocket.
_PORTS = {"ws": 80, "wss": 443}
#: What a NAPTR record leads to (RFC 3263 4.1, RFC 7118 section 9).
_TRANSPORTS = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls", "sip+d2w": "ws", "sips+d2w": "wss"}

#: What a label may hold (RFC 1123 2.1, and the underscore of RFC 2782).
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
#: ``127.1``, ``0x7f000001`` and ``2130706433`` are addresses to the operating system and names to nobody.
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\Z")

T = TypeVar("T")


class Resolver:
    """Looks names up, each once however many ask for it at a time, and remembers answers and failures."""

    def __init__(self, backend: Backend | None = None, random: Random | None = None) -> None:
        backend = backend or SystemBackend()
        self._random = random or Random()  # noqa: S311  # spreads load, guards nothing
        places = asyncio.Semaphore(MAX_LOOKUPS)
        self._pointers: _Memory[Pointer] = _Memory(backend.pointers, places)
        self._services: _Memory[Service] = _Memory(backend.services, places)
        self._addresses: _Memory[str] = _Memory(backend.addresses, places)

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
                    found = await self._servers_addresses(name, [(transport, servers)])
                    return [(address, of_server) for _, address, of_server in found]
            return [(address, port or default) for address in await self._some_addresses(name)]

    async def locate(self, host: str, port: int | None, transports: Sequence[str]) -> list[tuple[str, str, int]]:
        """Transport, address and port to try in this order, at least one: for a URI that does not say its transport
        (RFC 3263 4.1). ``transports`` are those to choose from; the first is meant where DNS does not say.

        Raises:
            OSError: as ``resolve``.
        """
        usual = transports[0]
        if port is not None or "." not in host or _is_address(host.removeprefix("[").removesuffix("]")):
            return [(usual, *found) for found in await self.resolve(host, port, usual)]
        name = _checked_name(host)
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            offers = await self._pointed_to(name, transports) or await self._offered(name, transports)
            if offers:
                return await self._servers_addresses(name, offers)
            default = _SERVICES[usual][1] if usual in _SERVICES else _PORTS[usual]
            return [(usual, address, default) for address in await self._some_addresses(name)]

    async def _pointed_to(self, name: str, transports: Sequence[str]) -> list[tuple[str, Sequence[Service]]]:
        """What NAPTR records choose. Of those that lead to a transport of ours the ones of the lowest order count
        (RFC 3403 section 4.1), so that nobody who takes the secure one away gets us to the one after it.
        """
        pointers: Sequence[Pointer] = ()
        with suppress(OSError):  # some name servers know nothing of NAPTR: as if there were none
            async with asyncio.timeout(POINTERS_TIMEOUT):
                pointers = await self._pointers.get(name)
        ours = sorted(pointer for pointer in pointers if _TRANSPORTS.get(pointer.service) in transports)
        offers = []
        for pointer in ours:
            if pointer.order == ours[0].order:
                servers = await self._services.get(_checked_name(pointer.replacement))
                offers.append((_TRANSPORTS[pointer.service], servers))
        return offers

    async def _offered(self, name: str, transports: Sequence[str]) -> list[tuple[str, Sequence[Service]]]:
        """What SRV records say of each transport, those that have any, in our own order."""
        asked = [transport for transport in transports if transport in _SERVICES]
        answers = await asyncio.gather(
            *(self._services.get(f"{_SERVICES[transport][0]}.{name}") for transport in asked), return_exceptions=True
        )
        offers = [
            (transport, answer)
            for transport, answer in zip(asked, answers, strict=True)
            if answer and not isinstance(answer, BaseException)
        ]
        failure = next((answer for answer in answers if isinstance(answer, BaseException)), None)
        if failure is not None and not offers:
            raise failure
        return offers

    async def _servers_addresses(
        self, name: str, offers: Iterable[tuple[str, Sequence[Service]]]
    ) -> list[tuple[str, str, int]]:
        found: dict[tuple[str, str, int], None] = {}
        for transport, servers in offers:
            for server in in_order(servers, self._random):
                # A single target "." says that the service is not offered (RFC 2782).
                if server.target not in ("", ".") and server.port and len(found) < MAX_RECORDS:
                    with suppress(OSError):
                        for address in await self._some_addresses(_checked_name(server.target)):
                            found[transport, address, server.port] = None
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

    def __init__(
        self, look_up: Callable[[str], Awaitable[tuple[Sequence[T], float]]], places: asyncio.Semaphore
    ) -> None:
        """``places`` are shared by all look-ups of one resolver."""
        self._look_up = look_up
        self._known: OrderedDict[str, tuple[float, Sequence[T] | OSError]] = OrderedDict()
        self._pending: dict[str, asyncio.Task[Sequence[T]]] = {}
        self._places = places

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
                answer = tuple(found[:MAX_RECORDS])
                if not answer:
                    ttl = min(ttl or NEGATIVE_TTL, MAX_NEGATIVE_TTL)
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
