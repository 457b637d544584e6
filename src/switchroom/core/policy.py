"""Where packets may go (docs/rulings.md 7): judged on the resolved address that is sent to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from switchroom.core.limits import JUDGED_ADDRESSES

#: The verdict on a name: it has to be resolved, and judged again.
NO_LITERAL = "no literal address"


@lru_cache(maxsize=JUDGED_ADDRESSES)
def forbidden(host: str, *, loopback: bool) -> str | None:
    """Why nothing may be sent to this literal address (IPv6 with or without brackets), or None.

    ``loopback`` is true when the sender is bound to a loopback address, or answers somebody there.
    """
    address = _literal(host)
    if address is None:
        return NO_LITERAL
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast or str(address) == "255.255.255.255":
        return "a multicast or broadcast address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_loopback and not loopback:
        return "a loopback address"
    if address.version == 4 and int(address) >> 24 == 0:
        return "this network's address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address of one interface"
    return None


@lru_cache(maxsize=JUDGED_ADDRESSES)
def is_loopback(host: str) -> bool:
    """Whether a literal address is a loopback one; False for names."""
    address = _literal(host)
    return address is not None and address.is_loopback


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address a text stands for, an IPv4-mapped one as IPv4; None for names.

    Nothing is cut off: ``192.0.2.1%25x`` is a name, and to be looked up as one.
    """
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
