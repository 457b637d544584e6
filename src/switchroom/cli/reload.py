"""``switchroom reload``: asks a running server to read its configuration again."""

from __future__ import annotations

import base64
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from switchroom.cli.terminal import complain, printable
from switchroom.conf import read_directory

#: Seconds the server may take: far more than for a hundred thousand endpoints.
PATIENCE = 120.0

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a server listens, not we


def reload_server(directory: Path) -> int:
    """Finds the server and a user by http.conf and ari.conf; the exit status.

    Raises:
        OSError: the directory can not be read, or no server answers.
    """
    next(directory.iterdir(), None)  # an OSError here says best why nothing can be read
    configuration, problems = read_directory(directory)
    for problem in problems:
        if problem.fatal:
            return complain(f"nothing was changed: {problem}")
    http = configuration.http
    accounts = configuration.ari.users.values()
    users = [user for user in accounts if not user.read_only and user.password_format != "crypt"]  # noqa: S105
    if not http.enabled or not users:
        return complain("http.conf and ari.conf name no server and no user with a plain password who may write")
    host = _EVERYWHERE.get(http.bind_host, http.bind_host)
    connection = HTTPConnection(host, http.bind_port, timeout=PATIENCE)
    try:
        status, answer = _ask(connection, f"{http.prefix}/ari/asterisk/reload", users[0].name, users[0].password)
    except (ConnectionError, TimeoutError, HTTPException) as error:
        return complain(f"no server answers at {host} port {http.bind_port}: {error or type(error).__name__}")
    finally:
        connection.close()
    if status == 401:
        return complain(f'the server does not know the user "{users[0].name}" of ari.conf yet; send it SIGHUP instead')
    if status != 200:
        return complain(f"{status}: {answer.get('message', '')}")
    _show(answer)
    return 0


def _ask(connection: HTTPConnection, path: str, name: str, password: str) -> tuple[int, Any]:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    connection.request("PUT", path, headers={"Authorization": f"Basic {credentials}"})
    response = connection.getresponse()
    try:
        return response.status, msgspec.json.decode(response.read())
    except msgspec.DecodeError:
        return response.status, {}


def _show(answer: dict[str, Any]) -> None:
    for problem in answer["problems"]:
        print(printable(problem))
    for name in answer["restart_needed"]:
        print(f"A restart is needed for {printable(name)}.")
    print(f"Read again: {answer['added']} added, {answer['changed']} changed, {answer['removed']} removed.")
