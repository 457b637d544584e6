"""Access lists: ``permit`` and ``deny`` lines, lists of acl.conf by name, and how several make one.

A mistake never opens anything: a ``deny`` that can not be understood denies everybody, a ``permit`` nobody,
and a list that does not exist denies everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeAlias

from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import Misread, Network, names, network
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import AccessRule

Rules: TypeAlias = tuple[AccessRule, ...]

_EVERYWHERE: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
DENY_ALL: Rules = tuple(AccessRule(permit=False, network=everywhere) for everywhere in _EVERYWHERE)
_PERMIT_ALL: Rules = tuple(AccessRule(permit=True, network=everywhere) for everywhere in _EVERYWHERE)


def rule(permit: bool) -> Callable[[str], Rules]:
    """A parser of ``permit`` (or ``deny``) lines: a comma list of networks, ``!`` before one turns it round."""

    def parse(text: str) -> Rules:
        rules: list[AccessRule] = []
        for item in names(text):
            permits = permit != item.startswith("!")
            try:
                rules.append(AccessRule(permit=permits, network=network(item.removeprefix("!"))))
            except ValueError:
                raise Misread(
                    "a list of addresses and networks, as 192.0.2.0/24",
                    meanwhile="until then it permits nobody" if permits else "until then it denies everybody",
                    value=tuple(rules) + (() if permits else DENY_ALL),
                ) from None
        return tuple(rules)

    return parse


def acl_options(prefix: str = "") -> dict[str, Honoured]:
    """The options ``permit``, ``deny`` and ``acl``, each name with a prefix."""
    return {
        f"{prefix}permit": Honoured(f"_{prefix}rules", rule(permit=True), repeats=True),
        f"{prefix}deny": Honoured(f"_{prefix}rules", rule(permit=False), repeats=True),
        f"{prefix}acl": Honoured(f"_{prefix}acls", names, repeats=True),
    }


ACL = Table(
    "an access list",
    {
        "permit": Honoured("rules", rule(permit=True), repeats=True),
        "deny": Honoured("rules", rule(permit=False), repeats=True),
    },
    any_case=True,
)


class AccessLists:
    """The lists of acl.conf by name, for those who name them."""

    def __init__(self, sections: Sequence[Section], problems: Problems, known: Mapping[str, Rules] = {}) -> None:
        """``known`` are lists that were read before."""
        reader = TableReader(ACL, problems)
        self._problems = problems
        self._lists: dict[str, Rules] = dict(known)
        for section in sections:
            if not section.template:
                rules = reader.read(section).get("rules", ())
                self._lists[section.name] = self._lists.get(section.name, ()) + rules

    @property
    def by_name(self) -> dict[str, Rules]:
        """All lists."""
        return self._lists

    def resolve(self, values: dict[str, Any], field: str, section: Section, prefix: str = "") -> None:
        """Replaces what ``acl_options(prefix)`` left in ``values`` by one list under ``field``."""
        rules: Rules = values.pop(f"_{prefix}rules", ())
        for name in values.pop(f"_{prefix}acls", ()):
            rules = both(rules, self._named(name, section, f"{prefix}acl"))
        if rules:
            values[field] = rules

    def _named(self, name: str, section: Section, option: str) -> Rules:
        found = self._lists.get(name)
        if found is None:
            self._problems.error(
                section.where(option),
                f'there is no access list "{name}" in acl.conf',
                self._problems.suggest(name, self._lists, f"Add a section [{name}] to it")
                + "; until then everybody is denied",
            )
            return DENY_ALL
        return found


def both(first: Rules, second: Rules) -> Rules:
    """One list that permits whom both permit.

    The last rule that matches decides, so the rules are all pairs in order: of the pairs that match an
    address the last holds the last match of each list.
    """
    if not first or not second:
        return first or second
    rules = [
        AccessRule(permit=one.permit and other.permit, network=shared)
        for one in (*_PERMIT_ALL, *first)
        for other in (*_PERMIT_ALL, *second)
        if (shared := _overlap(one.network, other.network)) is not None
    ]
    return tuple(rules)


def _overlap(first: Network, second: Network) -> Network | None:
    """The narrower of two networks when it lies in the other: networks overlap in no other way."""
    if first.version != second.version or not first.overlaps(second):
        return None
    return first if first.prefixlen >= second.prefixlen else second
