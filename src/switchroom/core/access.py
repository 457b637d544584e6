"""Access lists, as Asterisk reads them: the last rule that matches decides."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from switchroom.model.settings import AccessRule


def permits(rules: Sequence[AccessRule], host: str) -> bool:
    """Whether ``host`` (a literal address) may pass; no rule means yes, no literal address means no."""
    if not rules:
        return True
    try:
        address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    verdict = True
    for rule in rules:
        if address.version == rule.network.version and address in rule.network:
            verdict = rule.permit
    return verdict
