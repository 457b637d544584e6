"""The server about itself."""

from __future__ import annotations

import pytest

import switchroom
from switchroom.ari.render import timestamp
from unit.ari.edge import ENTITY_ID, Edge


async def test_ping(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/asterisk/ping")
    assert answer.json == {"ping": "pong", "timestamp": timestamp(edge.clock.now), "asterisk_id": ENTITY_ID}


@pytest.mark.parametrize(
    ("query", "sections"),
    [
        ("", ["build", "system", "config", "status"]),
        ("?only=system", ["system"]),
        ("?only=STATUS,build,nope", ["build", "status"]),
        ("?only=", []),
    ],
)
async def test_info(edge: Edge, query: str, sections: list[str]) -> None:
    assert list((await edge.ask("GET", f"/ari/asterisk/info{query}")).json) == sections


async def test_info_says_who_it_is(edge: Edge) -> None:
    info = (await edge.ask("GET", "/ari/asterisk/info")).json
    assert info["system"] == {"version": f"Switchroom {switchroom.__version__}", "entity_id": ENTITY_ID}
    assert info["status"]["startup_time"] == timestamp(edge.clock.now)
