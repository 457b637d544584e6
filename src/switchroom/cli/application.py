"""The commands and their options, as typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from switchroom import __version__
from switchroom.cli.account import Login
from switchroom.cli.groups import profiles, texts
from switchroom.cli.options import (
    AsJson,
    Destination,
    EndpointName,
    EndpointState,
    Sender,
    WaitForEnd,
    Within,
    logged_in,
)
from switchroom.cli.terminal import FAILED

application = typer.Typer(
    help="An ARI Endpoints server: lists, messages and refers SIP phones without a PBX.",
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
    log_format: Annotated[
        Literal["console", "json"] | None,
        typer.Option("--log-format", help="Logs for people or for programs, instead of what switchroom.conf says."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option("--log-level", help="The least of what is logged, instead of what switchroom.conf says."),
    ] = None,
) -> int:
    """Serve a configuration until SIGTERM or SIGINT."""
    from switchroom.cli.run import run_server

    return run_server(config, state, log_format=log_format, log_level=log_level)


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


@application.command()
def mkpasswd() -> int:
    """Hash a password for ari.conf, with password_format = crypt.

    It is asked for twice, or is the first line of standard input.
    """
    from switchroom.cli.mkpasswd import print_hash

    return print_hash()


@application.command()
@logged_in
def endpoints(
    login: Login,
    technology: Annotated[
        str | None, typer.Argument(metavar="TECH", help="Only those of this technology, as PJSIP.")
    ] = None,
    state: EndpointState = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with each change, until Control-C.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the endpoints of a running server, and their states."""
    if watch:
        from switchroom.cli.watch import watch_endpoints

        return watch_endpoints(login, technology, state, as_json=as_json)
    from switchroom.cli.endpoints import list_endpoints

    return list_endpoints(login, technology, state, as_json=as_json)


@application.command()
@logged_in
def endpoint(
    login: Login,
    name: EndpointName,
    as_json: AsJson = False,
) -> int:
    """Show an endpoint, and where it is reached."""
    from switchroom.cli.endpoints import show_endpoint

    return show_endpoint(login, name, as_json=as_json)


@application.command()
@logged_in
def send(
    login: Login,
    to: Destination,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads standard input.")],
    sender: Sender = "switchroom",
    headers: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="A header field to add; may be repeated.")
    ] = None,
    offline: Annotated[
        Literal["reject", "store"] | None,
        typer.Option("--offline", help="Whether it waits for an endpoint without a contact; else the server decides."),
    ] = None,
    expires: Annotated[
        int | None, typer.Option("--expires", min=1, metavar="SECONDS", help="How long it is worth delivering.")
    ] = None,
    message_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="An id of your own: sent again with the same id, it is the same text."),
    ] = None,
    wait: WaitForEnd = False,
    within: Within = None,
    as_json: AsJson = False,
) -> int:
    """Send a text to an endpoint.

    Exit status: 0 when it was accepted, 2 when not; of one that was waited
    for: 0 delivered, 1 failed, 3 expired, 4 cancelled, 5 still on its way.
    """
    from switchroom.cli.sending import Text, Wait, send

    message = Text(to, text, sender, headers or (), offline, expires, message_id)
    return send(login, message, Wait(wait or within is not None, within), as_json=as_json)


@application.command()
@logged_in
def refer(
    login: Login,
    to: Destination,
    refer_to: Annotated[str, typer.Argument(metavar="REFER_TO", help="Whom to call: an endpoint or a URI.")],
    sender: Sender = "switchroom",
    to_self: Annotated[bool, typer.Option("--to-self", help="Call through this server.")] = False,
    fallback: Annotated[
        Literal["invite"] | None,
        typer.Option("--fallback", help="Call a phone first that does not take it outside of a call."),
    ] = None,
    wait: WaitForEnd = False,
    within: Within = None,
    as_json: AsJson = False,
) -> int:
    """Ask an endpoint to call another.

    Exit status: 0 when it was accepted, 2 when not; of one that was waited
    for: 0 answered, 1 failed, 5 still on its way.
    """
    from switchroom.cli.sending import Referral, Wait, refer

    referral = Referral(to, refer_to, sender, to_self, fallback)
    return refer(login, referral, Wait(wait or within is not None, within), as_json=as_json)


@application.command()
@logged_in
def events(
    login: Login,
    application_name: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="The application to listen as; else one for this run.")
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--subscribe",
            metavar="SOURCE",
            help="What to hear, as endpoint:PJSIP/alice or message:, may be repeated; else all endpoints and devices.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show what happens, until Control-C.

    A lost server is connected to again, and what was missed is shown or told
    of. Exit status 2: it can not go on.
    """
    from switchroom.cli.events import follow_events

    return follow_events(login, application_name, sources or (), as_json=as_json)


application.add_typer(texts, name="messages", no_args_is_help=True)
application.add_typer(profiles, name="profile", no_args_is_help=True)
