"""S22: a peer on TCP wants to fill our buffers: heads without end, huge bodies, pipelines, answers nobody reads."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from support.config import Address, user
from support.machine import resident_bytes
from support.phone import phone
from support.server import RunningServer, running_server
from support.transports import addresses, write_transports
from support.wait import until

#: More than one connection may ever cost (SECURITY.md S22), and what Python itself takes meanwhile.
ONE_CONNECTION = 1_000_000
SLACK = 8_000_000

_SERIAL = itertools.count(1)


class Victim(NamedTuple):
    server: RunningServer
    tcp: Address


@asynccontextmanager
async def victim(tmp_path: Path) -> AsyncIterator[Victim]:
    config = write_transports(tmp_path / "config", pjsip=user("tina"))
    async with running_server(config) as server:
        yield Victim(server, addresses(config)["tcp"])
        async with phone("tina", server.sip) as tina:
            assert (await tina.register(password="tinapw")).status == 200, "others are served as ever"
        assert server.log_errors() == []


@asynccontextmanager
async def connection(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def options() -> bytes:
    number = next(_SERIAL)
    return (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKs22.{number}\r\n"
        f"From: <sip:nobody@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: s22-{number}\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


HEAD = b"MESSAGE sip:tina@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (HEAD, b"X-Filler: " + b"x" * 1000 + b"\r\n"),
        (b"", b"x" * 1000),
        (HEAD + b"Content-Length: 2147483648\r\n\r\n", b"x" * 1000),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", b"x" * 1000),
        (HEAD + b"Content-Length: 300000\r\n\r\n", b"x" * 1000),
        (HEAD + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n", b"x" * 1000),
    ],
    ids=["endless head", "endless line", "2 GiB", "a length without end", "a body too long", "two lengths"],
)
async def test_what_would_not_end_is_closed_early(tmp_path: Path, start: bytes, more: bytes) -> None:
    async with victim(tmp_path) as (server, tcp):
        before = resident_bytes(server.pid)
        async with connection(tcp) as (reader, writer):
            writer.write(start)
            sent = 0
            with suppress(ConnectionError):
                while not reader.at_eof():
                    assert sent < 8 * ONE_CONNECTION, "it takes this for ever"
                    writer.write(more)
                    sent += len(more)
                    await writer.drain()
                    await asyncio.sleep(0)
        assert resident_bytes(server.pid) - before < SLACK


async def test_bodies_that_never_come_cost_little_each(tmp_path: Path) -> None:
    count = 100
    async with victim(tmp_path) as (server, tcp):
        before = resident_bytes(server.pid)
        part = HEAD + b"Content-Length: 262144\r\n\r\n" + b"x" * 200_000
        open_connections = [await asyncio.open_connection(*tcp) for _ in range(count)]
        for _, writer in open_connections:
            writer.write(part)
            await writer.drain()
        async with phone("tina", server.sip) as tina:
            assert (await tina.register(password="tinapw")).status == 200
        assert resident_bytes(server.pid) - before < count * ONE_CONNECTION // 2
        for _, writer in open_connections:
            writer.transport.abort()


async def test_a_pipeline_is_worked_on_in_turns(tmp_path: Path) -> None:
    """20,000 requests in one go: all are answered, and others get their answers in between."""
    count = 20_000
    async with victim(tmp_path) as (server, tcp), connection(tcp) as (reader, writer):
        before = resident_bytes(server.pid)
        writer.write(b"".join(options() for _ in range(count)))
        answered = 0

        async def read() -> None:
            nonlocal answered
            while answered < count:
                answered += (await reader.read(1 << 20)).count(b"SIP/2.0 401 ")

        reading = asyncio.create_task(read())
        await until(lambda: answered > 0, "the first answers")
        async with phone("tina", server.sip) as tina:
            assert (await tina.register(password="tinapw")).status == 200
        assert answered < count // 2, "a phone waits for a few requests of the pipeline, not for all"
        await asyncio.wait_for(reading, 60)
        assert resident_bytes(server.pid) - before < 2 * SLACK


async def test_answers_that_nobody_reads_end_the_connection(tmp_path: Path) -> None:
    async with victim(tmp_path) as (server, tcp), connection(tcp) as (_, writer):
        before = resident_bytes(server.pid)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        batch = b"".join(options() for _ in range(500))
        sent = 0
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                assert sent < 200_000, "it answers into the void for ever"
                writer.write(batch)
                sent += 500
                await writer.drain()
        assert resident_bytes(server.pid) - before < 2 * SLACK
