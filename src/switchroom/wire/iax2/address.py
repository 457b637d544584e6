"""Where a datagram came from, and where one goes."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A literal host without brackets, a port, and which of our sockets it is seen from."""

    host: str
    port: int
    local: str = ""
