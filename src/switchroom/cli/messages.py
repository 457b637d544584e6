"""``switchroom messages``: what became of texts, asked of a running server over ARI."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from switchroom.cli.account import Login
from switchroom.cli.client import Server, escaped, work_with
from switchroom.cli.endpoints import COLOURS, print_json
from switchroom.cli.progress import Progress
from switchroom.cli.sending import delivery_line
from switchroom.cli.table import print_table
from switchroom.cli.terminal import Refused, Unreachable, complain, printable

#: Messages asked for at a time.
_PAGE = 500

#: Characters of a text that a list shows.
_SHOWN = 40


def pages(server: Server, endpoint: str | None, state: str | None, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    """Pages of messages, the newest first. Raises Refused."""
    after, left = "", limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(left, _PAGE)
        page = server.ask_list("/messages", {"endpoint": endpoint, "state": state, "limit": size, "after": after})
        yield page
        if len(page) < size:
            return
        after = page[-1]["id"]
        left = None if left is None else left - len(page)


def list_messages(login: Login, endpoint: str | None, state: str | None, limit: int, *, as_json: bool) -> int:
    """Prints a line for each message; the exit status."""

    def work(server: Server) -> int:
        found = [message for page in pages(server, endpoint, state, limit) for message in page]
        if as_json:
            print_json(found)
        else:
            rows = [_row(message) for message in found]
            print_table(("ID", "CREATED", "STATE", "TO", "TEXT"), rows, COLOURS)
        return 0

    return work_with(login, work)


def _row(message: dict[str, Any]) -> tuple[str, ...]:
    body = message["body"]
    text = body if len(body) <= _SHOWN else f"{body[:_SHOWN]}..."
    return message["id"], message["created"][:19], message["state"], message["to"], text


def show_message(login: Login, message_id: str, *, as_json: bool) -> int:
    """Prints all that is known of a message; the exit status."""

    def work(server: Server) -> int:
        message = server.ask("GET", f"/messages/{escaped(message_id)}")
        if as_json:
            print_json([message])
        else:
            _show(message)
        return 0

    return work_with(login, work)


def _show(message: dict[str, Any]) -> None:
    for name in ("id", "state", "from", "to", "created", "updated", "expires", "body"):
        print(f"{name + ':':<9}{printable(message[name])}")
    for delivery in message["deliveries"]:
        print(f"  {delivery_line(delivery)}")


def cancel_messages(login: Login, ids: list[str]) -> int:
    """Takes back each message that is still queued; the exit status is 2 when one was not."""
    return work_with(login, lambda server: _cancel(server, ids))


def _cancel(server: Server, ids: list[str]) -> int:
    status = 0
    for message_id in ids:
        try:
            server.ask("DELETE", f"/messages/{escaped(message_id)}")
        except Unreachable:
            raise
        except Refused as refused:
            status = complain(f"{message_id}: {refused}")
        else:
            print(f"{printable(message_id)}: cancelled")
    return status


def export_messages(login: Login, endpoint: str | None, state: str | None) -> int:
    """Writes each message as a line of JSON to standard output; the exit status."""
    return work_with(login, lambda server: _export(server, endpoint, state))


def _export(server: Server, endpoint: str | None, state: str | None) -> int:
    count = 0
    progress = Progress("Exporting")
    try:
        for page in pages(server, endpoint, state, None):
            sys.stdout.write("".join(f"{json.dumps(message)}\n" for message in page))
            count += len(page)
            progress.show(f"{count} messages")
    finally:
        progress.clear()
    return 0
