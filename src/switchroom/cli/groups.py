"""The commands that have commands of their own: ``messages`` and ``profile``."""

from __future__ import annotations

from typing import Annotated

import typer

from switchroom.cli.account import Login
from switchroom.cli.options import AsJson, CaFile, PasswordFile, Url, User, logged_in

texts = typer.Typer(
    help="List, show, cancel and export the texts of a running server.", add_completion=False, rich_markup_mode=None
)

Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="TECH/NAME", help="Only those to this endpoint, as PJSIP/alice.")
]
State = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="STATE", help="Only those queued, sending, delivered, failed, expired or cancelled."
    ),
]


@texts.command("list")
@logged_in
def list_messages(
    login: Login,
    endpoint: Endpoint = None,
    state: State = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="COUNT", help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> int:
    """Show the newest messages, a line each."""
    from switchroom.cli.messages import list_messages

    return list_messages(login, endpoint, state, limit, as_json=as_json)


@texts.command("show")
@logged_in
def show_message(
    login: Login,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    as_json: AsJson = False,
) -> int:
    """Show all that is known of a message."""
    from switchroom.cli.messages import show_message

    return show_message(login, message_id, as_json=as_json)


@texts.command("cancel")
@logged_in
def cancel_messages(
    login: Login, ids: Annotated[list[str], typer.Argument(metavar="ID", help="The messages' ids.")]
) -> int:
    """Take back messages that are still queued.

    Exit status: 0 when all were, 2 when one was not.
    """
    from switchroom.cli.messages import cancel_messages

    return cancel_messages(login, ids)


@texts.command("export")
@logged_in
def export_messages(login: Login, endpoint: Endpoint = None, state: State = None) -> int:
    """Write all messages to standard output, each as a line of JSON."""
    from switchroom.cli.messages import export_messages

    return export_messages(login, endpoint, state)


profiles = typer.Typer(
    help="Keep servers by name, so that commands need no --url and --user.", add_completion=False, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@profiles.command("save")
def save_profile(
    name: Name,
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    keep_password: Annotated[
        bool,
        typer.Option("--keep-password", help="Ask for the password now, and keep it in the file."),
    ] = False,
    default: Annotated[bool, typer.Option("--default", help="Use it when no profile is named.")] = False,
) -> int:
    """Make or replace a profile; the first one is the default."""
    from switchroom.cli.profiles import save_profile

    login = Login(url, user, None, password_file, ca_file)
    return save_profile(name, login, keep_password=keep_password, default=default)


@profiles.command("list")
def list_profiles() -> int:
    """Show all profiles; * marks the default."""
    from switchroom.cli.profiles import list_profiles

    return list_profiles()


@profiles.command("delete")
def delete_profile(name: Name) -> int:
    """Forget a profile, and the password that it keeps."""
    from switchroom.cli.profiles import delete_profile

    return delete_profile(name)
