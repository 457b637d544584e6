"""The recorded IAX2 scenes, step by step, with our own kernel as the peer that comes and goes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from conformance.rulings import by_the_rulings
from conformance.world import DATA, about_phones, recorded_server
from support.ari import Ari, ari_client
from support.config import Address, free_port
from support.events import Event, Events, events
from support.iax_client import iax_peer, now
from support.iax_peer import IaxPeer
from support.server import RunningServer
from support.wait import until

STEPS: list[dict[str, Any]] = json.loads((DATA / "scenes-iax2.json").read_text(encoding="utf-8"))


@dataclass
class Stage:
    server: RunningServer
    ari: Ari
    all: Events
    peer: IaxPeer
    peer_port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    ports = {4569: free_port()}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(recorded_server(tmp_path_factory.mktemp("iax2"), ports))
        ari = await stack.enter_async_context(ari_client(server.base))
        heard = await stack.enter_async_context(events(server.base, "all", subscribe_all=True))
        port = free_port()
        peer = await stack.enter_async_context(iax_peer(Address("127.0.0.1", ports[4569]), port=port))
        yield Stage(server, ari, heard, peer, port)


async def _act(stage: Stage, step: str) -> None:
    match step:
        case "before":
            pass
        case "after the peer started and registered":
            stage.peer.register(now())
            await until(lambda: "registered for 60" in stage.peer.outcomes, "the registration")
        case "after the peer stopped":
            stage.peer.deaf = True
        case _:
            raise AssertionError(f"nobody knows how to do: {step}")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("recorded", [by_the_rulings(step) for step in STEPS], ids=lambda recorded: recorded["step"])
async def test_step(stage: Stage, recorded: dict[str, Any]) -> None:
    await _act(stage, recorded["step"])
    endpoint = recorded["endpoint"]
    assert await stage.ari.endpoint(endpoint["resource"], endpoint["technology"]) == endpoint
    heard = [_plain(event) for event in await stage.all.settled(stage.ari) if not about_phones(event)]
    wanted = [_here(event, stage.peer_port) for event in recorded["events"]]
    assert sorted(heard, key=str) == sorted(wanted, key=str)


def _plain(event: Event) -> Event:
    """In the order of its keys, for sorting."""
    return {key: value for key, value in sorted(event.items()) if key not in ("timestamp", "asterisk_id")}


def _here(event: Event, port: int) -> Event:
    """With the port the peer has here; the model says text."""
    event = _plain(event)
    if "port" in event.get("peer", {}):
        return event | {"peer": event["peer"] | {"port": str(port)}}
    return event
