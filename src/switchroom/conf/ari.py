"""ari.conf: the REST interface and who may use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchroom.conf.acl import AccessLists, acl_options
from switchroom.conf.limits import MAX_APPLICATION
from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import Misread, boolean, cautious_boolean, names, plain
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.settings import AriSettings, AriUser, OutboundSettings


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

OUTBOUND = Table(
    "an outbound WebSocket",
    {
        "websocket_client_id": Honoured("_client", plain),
        "apps": Honoured("apps", names),
        "subscribe_all": Honoured("subscribe_all", boolean),
        "local_ari_user": Honoured("local_user", plain),
    },
    accepted=frozenset({"type"}),
    any_case=True,
)


def read_ari(
    sections: Sequence[Section], access: AccessLists, clients: Mapping[str, dict[str, Any]], problems: Problems
) -> AriSettings:
    """The settings of ari.conf, with the ``clients`` of websocket_client.conf that it names. What can not work is
    left out, with an error.
    """
    general = TableReader(GENERAL, problems)
    values: dict[str, Any] = {}
    users = _Users(access, problems)
    outbound: list[Section] = []
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            values.update(general.read(section))
        elif section.kind == "outbound_websocket":
            outbound.append(section)
        else:
            users.take(section)
    settings = AriSettings(**values, users=users.found, outbound=_outbound(outbound, users.found, clients, problems))
    if settings.enabled and not settings.users and sections:
        problems.warning(
            sections[0].source,
            "ari.conf has no user, so nobody can log in",
            "Add a section with type=user and a password",
        )
    return settings


def _outbound(
    sections: Sequence[Section],
    users: Mapping[str, AriUser],
    clients: Mapping[str, dict[str, Any]],
    problems: Problems,
) -> dict[str, OutboundSettings]:
    """The ``type=outbound_websocket`` sections that can work. No two may have an application in common."""
    reader = TableReader(OUTBOUND, problems)
    found: dict[str, OutboundSettings] = {}
    owners: dict[str, str] = {}
    for section in sections:
        values = reader.read(section)
        client = clients.get(values.pop("_client", ""))
        wrong = _unfit(values, client, users, owners)
        if wrong or client is None:
            problems.error(
                section.source,
                f'the outbound WebSocket "{section.name}" {wrong}',
                "Correct it; until then it is not opened",
            )
            continue
        owners |= dict.fromkeys(values["apps"], section.name)
        found[section.name] = OutboundSettings(name=section.name, source=section.source, **client, **values)
    return found


def _unfit(
    values: Mapping[str, Any], client: object | None, users: Mapping[str, AriUser], owners: Mapping[str, str]
) -> str:
    """What is wrong with an outbound WebSocket; empty when nothing is."""
    if client is None:
        return "names no usable section of websocket_client.conf in websocket_client_id"
    apps = values.get("apps", ())
    if not apps:
        return "has no apps"
    for app in apps:
        if len(app.encode()) > MAX_APPLICATION or not app.isprintable():
            return f"has an application whose name is not 1 to {MAX_APPLICATION} bytes of printable text"
        if app in owners:
            return f'has the application "{app}", which the outbound WebSocket "{owners[app]}" has'
    user = users.get(values.get("local_user", ""))
    if user is None or user.password_format != "plain":  # noqa: S105 - the name of a format
        return "names no user with a plain password in local_ari_user"
    return ""


class _Users:
    """The ``type=user`` sections; the name of the section is the name to log in with."""

    def __init__(self, access: AccessLists, problems: Problems) -> None:
        self.found: dict[str, AriUser] = {}
        self._reader = TableReader(USER, problems)
        self._access = access
        self._problems = problems

    def take(self, section: Section) -> None:
        if section.kind == "user":
            self._user(section)
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
