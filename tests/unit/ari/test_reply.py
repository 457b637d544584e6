"""Responses in bytes."""

from __future__ import annotations

import asyncio
import re

import pytest

from switchroom.ari.reply import Head, Reply, error_body
from switchroom.model.endpoint import EndpointId
from unit.ari.edge import RW, Edge, request, running

DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"


async def test_head_in_order(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/endpoints/PJSIP/carol", headers={"Origin": "http://good.example"})
    names = [name for name, _ in answer.lines]
    assert names == [
        "Server",
        "Date",
        "Cache-Control",
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Credentials",
        "Vary",
        "ETag",
        "Content-type",
        "Content-Length",
    ]
    assert answer.headers["server"] == "Switchroom"
    assert re.fullmatch(DATE, answer.headers["date"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache, no-store"


async def test_no_content_has_no_type(edge: Edge) -> None:
    answer = await edge.ask("OPTIONS", "/ari/endpoints")
    assert answer.status == 204
    assert answer.headers["content-length"] == "0"
    assert "content-type" not in answer.headers


async def test_head_is_get_without_the_body(edge: Edge) -> None:
    head, get = [await edge.ask(method, "/ari/endpoints/PJSIP/carol") for method in ("HEAD", "GET")]
    assert (head.status, head.headers["content-length"]) == (200, str(len(get.body)))
    assert (await edge.ask("HEAD", "/ari/endpoints/PJSIP/carol/sendMessage")).status == 405
    assert (await edge.ask("HEAD", "/ari/events?app=a")).status == 405


async def test_a_small_response_is_one_packet(edge: Edge) -> None:
    wire = await edge.open()
    wire.send(request("GET", "/ari/endpoints/PJSIP/carol", {"Authorization": RW}))
    assert (await wire.reader.read(65_536)).endswith(b'"channel_ids":[]}')
    await wire.close()


async def test_a_large_list_is_whole() -> None:
    async with running() as edge:
        for i in range(3_000):
            edge.registry.add(EndpointId("PJSIP", f"u{i}"))
        answer = await edge.ask("GET", "/ari/endpoints")
        assert len(answer.json) == 3_006


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", True),
    ],
)
async def test_connections_are_kept_or_closed(edge: Edge, version: str, connection: str, kept: bool) -> None:
    wire = await edge.open()
    ask = f"GET /ari/asterisk/ping HTTP/{version}\r\nHost: a\r\n{connection}Authorization: {RW}\r\n\r\n".encode()
    wire.send(ask)
    answer = await wire.answer()
    assert answer.status == 200
    if kept:
        wire.send(ask)
        assert (await wire.answer()).status == 200
    else:
        assert answer.headers["connection"] == "close"
        assert await wire.ended()
    await wire.close()


async def test_keep_alive_of_zero_closes_each() -> None:
    async with running(http={"session_keep_alive": 0}) as edge:
        wire = await edge.open()
        wire.send(request("GET", "/ari/asterisk/ping", {"Authorization": RW}))
        assert (await wire.answer()).headers["connection"] == "close"
        assert await wire.ended()
        await wire.close()


async def test_pipelined_requests_are_answered_in_order(edge: Edge) -> None:
    wire = await edge.open()
    paths = ["/ari/endpoints/PJSIP/carol", "/ari/endpoints/PJSIP/nobody", "/ari/asterisk/ping"]
    wire.send(b"".join(request("GET", path, {"Authorization": RW}) for path in paths))
    async with asyncio.timeout(5):
        assert [(await wire.answer()).status for _ in paths] == [200, 404, 200]
    await wire.close()


async def test_pretty() -> None:
    async with running(ari={"pretty": True}) as edge:
        answer = await edge.ask("GET", "/ari/endpoints/PJSIP/carol")
        assert answer.body.startswith(b'{\n  "technology": "PJSIP",\n')


async def test_no_servername_no_server_header() -> None:
    async with running(http={"servername": ""}) as edge:
        assert "server" not in (await edge.ask("GET", "/ari/asterisk/ping")).headers


def test_an_error_text_is_always_json() -> None:
    assert error_body("no \ud800") == b'{"message":"no ?"}'


def test_whole_reply_for_a_closing_connection() -> None:
    whole = Reply(503, b"{}").whole(Head(""))
    assert whole.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Connection: close\r\n" in whole
    assert whole.endswith(b"\r\n\r\n{}")
