"""iaxmodem, a fax modem over IAX2: registers with libiax2, which knows nothing of call tokens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import Address, free_port, write_config
from support.events import events
from support.programs import need_program
from support.server import running_server
from support.wait import until
from wire.process import program

IAX = """\
[general]
bindaddr=127.0.0.1
bindport={port}
[modem]
type=friend
host=dynamic
secret=iaxpw
auth=md5
qualify=yes
qualifyfreqok=1000
qualifyfreqnotok=500
requirecalltoken={token}
"""

MODEM = """\
device {folder}/tty
owner root:root
mode 660
port {port}
refresh 60
server {server}
peername modem
secret iaxpw
cidname Modem
cidnumber 555
codec slinear
nodaemon
"""

#: It waits a while before it registers, and longer before it tries again.
_REGISTERS_WITHIN = 60.0


def need_modem(request: pytest.FixtureRequest) -> str:
    path = need_program("iaxmodem", request)
    if os.geteuid() != 0:
        pytest.skip("iaxmodem runs as root alone")
    return path


def configured(folder: Path, token: str) -> tuple[Path, Address]:
    address = Address("127.0.0.1", free_port())
    return write_config(folder, pjsip="", files={"iax.conf": IAX.format(port=address.port, token=token)}), address


def modem_file(folder: Path, server: Address) -> str:
    """Writes its configuration; where it is, seen from the only folder it looks in."""
    folder.mkdir()
    file = folder / "modem"
    file.write_text(MODEM.format(folder=folder, port=free_port(), server=server), encoding="utf-8")
    return os.path.relpath(file, "/etc/iaxmodem")


async def test_registers_is_online_takes_a_text_and_goes_dark(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = need_modem(request)
    config, address = configured(tmp_path / "config", "no")
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):

        async def is_state(state: str) -> bool:
            return bool((await ari.endpoint("modem", "IAX2"))["state"] == state)

        folder = tmp_path / "modem"
        async with program(path, modem_file(folder, address), folder=folder) as modem:
            status = await heard.next_of("PeerStatusChange", _REGISTERS_WITHIN)
            assert status["peer"]["peer_status"] == "Registered"
            assert await is_state("online")
            answer = await ari.ask("PUT", "/ari/endpoints/IAX2/modem/sendMessage?from=sip:me@example.org&body=hello")
            assert answer.status == 202

            async def delivered() -> bool:
                return bool((await ari.ask("GET", answer.headers["location"])).json["state"] == "delivered")

            await until(delivered, "the text acknowledged")
            # Asked to end it would take its registration back.
            modem.process.kill()
            await modem.process.wait()
        await until(lambda: is_state("offline"), "the modem offline")
        status = await heard.next_of("PeerStatusChange")
        assert status["peer"]["peer_status"] == "Unreachable"
        assert server.log_errors() == []


async def test_without_a_token_it_is_refused_where_one_is_required(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = need_modem(request)
    config, address = configured(tmp_path / "config", "yes")
    folder = tmp_path / "modem"
    async with running_server(config) as server, ari_client(server.base) as ari:
        async with program(path, modem_file(folder, address), folder=folder):
            await until(
                lambda: "registration without a call token is refused" in server.log(), "the refusal", _REGISTERS_WITHIN
            )
        assert (await ari.endpoint("modem", "IAX2"))["state"] == "unknown"
