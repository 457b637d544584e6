"""Configurations with every transport, on free ports of 127.0.0.1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.certificates import self_signed
from support.config import Address, free_port, http_address, sip_address, write_config


def write_transports(directory: Path, *, pjsip: str, tls: str = "") -> Path:
    """As ``write_config``, with TCP, TLS and WebSocket beside UDP. ``tls`` are further lines of the TLS section."""
    directory.mkdir(parents=True, exist_ok=True)
    made = self_signed(directory)
    sections = (
        f"[transport-tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{free_port()}\n"
        f"[transport-tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{free_port()}\n"
        f"cert_file={made.cert}\npriv_key_file={made.key}\n{tls}"
        "[transport-ws]\ntype=transport\nprotocol=ws\nbind=0.0.0.0\n"
    )
    return write_config(directory, pjsip=sections + pjsip)


def addresses(directory: Path) -> Mapping[str, Address]:
    """Where each transport of such a configuration is reached."""
    text = (directory / "pjsip.conf").read_text(encoding="utf-8")
    found = {"udp": sip_address(directory), "ws": http_address(directory)}
    for transport in ("tcp", "tls"):
        bind = text.partition(f"[transport-{transport}]")[2].partition("bind=127.0.0.1:")[2].partition("\n")[0]
        found[transport] = Address("127.0.0.1", int(bind))
    return found
