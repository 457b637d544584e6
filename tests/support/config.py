"""Configuration folders for one test each, on free ports of 127.0.0.1."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

#: Templates every ``pjsip`` text may use: an endpoint, its password, its address of record.
TEMPLATES = """\
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

ARI = """\
[general]
enabled = yes
[asterisk]
type = user
password = asterisk
[reader]
type = user
read_only = yes
password = readpw
"""


#: Below the ports that systems give to clients.
_PORTS = range(10_000, 32_000)


class Address(NamedTuple):
    """A host without brackets and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP alike at this moment, and that no client is given by chance: a connection
    to a server not up yet could otherwise leave from the server's own port, and so reach itself.
    """
    while True:
        port = random.choice(_PORTS)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind((host, port))
                tcp.bind((host, port))
            except OSError:
                continue
            return port


def user(name: str, password: str | None = None) -> str:
    """The sections of one endpoint that registers with ``password`` (its name and ``pw`` unless given)."""
    return (
        f"[{name}](endpoint)\nauth={name}\naors={name}\n"
        f"[{name}](auth)\nusername={name}\npassword={password or name + 'pw'}\n"
        f"[{name}](aor)\n"
    )


def write_config(directory: Path, *, pjsip: str, ari: str = ARI, files: Mapping[str, str] | None = None) -> Path:
    """Writes a configuration with HTTP and one UDP transport on free ports.

    Args:
        directory: made when it does not exist.
        pjsip: endpoints and what belongs to them; the transport and ``TEMPLATES`` are put before it.
        ari: the whole of ari.conf.
        files: further files by name, and instead of those written here.
    """
    directory.mkdir(parents=True, exist_ok=True)
    transport = f"[transport-udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{free_port()}\n"
    texts = {
        "pjsip.conf": transport + TEMPLATES + pjsip,
        "ari.conf": ari,
        "http.conf": f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={free_port()}\nsessionlimit=2000\n",
        **(files or {}),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def http_address(directory: Path) -> Address:
    """Where http.conf puts the server."""
    text = (directory / "http.conf").read_text(encoding="utf-8")
    return Address(_option(text, "bindaddr"), int(_option(text, "bindport")))


def sip_address(directory: Path) -> Address:
    """Where the first transport of pjsip.conf is bound."""
    host, _, port = _option((directory / "pjsip.conf").read_text(encoding="utf-8"), "bind").rpartition(":")
    return Address(host, int(port))


def _option(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*=\s*(\S+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name} in the configuration")
    return found[1]
