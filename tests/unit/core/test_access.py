"""Access lists: the last rule that matches decides."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from switchroom.core.access import permits
from switchroom.model.settings import AccessRule


def rule(text: str) -> AccessRule:
    """``+net`` permits, ``-net`` denies."""
    return AccessRule(text[0] == "+", ip_network(text[1:]))


@pytest.mark.parametrize(
    ("rules", "host", "passes"),
    [
        ("", "192.0.2.1", True),
        ("", "anything", True),
        ("-0.0.0.0/0 +192.0.2.0/24", "192.0.2.1", True),
        ("-0.0.0.0/0 +192.0.2.0/24", "198.51.100.1", False),
        ("+192.0.2.0/24 -0.0.0.0/0", "192.0.2.1", False),
        ("-192.0.2.0/24", "198.51.100.1", True),
        ("-192.0.2.0/24", "2001:db8::1", True),
        ("-192.0.2.0/24", "::ffff:192.0.2.7", False),
        ("-2001:db8::/32", "2001:db8::1", False),
        ("-fe80::/10", "fe80::1%eth0", False),
        ("+0.0.0.0/0", "a.name.example", False),
    ],
)
def test_the_last_match_decides(rules: str, host: str, passes: bool) -> None:
    assert permits([rule(text) for text in rules.split()], host) is passes
