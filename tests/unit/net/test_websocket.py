"""WebSockets on the loopback interface, with aiohttp's client and with frames written by hand."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from support.wait import until
from switchroom.net import websocket
from switchroom.net.admission import Admission
from switchroom.net.limits import MAX_FRAME, MAX_UNSENT
from switchroom.net.websocket import WebSocketConnection, WebSocketListener, frame


class World:
    """An HTTP server with nothing but WebSockets, and what they said."""

    def __init__(self, admission: Admission) -> None:
        self.data: list[bytes] = []
        self.connections: list[WebSocketConnection] = []
        self.ends: list[str] = []
        self.fails = False
        self.admission = admission
        self.listener = WebSocketListener("sip", self.receive, self.closed, admission, "Switchroom")
        self.address = ("", 0)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/ws"

    def receive(self, data: bytes, connection: WebSocketConnection) -> None:
        if self.fails:
            raise RuntimeError("a bug")
        if connection not in self.connections:
            self.connections.append(connection)
        self.data.append(data)

    def closed(self, connection: WebSocketConnection, reason: str) -> None:
        self.ends.append(reason)


@asynccontextmanager
async def serving(admission: Admission | None = None) -> AsyncIterator[World]:
    world = World(admission or Admission())
    server = web.Server(world.listener.serve, access_log=None)
    bound = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    world.address = bound.sockets[0].getsockname()[:2]
    try:
        yield world
    finally:
        world.listener.stop()
        bound.close()
        await server.shutdown(1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serving() as made:
        yield made


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_message_is_a_frame_both_ways(world: World, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(world.url, protocols=("sip",)) as ws:
        assert ws.protocol == "sip"
        await ws.send_str("Zoë")
        await ws.send_bytes(b"\xff\r\n")
        await ws.send_str("\r\n\r\n")
        await until(lambda: len(world.data) == 3, "three messages")
        assert world.data == ["Zoë".encode(), b"\xff\r\n", b"\r\n\r\n"]
        (connection,) = world.connections
        source = ws.get_extra_info("sockname")
        assert (connection.host, connection.port, connection.secure) == (*source, False)
        assert world.listener.connected(*source)
        options = connection._transport.get_extra_info("socket")
        assert options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert world.listener.send("Zoë".encode(), *source)
        assert world.listener.send(b"\xff", *source)
        assert (await ws.receive()).data == "Zoë"
        answer = await ws.receive()
        assert (answer.type, answer.data) == (WSMsgType.BINARY, b"\xff")
    await until(lambda: world.ends == ["closed by the peer"], "the end")
    assert not world.listener.send(b"late", *source)
    with pytest.raises(OSError, match="closed"):
        await world.listener.connect(*source)
    assert (len(world.listener), world.admission.count) == (0, 0)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 100_000])
async def test_frames_of_every_length(world: World, client: aiohttp.ClientSession, length: int) -> None:
    async with client.ws_connect(world.url, protocols=("sip",)) as ws:
        await ws.send_str("x")
        await until(lambda: bool(world.connections), "the connection")
        world.connections[0].send(b"y" * length)
        assert (await ws.receive()).data == "y" * length


@pytest.mark.parametrize("protocols", [(), ("ari",), ("SIP",)])
async def test_without_the_subprotocol_there_is_none(
    world: World, client: aiohttp.ClientSession, protocols: tuple[str, ...]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(world.url, protocols=protocols)
    assert refused.value.status == 426


async def test_what_is_no_handshake_is_refused(world: World, client: aiohttp.ClientSession) -> None:
    async with client.get(world.url) as answer:
        assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
        assert answer.headers["Server"] == "Switchroom"
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": "sip"}
    async with client.get(world.url, headers=headers) as answer:
        assert answer.status == 400
    assert world.admission.count == 0


async def test_the_goodbye_of_a_closed_tab_is_answered(world: World, client: aiohttp.ClientSession) -> None:
    ws = await client.ws_connect(world.url, protocols=("sip",))
    await ws.send_str("x")
    await ws.close(code=1001)
    assert ws.close_code == 1001
    await until(lambda: world.ends == ["closed by the peer"], "the end")


async def test_a_connection_that_breaks_is_an_end(world: World, client: aiohttp.ClientSession) -> None:
    ws = await client.ws_connect(world.url, protocols=("sip",))
    await ws.send_str("x")
    transport = ws._response.connection and ws._response.connection.transport
    assert transport
    transport.abort()
    await until(lambda: world.ends == ["closed by the peer"], "the end")


async def test_pings_are_answered_and_sent(
    world: World, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.02)
    world.listener._ping()
    async with client.ws_connect(world.url, protocols=("sip",), autoping=False) as ws:
        await ws.ping(b"mine")
        seen: set[tuple[WSMsgType, bytes]] = set()
        while len(seen) < 2:
            message = await ws.receive()
            seen.add((message.type, bytes(message.data)))
        assert seen == {(WSMsgType.PONG, b"mine"), (WSMsgType.PING, b"")}
        await ws.receive()  # a missing pong closes nothing: the next ping comes all the same
        assert not ws.closed


async def test_whoever_says_nothing_is_let_go(
    world: World, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "FIRST_MESSAGE_SECONDS", 0.05)
    async with (
        client.ws_connect(world.url, protocols=("sip",)) as quick,
        client.ws_connect(world.url, protocols=("sip",)) as slow,
    ):
        await quick.send_str("x")
        await until(lambda: bool(world.connections), "the message")
        world.connections[0].prove()
        assert (await slow.receive()).type is WSMsgType.CLOSE
        assert slow.close_code == 1008
        assert world.connections[0].send(b"still here")
        assert (await quick.receive()).data == "still here"


async def test_a_message_that_is_too_long_ends_the_websocket(world: World, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(world.url, protocols=("sip",)) as ws:
        await ws.send_bytes(b"x" * (MAX_FRAME - 1))
        await until(lambda: len(world.data) == 1, "the message")
        await ws.send_bytes(b"x" * (MAX_FRAME + 1))
        assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == 1009
    await until(lambda: len(world.ends) == 1, "the end")
    assert len(world.data) == 1


async def test_a_peer_that_never_reads_is_let_go(world: World) -> None:
    reader, writer = await asyncio.open_connection(*world.address, limit=1)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        b"\x81\x81\x00\x00\x00\x00x"
    )
    await until(lambda: bool(world.connections), "the connection")
    (connection,) = world.connections
    sent = 0
    while connection.send(b"y" * 65_000):
        sent += 65_000
        assert sent < 64 * MAX_UNSENT, "what is unsent is bounded"
        await asyncio.sleep(0)
    await until(lambda: world.ends == ["the peer does not read"], "the end")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert reader is not None


async def test_connections_beyond_the_bounds_are_refused(client: aiohttp.ClientSession) -> None:
    async with (
        serving(Admission(unproven_per_address=1)) as world,
        client.ws_connect(world.url, protocols=("sip",)),
    ):
        await until(lambda: len(world.listener) == 1, "the first")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(world.url, protocols=("sip",))
        assert refused.value.status == 503


async def test_a_failure_of_the_server_ends_one_websocket_only(world: World, client: aiohttp.ClientSession) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    async with (
        client.ws_connect(world.url, protocols=("sip",)) as bad,
        client.ws_connect(world.url, protocols=("sip",)) as good,
    ):
        world.fails = True
        await bad.send_str("x")
        assert (await bad.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        world.fails = False
        await good.send_str("y")
        await until(lambda: world.data == [b"y"], "the other's message")
    assert [str(failure) for failure in failures] == ["a bug"]


async def test_stop_says_goodbye_and_calls_nobody(world: World, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(world.url, protocols=("sip",)) as ws:
        await until(lambda: len(world.listener) == 1, "the connection")
        world.listener.stop()
        assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == 1001
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(world.url, protocols=("sip",))
    await until(lambda: world.admission.count == 0, "places given back")
    assert world.ends == []


def test_a_frame_is_never_masked() -> None:
    payload = os.urandom(10)
    assert frame(0x82, payload) == b"\x82\x0a" + payload
