"""``switchroom endpoints`` and ``switchroom endpoint``: who is there, and where."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from switchroom.cli.account import Login
from switchroom.cli.client import Server, escaped, work_with
from switchroom.cli.table import print_table
from switchroom.cli.terminal import complain, decorated, printable

#: Of endpoints, contacts, messages and referrals.
COLOURS = {
    **dict.fromkeys(("online", "Reachable", "delivered", "answered"), "green"),
    **dict.fromkeys(("offline", "Unreachable", "failed", "expired"), "red"),
    **dict.fromkeys(("unknown", "queued", "sending", "accepted", "trying", "ringing"), "yellow"),
    **dict.fromkeys(("NonQualified", "Unknown", "cancelled"), "dim"),
}


def list_endpoints(login: Login, technology: str | None, state: str | None, *, as_json: bool) -> int:
    """Prints the endpoints, a line each; the exit status."""

    def work(server: Server) -> int:
        endpoints = ask_endpoints(server, technology, state)
        if as_json:
            print_json(endpoints)
        else:
            print_endpoints(endpoints)
        return 0

    return work_with(login, work)


def ask_endpoints(server: Server, technology: str | None, state: str | None = None) -> list[dict[str, Any]]:
    """The endpoints of a technology or of all, in the server's order. Raises Refused."""
    path = f"/endpoints/{escaped(technology)}" if technology else "/endpoints"
    return server.ask_list(path, {"state": state})


def print_endpoints(endpoints: Sequence[dict[str, Any]]) -> None:
    """A table, and on a terminal their number after it."""
    rows = [(name_of(each), each["state"], ", ".join(each["channel_ids"])) for each in endpoints]
    print_table(("ENDPOINT", "STATE", "CHANNELS"), rows, COLOURS)
    if sys.stdout.isatty():
        online = sum(1 for endpoint in endpoints if endpoint["state"] == "online")
        print(f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}, {online} online")


def name_of(endpoint: dict[str, Any]) -> str:
    """``PJSIP/alice``."""
    return f"{endpoint['technology']}/{endpoint['resource']}"


def print_json(documents: Sequence[Any]) -> None:
    """Each as one line of ASCII."""
    sys.stdout.write("".join(f"{json.dumps(document)}\n" for document in documents))


#: ``PJSIP/alice``; with a colon before the slash it is ``pjsip:alice/aor`` and not a name.
_NAMED = re.compile(r"([A-Za-z0-9]+)/(.+)", re.DOTALL)


def named(text: str) -> tuple[str, str] | None:
    """Technology and resource of an endpoint as lists show it; None for any other destination."""
    found = _NAMED.fullmatch(text)
    return (found[1], found[2]) if found is not None else None


def path_of(name: tuple[str, str]) -> str:
    """Where ARI has an endpoint."""
    return f"/endpoints/{escaped(name[0])}/{escaped(name[1])}"


def show_endpoint(login: Login, name: str, *, as_json: bool) -> int:
    """Prints an endpoint and where it is reached; the exit status."""
    parts = named(name)
    if parts is None:
        return complain(f"{name} is no endpoint, as PJSIP/alice")
    path = path_of(parts)

    def work(server: Server) -> int:
        endpoint = server.ask("GET", path)
        contacts = server.ask_list(f"{path}/contacts")
        if as_json:
            print_json([{**endpoint, "contacts": contacts}])
        else:
            _print_endpoint(endpoint, contacts)
        return 0

    return work_with(login, work)


def _print_endpoint(endpoint: dict[str, Any], contacts: list[dict[str, Any]]) -> None:
    state = endpoint["state"]
    print(f"{printable(name_of(endpoint))} is {state}{', in a call' if endpoint['channel_ids'] else ''}.")
    rows = [
        (
            contact["uri"],
            contact["status"],
            _milliseconds(contact["roundtrip_usec"]),
            contact["address"],
            contact["user_agent"],
            (contact["expires"] or "")[:19],
        )
        for contact in contacts
    ]
    if rows and decorated(sys.stdout):
        print()
    print_table(("CONTACT", "STATUS", "ROUND TRIP", "ADDRESS", "USER AGENT", "EXPIRES"), rows, COLOURS)


def _milliseconds(microseconds: str) -> str:
    return f"{int(microseconds) / 1000:.1f} ms" if microseconds.isdecimal() and microseconds != "0" else ""
