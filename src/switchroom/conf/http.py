"""http.conf: where the REST interface listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from switchroom.conf.acl import AccessLists, acl_options
from switchroom.conf.certificates import expect_readable
from switchroom.conf.limits import MAX_PREFIX
from switchroom.conf.options import Honoured, Table, TableReader, words
from switchroom.conf.parse import Misread, boolean, host_and_port, milliseconds, plain, whole
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import HttpSettings, PathRestriction


def _prefix(text: str) -> str:
    """Empty, or a path that starts with a slash and does not end with one."""
    path = text.strip("/")
    if len(path) > MAX_PREFIX or any(sign.isspace() or sign in "?#%" for sign in path):
        raise Misread(f"a path of at most {MAX_PREFIX} characters")
    return f"/{path}" if path else ""


GENERAL = Table(
    "http.conf",
    {
        "enabled": Honoured("enabled", boolean),
        "bindaddr": Honoured("_bind", host_and_port),
        "bindport": Honoured("bind_port", whole(0, 65535)),
        "prefix": Honoured("prefix", _prefix),
        "servername": Honoured("servername", plain),
        "sessionlimit": Honoured("sessionlimit", whole(1, 1_000_000)),
        "session_inactivity": Honoured("session_inactivity", milliseconds(1, 86_400_000)),
        "session_keep_alive": Honoured("session_keep_alive", milliseconds(0, 86_400_000)),
        "tlsenable": Honoured("tls_enabled", boolean),
        "tlsbindaddr": Honoured("_tls_bind", host_and_port),
        "tlsbindport": Honoured("tls_bind_port", whole(0, 65535)),
        "tlscertfile": Honoured("tls_cert_file", plain),
        "tlsprivatekey": Honoured("tls_key_file", plain),
    },
    accepted=words("tlscipher tlsdisablev1 tlsdisablev11 tlsdisablev12 tlsservercipherorder"),
    unsupported={
        "enable_static": "Serve files by other means, and remove the line",
        "enablestatic": "Serve files by other means, and remove the line",
        "enable_status": "Remove the line",
        "redirect": "Redirect in a proxy in front, and remove the line",
    },
    any_case=True,
)

RESTRICTION = Table("a path restriction", acl_options(), accepted=frozenset({"type"}), any_case=True)


def read_http(sections: Sequence[Section], access: AccessLists, problems: Problems) -> HttpSettings:
    """The settings of http.conf."""
    reader = TableReader(GENERAL, problems)
    restrictions = TableReader(RESTRICTION, problems)
    values: dict[str, Any] = {"restrictions": ()}
    general: Section | None = None
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            general = section
            values.update(reader.read(section))
        elif section.kind == "restriction":
            rules = restrictions.read(section)
            access.resolve(rules, "acl", section)
            values["restrictions"] += (PathRestriction(name=section.name, source=section.source, **rules),)
        else:
            problems.warning(
                section.source, f'the section "{section.name}" is not read', "Put the options into [general]"
            )
    host, port = values.pop("_bind", ("", None))
    if host:
        values["bind_host"] = host
    if port is not None:
        values["bind_port"] = port
    host_tls, port_tls = values.pop("_tls_bind", ("", None))
    if host_tls:
        values["tls_bind_host"] = host_tls
    if port_tls is not None:
        values["tls_bind_port"] = port_tls
    settings = HttpSettings(**values)
    if general is not None and settings.tls_enabled and not settings.tls_cert_file:
        problems.error(
            general.where("tlsenable"),
            "tlsenable needs a certificate",
            "Add tlscertfile, the path of a PEM file; until then there is no TLS",
        )
        settings = replace(settings, tls_enabled=False)
    if general is not None and settings.tls_enabled:
        files = {"tlscertfile": settings.tls_cert_file, "tlsprivatekey": settings.tls_key_file}
        expect_readable(general, files, problems)
    if general is not None and settings.enabled and not host:
        problems.warning(
            general.source,
            "http.conf has no usable bindaddr",
            f"Add bindaddr={settings.bind_host}, which holds until then, or the address clients come to",
        )
    return settings
