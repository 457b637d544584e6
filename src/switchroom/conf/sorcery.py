"""Objects of pjsip.conf as fields, the way Asterisk's sorcery shows and takes them.

An object is a list of (attribute, value), named and written as in pjsip.conf. ``show`` makes it from settings,
``make`` makes settings from it, and what ``show`` returns makes the same settings again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any, NamedTuple, TypeAlias

from switchroom.conf.acl import AccessLists, Rules
from switchroom.conf.limits import MAX_LINE, MAX_OBJECT_NAME, MAX_SHOWN
from switchroom.conf.options import Table
from switchroom.conf.parse import Misread, Network
from switchroom.conf.pjsip import Objects
from switchroom.conf.pjsip_options import KINDS
from switchroom.conf.problems import Problems, Severity
from switchroom.conf.sections import Section
from switchroom.model.settings import SipGlobalSettings, SipSettings

Fields: TypeAlias = list[tuple[str, str]]

#: What stands for the file in the source of an object made at run time.
MADE = "run-time configuration"

_CLASS = "res_pjsip"


class Kind(NamedTuple):
    """One kind of object: how a path and pjsip.conf name it, and where ``SipSettings`` keeps it."""

    name: str
    #: Empty for global and system, of which there is one each.
    field: str
    #: Can be made at run time.
    writable: bool

    @property
    def table(self) -> Table:
        return KINDS[self.name]


_OBJECTS = {
    kind.name: kind
    for kind in (
        Kind("endpoint", "endpoints", True),
        Kind("auth", "auths", True),
        Kind("aor", "aors", True),
        Kind("identify", "identifies", True),
        Kind("domain_alias", "domain_aliases", True),
        Kind("transport", "transports", False),
        Kind("acl", "acls", False),
        Kind("registration", "registrations", False),
        Kind("global", "", False),
        Kind("system", "", False),
    )
}

#: Asterisk's configuration classes to the kinds of each. Identifies and registrations have one of their own there.
CLASSES: Mapping[str, Mapping[str, Kind]] = {
    _CLASS: _OBJECTS,
    "res_pjsip_endpoint_identifier_ip": {"identify": _OBJECTS["identify"]},
    "res_pjsip_outbound_registration": {"registration": _OBJECTS["registration"]},
}

#: The kinds that can be made at run time, by name.
WRITABLE = {name: kind for name, kind in _OBJECTS.items() if kind.writable}


class Unfit(ValueError):
    """Fields that make no object; the text says which one and why, and holds no secret."""


# ---- fields to settings


class Workshop:
    """Makes objects; knows the lists of acl.conf and the defaults of the global section."""

    def __init__(self, lists: Mapping[str, Rules], general: SipGlobalSettings) -> None:
        self._lists = lists
        self._general = general

    def make(self, kind: Kind, name: str, fields: Sequence[tuple[str, str]]) -> Any:
        """The settings of one object of a writable kind: a structure, or the domain of a domain_alias.

        Raises:
            Unfit: the name or a field can not be used.
        """
        if not name or len(name.encode()) > MAX_OBJECT_NAME or not name.isprintable():
            raise Unfit(f"its id is not a printable text of at most {MAX_OBJECT_NAME} bytes")
        made, complaints = self.restore(kind, name, fields)
        if complaints:
            raise Unfit(complaints[0])
        return made

    def restore(self, kind: Kind, name: str, fields: Sequence[tuple[str, str]]) -> tuple[Any, list[str]]:
        """What can be made of fields that were good once, None for nothing; and what is wrong with them now."""
        kept, complaints = clean(kind, fields)
        problems = Problems()
        section = Section(name, MADE, 0, False, ())
        section.own = [(option, text, MADE, 0) for option, text in kept]
        made = self._made(kind, section, Objects({}, AccessLists((), problems, self._lists), problems))
        complaints += [problem.text for problem in problems.ordered() if problem.severity is Severity.ERROR]
        return made, complaints

    def _made(self, kind: Kind, section: Section, objects: Objects) -> Any:
        match kind.name:
            case "endpoint":
                return objects.endpoint(section)
            case "auth":
                return objects.auth(section, self._general)
            case "aor":
                return objects.aor(section)
            case "identify":
                return objects.identify(section)
            case _:
                return objects.domain_alias(section)


def clean(kind: Kind, fields: Iterable[tuple[str, str]]) -> tuple[Fields, list[str]]:
    """The fields as pjsip.conf would hold them, trimmed and without empty ones where empty means not set; and
    what is wrong with those that can not be used.
    """
    kept: Fields = []
    complaints: list[str] = []
    for name, text in fields:
        try:
            field = _clean(kind.table, name, text)
        except Unfit as wrong:
            complaints.append(str(wrong))
        else:
            if field is not None:
                kept.append(field)
    return kept, complaints


def _clean(table: Table, name: str, text: str) -> tuple[str, str] | None:
    option = table.honoured.get(name)
    if option is None and name not in table.accepted:
        missing = "is not supported" if name in table.unsupported else f"is no attribute of {table.title}"
        raise Unfit(f'"{_shortened(name)}" {missing}')
    if option is None or not option.secret:
        text = text.strip()
    if len(text) > MAX_LINE or any(sign < " " or sign == "\x7f" for sign in text):
        raise Unfit(f"{name} of {table.title} is longer than {MAX_LINE} characters or holds a control character")
    if option is None:
        return name, text
    try:
        option.parse(text)
    except Misread as wrong:
        if not text:
            return None
        shown = "" if option.secret else f' is "{_shortened(text)}", which'
        raise Unfit(f"{name} of {table.title}{shown} is not {wrong.expected}") from None
    return name, text


def merge(old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]) -> Fields:
    """An object's fields after an update: an attribute that is given again replaces all it was before."""
    given = {name for name, _ in new}
    return [*((name, text) for name, text in old if name not in given), *new]


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


