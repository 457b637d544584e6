"""Access lists: a mistake never opens anything, several lists must all permit."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchroom.conf.acl import DENY_ALL, Rules, both, rule
from switchroom.conf.parse import Misread
from switchroom.model.settings import AccessRule


def permits(rules: Rules, host: str) -> bool:
    """The rule of Asterisk, spelled out: the last rule that matches decides, none permits."""
    address = ip_address(host)
    verdicts = [r.permit for r in rules if address.version == r.network.version and address in r.network]
    return verdicts[-1] if verdicts else True


def test_lines() -> None:
    assert rule(permit=True)("10.0.0.0/8, !10.1.0.0/255.255.0.0") == (
        AccessRule(True, ip_network("10.0.0.0/8")),
        AccessRule(False, ip_network("10.1.0.0/16")),
    )
    assert rule(permit=False)("::/0") == (AccessRule(False, ip_network("::/0")),)


def test_a_wrong_deny_denies_everybody_and_a_wrong_permit_permits_nobody() -> None:
    with pytest.raises(Misread) as deny:
        rule(permit=False)("10.0.0.0/8,everybody")
    assert deny.value.value == (AccessRule(False, ip_network("10.0.0.0/8")), *DENY_ALL)
    with pytest.raises(Misread) as permit:
        rule(permit=True)("10.0.0.0/8,everybody")
    assert permit.value.value == (AccessRule(True, ip_network("10.0.0.0/8")),)
    with pytest.raises(Misread) as turned:
        rule(permit=True)("!everybody")
    assert turned.value.value == DENY_ALL


NETWORKS = [
    ip_network(n) for n in ("0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/16", "fd00::/8")
]
HOSTS = ["10.1.1.1", "10.1.2.1", "10.2.0.1", "10.3.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"]
LISTS = st.lists(st.builds(AccessRule, st.booleans(), st.sampled_from(NETWORKS)), max_size=4).map(tuple)


@settings(deadline=None)
@given(LISTS, LISTS)
def test_two_lists_permit_whom_both_permit(first: Rules, second: Rules) -> None:
    together = both(first, second)
    for host in HOSTS:
        assert permits(together, host) == (permits(first, host) and permits(second, host))


def test_all_pairs_of_one_rule() -> None:
    rules = [(AccessRule(permit, network),) for permit, network in product((True, False), NETWORKS)]
    for first, second in product(rules, rules):
        for host in HOSTS:
            assert permits(both(first, second), host) == (permits(first, host) and permits(second, host))
