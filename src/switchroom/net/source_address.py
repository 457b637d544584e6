"""Which of this machine's addresses a peer sees: asked of the routing table, no packet is sent."""

from __future__ import annotations

import socket
from functools import lru_cache

from switchroom.net.limits import MAX_ROUTES

#: Asked for when the peer is not known yet: documentation addresses (RFC 5737, RFC 3849), routed by default.
_ANYWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@lru_cache(maxsize=MAX_ROUTES)
def source_address(peer: str, *, ipv6: bool = False) -> str:
    """Our address towards ``peer`` (an address, or anything else for an unknown one), without brackets."""
    family = socket.AF_INET6 if ipv6 or ":" in peer else socket.AF_INET
    for target in (peer, _ANYWHERE[family]):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except (OSError, UnicodeError):
                continue
            found: str = probe.getsockname()[0]
            return found
    return _LOOPBACK[family]
