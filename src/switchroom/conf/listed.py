"""sip.conf, iax.conf, xmpp.conf: which endpoints there are. They are listed, and not served yet.

Only what decides that is looked at: ``type`` and ``host`` of a peer (or, in users.conf, ``hassip`` and
``hasiax``), and what an XMPP account can not do without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from switchroom.conf.parse import TRUE
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import ListedEndpoint


class Driver(NamedTuple):
    """How one driver reads its file."""

    technology: str
    file: str
    #: Sections that are no peers, in lower case.
    reserved: frozenset[str]
    #: Types that make an endpoint; those of ``types`` that are not in here make none, in silence.
    listed: frozenset[str]
    types: frozenset[str]
    #: The option of users.conf that makes a peer.
    users_flag: str


_TYPES = frozenset({"user", "peer", "friend"})

#: chan_sip makes an endpoint of a user too, chan_iax2 does not.
SIP = Driver("SIP", "sip.conf", frozenset({"general", "authentication"}), _TYPES, _TYPES, "hassip")
IAX2 = Driver("IAX2", "iax.conf", frozenset({"general", "callnumberlimits"}), _TYPES - {"user"}, _TYPES, "hasiax")

#: What each account of xmpp.conf must have, any one of each group.
XMPP_REQUIRED = (("username",), ("secret", "refresh_token"), ("serverhost",))


def read_peers(
    driver: Driver, sections: Iterable[Section], users: Iterable[Section], problems: Problems
) -> list[ListedEndpoint]:
    """The peers of sip.conf or iax.conf, then those of users.conf; sections of one name are one peer."""
    found: dict[str, ListedEndpoint] = {}
    for section in sections:
        if section.template or section.name.lower() in driver.reserved:
            continue
        # The first type decides, as in the drivers.
        kind = next((text.lower() for name, text, _, _ in section.options() if name.lower() == "type"), "")
        if kind in driver.listed:
            _add(found, driver, section)
        elif kind not in driver.types:
            problems.warning(
                section.source,
                f'the section "{section.name}" of {driver.file} has no type of a peer, so it is not listed',
                "Add a line type=friend, type=peer or type=user, or (!) after the name of a template",
            )
    for section in flagged(users, driver.users_flag):
        _add(found, driver, section)
    return list(found.values())


def _add(found: dict[str, ListedEndpoint], driver: Driver, section: Section) -> None:
    earlier = found.get(section.name)
    host = _last(section, "host")
    found[section.name] = ListedEndpoint(
        name=section.name,
        source=earlier.source if earlier else section.source,
        technology=driver.technology,
        dynamic=host.lower() == "dynamic" if host or earlier is None else earlier.dynamic,
    )


def flagged(users: Iterable[Section], flag: str) -> Iterable[Section]:
    """The sections of users.conf that are peers of a driver, by their own word or that of [general]."""
    default = ""
    for section in users:
        if section.template:
            continue
        if section.name.lower() == "general":
            default = _last(section, flag) or default
        elif (_last(section, flag) or default).lower() in TRUE:
            yield section


def read_xmpp(sections: Sequence[Section], problems: Problems) -> list[ListedEndpoint]:
    """The accounts of xmpp.conf: every section but [general]."""
    found: dict[str, ListedEndpoint] = {}
    for section in sections:
        if section.template or section.name.lower() == "general":
            continue
        found.setdefault(section.name, ListedEndpoint(name=section.name, source=section.source, technology="XMPP"))
        for group in XMPP_REQUIRED:
            if not any(_last(section, name) for name in group):
                problems.error(
                    section.source,
                    f'the XMPP account "{section.name}" has no {" or ".join(group)}',
                    f"Add a line {group[0]}=; until then it can not connect",
                )
    return list(found.values())


def _last(section: Section, option: str) -> str:
    return next((text for name, text, _, _ in section.backwards() if name.lower() == option), "")
