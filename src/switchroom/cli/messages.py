"""``switchroom messages``: what became of texts, asked of a running server over ARI."""

from __future__ import annotations

import base64
import getpass
import os
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from switchroom.cli.terminal import complain, printable

#: Where the password is looked for before it is asked for.
PASSWORD = "SWITCHROOM_PASSWORD"  # noqa: S105 - the name of a variable

#: Seconds the server may take for one answer.
PATIENCE = 30.0

#: Messages asked for at a time.
_PAGE = 500

#: Characters of a text that a list shows.
_SHOWN = 40

_encode = msgspec.json.Encoder().encode


class Account(NamedTuple):
    """Which server, and as whom."""

    url: str
    user: str
    password_file: Path | None


class Refused(Exception):
    """Why the server does not do it, for the person at the terminal."""


class Server:
    """A running server's ARI; one connection for all that is asked."""

    def __init__(self, account: Account) -> None:
        """Raises Refused when the address is none, OSError when the password can not be read."""
        parts = urlsplit(account.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{account.url} is no address, as http://localhost:8088")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        try:
            self._connection = kind(parts.hostname, parts.port, timeout=PATIENCE)
        except ValueError as error:
            raise Refused(f"{account.url}: {error}") from None
        self._url = account.url
        self._root = f"{parts.path.rstrip('/').removesuffix('/ari')}/ari"
        credentials = f"{account.user}:{_password(account)}"
        self._headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}

    def ask(self, method: str, path: str) -> Any:
        """The JSON of the answer, None when it has none. Raises Refused."""
        try:
            self._connection.request(method, self._root + path, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise Refused(f"no server answers at {self._url}: {error or type(error).__name__}") from None
        try:
            answer = msgspec.json.decode(body) if body else None
        except msgspec.DecodeError:
            raise Refused(f"what answers at {self._url} is no ARI") from None
        if response.status >= 300:
            reason = answer.get("message") if isinstance(answer, dict) else None
            raise Refused(str(reason or f"the server answers {response.status}"))
        return answer

    def messages(self, endpoint: str | None, state: str | None, limit: int | None) -> Iterator[list[dict[str, Any]]]:
        """Pages of messages, the newest first."""
        after, left = "", limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            asked = {"endpoint": endpoint, "state": state, "limit": size, "after": after}
            page = self.ask("GET", f"/messages?{urlencode({k: v for k, v in asked.items() if v})}")
            yield page
            if len(page) < size:
                return
            after = page[-1]["id"]
            left = None if left is None else left - len(page)

    def close(self) -> None:
        self._connection.close()


def _password(account: Account) -> str:
    if account.password_file is not None:
        return account.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    given = os.environ.get(PASSWORD)
    return given if given is not None else getpass.getpass(f"Password of {account.user}: ")


def list_messages(account: Account, endpoint: str | None, state: str | None, limit: int) -> int:
    """Prints a line for each message; the exit status."""
    return _work(account, lambda server: _list(server, endpoint, state, limit))


def _list(server: Server, endpoint: str | None, state: str | None, limit: int) -> int:
    for page in server.messages(endpoint, state, limit):
        for message in page:
            body = message["body"]
            text = body if len(body) <= _SHOWN else f"{body[:_SHOWN]}..."
            print(f"{message['id']:<16}  {message['created'][:19]}  {message['state']:<9}  ", end="")
            print(f"{printable(message['to'])}: {printable(text)}")
    return 0


def show_message(account: Account, message_id: str) -> int:
    """Prints all that is known of a message; the exit status."""
    return _work(account, lambda server: _show(server.ask("GET", f"/messages/{quote(message_id, safe='')}")))


def _show(message: dict[str, Any]) -> int:
    for name in ("id", "state", "from", "to", "created", "updated", "expires", "body"):
        print(f"{name + ':':<9}{printable(message[name])}")
    for delivery in message["deliveries"]:
        answer = f"{delivery['status_code']} {delivery['reason']}" if delivery["status_code"] else "no answer yet"
        tries = "1 attempt" if delivery["attempts"] == 1 else f"{delivery['attempts']} attempts"
        print(f"  {printable(delivery['contact'])}: {delivery['state']}, {printable(answer)}, {tries}")
    return 0


def cancel_messages(account: Account, ids: list[str]) -> int:
    """Takes back each message that is still queued; the exit status is 2 when one was not."""
    return _work(account, lambda server: _cancel(server, ids))


def _cancel(server: Server, ids: list[str]) -> int:
    status = 0
    for message_id in ids:
        try:
            server.ask("DELETE", f"/messages/{quote(message_id, safe='')}")
        except Refused as refused:
            status = complain(f"{message_id}: {refused}")
        else:
            print(f"{printable(message_id)}: cancelled")
    return status


def export_messages(account: Account, endpoint: str | None, state: str | None) -> int:
    """Writes each message as a line of JSON to standard output; the exit status."""
    return _work(account, lambda server: _export(server, endpoint, state))


def _export(server: Server, endpoint: str | None, state: str | None) -> int:
    count = 0
    progress = sys.stderr.isatty()
    for page in server.messages(endpoint, state, None):
        for message in page:
            sys.stdout.write(_encode(message).decode() + "\n")
        count += len(page)
        if progress:
            print(f"\r{count} messages", end="", file=sys.stderr, flush=True)
    if progress:
        print(file=sys.stderr)
    return 0


def _work(account: Account, work: Any) -> int:
    try:
        server = Server(account)
        try:
            return int(work(server))
        finally:
            server.close()
    except Refused as refused:
        return complain(str(refused))
