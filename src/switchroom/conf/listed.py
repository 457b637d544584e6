"""sip.conf, iax.conf and users.conf: which of their sections are endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from switchroom.conf.parse import TRUE
from switchroom.conf.sections import Section


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


def _last(section: Section, option: str) -> str:
    return next((text for name, text, _, _ in section.backwards() if name.lower() == option), "")
