"""``switchroom run`` and ``switchroom demo`` as processes: start, signals, busy ports."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

PJSIP = """\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}

[alice]
type = endpoint
auth = alice
aors = alice

[alice]
type = auth
username = alice
password = wonderland

[alice]
type = aor
contact = sip:alice@127.0.0.1:9
"""
HTTP = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {port}\n"
ARI = "[general]\nenabled = yes\n\n[admin]\ntype = user\npassword = secret\n"


def configure(directory: Path, sip: int = 0, http: int = 0) -> Path:
    (directory / "pjsip.conf").write_text(PJSIP.format(port=sip), encoding="utf-8")
    (directory / "http.conf").write_text(HTTP.format(port=http), encoding="utf-8")
    (directory / "ari.conf").write_text(ARI, encoding="utf-8")
    return directory


class Process:
    """A ``switchroom`` that runs; everything it writes is in ``lines`` as far as it was read."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "switchroom", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def until(self, text: str) -> str:
        """Reads up to the line that contains ``text``, which it must write before it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without {text!r}: {self.lines}")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; it must end by itself."""
        assert self._process.stdout is not None
        self.lines += self._process.stdout
        return self._process.wait(30)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def started(*arguments: str) -> Iterator[Process]:
    with closing(Process(*arguments)) as process:
        yield process


@contextmanager
def busy(kind: socket.SocketKind) -> Iterator[int]:
    with closing(socket.socket(socket.AF_INET, kind)) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        yield taken.getsockname()[1]


def ask(url: str, user: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(url, method=method)
    request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=10) as response:
        body = response.read()
        return response.status, json.loads(body) if body else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_serves_until_a_signal(tmp_path: Path, number: int) -> None:
    with started("run", "--config", str(configure(tmp_path)), "--state", str(tmp_path / "state")) as process:
        ready = process.until("switchroom is ready")
        base = re.search(r"http://127\.0\.0\.1:\d+", ready)
        assert base
        status, endpoints = ask(f"{base[0]}/ari/endpoints", "admin:secret")
        assert (status, [endpoint["resource"] for endpoint in endpoints]) == (200, ["alice"])
        process.signal(number)
        assert process.wait() == 0
        assert not any("Traceback" in line for line in process.lines)


def test_the_command_line_stands_above_the_configuration_of_logs(tmp_path: Path) -> None:
    (configure(tmp_path) / "switchroom.conf").write_text("[general]\nlog_format=console\nlog_level=info\n")
    options = ("--log-format", "json", "--log-level", "debug")
    with started("run", "--config", str(tmp_path), *options) as process:
        line = json.loads(process.until("switchroom is ready"))
        assert (line["event"], line["level"]) == ("switchroom is ready", "info")
        url = f"{line['ari']}/ari/endpoints/PJSIP/alice/sendMessage?from=bob&body=hi"
        assert ask(url, "admin:secret", "PUT")[0] == 202
        assert json.loads(process.until("a text is accepted"))["user"] == "admin"


@pytest.mark.parametrize("option", ["--log-format=xml", "--log-level=loud"])
def test_logs_of_no_kind_are_refused(tmp_path: Path, option: str) -> None:
    with started("run", "--config", str(configure(tmp_path)), option) as process:
        assert process.wait() == 2
        assert option.partition("=")[0] in "".join(process.lines)


@pytest.mark.parametrize("command", ["run", "demo"])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["SIP", "HTTP"])
def test_a_busy_port_is_one_line(tmp_path: Path, command: str, kind: socket.SocketKind) -> None:
    with ExitStack() as closing_:
        port = closing_.enter_context(busy(kind))
        sip, http = (port, 0) if kind == socket.SOCK_DGRAM else (0, port)
        arguments = (
            ("run", "--config", str(configure(tmp_path, sip, http)))
            if command == "run"
            else ("demo", "--sip-port", str(sip), "--http-port", str(http))
        )
        process = closing_.enter_context(started(*arguments))
        assert process.wait() == 2
        (line,) = process.lines
        assert line.startswith("switchroom: ")
        assert f"127.0.0.1:{port}: " in line
        assert "in use" in line


def test_a_state_that_can_not_be_kept_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with started("run", "--config", str(configure(tmp_path)), "--state", str(tmp_path / "file")) as process:
        assert process.wait() == 2
        (line,) = process.lines
        assert line.startswith("switchroom: ")


def test_problems_are_shown_and_do_not_prevent_the_start(tmp_path: Path) -> None:
    configure(tmp_path)
    with (tmp_path / "http.conf").open("a", encoding="utf-8") as file:
        file.write("sizzle = yes\n")
    with started("run", "--config", str(tmp_path)) as process:
        process.until("http.conf:5: ")
        process.until("switchroom is ready")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_the_demo_does_what_it_says() -> None:
    with started("demo", "--http-port", "0", "--sip-port", "0") as process:
        process.until("Control-C")
        shown = "".join(process.lines)
        assert "alice has registered\nbob has registered\n" in shown
        commands = re.findall(r"^  curl .*?(?:-X (\w+) )?'?(http://[^\s']+)'?$", shown, flags=re.MULTILINE)
        assert [method for method, _ in commands] == ["", "PUT", "POST"]
        answers = [ask(url, "demo:demo", method or "GET") for method, url in commands]
        assert [status for status, _ in answers] == [200, 202, 202]
        states = {endpoint["resource"]: endpoint["state"] for endpoint in answers[0][1]}
        assert (states["alice"], states["bob"], states["carol"]) == ("online", "online", "offline")
        process.until("bob reports: 200 OK")
        told = "".join(process.lines)
        assert re.search(r"^alice got a text from sip:bob@\S+: Hello$", told, flags=re.MULTILINE)
        assert re.search(r"^bob is asked to call sip:alice@\S+$", told, flags=re.MULTILINE)
        process.signal(signal.SIGINT)
        assert process.wait() == 0
        assert not any("Traceback" in line for line in process.lines)
