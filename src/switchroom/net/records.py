"""Records of DNS, and where they are looked up: the name servers of the system by dnspython, the system itself."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from switchroom.net.limits import MAX_SYSTEM_LOOKUPS, NEGATIVE_TTL, RESOLVE_TIMEOUT

if TYPE_CHECKING:
    import dns.asyncresolver


class Pointer(NamedTuple):
    """A NAPTR record that ends in SRV records (RFC 3403, flag ``s``, without an expression)."""

    order: int
    preference: int
    #: In lower case, as ``sip+d2u``.
    service: str
    #: The name of the SRV records.
    replacement: str


class Service(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Backend(Protocol):
    """Where names are looked up. Each answer comes with the seconds it holds (0: it does not say); empty when there is
    no such record.

    All raise OSError when there is no answer.
    """

    async def pointers(self, name: str) -> tuple[Sequence[Pointer], float]: ...

    async def services(self, name: str) -> tuple[Sequence[Service], float]: ...

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        """A and AAAA records, or what the operating system says of a name without a dot."""
        ...


class SystemBackend:
    """The name servers of ``/etc/resolv.conf`` (or of ``stub``), and the operating system for names without a dot."""

    def __init__(self, stub: dns.asyncresolver.Resolver | None = None) -> None:
        self._stub = stub
        self._threads = 0

    async def pointers(self, name: str) -> tuple[Sequence[Pointer], float]:
        answer, ttl = await self._query(name, "NAPTR")
        found = [
            Pointer(r.order, r.preference, r.service.decode().lower(), r.replacement.to_text(omit_final_dot=True))
            for r in answer
            if r.flags.lower() == b"s" and not r.regexp and r.service.isascii()
        ]
        return found, ttl

    async def services(self, name: str) -> tuple[Sequence[Service], float]:
        answer, ttl = await self._query(name, "SRV")
        return [Service(r.priority, r.weight, r.port, r.target.to_text(omit_final_dot=True)) for r in answer], ttl

    async def addresses(self, name: str) -> tuple[Sequence[str], float]:
        if "." not in name:
            return await self._system_addresses(name), NEGATIVE_TTL
        answers = await asyncio.gather(self._query(name, "A"), self._query(name, "AAAA"), return_exceptions=True)
        good = [answer for answer in answers if not isinstance(answer, BaseException)]
        found = [record.address for records, _ in good for record in records]
        if not found and len(good) < len(answers):
            # Half an answer does not say that there is no address.
            failure = next(answer for answer in answers if isinstance(answer, BaseException))
            raise OSError(f"no answer about {name}: {failure}") from failure
        return found, min(ttl for records, ttl in good if records or not found)

    async def _query(self, name: str, kind: str) -> tuple[Sequence[Any], float]:
        """The records' data, and for how long they hold; when the name has no such record, for how long that holds
        (RFC 2308 section 5).
        """
        # Loaded with the first name that is looked up: where contacts are addresses, nobody pays for it.
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            if self._stub is None:
                self._stub = dns.asyncresolver.Resolver()
            answer = await self._stub.resolve(
                f"{name}.", kind, lifetime=RESOLVE_TIMEOUT, search=False, raise_on_no_answer=False
            )
            return list(answer), float(answer.chaining_result.minimum_ttl)
        except dns.resolver.NXDOMAIN as nobody:
            responses: dict[Any, Any] = nobody.kwargs["responses"]
            return [], float(min((r.resolve_chaining().minimum_ttl for r in responses.values()), default=0))
        except (dns.exception.DNSException, OSError) as failure:
            raise OSError(f"no answer about {name}: {type(failure).__name__}") from failure

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
