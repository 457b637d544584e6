"""http.conf: where the REST interface listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from switchroom.conf.limits import MAX_PREFIX
from switchroom.conf.options import Honoured, Table, TableReader, words
from switchroom.conf.parse import Misread, boolean, host_and_port, milliseconds, plain, whole
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import HttpSettings


def _prefix(text: str) -> str:
    """Empty, or a path that starts with a slash and does not end with one."""
    path = text.strip("/")
    if len(path) > MAX_PREFIX or any(sign.isspace() or sign in "?#%" for sign in path):
        raise Misread(f"a path of at most {MAX_PREFIX} characters")
    return f"/{path}" if path else ""


_PROXY = "Put a proxy that speaks TLS in front (nginx, caddy, ...), and remove the line"

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
    },
    accepted=words("""
        tlsbindaddr tlsbindport tlscertfile tlscipher tlsdisablev1 tlsdisablev11 tlsdisablev12 tlsprivatekey
        tlsservercipherorder
        """),
    unsupported={
        "tlsenable": _PROXY,
        "enable_static": "Serve files by other means, and remove the line",
        "enablestatic": "Serve files by other means, and remove the line",
        "enable_status": "Remove the line",
        "redirect": "Redirect in a proxy in front, and remove the line",
    },
    any_case=True,
)


def read_http(sections: Sequence[Section], problems: Problems) -> HttpSettings:
    """The settings of http.conf."""
    reader = TableReader(GENERAL, problems)
    values: dict[str, Any] = {}
    general: Section | None = None
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            general = section
            values.update(reader.read(section))
        elif _is_restriction(section):
            problems.error(
                section.source,
                f'the restriction of "{section.name}" is not supported yet, so the path stays open',
                "Restrict the users with permit and deny in ari.conf, or in a proxy in front",
            )
        else:
            problems.warning(
                section.source, f'the section "{section.name}" is not read', "Put the options into [general]"
            )
    host, port = values.pop("_bind", ("", None))
    if host:
        values["bind_host"] = host
    if port is not None:
        values["bind_port"] = port
    settings = HttpSettings(**values)
    if general is not None and settings.enabled and not host:
        problems.warning(
            general.source,
            "http.conf has no usable bindaddr",
            f"Add bindaddr={settings.bind_host}, which holds until then, or the address clients come to",
        )
    return settings


def _is_restriction(section: Section) -> bool:
    return any(name.lower() == "type" and text.lower() == "restriction" for name, text, _, _ in section.options())
