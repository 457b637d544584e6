"""ejabberd, an XMPP server of others, on loopback ports of its own.

It runs as an Erlang program without a node name: no ``epmd``, no port for other nodes, no configuration of the
system's, so that an ejabberd that runs already is of no matter.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.certificates import Certificate
from support.config import free_port
from support.prosody import ACCOUNTS, COMPONENT
from wire.process import Program, program

CONFIG = """\
loglevel: info
hosts: [localhost]
{certificates}
listen:
  - port: {client}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: {tls}
  - port: {component}
    ip: "127.0.0.1"
    module: ejabberd_service
    hosts:
      {domain}:
        password: {secret}
auth_password_format: scram
modules:
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_roster:
    versioning: true
  mod_stream_mgmt:
    resend_on_timeout: if_offline
  mod_vcard: {{}}
"""

#: Where Linux distributions put Erlang's libraries.
_LIBRARIES = ("lib/*", "lib", "lib64", "lib/erlang/lib")


class Ejabberd:
    """A server with the accounts of ``support.prosody``."""

    def __init__(self, erlang: str, folder: Path, certificate: Certificate | None) -> None:
        self._erlang = erlang
        self._folder = folder
        self.client_port = free_port()
        self.component_port = free_port()
        files = [] if certificate is None else [str(certificate.cert), str(certificate.key)]
        (folder / "ejabberd.yml").write_text(
            CONFIG.format(
                certificates=f"certfiles: {files}" if files else "",
                client=self.client_port,
                component=self.component_port,
                tls="true" if files else "false",
                domain=COMPONENT[0],
                secret=COMPONENT[1],
            ),
            encoding="utf-8",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Program]:
        """Until the block is left; then it has ended.

        Raises:
            AssertionError: ejabberd is not installed.
        """
        register = ",".join(
            f'ejabberd_auth:try_register(<<"{name}">>,<<"localhost">>,<<"{password}">>)'
            for name, password in ACCOUNTS.items()
        )
        env = {
            "ERL_LIBS": str(_libraries()),
            "EJABBERD_CONFIG_PATH": str(self._folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self._folder / "ejabberd.log"),
            "ERL_CRASH_DUMP": os.devnull,
        }
        database = ("-mnesia", "dir", f'"{self._folder / "database"}"')
        accounts = ("-eval", f'io:format("accounts: ~w~n",[[{register}]]).')
        async with program(
            self._erlang, "-noinput", *database, "-s", "ejabberd", *accounts, folder=self._folder, env=env
        ) as run:
            await run.says("for ejabberd_service")
            await run.says("accounts: [ok,ok]")
            yield run


def _libraries() -> Path:
    """The folder that holds ``ejabberd-<version>``."""
    for folder in _LIBRARIES:
        for found in Path("/usr").glob(f"{folder}/ejabberd-*/ebin/ejabberd.app"):
            return found.parents[2]
    raise AssertionError("ejabberd is not installed: no ejabberd-* among Erlang's libraries under /usr")
