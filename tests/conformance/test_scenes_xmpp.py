"""The recorded XMPP scenes, step by step, against a real XMPP server with the accounts they were recorded with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from conformance.comparison import same_json
from conformance.rulings import by_the_rulings_of_xmpp
from conformance.world import DATA, XMPP_PORT, about_phones, recorded_server
from support.ari import Ari, ari_client
from support.events import Event, Events, events
from support.programs import need_program
from support.prosody import Prosody
from support.server import RunningServer
from support.wait import until
from wire.romeo import Romeo

STEPS: list[dict[str, Any]] = json.loads((DATA / "scenes-xmpp.json").read_text(encoding="utf-8"))

_MARKS = count(1)


@dataclass
class Stage:
    server: RunningServer
    ari: Ari
    all: Events
    romeo: Romeo

    async def say(self, path: str, parameters: dict[str, str]) -> tuple[int, Any]:
        answer = await self.ari.ask("PUT", f"{path}?{urlencode(parameters)}")
        return answer.status, answer.json if answer.body else None

    async def heard_by_romeo(self) -> list[dict[str, Any]]:
        """What came since the last look. A text of ours is sent and waited for: what was sent before came before."""
        mark = f"mark{next(_MARKS)}"
        status, _ = await self.say(
            "/ari/endpoints/sendMessage", {"to": "xmpp:romeo@localhost", "from": "xmpp:gateway", "body": mark}
        )
        assert status == 202
        heard = []
        while (message := await asyncio.wait_for(self.romeo.got.get(), 10))["body"] != mark:
            heard.append(
                {
                    "from": str(message["from"]),
                    "to": str(message["to"]),
                    "type": message["type"],
                    "body": message["body"],
                    "subject": message["subject"] or None,
                }
            )
        return heard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("xmpp")
    (folder / "prosody").mkdir()
    prosody = Prosody(need_program("prosody", request), folder / "prosody", None)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(prosody.running())
        ports = {XMPP_PORT: prosody.client_port}
        server = await stack.enter_async_context(recorded_server(folder / "config", ports))
        ari = await stack.enter_async_context(ari_client(server.base))
        romeo = Romeo(prosody.client_port, None)
        stack.push_async_callback(romeo.disconnect, wait=2)
        await romeo.come()

        async def online() -> bool:
            return bool((await ari.endpoint("gateway", "XMPP"))["state"] == "online")

        await until(online, "gateway online", 20)
        heard = await stack.enter_async_context(events(server.base, "all", subscribe_all=True))
        made = Stage(server, ari, heard, romeo)
        await made.heard_by_romeo()
        yield made


def _name(recorded: dict[str, Any]) -> str:
    parameters = recorded.get("params")
    if parameters is None:
        return str(next(iter(recorded)))
    body = parameters["body"]
    return f"{parameters.get('to', recorded['put'].split('/')[3])} from {parameters['from']}: {body!r}"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("recorded", [by_the_rulings_of_xmpp(step) for step in STEPS], ids=_name)
async def test_step(stage: Stage, recorded: dict[str, Any]) -> None:
    heard: list[Event] = []
    if "put" in recorded:
        status, answer = await stage.say(recorded["put"], recorded["params"])
        assert status == recorded["status"], answer
        if "json" in recorded:
            assert same_json(recorded["json"], answer)
        assert await stage.heard_by_romeo() == recorded["romeo"]
    elif "romeo says" in recorded:
        stage.romeo.send_message(**recorded["romeo says"])
        heard = [await stage.all.next_of("TextMessageReceived") for _ in recorded["events"]]
    else:
        ((_, endpoint),) = ((name, value) for name, value in recorded.items() if name != "events")
        assert await stage.ari.endpoint(endpoint["resource"], endpoint["technology"]) == endpoint
    heard += [event for event in await stage.all.settled(stage.ari) if not about_phones(event)]
    assert [_plain(event) for event in heard] == recorded["events"]
    assert stage.server.log_errors() == []


def _plain(event: Event) -> Event:
    return {key: value for key, value in event.items() if key not in ("timestamp", "asterisk_id")}
