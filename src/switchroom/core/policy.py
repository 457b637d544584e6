"""Where packets may go (charter ruling 7): judged on the resolved address that is sent to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from switchroom.core.limits import JUDGED_ADDRESSES

#: The verdict on a name: it has to be resolved, and judged again.
NO_LITERAL = "no literal address"


@lru_cache(maxsize=JUDGED_ADDRESSES)
def forbidden(host: str, *, loopback: bool) -> str | None:
    """Why nothing may be sent to this literal address, or None.

    ``loopback`` is true when the sender is bound to a loopback address, or answers somebody there.
    """
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return NO_LITERAL
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
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
    return None


def is_loopback(host: str) -> bool:
    """Whether a literal address is a loopback one; False for names."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
