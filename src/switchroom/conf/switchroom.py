"""switchroom.conf: what Asterisk has no option for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import boolean, choice, plain
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import SwitchroomSettings

GENERAL = Table(
    "switchroom.conf",
    {
        "strict": Honoured("strict", boolean),
        "fork": Honoured("fork", choice("all", "first")),
        "entity_id": Honoured("entity_id", plain),
        "log_format": Honoured("log_format", choice("console", "json")),
        "log_level": Honoured("log_level", choice("debug", "info", "warning", "error")),
    },
    any_case=True,
)


def read_switchroom(sections: Sequence[Section], problems: Problems) -> SwitchroomSettings:
    """The settings of switchroom.conf."""
    reader = TableReader(GENERAL, problems)
    values: dict[str, Any] = {}
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            values.update(reader.read(section))
        else:
            problems.warning(
                section.source, f'the section "{section.name}" is not read', "Put the options into [general]"
            )
    return SwitchroomSettings(**values)