# ---- settings to fields


def find(settings: SipSettings, kind: Kind, name: str) -> Any:
    """The settings of an object, None when there is none of this name."""
    if not kind.field:
        return settings.general if name == kind.name else None
    return getattr(settings, kind.field).get(name)


def show(kind: Kind, settings: Any, given: Sequence[tuple[str, str]] = ()) -> Fields:
    """All honoured attributes of an object with their values, empty where not set, in the order of their tables.

    ``given`` are the fields it was made from: those that have no effect here are shown as they were written.
    """
    fields: Fields = []
    for name, option in kind.table.honoured.items():
        special = _SPECIAL.get((kind.name, name))
        if special is not None:
            fields += [(attribute or name, text) for attribute, text in special(settings)]
        elif kind.name == "domain_alias":
            fields.append((name, settings))
        else:
            fields.append((name, _text(getattr(settings, option.field))))
    accepted = kind.table.accepted - {"type"}
    return fields + [field for field in given if field[0] in accepted]


def is_secret(kind: Kind, attribute: str) -> bool:
    """Whether an attribute's value is for those alone who may change it."""
    option = kind.table.honoured.get(attribute)
    return option is not None and option.secret


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:f}" if isinstance(value, float) else str(value)


#: Attribute (empty: the option's own name) and value.
_Shown: TypeAlias = Iterable[tuple[str, str]]


def _rules(field: str, prefix: str = "") -> Callable[[Any], _Shown]:
    """Lists that are named are shown as the rules they hold; the order of all rules together counts."""

    def shown(settings: Any) -> _Shown:
        rules: Rules = getattr(settings, field)
        for rule in rules:
            yield f"{prefix}{'permit' if rule.permit else 'deny'}", str(rule.network)

    return shown


def _nothing(settings: Any) -> _Shown:
    """Shown by another attribute."""
    return ()


def _match(network: Network, port: int) -> str:
    address = str(network.network_address)
    if port:
        address = f"[{address}]:{port}" if isinstance(network, IPv6Network) else f"{address}:{port}"
    return address if network.num_addresses == 1 else f"{address}/{network.prefixlen}"


def _matches(settings: Any) -> _Shown:
    networks = (_match(network, port) for network, port in settings.match)
    return [("", ",".join((*networks, *settings.match_hosts)))]


def _bind(settings: Any) -> _Shown:
    host = f"[{settings.bind_host}]" if ":" in settings.bind_host else settings.bind_host
    return [("", f"{host}:{settings.bind_port}")]


def _digests(settings: Any) -> _Shown:
    return [("", ",".join(f"{algorithm}:{value}" for algorithm, value in settings.digests.items()))]


def _milliseconds(field: str) -> Callable[[Any], _Shown]:
    return lambda settings: [("", str(round(getattr(settings, field) * 1000)))]


#: Attributes whose value is not simply that of a field, by kind and name.
_SPECIAL: dict[tuple[str, str], Callable[[Any], _Shown]] = {
    ("endpoint", "callerid"): lambda endpoint: [("", f'"{endpoint.callerid_name}"' if endpoint.callerid_name else "")],
    ("endpoint", "acl"): _rules("acl"),
    ("endpoint", "permit"): _nothing,
    ("endpoint", "deny"): _nothing,
    ("endpoint", "contact_acl"): _rules("contact_acl", "contact_"),
    ("endpoint", "contact_permit"): _nothing,
    ("endpoint", "contact_deny"): _nothing,
    ("acl", "acl"): _rules("rules"),
    ("acl", "permit"): _nothing,
    ("acl", "deny"): _nothing,
    ("acl", "contact_acl"): _rules("contact_rules", "contact_"),
    ("acl", "contact_permit"): _nothing,
    ("acl", "contact_deny"): _nothing,
    ("auth", "password_digest"): _digests,
    ("auth", "md5_cred"): lambda auth: [("", auth.digests.get("MD5", ""))],
    ("identify", "match"): _matches,
    ("identify", "match_header"): lambda identify: [("", ": ".join(identify.match_header or ()))],
    ("transport", "bind"): _bind,
    ("system", "timer_t1"): _milliseconds("timer_t1"),
    ("system", "timer_b"): _milliseconds("timer_b"),
}
