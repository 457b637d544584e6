"""S23: thousands of connections that say nothing, and TLS handshakes that never end (AST-2016-005)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from support.ari import ari_client
from support.config import Address, user
from support.machine import open_descriptors
from support.phone import phone
from support.server import running_server
from support.stream_phone import stream_phone
from support.transports import addresses, write_transports
from support.wait import until
from switchroom.net.limits import FIRST_MESSAGE_SECONDS, MAX_UNPROVEN_PER_ADDRESS

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def silent(
    address: Address, count: int, say: bytes = b"", host: str = "127.0.0.2"
) -> AsyncIterator[list[Connection]]:
    """Connections of one attacker that say this much and no more."""
    made: list[Connection] = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(*address, local_addr=(host, 0))
        writer.write(say)
        made.append((reader, writer))
    try:
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()


async def closed(connections: list[Connection], within: float) -> int:
    """How many the server has closed after so many seconds at most."""

    async def wait(reader: asyncio.StreamReader) -> bool:
        with suppress(ConnectionError):
            while await reader.read(4096):
                pass
        return True

    tasks = [asyncio.create_task(wait(reader)) for reader, _ in connections]
    done, pending = await asyncio.wait(tasks, timeout=within)
    for task in pending:
        task.cancel()
    return len(done)


async def test_silent_connections_of_one_attacker_take_no_place_of_others(tmp_path: Path) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("tina") + user("tom"))
    where = addresses(config)
    async with running_server(config) as server, ari_client(server.base) as ari:
        before = open_descriptors(server.pid)
        attackers = 600
        async with (
            silent(where["tcp"], attackers) as plain,
            silent(where["tls"], attackers, b"\x16\x03\x01\x02\x00") as handshakes,
        ):
            taken = open_descriptors(server.pid) - before
            assert taken <= MAX_UNPROVEN_PER_ADDRESS + 8, "what is refused holds no file descriptor"
            async with (
                phone("tina", server.sip) as tina,
                stream_phone("tom", "tcp", where["tcp"]) as tom,
                stream_phone("tom", "ws", where["ws"]) as browser,
            ):
                assert (await tina.register(password="tinapw")).status == 200
                assert (await tom.register()).status == 200
                assert (await browser.register()).status == 200
                assert (await ari.ask("GET", "/ari/endpoints/PJSIP/tom")).status == 200
            ended = await closed(plain + handshakes, FIRST_MESSAGE_SECONDS + 10)
            assert ended == 2 * attackers, "those that were let in had ten seconds"
            await until(lambda: open_descriptors(server.pid) <= before + 4, "all file descriptors given back")
        assert server.log_errors() == []


async def test_one_byte_at_a_time_is_silence(tmp_path: Path) -> None:
    """Neither bytes nor keep-alives nor frames of no SIP count as the first message."""
    config = write_transports(tmp_path / "config", pjsip=user("tina"))
    where = addresses(config)
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
    keepalive_frame = b"\x81\x84\x00\x00\x00\x00\r\n\r\n"
    async with (
        running_server(config) as server,
        silent(where["tcp"], 1) as slow,
        silent(where["tcp"], 1) as pinging,
        silent(where["ws"], 1, handshake) as browser,
    ):

        async def drip(connection: Connection, data: bytes) -> None:
            with suppress(ConnectionError):
                while not connection[1].transport.is_closing():
                    connection[1].write(data)
                    await asyncio.sleep(0.5)

        drips = [
            asyncio.create_task(drip(slow[0], b"x")),
            asyncio.create_task(drip(pinging[0], b"\r\n\r\n")),
            asyncio.create_task(drip(browser[0], keepalive_frame)),
        ]
        assert await closed(slow + pinging + browser, FIRST_MESSAGE_SECONDS + 10) == 3
        for task in drips:
            task.cancel()
        assert server.log_errors() == []
