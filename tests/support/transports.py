"""Configurations with every transport, on free ports of 127.0.0.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from support.certificates import self_signed
from support.config import Address, free_port, http_address, sip_address, write_config

#: http.conf with TLS beside plain HTTP.
_HTTP = """\
[general]
enabled=yes
bindaddr=127.0.0.1
bindport={port}
sessionlimit=2000
tlsenable=yes
tlsbindaddr=127.0.0.1:{tls_port}
tlscertfile={cert}
tlsprivatekey={key}
"""


def write_transports(directory: Path, *, pjsip: str, browsers: Iterable[str] = ("ws", "wss")) -> Path:
    """As ``write_config``, with TCP, TLS and the WebSockets of ``browsers`` beside UDP."""
    directory.mkdir(parents=True, exist_ok=True)
    made = self_signed(directory)
    sections = (
        f"[transport-tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{free_port()}\n"
        f"[transport-tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{free_port()}\n"
        f"cert_file={made.cert}\npriv_key_file={made.key}\n"
    ) + "".join(f"[transport-{name}]\ntype=transport\nprotocol={name}\nbind=0.0.0.0\n" for name in browsers)
    http = _HTTP.format(port=free_port(), tls_port=free_port(), cert=made.cert, key=made.key)
    return write_config(directory, pjsip=sections + pjsip, files={"http.conf": http})


def addresses(directory: Path) -> Mapping[str, Address]:
    """Where each transport of such a configuration is reached."""
    text = (directory / "pjsip.conf").read_text(encoding="utf-8")
    found = {"udp": sip_address(directory), "ws": http_address(directory)}
    secure = (directory / "http.conf").read_text(encoding="utf-8").partition("tlsbindaddr=127.0.0.1:")[2]
    found["wss"] = Address("127.0.0.1", int(secure.partition("\n")[0]))
    for transport in ("tcp", "tls"):
        bind = text.partition(f"[transport-{transport}]")[2].partition("bind=127.0.0.1:")[2].partition("\n")[0]
        found[transport] = Address("127.0.0.1", int(bind))
    return found
