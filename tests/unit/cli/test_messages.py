"""`switchroom messages` against a server that answers as ARI does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from switchroom.cli import messages

from .conftest import Switchroom


def message(number: int) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "from": "alice",
        "to": "pjsip:bob",
        "body": f"text {number}\x1b[2J",
        "state": "queued",
        "created": "2026-11-23T07:00:00.000+0000",
        "updated": "2026-11-23T07:00:00.000+0000",
        "expires": "2026-11-30T07:00:00.000+0000",
        "deliveries": [
            {"contact": "sip:bob@192.0.2.1", "state": "queued", "status_code": 503, "reason": "Busy", "attempts": 1},
            {"contact": "sip:bob@192.0.2.2", "state": "queued", "status_code": 0, "reason": "", "attempts": 0},
        ],
    }


class Answering(BaseHTTPRequestHandler):
    """Seven messages, m6 to m0; m0 can not be taken back."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
        if self.headers["Authorization"] != "Basic YXN0ZXJpc2s6c2VjcmV0":
            self._say(401, {"message": "Authentication required"})
        elif asked.path == "/ari/messages":
            after = int(query.get("after", "m7")[1:])
            found = [message(n) for n in reversed(range(after))] if query.get("state") != "failed" else []
            self._say(200, found[: int(query["limit"])])
        elif asked.path == "/ari/messages/m1":
            self._say(200, message(1))
        else:
            self._say(404, {"message": "Message not found"})

    def do_DELETE(self) -> None:
        if self.path == "/ari/messages/m0":
            self._say(409, {"message": "The message is sending"})
        else:
            self._say(204, None)

    def _say(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """Nothing is said."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("SWITCHROOM_USER", "asterisk")
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "secret")
    monkeypatch.setenv("SWITCHROOM_URL", found)
    monkeypatch.setattr(messages, "_PAGE", 3)
    yield found
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("url")
def test_list(switchroom: Switchroom) -> None:
    status, out, err = switchroom("messages", "list", "--limit", "4")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["m6", "m5", "m4", "m3"]
    assert "pjsip:bob: text 6\\x1b[2J" in out
    assert switchroom("messages", "list", "--state", "failed").out == ""


@pytest.mark.usefixtures("url")
def test_show(switchroom: Switchroom) -> None:
    status, out, _ = switchroom("messages", "show", "m1")
    assert status == 0
    assert "sip:bob@192.0.2.1: queued, 503 Busy, 1 attempt\n" in out
    assert "sip:bob@192.0.2.2: queued, no answer yet, 0 attempts\n" in out
    assert switchroom("messages", "show", "m/9") == (2, "", "switchroom: Message not found\n")


@pytest.mark.usefixtures("url")
def test_cancel(switchroom: Switchroom) -> None:
    assert switchroom("messages", "cancel", "m1", "m2") == (0, "m1: cancelled\nm2: cancelled\n", "")
    status, out, err = switchroom("messages", "cancel", "m0", "m1")
    assert (status, out, err) == (2, "m1: cancelled\n", "switchroom: m0: The message is sending\n")


@pytest.mark.usefixtures("url")
def test_export(switchroom: Switchroom) -> None:
    status, out, err = switchroom("messages", "export")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [message(n) for n in reversed(range(7))]


def test_the_password_from_a_file(
    switchroom: Switchroom, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "wrong")
    assert switchroom("messages", "list") == (2, "", "switchroom: Authentication required\n")
    file = tmp_path / "password"
    file.write_text("secret\n")
    assert switchroom("messages", "list", "--url", url + "/ari", "--password-file", str(file)).status == 0
    assert switchroom("messages", "list", "--password-file", str(tmp_path / "none")).status == 2


def test_the_password_is_asked_for(switchroom: Switchroom, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHROOM_PASSWORD")
    monkeypatch.setattr("getpass.getpass", lambda prompt: "secret")
    assert switchroom("messages", "list").status == 0


@pytest.mark.parametrize("where", ["localhost", "ftp://x", "http://127.0.0.1:1", "http://127.0.0.1:port"])
def test_where_no_server_is(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "secret")
    status, out, err = switchroom("messages", "list", "--user", "x", "--url", where)
    assert (status, out) == (2, "")
    assert where in err
