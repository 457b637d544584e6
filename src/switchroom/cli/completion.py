"""What the shell completes beyond commands and options: endpoints, asked of the server while somebody types."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

from switchroom.cli.account import Login, find_account
from switchroom.cli.client import Server
from switchroom.cli.endpoints import ask_endpoints, name_of
from switchroom.cli.terminal import Refused

if TYPE_CHECKING:
    import typer

#: Seconds that somebody who types waits for an answer.
_PATIENCE = 1.0

#: Names that a shell is given to choose from.
_NAMES = 200


def complete_endpoint(context: typer.Context, incomplete: str) -> list[str]:
    """``PJSIP/alice`` for ``PJSIP/al``; nothing when the server can not be asked without asking for a password."""
    login = Login(**{name: context.params.get(name) for name in Login._fields})
    technology, slash, _ = incomplete.partition("/")
    try:
        with closing(Server(find_account(login, _refuse), patience=_PATIENCE)) as server:
            names = [name_of(each) for each in ask_endpoints(server, technology if slash else None)]
    except (Refused, OSError, LookupError, TypeError):
        return []  # a complaint would be written into the line that is typed
    found = [name for name in names if name.startswith(incomplete) and name.isprintable()]
    return found[:_NAMES]


def _refuse(prompt: str) -> NoReturn:
    raise Refused("nobody is asked for a password while typing")
