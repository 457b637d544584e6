"""ari.conf: the REST interface and who may use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from switchroom.conf.acl import AccessLists, acl_options
from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import Misread, boolean, cautious_boolean, names, plain
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import AriSettings, AriUser


def _password_format(text: str) -> str:
    """A hash that is taken for a password would let in who has read the hash: no default here."""
    if text.lower() not in ("plain", "crypt"):
        raise Misread("plain or crypt", meanwhile="until then the user is left out", value="")
    return text.lower()


GENERAL = Table(
    "ari.conf",
    {
        "enabled": Honoured("enabled", boolean),
        "pretty": Honoured("pretty", boolean),
        "auth_realm": Honoured("auth_realm", plain),
        "allowed_origins": Honoured("allowed_origins", names),
    },
    accepted=frozenset({"websocket_write_timeout"}),
    unsupported={"channelvars": "Remove the line; channels have no variables here"},
    any_case=True,
)

USER = Table(
    "an ARI user",
    {
        "password": Honoured("password", plain, secret=True),
        "read_only": Honoured("read_only", cautious_boolean),
        "password_format": Honoured("password_format", _password_format),
        **acl_options(),
    },
    accepted=frozenset({"type"}),
    any_case=True,
)


def read_ari(sections: Sequence[Section], access: AccessLists, problems: Problems) -> AriSettings:
    """The settings of ari.conf. A user that can not work is left out, with an error."""
    general = TableReader(GENERAL, problems)
    values: dict[str, Any] = {}
    users = _Users(access, problems)
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            values.update(general.read(section))
        else:
            users.take(section)
    settings = AriSettings(**values, users=users.found)
    if settings.enabled and not settings.users and sections:
        problems.warning(
            sections[0].source,
            "ari.conf has no user, so nobody can log in",
            "Add a section with type=user and a password",
        )
    return settings


class _Users:
    """The ``type=user`` sections; the name of the section is the name to log in with."""

    def __init__(self, access: AccessLists, problems: Problems) -> None:
        self.found: dict[str, AriUser] = {}
        self._reader = TableReader(USER, problems)
        self._access = access
        self._problems = problems

    def take(self, section: Section) -> None:
        kind = next((text.lower() for name, text, _, _ in section.backwards() if name.lower() == "type"), "")
        if kind == "user":
            self._user(section)
        elif kind == "outbound_websocket":
            self._problems.warning(
                section.source,
                "type=outbound_websocket is not supported yet",
                "Let the application connect to /ari/events",
            )
        else:
            self._problems.warning(
                section.source,
                f'the section "{section.name}" has no type=user, so it is not read',
                "Add a line type=user, or (!) after the name of a template",
            )

    def _user(self, section: Section) -> None:
        values = self._reader.read(section)
        name = section.name
        if not values.get("password"):
            self._left_out(section, "has no password", "Add a line password=")
            return
        if ":" in name:
            self._left_out(section, "has a colon in the name, which HTTP Basic can not carry", "Rename it")
            return
        if values.get("password_format") == "":
            return
        self._access.resolve(values, "acl", section)
        earlier = self.found.get(name)
        if earlier is not None:
            self._problems.warning(
                section.source,
                f'there is another user "{name}" at {earlier.source}, which this one replaces',
                "Remove one of the two, or add to the first with (+)",
            )
        self.found[name] = AriUser(name=name, source=section.source, **values)

    def _left_out(self, section: Section, wrong: str, advice: str) -> None:
        self._problems.error(
            section.source,
            f'the ARI user "{section.name}" {wrong}',
            f"{advice}; until then nobody can log in as this user",
        )
