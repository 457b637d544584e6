"""The commands and their options, as typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from switchroom import __version__
from switchroom.cli.terminal import FAILED

application = typer.Typer(
    help="An ARI Endpoints server: lists, messages and refers SIP phones without a PBX.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory with pjsip.conf, ari.conf, http.conf ...")]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"switchroom {__version__}")
        raise typer.Exit


@application.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(FAILED)


# Each command imports its own module: `check` starts without a web server, `--help` without anything.


@application.command()
def run(
    config: Annotated[
        Path, typer.Option("--config", metavar="DIR", help="Directory with pjsip.conf, ari.conf, http.conf ...")
    ],
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Directory to keep state in; without it, state ends with the run."),
    ] = None,
) -> int:
    """Serve a configuration until SIGTERM or SIGINT."""
    from switchroom.cli.run import run_server

    return run_server(config, state)


@application.command()
def check(directory: Directory) -> int:
    """Show every problem of a configuration: file, line, what to do.

    Exit status: 0 without problems, 1 with any, 2 when the directory can not be read.
    """
    from switchroom.cli.check import check_directory

    return check_directory(directory)


@application.command()
def reload(
    config: Annotated[Path, typer.Option("--config", metavar="DIR", help="Directory the server was started with.")],
) -> int:
    """Let the running server read its configuration again.

    Exit status: 0 when it did, 2 when nothing was changed.
    """
    from switchroom.cli.reload import reload_server

    return reload_server(config)


@application.command()
def demo(
    http_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of the REST interface.")
    ] = 8088,
    sip_port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Port phones register at.")] = 5060,
) -> int:
    """Try it out: a server and two phones that answer, on this machine."""
    from switchroom.cli.demo import run_demo

    return run_demo(http_port, sip_port)


texts = typer.Typer(
    help="List, show, cancel and export the texts of a running server.", add_completion=False, rich_markup_mode=None
)
application.add_typer(texts, name="messages", no_args_is_help=True)

Url = Annotated[str, typer.Option("--url", metavar="URL", envvar="SWITCHROOM_URL", help="Where the server is.")]
User = Annotated[str, typer.Option("--user", metavar="NAME", envvar="SWITCHROOM_USER", help="A user of ari.conf.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="File with the password; else it is in SWITCHROOM_PASSWORD, or it is asked for.",
    ),
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="TECH/NAME", help="Only those to this endpoint, as PJSIP/alice.")
]
State = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="STATE", help="Only those queued, sending, delivered, failed, expired or cancelled."
    ),
]
DEFAULT_URL = "http://localhost:8088"


@texts.command("list")
def list_messages(
    user: User,
    url: Url = DEFAULT_URL,
    password_file: PasswordFile = None,
    endpoint: Endpoint = None,
    state: State = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="COUNT", help="At most so many.")] = 50,
) -> int:
    """Show the newest messages, a line each."""
    from switchroom.cli.messages import Account, list_messages

    return list_messages(Account(url, user, password_file), endpoint, state, limit)


@texts.command("show")
def show_message(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    user: User,
    url: Url = DEFAULT_URL,
    password_file: PasswordFile = None,
) -> int:
    """Show all that is known of a message."""
    from switchroom.cli.messages import Account, show_message

    return show_message(Account(url, user, password_file), message_id)


@texts.command("cancel")
def cancel_messages(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The messages' ids.")],
    user: User,
    url: Url = DEFAULT_URL,
    password_file: PasswordFile = None,
) -> int:
    """Take back messages that are still queued.

    Exit status: 0 when all were, 2 when one was not.
    """
    from switchroom.cli.messages import Account, cancel_messages

    return cancel_messages(Account(url, user, password_file), ids)


@texts.command("export")
def export_messages(
    user: User,
    url: Url = DEFAULT_URL,
    password_file: PasswordFile = None,
    endpoint: Endpoint = None,
    state: State = None,
) -> int:
    """Write all messages to standard output, each as a line of JSON."""
    from switchroom.cli.messages import Account, export_messages

    return export_messages(Account(url, user, password_file), endpoint, state)
