"""pjsip.conf: sections become objects by their ``type``; several of one name and different types are usual."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from switchroom.conf.acl import AccessLists
from switchroom.conf.certificates import expect_readable
from switchroom.conf.options import TableReader
from switchroom.conf.pjsip_options import KINDS, UNSUPPORTED_KINDS
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Option, Section
from switchroom.model.settings import (
    AorSettings,
    AuthSettings,
    IdentifySettings,
    RegistrationSettings,
    SipAclSettings,
    SipEndpointSettings,
    SipGlobalSettings,
    SipSettings,
    Source,
    TransportSettings,
)

T = TypeVar("T")

#: Objects there is one of; the name of the section does not count.
_SINGLE = ("global", "system")

#: Shared by all auth sections without a digest.
_NO_DIGESTS: dict[str, str] = {}

_ENDPOINT_LISTS = {option.field for option in KINDS["endpoint"].honoured.values() if option.field.startswith("_")}


def read_pjsip(sections: Sequence[Section], access: AccessLists, problems: Problems) -> SipSettings:
    """The settings of pjsip.conf. An object that can not work is left out, with an error."""
    found = _Kinds(problems)
    found.sort(sections)
    objects = Objects(found.sections, access, problems)
    general = objects.general()
    settings = SipSettings(
        transports=_each(found.sections["transport"], objects.transport),
        auths=_each(found.sections["auth"], lambda section: objects.auth(section, general)),
        aors=objects.with_contacts(_each(found.sections["aor"], objects.aor)),
        endpoints=_each(found.sections["endpoint"], objects.endpoint),
        identifies=_each(found.sections["identify"], objects.identify),
        acls=_each(found.sections["acl"], objects.acl),
        domain_aliases=_each(found.sections["domain_alias"], objects.domain_alias),
        registrations=_each(found.sections["registration"], objects.registration),
        general=general,
    )
    _References(found.sections, problems).check(settings)
    return settings


def _each(sections: dict[str, Section], make: Callable[[Section], T | None]) -> dict[str, T]:
    return {name: made for name, section in sections.items() if (made := make(section)) is not None}


class _Kinds:
    """Which section is an object of which kind."""

    def __init__(self, problems: Problems) -> None:
        self.sections: dict[str, dict[str, Section]] = {kind: {} for kind in KINDS}
        self._problems = problems
        self._inherited: dict[int, str] = {}

    def sort(self, sections: Iterable[Section]) -> None:
        """Groups by kind and name; of two with the same kind and name the last stays."""
        for section in sections:
            if section.template:
                continue
            kind = self._kind(section)
            objects = self.sections.get(kind)
            if objects is None:
                self._refuse(kind, section)
                continue
            name = kind if kind in _SINGLE else section.name
            earlier = objects.get(name)
            if earlier is not None:
                self._problems.warning(
                    section.source,
                    f'there is another {kind} "{section.name}" at {earlier.source}, which this one replaces',
                    "Remove one of the two, or add to the first with (+)",
                )
            objects[name] = section

    def _kind(self, section: Section) -> str:
        kind = _last_type(section.own)
        if kind is None:
            inherited = section.inherited
            kind = self._inherited.get(id(inherited))
            if kind is None:
                kind = self._inherited[id(inherited)] = _last_type(inherited) or ""
        return kind or (section.name if section.name in _SINGLE else "")

    def _refuse(self, kind: str, section: Section) -> None:
        if not kind:
            self._problems.warning(
                section.source,
                f'the section "{section.name}" has no type, so it is not read',
                "Add a line type=endpoint (or auth, aor, ...), or (!) after the name of a template",
            )
        elif kind in UNSUPPORTED_KINDS:
            self._problems.warning(section.source, f"type={kind} is not supported yet", UNSUPPORTED_KINDS[kind])
        else:
            self._problems.warning(
                section.where("type"),
                f'there is no type "{kind}", so the section is not read',
                self._problems.suggest(kind, (*KINDS, *UNSUPPORTED_KINDS), "Use one of " + ", ".join(KINDS)),
            )


def _last_type(options: Sequence[Option]) -> str | None:
    kind = None
    for option in options:
        if option[0] == "type":
            kind = option[1]
    return kind


class Objects:
    """Makes the settings of one section at a time."""

    def __init__(self, sections: dict[str, dict[str, Section]], access: AccessLists, problems: Problems) -> None:
        self._sections = sections
        self._access = access
        self._problems = problems
        readers = {kind: TableReader(table, problems) for kind, table in KINDS.items()}
        self._readers = readers
        self._read_endpoint = readers["endpoint"].read
        self._read_auth = readers["auth"].read
        self._read_aor = readers["aor"].read

    def general(self) -> SipGlobalSettings:
        values: dict[str, Any] = {}
        for kind in _SINGLE:
            for section in self._sections[kind].values():
                values.update(self._readers[kind].read(section))
        settings = SipGlobalSettings(**values)
        if settings.timer_b >= 64 * settings.timer_t1:
            return settings
        if "timer_b" in values:
            self._problems.error(
                self._sections["system"]["system"].where("timer_b", "timer_t1"),
                "timer_b is less than 64 times timer_t1 (RFC 3261 section 17.1.1.2)",
                f"Write at least {64 * settings.timer_t1 * 1000:.0f}; until then that holds",
            )
        return msgspec.structs.replace(settings, timer_b=64 * settings.timer_t1)

    def endpoint(self, section: Section) -> SipEndpointSettings:
        values = self._read_endpoint(section)
        if values.keys() & _ENDPOINT_LISTS:
            self._access.resolve(values, "acl", section)
            self._access.resolve(values, "contact_acl", section, "contact_")
        return SipEndpointSettings(name=section.name, source=section.source, **values)

    def aor(self, section: Section) -> AorSettings:
        aor = AorSettings(name=section.name, source=section.source, **self._read_aor(section))
        if aor.minimum_expiration > aor.maximum_expiration:
            self._problems.error(
                section.where("minimum_expiration", "maximum_expiration"),
                "minimum_expiration is greater than maximum_expiration",
                f"Swap them; until then both are {aor.maximum_expiration}",
            )
            aor = msgspec.structs.replace(aor, minimum_expiration=aor.maximum_expiration)
        return aor

    def with_contacts(self, aors: dict[str, AorSettings]) -> dict[str, AorSettings]:
        """Adds the contacts of ``type=contact`` sections to their address of record."""
        for section in self._sections["contact"].values():
            values = self._readers["contact"].read(section)
            name = values.get("aor") or section.name.partition(";")[0].partition("@")[0]
            aor = aors.get(name)
            if "uri" not in values:
                self._left_out(section, "has no uri", "Add a line uri=sip:user@host")
            elif aor is None:
                self._left_out(section, f'is of no aor: there is no "{name}"', "Add a line aor= with the name of one")
            elif values["uri"] not in aor.contact:
                aors[name] = msgspec.structs.replace(aor, contact=(*aor.contact, values["uri"]))
        return aors

    def auth(self, section: Section, general: SipGlobalSettings) -> AuthSettings | None:
        values = self._read_auth(section)
        if not values.get("username"):
            self._left_out(section, "has no username", "Add a line username=")
            return None
        values["digests"] = dict(values.pop("_digests")) if "_digests" in values else _NO_DIGESTS
        if not values.get("password"):
            digests = values["digests"]
            if not digests:
                self._left_out(section, "has neither password nor digest", "Add a line password= or password_digest=")
                return None
            for option, default in (
                ("algorithms_uas", general.default_auth_algorithms_uas),
                ("algorithms_uac", general.default_auth_algorithms_uac),
            ):
                values[option] = self._answerable(values.get(option) or default, digests, option, section)
        return AuthSettings(name=section.name, source=section.source, **values)

    def _answerable(
        self, algorithms: tuple[str, ...], digests: dict[str, str], field_name: str, section: Section
    ) -> tuple[str, ...]:
        """The algorithms there is a digest for; all that have one when that leaves none."""
        option = f"supported_{field_name}"
        kept = tuple(algorithm for algorithm in algorithms if algorithm in digests) or tuple(digests)
        if kept != algorithms:
            self._problems.warning(
                section.where(option, "password_digest", "md5_cred"),
                f'the auth section "{section.name}" has no digest for all of {", ".join(algorithms)}',
                f"Add the digests, or write {option}={','.join(kept)}, which holds until then",
            )
        return kept

    def identify(self, section: Section) -> IdentifySettings | None:
        values = self._readers["identify"].read(section)
        if not values.get("endpoint"):
            self._left_out(section, "names no endpoint", "Add a line endpoint=")
            return None
        matches = values.pop("_matches", ())
        values["match"] = tuple(match for match in matches if not isinstance(match, str))
        values["match_hosts"] = tuple(match for match in matches if isinstance(match, str))
        if not (matches or values.get("match_header") or values.get("match_request_uri")):
            self._left_out(section, "matches nothing", "Add a line match= with the addresses of the peer")
            return None
        return IdentifySettings(name=section.name, source=section.source, **values)

    def transport(self, section: Section) -> TransportSettings | None:
        values = self._readers["transport"].read(section)
        protocol = values.get("protocol", "udp")
        host, port = values.pop("_bind", (None, None))
        if host is None:
            if protocol != "flow":
                self._left_out(section, "has no usable bind", "Add a line bind=0.0.0.0")
                return None
            host = "0.0.0.0"  # noqa: S104 - a flow transport opens no socket
        values["bind_host"] = host
        values["bind_port"] = port if port is not None else 5061 if protocol == "tls" else 5060
        if section.last("external_signaling_address") and section.last("external_signaling_hostname"):
            self._problems.warning(
                section.where("external_signaling_address", "external_signaling_hostname"),
                "external_signaling_address and external_signaling_hostname exclude each other",
                "Keep one; until then the last holds",
            )
        if protocol == "tls":
            self._check_certificate(values, section)
        return TransportSettings(name=section.name, source=section.source, **values)

    def _check_certificate(self, values: dict[str, Any], section: Section) -> None:
        if not values.get("cert_file"):
            self._problems.error(
                section.source,
                f'the TLS transport "{section.name}" has no certificate',
                "Add cert_file= and priv_key_file=",
            )
        options = ("cert_file", "priv_key_file", "ca_list_file")
        expect_readable(section, {option: values.get(option, "") for option in options}, self._problems)

    def registration(self, section: Section) -> RegistrationSettings | None:
        values = self._readers["registration"].read(section)
        for option in ("server_uri", "client_uri"):
            if not values.get(option):
                self._left_out(section, f"has no {option}", f"Add a line {option}=sip:...")
                return None
        if values.get("line") and not values.get("endpoint"):
            self._problems.error(
                section.where("line"), "line is of no use without endpoint", "Add endpoint=; until then line is off"
            )
            values["line"] = False
        elif values.get("endpoint") and not values.get("line"):
            self._problems.warning(
                section.where("endpoint"), "endpoint is of no use without line=yes", "Add a line line=yes"
            )
        return RegistrationSettings(name=section.name, source=section.source, **values)

    def acl(self, section: Section) -> SipAclSettings:
        values = self._readers["acl"].read(section)
        self._access.resolve(values, "rules", section)
        self._access.resolve(values, "contact_rules", section, "contact_")
        return SipAclSettings(name=section.name, source=section.source, **values)

    def domain_alias(self, section: Section) -> str | None:
        domain: str = self._readers["domain_alias"].read(section).get("domain", "")
        if not domain:
            self._left_out(section, "names no domain", "Add a line domain=")
        return domain or None

    def _left_out(self, section: Section, wrong: str, advice: str) -> None:
        self._problems.error(
            section.source, f'the section "{section.name}" {wrong}', f"{advice}; until then the section is left out"
        )


def is_open(endpoint: SipEndpointSettings) -> bool:
    """Whether its name alone lets in: no proof is asked for, and no address."""
    if endpoint.auth or endpoint.acl:
        return False
    return "username" in endpoint.identify_by or "auth_username" in endpoint.identify_by


@dataclass(slots=True)
class _References:
    """Do the names lead anywhere, and is there a lock on every door."""

    sections: dict[str, dict[str, Section]]
    problems: Problems

    def check(self, settings: SipSettings) -> None:
        aors, auths, transports = settings.aors, settings.auths, settings.transports
        for endpoint in settings.endpoints.values():
            for name in endpoint.aors:
                if name not in aors:
                    self._missing(endpoint.name, "aors", "aor", name, aors)
            for name in endpoint.auth:
                if name not in auths:
                    self._missing(endpoint.name, "auth", "auth", name, auths)
            for name in endpoint.outbound_auth:
                if name not in auths:
                    self._missing(endpoint.name, "outbound_auth", "auth", name, auths)
            if endpoint.transport and endpoint.transport not in transports:
                self._missing(endpoint.name, "transport", "transport", endpoint.transport, transports)
            if is_open(endpoint):
                self._unlocked(endpoint)
        for identify in settings.identifies.values():
            if identify.endpoint not in settings.endpoints:
                section = self.sections["identify"][identify.name]
                self._report(section, "endpoint", "endpoint", identify.endpoint, settings.endpoints)
        for registration in settings.registrations.values():
            section = self.sections["registration"][registration.name]
            for name in registration.outbound_auth:
                if name not in auths:
                    self._report(section, "outbound_auth", "auth", name, auths)
            if registration.transport and registration.transport not in transports:
                self._report(section, "transport", "transport", registration.transport, transports)
            if registration.endpoint and registration.endpoint not in settings.endpoints:
                self._report(section, "endpoint", "endpoint", registration.endpoint, settings.endpoints)
        if not transports:
            self.problems.warning(
                Source("pjsip.conf", 0),
                "there is no transport, so no phone can reach this server",
                "Add a section with type=transport, protocol=udp and bind=0.0.0.0",
            )

    def _unlocked(self, endpoint: SipEndpointSettings) -> None:
        self.problems.warning(
            endpoint.source,
            f'the endpoint "{endpoint.name}" has no auth, so anybody who writes its name in From is let in',
            "Add auth=, or identify_by=ip and an identify section, or an acl",
        )

    def _missing(self, endpoint: str, option: str, kind: str, name: str, known: Iterable[str]) -> None:
        self._report(self.sections["endpoint"][endpoint], option, kind, name, known)

    def _report(self, section: Section, option: str, kind: str, name: str, known: Iterable[str]) -> None:
        if name in self.sections[kind]:
            return  # written, but left out: that is complained of already
        self.problems.error(
            section.where(option),
            f'there is no {kind} "{name}"',
            self.problems.suggest(name, known, f"Add a section [{name}] with type={kind}, or correct the name"),
        )
