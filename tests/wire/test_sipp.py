"""SIPp plays a crowd: 200 users register with digest, send a text each and are sent one each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.ari import Ari, ari_client
from support.config import Address, free_port, user, write_config
from support.events import Events, events
from support.programs import need_program
from support.server import running_server
from support.wait import until
from wire.process import Program, program

SCENARIOS = Path(__file__).parent / "sipp"
USERS = [f"u{number:03d}" for number in range(200)]
#: Open transactions at a time, so that no socket buffer overflows, and seconds for a whole scenario.
_AT_ONCE = 50
_SCENARIO_WITHIN = 60


class Sipp:
    """Runs scenarios for all users against one server."""

    def __init__(self, path: str, folder: Path, server: Address) -> None:
        self._path = path
        self._folder = folder
        self.server = server
        lines = [f"{name};[authentication username={name} password={name}pw]\n" for name in USERS]
        (folder / "users.csv").write_text("SEQUENTIAL\n" + "".join(lines), encoding="utf-8")

    @asynccontextmanager
    async def scenario(self, name: str, *options: str, port: int | None = None) -> AsyncIterator[Program]:
        """Starts a scenario; the block may wait for its end."""
        folder = self._folder / name
        folder.mkdir()
        async with program(
            *(self._path, str(self.server), "-sf", str(SCENARIOS / f"{name}.xml")),
            *("-inf", str(self._folder / "users.csv"), "-m", str(len(USERS)), "-l", str(_AT_ONCE), "-r", "500"),
            *("-i", "127.0.0.1", "-p", str(port or free_port()), "-nostdin", "-trace_err", *options),
            folder=folder,
        ) as run:
            yield run


async def ended(run: Program) -> None:
    """Waits until every call of a scenario has succeeded."""
    status = await asyncio.wait_for(run.process.wait(), _SCENARIO_WITHIN)
    assert status == 0, f"SIPp ended with status {status}:\n{run.output()[-3000:]}"


async def test_a_crowd_registers_sends_and_is_sent_texts(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = need_program("sipp", request)
    config = write_config(tmp_path / "config", pjsip="".join(map(user, USERS)))
    phones = Address("127.0.0.1", free_port())
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        sipp = Sipp(path, tmp_path, server.sip)
        await _register(sipp, phones, ari, heard)
        await _send_in(sipp, heard)
        await _send_out(sipp, phones, ari)
        assert server.log_errors() == []


async def _register(sipp: Sipp, phones: Address, ari: Ari, heard: Events) -> None:
    async with sipp.scenario("register", "-key", "contact", str(phones)) as run:
        await ended(run)
    listed = (await ari.ask("GET", "/ari/endpoints")).json
    assert sorted((e["resource"], e["state"]) for e in listed) == [(name, "online") for name in USERS]
    came_online = [e["endpoint"]["resource"] for e in await heard.settled(ari) if e["type"] == "EndpointStateChange"]
    assert sorted(came_online) == USERS


async def _send_in(sipp: Sipp, heard: Events) -> None:
    async with sipp.scenario("message", "-auth_uri", f"desk@{sipp.server}") as run:
        await ended(run)
    await until(lambda: len(heard.heard) >= len(USERS), "a text of each user")
    came = [(e["type"], e["endpoint"]["resource"], e["message"]["body"]) for e in heard.heard]
    assert sorted(came) == [("TextMessageReceived", name, f"from {name}") for name in USERS]


async def _send_out(sipp: Sipp, phones: Address, ari: Ari) -> None:
    async with sipp.scenario("phones", port=phones.port) as run:
        await until(lambda: _is_taken(phones), "SIPp at its port")
        for name in USERS:
            answer = await ari.ask("PUT", f"/ari/endpoints/PJSIP/{name}/sendMessage?from=sip:me@example.org&body=hi")
            assert answer.status == 202, answer
        await ended(run)


def _is_taken(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
        return False
