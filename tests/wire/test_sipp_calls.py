"""SIPp plays the calls that go wrong on the wire: lost and repeated messages, CANCEL races, forks, PRACK, no ACK."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from support.ari import Ari, ari_client
from support.config import Address, free_port, user, write_config
from support.programs import need_program
from support.server import RunningServer, running_server
from support.wait import until
from wire.process import Program, program

SCENARIOS = Path(__file__).parent / "sipp/calls"

#: Seconds for one scene; the longest pauses in them are a second.
_WITHIN = 20
_MORE: tuple[str, ...] = ()

#: What is called in each scene, all of them phones of one endpoint.
SCENES = {
    "plain": ["plain-called"],
    "lost": ["lost-called"],
    "again": ["again-called"],
    "early-cancel": ["early-cancel-called"],
    "race": ["race-called"],
    "fork": ["fork-called", "fork-loser"],
    "late": ["late-called", "late-second"],
    "prack": ["prack-called"],
    "silent": ["silent-called"],
}


class Scene(NamedTuple):
    """One call: ``{name}-a`` calls ``{name}-b``, whose phones are at these addresses, one a scenario."""

    name: str
    called: list[tuple[str, Address]]

    def caller(self) -> str:
        return user(f"{self.name}-a")

    def callee(self) -> str:
        phones = "".join(f"contact=sip:{self.name}-b@{address}\n" for _, address in self.called)
        return user(f"{self.name}-b") + phones

    def calling_friend(self) -> str:
        """The caller in sip.conf."""
        return f"[{self.name}-a]\ntype=friend\nhost=dynamic\nsecret={self.name}-apw\n"

    def called_friend(self) -> str:
        """The called in sip.conf, where there is but one phone of a name."""
        ((_, address),) = self.called
        host, port = address
        return f"[{self.name}-b]\ntype=friend\nhost={host}\nport={port}\ndefaultuser={self.name}-b\n"


def _place(folder: Path, caller: str, called: str, scenarios: list[str]) -> None:
    """A folder for each SIPp, and what the caller is told."""
    credentials = f"[authentication username={caller} password={caller}pw]"
    for scenario in scenarios:
        (folder / scenario).mkdir(parents=True)
    (folder / "users.csv").write_text(f"SEQUENTIAL\n{caller};{called};{credentials}\n", encoding="utf-8")


async def _play(path: str, scene: Scene, folder: Path, server: Address, beyond: Address) -> None:
    """Plays a scene to its end; each of its SIPps must have seen what its scenario says, and nothing else. The caller
    speaks to ``server``, the called speak to ``beyond``.
    """
    caller = f"{scene.name}-caller"
    _place(folder, f"{scene.name}-a", f"{scene.name}-b", [caller, *(scenario for scenario, _ in scene.called)])

    def sipp(scenario: str, there: Address, port: int, *options: str) -> AbstractAsyncContextManager[Program]:
        return program(
            *(path, str(there), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-m", "1", "-i", "127.0.0.1"),
            *("-p", str(port), "-nostdin", "-trace_err", *_MORE, *options),
            folder=folder / scenario,
        )

    async with AsyncExitStack() as running:
        runs = []
        for scenario, address in scene.called:
            runs.append(await running.enter_async_context(sipp(scenario, beyond, address.port)))
            await until(partial(_is_taken, address), "SIPp at its port")
        users = ("-inf", str(folder / "users.csv"), "-auth_uri", f"{scene.name}-b@{server}")
        # Without retransmissions of its own SIPp sees each packet.
        exact = ("-nr",) if scene.name == "again" else ()
        runs.append(await running.enter_async_context(sipp(caller, server, free_port(), *users, *exact)))
        for run in runs:
            status = await asyncio.wait_for(run.process.wait(), _WITHIN)
            assert status == 0, f"{scene.name}: SIPp ended with {status}:\n{_trouble(folder)}\n{run.output()[-3000:]}"


def _trouble(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in folder.glob("*/*_errors.log"))


def _is_taken(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
        return False


async def _channels(ari: Ari) -> list[str]:
    listed = (await ari.ask("GET", "/ari/endpoints")).json
    return [channel for endpoint in listed for channel in endpoint["channel_ids"]]


@pytest.fixture
def scenes() -> list[Scene]:
    return [
        Scene(name, [(scenario, Address("127.0.0.1", free_port())) for scenario in called])
        for name, called in SCENES.items()
    ]


async def test_calls_that_go_wrong_end_as_they_should(
    tmp_path: Path, request: pytest.FixtureRequest, scenes: list[Scene]
) -> None:
    path = need_program("sipp", request)
    config = write_config(tmp_path / "config", pjsip="".join(scene.caller() + scene.callee() for scene in scenes))
    async with running_server(config) as server, ari_client(server.base) as ari:
        plays = [_play(path, scene, tmp_path / scene.name, server.sip, server.sip) for scene in scenes]
        await asyncio.gather(*plays)
        await _ends(ari, server)


@pytest.mark.parametrize("outward", [True, False], ids=["to_sip", "to_pjsip"])
async def test_calls_across_technologies_end_as_they_should(
    tmp_path: Path, request: pytest.FixtureRequest, scenes: list[Scene], outward: bool
) -> None:
    """Between pjsip.conf and sip.conf, each at a port of its own."""
    path = need_program("sipp", request)
    if outward:
        scenes = [scene for scene in scenes if len(scene.called) == 1]
    at = Address("127.0.0.1", free_port())
    pjsip = "".join(scene.caller() if outward else scene.callee() for scene in scenes)
    friends = "".join(scene.called_friend() if outward else scene.calling_friend() for scene in scenes)
    files = {"sip.conf": f"[general]\nudpbindaddr={at}\n{friends}"}
    config = write_config(tmp_path / "config", pjsip=pjsip, files=files)
    async with running_server(config) as server, ari_client(server.base) as ari:
        sides = (server.sip, at) if outward else (at, server.sip)
        await asyncio.gather(*(_play(path, scene, tmp_path / scene.name, *sides) for scene in scenes))
        await _ends(ari, server)


async def _ends(ari: Ari, server: RunningServer) -> None:
    """Waits until no channel is left."""

    async def over() -> bool:
        return await _channels(ari) == []

    await until(over, "no channel left")
    assert server.log_errors() == []
