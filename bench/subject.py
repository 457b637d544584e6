"""The server that is measured: its configuration and its process."""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from machine import Costs
from sip_load import user

HOST = "127.0.0.1"
CREDENTIALS = "bench:bench"
BASIC = base64.b64encode(CREDENTIALS.encode()).decode()

_HEAD = """\
[transport-udp]
type=transport
protocol=udp
bind={host}:{port}
[endpoint](!)
type=endpoint
context=default
[auth](!)
type=auth
auth_type=userpass
[aor](!)
type=aor
max_contacts=5
"""
_USER = "[{0}](endpoint)\nauth={0}\naors={0}\n[{0}](auth)\nusername={0}\npassword=pw{0}\n[{0}](aor)\n"
_COMMAND = (sys.executable, "-m", "switchroom", "run")
_START_WITHIN = 60.0
_STOP_WITHIN = 20.0


class Subject:
    """A server with ``users`` endpoints ``u00000``..., on free ports of 127.0.0.1."""

    def __init__(self, folder: Path, users: int) -> None:
        self.folder = folder
        self.users = users
        self.sip_port, self.http_port = free_port(), free_port()
        self.base = f"http://{HOST}:{self.http_port}"
        self._write()

    def _write(self) -> None:
        names = [user(number) for number in range(self.users)]
        head = _HEAD.format(host=HOST, port=self.sip_port)
        files = {
            "pjsip.conf": head + "".join(map(_USER.format, names)),
            "ari.conf": "[general]\nenabled=yes\n[bench]\ntype=user\npassword=bench\n",
            "http.conf": f"[general]\nenabled=yes\nbindaddr={HOST}\nbindport={self.http_port}\nsessionlimit=2000\n",
            "users.csv": "SEQUENTIAL\n" + "".join(f"{n};[authentication username={n} password=pw{n}]\n" for n in names),
        }
        for name, text in files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """A file of the configuration; one that is there already is read again with a reload."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def start(self) -> float:
        """Starts it; seconds until the last endpoint answers."""
        begun = time.monotonic()
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_COMMAND, "--config", str(self.folder), "--state", str(self.folder / "state")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
            )
        self.costs = Costs(self._process.pid)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - begun > _START_WITHIN:
                raise SystemExit(f"the server did not start:\n{self.log()[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - begun

    def stop(self) -> int:
        """Ends it with SIGTERM; its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> bytes:
        return self._ask("GET", path)

    def put(self, path: str) -> None:
        self._ask("PUT", path)

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"Basic {BASIC}"}
        request = urllib.request.Request(self.base + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            body: bytes = response.read()
            return body

    def _answers(self) -> bool:
        try:
            self.get(f"/ari/endpoints/PJSIP/{user(self.users - 1)}")
        except (OSError, urllib.error.HTTPError):
            return False
        return True


def free_port() -> int:
    """A port that is free for UDP and TCP at this moment, below those that clients are given by chance."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind((HOST, port))
                tcp.bind((HOST, port))
            except OSError:
                continue
            return port
