"""Prosody, an XMPP server of others, on loopback ports of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from support.certificates import Certificate
from support.config import free_port
from wire.process import Program, program

#: The accounts of every server here, with their passwords, and the component's domain with its secret.
ACCOUNTS = {"gateway": "gatewaypw", "romeo": "romeopw"}
COMPONENT = ("sip.localhost", "componentpw")

CONFIG = """\
run_as_root = true
daemonize = false
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client} }}
legacy_ssl_ports = {{}}
component_ports = {{ {component} }}
component_interfaces = {{ "127.0.0.1" }}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
data_path = "{data}"
pidfile = "{data}/prosody.pid"
log = {{ debug = "*console" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "smacks", "posix", "offline" }}
modules_disabled = {{ "s2s" }}
smacks_hibernation_time = 30
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = {tls}
allow_unencrypted_plain_auth = {plain}
{ssl}
VirtualHost "localhost"
Component "{domain}"
  component_secret = "{secret}"
"""


class Prosody:
    """A server that may be started, ended and started again, with the same accounts and ports."""

    def __init__(self, path: str, folder: Path, certificate: Certificate | None) -> None:
        self._path = path
        self._folder = folder
        self.client_port = free_port()
        self.component_port = free_port()
        accounts = folder / "data" / "localhost" / "accounts"
        accounts.mkdir(parents=True)
        for name, password in ACCOUNTS.items():
            (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{password}"; }};\n', encoding="utf-8")
        ssl = (
            f'ssl = {{ certificate = "{certificate.cert}"; key = "{certificate.key}"; }}'
            if certificate is not None
            else ""
        )
        (folder / "prosody.cfg.lua").write_text(
            CONFIG.format(
                client=self.client_port,
                component=self.component_port,
                data=folder / "data",
                tls=_lua(certificate is not None),
                plain=_lua(certificate is None),
                ssl=ssl,
                domain=COMPONENT[0],
                secret=COMPONENT[1],
            ),
            encoding="utf-8",
        )

    @asynccontextmanager
    async def running(self, environment: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
        """Until the block is left; then it has ended."""
        output = self._folder / "output.log"
        output.unlink(missing_ok=True)
        config = str(self._folder / "prosody.cfg.lua")
        async with program(
            self._path, "--config", config, "-F", folder=self._folder, env={**os.environ, **(environment or {})}
        ) as run:
            await run.says("Activated service 'c2s'")
            await run.says("Activated service 'component'")
            yield run


def _lua(value: bool) -> str:
    return "true" if value else "false"
