"""Where a packet came from, and so where its answer goes."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """One listener of ours and one peer: for streams the connection (RFC 5626 section 3.1)."""

    transport: str
    """``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``."""

    local: str
    """Name of our listener; opaque to the kernel."""

    host: str
    """The peer's address as text, IPv6 without brackets."""

    port: int
    """The peer's port."""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself, so that transactions need not (RFC 3261 17)."""
        return self.transport != "udp"
