"""Options that many commands share, as typer reads them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from switchroom.cli.account import DEFAULT_URL, Login

Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", envvar="SWITCHROOM_URL", help=f"Where the server is, unless at {DEFAULT_URL}."
    ),
]
User = Annotated[
    str | None, typer.Option("--user", metavar="NAME", envvar="SWITCHROOM_USER", help="A user of its ari.conf.")
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        envvar="SWITCHROOM_PROFILE",
        help="Where and who as saved, else in the default one.",
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="File with the password, - for standard input; else it is in SWITCHROOM_PASSWORD or the profile, "
        "or it is asked for.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", metavar="FILE", help="Certificates to trust beside the system's, for a server of your own."
    ),
]


def _complete_endpoint(context: typer.Context, incomplete: str) -> list[str]:
    from switchroom.cli.completion import complete_endpoint  # only while somebody types

    return complete_endpoint(context, incomplete)


EndpointName = Annotated[
    str,
    typer.Argument(metavar="TECH/NAME", help="The endpoint, as PJSIP/alice.", autocompletion=_complete_endpoint),
]
Destination = Annotated[
    str,
    typer.Argument(
        metavar="TO",
        help="An endpoint, as PJSIP/alice, or as ARI has it, pjsip:sip:a@b.",
        autocompletion=_complete_endpoint,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="A line of JSON each, for programs.")]
WaitForEnd = Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit status tells it.")]
Within = Annotated[
    float | None,
    typer.Option("--within", min=0, metavar="SECONDS", help="Wait for the end, but no longer than this."),
]
Sender = Annotated[str, typer.Option("--from", metavar="SENDER", help="Who asks: an endpoint, a name or a URI.")]
EndpointState = Annotated[
    Literal["online", "offline", "unknown"] | None, typer.Option("--state", help="Only those in this state.")
]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_LOGIN = [
    inspect.Parameter(name, _KEYWORD, default=None, annotation=annotation)
    for name, annotation in zip(Login._fields, (Url, User, Profile, PasswordFile, CaFile), strict=True)
]


def logged_in(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command, whose first parameter is a Login, the options that make one: which server, and as whom."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter.replace(kind=_KEYWORD) for parameter in list(signature.parameters.values())[1:]]

    @functools.wraps(command)
    def asking(**given: Any) -> int:
        login = Login(**{name: given.pop(name) for name in Login._fields})
        return command(login, **given)

    asking.__signature__ = signature.replace(parameters=[*own, *_LOGIN])  # type: ignore[attr-defined]
    return asking
