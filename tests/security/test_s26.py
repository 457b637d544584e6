"""S26: WebSockets that do not read, or send to exhaust us. They are closed or held up; nobody else notices."""

from __future__ import annotations

import asyncio
import socket
import zlib

import pytest
import structlog

from support.wait import until
from switchroom.ari.limits import MESSAGE_BYTES, OUTBOX_BYTES, OUTBOX_EVENTS
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import ReceivedText
from unit.ari.edge import Edge, Wire, handshake, running

ALL = "/ari/events?app={}&subscribeAll=true"


def publish(edge: Edge, number: int, size: int = 4_000) -> None:
    """A text from carol, to everybody who listens."""
    carol = edge.registry.get("PJSIP", "carol")
    assert carol is not None
    text = ReceivedText("<sip:carol@a>", "pjsip:x@a", f"{number}:".ljust(size, "x"), {})
    edge.bus.publish([TextMessageReceived(endpoint=carol, at=edge.clock.wall(), message=text)])


async def deaf(edge: Edge, app: str) -> socket.socket:
    """A WebSocket whose peer reads the handshake and nothing else, with the smallest buffer there is."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    sock.setblocking(False)
    await loop.sock_connect(sock, (edge.host, edge.port))
    await loop.sock_sendall(sock, handshake(ALL.format(app)))
    assert b" 101 " in await loop.sock_recv(sock, 512)
    return sock


async def numbers(wire: Wire, count: int) -> list[int]:
    return [int((await wire.event())["message"]["body"].partition(":")[0]) for _ in range(count)]


async def test_a_reader_that_does_not_read_is_closed_and_nobody_else_loses_an_event() -> None:
    async with running() as edge:
        healthy = await edge.listen(ALL.format("healthy"))
        with structlog.testing.capture_logs() as logs:
            stalled = await deaf(edge, "stalled")
            count = 0
            heard: list[int] = []
            while not edge.service.sockets.dropped:
                assert count < 20 * OUTBOX_EVENTS, "the stalled socket was never closed"
                for _ in range(50):
                    publish(edge, count)
                    count += 1
                heard += await numbers(healthy, 50)
        assert heard == list(range(count))
        assert [entry["applications"] for entry in logs if "does not read" in entry["event"]] == [["stalled"]]
        assert all(entry["bytes"] <= OUTBOX_BYTES + 10_000 for entry in logs if "bytes" in entry)
        await until(lambda: len(edge.service.sockets.open) == 1, "the stalled socket to be gone")
        assert edge.service.applications.get("stalled") is None
        publish(edge, -1)
        assert await numbers(healthy, 1) == [-1]
        stalled.close()
        await healthy.close()


async def test_a_reader_that_is_only_late_loses_nothing() -> None:
    async with running() as edge:
        late = await edge.listen(ALL.format("late"))
        for number in range(OUTBOX_EVENTS // 5):
            publish(edge, number)
            await asyncio.sleep(0)
        assert await numbers(late, OUTBOX_EVENTS // 5) == list(range(OUTBOX_EVENTS // 5))
        assert edge.service.sockets.dropped == 0
        await late.close()


async def test_a_burst_of_one_turn_is_no_slow_reader() -> None:
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"))
        reading = asyncio.create_task(numbers(wire, 3 * OUTBOX_EVENTS))
        for number in range(3 * OUTBOX_EVENTS):
            publish(edge, number, 10)
        assert await asyncio.wait_for(reading, 10) == list(range(3 * OUTBOX_EVENTS))
        await wire.close()


async def test_ping_flood() -> None:
    """Pings of somebody who reads are all answered; others are served meanwhile."""
    async with running() as edge:
        flood, other = await edge.listen(ALL.format("flood")), await edge.listen(ALL.format("other"))
        for number in range(2_000):
            flood.frame(0x9, b"%d" % number)
        publish(edge, 7)
        assert await numbers(other, 1) == [7]
        pongs: list[int] = []
        while len(pongs) < 2_000:
            first, payload = await flood.receive()
            if first == 0x8A:
                pongs.append(int(payload))
        assert pongs == list(range(2_000))
        await asyncio.gather(flood.close(), other.close())


async def test_ping_flood_without_reading_holds_no_memory() -> None:
    """The answers of somebody who does not read stop, and then so does the reading of more pings."""
    async with running() as edge:
        sock = await deaf(edge, "flood")
        pings = (b"\x89\xfd" + bytes(4) + b"x" * 125) * 500

        async def flood() -> None:
            while True:
                await asyncio.get_running_loop().sock_sendall(sock, pings)

        flooding = asyncio.create_task(flood())
        (flooder,) = edge.service.sockets.open
        connection = flooder._connection
        await until(lambda: connection.congested and connection._reading_paused, "the reading to stop")
        assert flooder._transport.get_write_buffer_size() < OUTBOX_BYTES
        assert (await edge.ask("GET", "/ari/asterisk/ping")).status == 200
        flooding.cancel()
        await asyncio.wait((flooding,))
        sock.close()


@pytest.mark.parametrize("length", [MESSAGE_BYTES, 2**30, 2**63 - 1])
@pytest.mark.parametrize("opcode", [0x81, 0x82, 0x01])
async def test_a_large_frame_is_refused_by_its_header(opcode: int, length: int) -> None:
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"))
        wire.send(bytes([opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(4))
        assert await wire.close_code() == 1009
        wire.frame(0x8, b"\x03\xf1")
        assert await wire.ended()
        await wire.close()


async def test_the_largest_frame_is_taken() -> None:
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"))
        wire.frame(0x1, b"x" * (MESSAGE_BYTES - 1))
        wire.frame(0x9, b"still there")
        assert await wire.receive() == (0x8A, b"still there")
        await wire.close()


@pytest.mark.parametrize("size", [1_000, 50_000])
async def test_fragment_bomb(size: int) -> None:
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"))
        wire.frame(0x1, b"x" * size, final=False)
        for _ in range(MESSAGE_BYTES // size):
            wire.frame(0x0, b"x" * size, final=False)
        assert await wire.close_code() == 1009
        await wire.close()


async def test_deflate_bomb_is_a_reserved_bit() -> None:
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"), headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
        packed = zlib.compress(bytes(10_000_000))[2:-4]
        wire.send(b"\xc1\xfe" + len(packed).to_bytes(2, "big") + bytes(4) + packed)
        assert await wire.close_code() == 1002
        await wire.close()


async def test_a_silent_client_is_not_closed_for_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.sockets.PING_SECONDS", 0.01)
    async with running() as edge:
        wire = await edge.listen(ALL.format("a"))
        for _ in range(3):
            assert await wire.receive() == (0x89, b"")
        publish(edge, 1)
        while (first := (await wire.receive())[0]) == 0x89:
            pass
        assert first == 0x81
        await wire.close()
