"""Who may connect: connections are counted in all, by address, and by address while nothing was said on them."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address

from switchroom.net.limits import (
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_UNPROVEN_PER_ADDRESS,
    RESERVED_DESCRIPTORS,
)


class Admission:
    """The count of all stream connections, of every listener and of WebSockets alike."""

    def __init__(
        self,
        total: int = MAX_CONNECTIONS,
        per_address: int = MAX_CONNECTIONS_PER_ADDRESS,
        unproven_per_address: int = MAX_UNPROVEN_PER_ADDRESS,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """``tell`` hears the address of each connection that is not let in."""
        self._tell = tell
        self._total = total
        self._per_address = per_address
        self._unproven_per_address = unproven_per_address
        self._by_source: Counter[str] = Counter()
        self._unproven: Counter[str] = Counter()
        self.count = 0
        #: Connections that were not let in.
        self.refused = 0

    def enter(self, host: str) -> Entry | None:
        """Lets a connection with this address in, or not: None."""
        source = _source(host)
        if (
            self.count >= self._total
            or self._by_source[source] >= self._per_address
            or self._unproven[source] >= self._unproven_per_address
        ):
            self.refused += 1
            if self._tell is not None:
                self._tell(host)
            return None
        self.count += 1
        self._by_source[source] += 1
        self._unproven[source] += 1
        return Entry(self, source)

    def prove(self, source: str) -> None:
        _lower(self._unproven, source)

    def leave(self, source: str) -> None:
        self.count -= 1
        _lower(self._by_source, source)


class Entry:
    """One connection's place in the count."""

    __slots__ = ("_admission", "_source", "proven")

    def __init__(self, admission: Admission, source: str) -> None:
        self._admission: Admission | None = admission
        self._source = source
        self.proven = False

    def prove(self) -> None:
        """The peer has shown that it speaks the protocol."""
        if not self.proven and self._admission is not None:
            self.proven = True
            self._admission.prove(self._source)

    def leave(self) -> None:
        """The connection has ended. May be called twice."""
        admission = self._admission
        if admission is not None:
            self.prove()
            self._admission = None
            admission.leave(self._source)


def connections_allowed() -> int:
    """MAX_CONNECTIONS, or what is left of the file descriptors this process may have.

    Asks the system for as many descriptors as it gives without further rights.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_CONNECTIONS
    given = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if given > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    return max(given // 2, given - RESERVED_DESCRIPTORS)


@lru_cache(maxsize=4096)
def _source(host: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what a single subscriber has."""
    if ":" not in host:
        return host
    return str(IPv6Address(int(IPv6Address(host)) >> 64 << 64))


def _lower(counts: Counter[str], source: str) -> None:
    counts[source] -= 1
    if not counts[source]:
        del counts[source]
