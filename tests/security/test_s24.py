"""S24: clients that take their time over a request or an answer. Each loses its connection, nobody else waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.wait import until
from switchroom.ari.limits import BODY_SECONDS, HEAD_SECONDS
from unit.ari.edge import RW, Edge, Wire, request, running

PING = "/ari/asterisk/ping"
CROWD = 300


@asynccontextmanager
async def crowd(edge: Edge, count: int) -> AsyncIterator[list[Wire]]:
    """Connections that have sent the beginning of a head."""
    wires = [await edge.open() for _ in range(count)]
    for wire in wires:
        wire.send(b"GET /ari/asterisk/ping HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    try:
        yield wires
    finally:
        for wire in wires:
            await wire.close()


def test_the_times() -> None:
    assert (HEAD_SECONDS, BODY_SECONDS) == (10.0, 30.0)


async def test_a_head_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However its bytes drip."""
    monkeypatch.setattr("switchroom.ari.connections.HEAD_SECONDS", 1.0)
    async with running() as edge, crowd(edge, 1) as (wire,):
        dripping = True

        async def drip() -> None:
            while dripping:
                wire.send(b"x")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(drip())
        answer = await asyncio.wait_for(wire.answer(), 10)
        dripping = False
        await task
        assert (answer.status, answer.headers["connection"]) == (408, "close")


async def test_saying_nothing_is_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.connections.HEAD_SECONDS", 1.0)
    async with running() as edge:
        wire = await edge.open()
        assert (await asyncio.wait_for(wire.answer(), 10)).status == 408
        assert await wire.ended()
        await wire.close()


async def test_the_next_head_on_a_connection_must_come_in_time() -> None:
    async with running(http={"session_keep_alive": 0.3}) as edge:
        wire = await edge.open()
        wire.send(request("GET", PING, {"Authorization": RW}))
        assert (await wire.answer()).status == 200
        wire.send(b"GET /ari/")
        assert await asyncio.wait_for(wire.ended(), 10)
        await wire.close()


async def test_a_body_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.service.BODY_SECONDS", 0.2)
    async with running() as edge:
        wire = await edge.open()
        head = {"Authorization": RW, "Content-Type": "application/json", "Content-Length": "10"}
        wire.send(request("PUT", "/ari/endpoints/PJSIP/carol/sendMessage?from=a", head) + b"{")
        answer = await asyncio.wait_for(wire.answer(), 10)
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert not edge.pjsip.messages
        await wire.close()


async def test_a_body_nobody_asked_for_is_not_waited_for() -> None:
    """Who is not known is answered before any body."""
    async with running() as edge:
        wire = await edge.open()
        wire.send(request("PUT", "/ari/endpoints/sendMessage", {"Content-Length": "40000"}))
        assert (await asyncio.wait_for(wire.answer(), 10)).status == 401
        await wire.close()


async def test_others_are_served_during_the_attack() -> None:
    async with running(http={"sessionlimit": CROWD + 10}) as edge, crowd(edge, CROWD):
        await until(lambda: edge.service._connections.count == CROWD, "the crowd to be there")
        for _ in range(50):
            assert (await edge.ask("GET", PING)).status == 200


async def test_a_crowd_does_not_take_all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.connections.SILENT_SECONDS", 0.0)
    async with running(http={"sessionlimit": 20}) as edge:
        kept = await edge.open()
        kept.send(request("GET", PING, {"Authorization": RW}))
        assert (await kept.answer()).status == 200
        async with crowd(edge, CROWD):
            for _ in range(50):
                assert (await edge.ask("GET", PING)).status == 200
            assert edge.service._connections.count <= 21
        kept.send(request("GET", PING, {"Authorization": RW}))
        assert (await kept.answer()).status == 200
        await kept.close()


async def test_slow_readers_of_answers_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.reply.RESPONSE_SECONDS", 0.2)
    async with running() as edge:
        monkeypatch.setattr(edge.registry, "listing", lambda technology: b"x" * 20_000_000)
        wires = [await edge.open() for _ in range(5)]
        for wire in wires:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            wire.send(request("GET", "/ari/endpoints", {"Authorization": RW}))
        assert (await edge.ask("GET", PING)).status == 200
        await until(lambda: edge.service._connections.requests_count >= 6, "the requests to be served")
        await until(lambda: not edge.service._connections.count, "the connections to be ended")
        for wire in wires:
            await wire.close()
