"""switchroom.conf: what Asterisk has no option for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from switchroom.conf.limits import MAX_APPLICATION, MAX_MESSAGE_LIFE, MAX_WAITING
from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import Misread, boolean, choice, names, networks, plain, whole
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import SwitchroomSettings

_OFFLINE = choice("reject", "store")

GENERAL = Table(
    "switchroom.conf",
    {
        "strict": Honoured("strict", boolean),
        "fork": Honoured("fork", choice("all", "first")),
        "calls": Honoured("calls", choice("endpoints", "none")),
        "service_route": Honoured("service_route", boolean),
        "console": Honoured("console", boolean),
        "entity_id": Honoured("entity_id", plain),
        "log_format": Honoured("log_format", choice("console", "json")),
        "log_level": Honoured("log_level", choice("debug", "info", "warning", "error")),
        "metrics": Honoured("metrics", choice("yes", "open", "no")),
        "trusted_proxies": Honoured("trusted_proxies", networks),
        "offline": Honoured("offline", _OFFLINE),
        "message_life": Honoured("message_life", whole(1, MAX_MESSAGE_LIFE)),
        "message_retention": Honoured("message_retention", whole(0, MAX_MESSAGE_LIFE)),
        "keep_body": Honoured("keep_body", boolean),
        "durability": Honoured("durability", choice("process", "disk")),
        "max_waiting": Honoured("max_waiting", whole(1, MAX_WAITING)),
    },
    any_case=True,
)

_KINDS = ("endpoint", "deviceState", "message", "referral", "channel", "bridge")


def sources(text: str) -> tuple[str, ...]:
    """A comma list of event sources, as in the ARI operation."""
    found = names(text)
    if any(":" not in name or name.partition(":")[0] not in _KINDS for name in found):
        raise Misread("a list of event sources, as endpoint:PJSIP/alice,deviceState:")
    return found


APPLICATION = Table(
    "an application",
    {"subscribe": Honoured("subscribe", sources, repeats=True)},
    accepted=frozenset({"type"}),
    any_case=True,
)


ENDPOINT = Table(
    "an endpoint",
    {"offline": Honoured("offline", _OFFLINE)},
    any_case=True,
)


def read_switchroom(sections: Sequence[Section], problems: Problems) -> SwitchroomSettings:
    """The settings of switchroom.conf."""
    reader = TableReader(GENERAL, problems)
    applications = TableReader(APPLICATION, problems)
    endpoints = TableReader(ENDPOINT, problems)
    values: dict[str, Any] = {"applications": {}, "offline_of": {}}
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            values.update(reader.read(section))
        elif section.kind == "application":
            subscribed = applications.read(section).get("subscribe", ())
            if len(section.name.encode()) > MAX_APPLICATION or not section.name.isprintable():
                problems.error(
                    section.source,
                    f"the name of an application is 1 to {MAX_APPLICATION} bytes of printable text",
                    "Shorten it",
                )
                continue
            values["applications"][section.name] = subscribed
        elif "/" in section.name:
            technology, _, resource = section.name.partition("/")
            for offline in endpoints.read(section).values():
                values["offline_of"][f"{technology.upper()}/{resource}"] = offline
        else:
            problems.warning(
                section.source,
                f'the section "{section.name}" is not read',
                "Put the options into [general] or [PJSIP/name]",
            )
    return SwitchroomSettings(**values)
