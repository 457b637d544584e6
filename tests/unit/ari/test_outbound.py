"""WebSockets that we open: the other side is an aiohttp server, as an application would be."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import WSMsgType, web

from support.certificates import Certificate, self_signed
from support.wait import until
from switchroom.ari.limits import QUEUE_EVENTS, RECONNECT_SECONDS
from switchroom.ari.outbound import pauses
from switchroom.model.settings import OutboundSettings, Source
from unit.ari.edge import running


class Application:
    """The other side: takes connections, remembers what they were asked with, hears events."""

    def __init__(self) -> None:
        self.port = 0
        self.handshakes: list[dict[str, str]] = []
        self.open: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self.refuse = 0
        self._over = asyncio.Event()
        self.runner: web.AppRunner | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(dict(request.headers))
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(protocols=("ari",))
        await socket.prepare(request)
        self.open.put_nowait(socket)
        await self._over.wait()
        return socket

    async def start(self, tls: ssl.SSLContext | None) -> None:
        application = web.Application()
        application.router.add_get("/events", self.handle)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        self._over.set()
        if self.runner is not None:
            await self.runner.cleanup()


@asynccontextmanager
async def application(tls: ssl.SSLContext | None = None) -> AsyncIterator[Application]:
    there = Application()
    await there.start(tls)
    try:
        yield there
    finally:
        await there.stop()


def settings(port: int, **more: Any) -> dict[str, Any]:
    outbound = OutboundSettings(
        name="out",
        source=Source("ari.conf", 1),
        **{
            "apps": ("one", "two"),
            "local_user": "asterisk",
            "uri": f"ws://127.0.0.1:{port}/events",
            "reconnect_interval": 0.01,
            "connection_timeout": 5.0,
            **more,
        },
    )
    return {"outbound": {"out": outbound}}


async def event(socket: web.WebSocketResponse) -> Any:
    message = await asyncio.wait_for(socket.receive(), 10)
    assert message.type is WSMsgType.TEXT, message
    return msgspec.json.decode(message.data)


async def heard(socket: web.WebSocketResponse, count: int) -> list[tuple[str, str]]:
    events = [await event(socket) for _ in range(count)]
    return [(e["type"], e["application"]) for e in events]


REGISTERED = [("ApplicationRegistered", "one"), ("ApplicationRegistered", "two")]


async def test_it_connects_says_who_it_is_and_is_served() -> None:
    async with (
        application() as there,
        running(ari=settings(there.port, username="me", password="pw", protocols=("ari",))) as edge,
    ):
        socket = await asyncio.wait_for(there.open.get(), 10)
        assert there.handshakes[0]["Authorization"] == "Basic " + b64encode(b"me:pw").decode()
        assert there.handshakes[0]["Sec-WebSocket-Protocol"] == "ari"
        first = await event(socket)
        assert list(first) == ["type", "timestamp", "application", "asterisk_id"]
        assert (first["type"], first["application"]) == REGISTERED[0]
        assert await heard(socket, 1) == REGISTERED[1:]
        assert [a["name"] for a in (await edge.ask("GET", "/ari/applications")).json] == ["one", "two"]
        await edge.ask("POST", "/ari/applications/two/subscription?eventSource=endpoint:PJSIP/bob")
        edge.register("bob")
        assert [app for _, app in await heard(socket, 3)] == ["two"] * 3


async def test_it_says_goodbye() -> None:
    async with application() as there:
        async with running(ari=settings(there.port)):
            socket = await asyncio.wait_for(there.open.get(), 10)
            reading = asyncio.create_task(heard(socket, 4))
            await until(lambda: there.handshakes != [], "the handshake")
        assert await reading == [*REGISTERED, ("ApplicationUnregistered", "one"), ("ApplicationUnregistered", "two")]
        message = await asyncio.wait_for(socket.receive(), 10)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1000)


async def test_it_comes_back_with_what_was_missed() -> None:
    async with (
        application() as there,
        running(ari=settings(there.port, apps=("one",), subscribe_all=True)) as edge,
    ):
        socket = await asyncio.wait_for(there.open.get(), 10)
        assert await heard(socket, 1) == REGISTERED[:1]
        there.refuse = 3
        await socket.close()
        await until(lambda: edge.service.applications.get("one").socket is None, "the connection to be gone")  # type: ignore[union-attr]
        edge.register("bob")
        socket = await asyncio.wait_for(there.open.get(), 10)
        assert len(there.handshakes) == 5
        kinds = [kind for kind, _ in await heard(socket, 5)]
        assert kinds[0] == "ApplicationRegistered"
        assert sorted(kinds[1:]) == [
            "ContactStatusChange",
            "DeviceStateChanged",
            "EndpointStateChange",
            "PeerStatusChange",
        ]


async def test_what_happens_before_the_first_connection_is_kept() -> None:
    async with application() as there:
        there.refuse = 1_000
        async with running(ari=settings(there.port, apps=("one",), subscribe_all=True)) as edge:
            await until(lambda: there.handshakes != [], "a try")
            edge.unregister("carol")
            there.refuse = 0
            socket = await asyncio.wait_for(there.open.get(), 10)
            assert [kind for kind, _ in await heard(socket, 2)] == ["ApplicationRegistered", "EndpointStateChange"]


@pytest.mark.parametrize(("user", "status"), [("asterisk", 202), ("reader", 403), ("nobody", 401)])
async def test_requests_have_the_local_users_rights(user: str, status: int) -> None:
    async with application() as there, running(ari=settings(there.port, local_user=user)) as edge:
        socket = await asyncio.wait_for(there.open.get(), 10)
        await heard(socket, 2)
        request = {"type": "RESTRequest", "method": "PUT", "uri": "endpoints/PJSIP/carol/sendMessage?from=alice"}
        await socket.send_bytes(b"ignored")
        await socket.send_str(msgspec.json.encode({**request, "request_id": "r"}).decode())
        answer = await event(socket)
        assert (answer["type"], answer["request_id"], answer["application"]) == ("RESTResponse", "r", "one")
        assert answer["status_code"] == status
        assert len(edge.pjsip.messages) == (status == 202)


async def test_the_users_access_list_holds_for_the_other_sides_address() -> None:
    async with application() as there, running(ari=settings(there.port, local_user="far")):
        socket = await asyncio.wait_for(there.open.get(), 10)
        await heard(socket, 2)
        await socket.send_str('{"type":"RESTRequest","method":"GET","uri":"endpoints"}')
        assert (await event(socket))["status_code"] == 403


async def test_a_peer_that_does_not_read_is_left_and_loses_nothing_that_was_not_sent() -> None:
    async with (
        application() as there,
        running(ari=settings(there.port, apps=("one",), subscribe_all=True)) as edge,
    ):
        socket = await asyncio.wait_for(there.open.get(), 10)
        assert await heard(socket, 1) == REGISTERED[:1]
        with structlog.testing.capture_logs() as logs:
            for number in range(QUEUE_EVENTS + 50):
                (edge.unregister if number % 2 else edge.register)("bob")
            socket = await asyncio.wait_for(there.open.get(), 10)
        assert sum("does not read" in entry["event"] for entry in logs) == 1
        assert (await event(socket))["type"] == "ApplicationRegistered"
        marker = await event(socket)
        # More than a memory holds happened in one turn of the loop.
        assert marker["type"] == "EventsLost"


async def test_a_foreign_subprotocol_is_refused() -> None:
    async with application() as there:
        with structlog.testing.capture_logs() as logs:
            async with running(ari=settings(there.port, protocols=("other",))):
                await until(lambda: len(there.handshakes) > 1, "a second try")
        assert any("protocols" in entry.get("reason", "") for entry in logs)


async def test_an_inbound_client_may_take_an_application_over() -> None:
    async with application() as there, running(ari=settings(there.port, apps=("one",))) as edge:
        socket = await asyncio.wait_for(there.open.get(), 10)
        await heard(socket, 1)
        wire = await edge.listen("/ari/events?app=one")
        assert await heard(socket, 1) == [("ApplicationReplaced", "one")]
        await wire.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("outbound"))


def contexts(certificate: Certificate) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the server, and for a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.cert, certificate.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate.cert)
    return server, client


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls(certificate: Certificate, trusted: bool) -> None:
    server, client = contexts(certificate)
    if not trusted:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with application(server) as there:
        ari = settings(there.port, uri=f"wss://127.0.0.1:{there.port}/events")
        with structlog.testing.capture_logs() as logs:
            async with running(ari=ari, outbound_tls={"out": client}):
                if trusted:
                    assert await heard(await asyncio.wait_for(there.open.get(), 10), 2) == REGISTERED
                else:
                    await until(lambda: any("can not be opened" in entry["event"] for entry in logs), "a refusal")
                    assert there.handshakes == []


async def test_through_a_proxy(certificate: Certificate) -> None:
    """The proxy takes CONNECT, with credentials."""
    asked: list[bytes] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        host, _, port = asked[0].split()[1].decode().partition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(copy(there_reader, writer), copy(reader, there_writer))

    between = await asyncio.start_server(proxy, "127.0.0.1", 0)
    server, client = contexts(certificate)
    async with application(server) as there:
        ari = settings(
            there.port,
            uri=f"wss://127.0.0.1:{there.port}/events",
            proxy=f"127.0.0.1:{between.sockets[0].getsockname()[1]}",
            proxy_username="p",
            proxy_password="pw",
        )
        async with running(ari=ari, outbound_tls={"out": client}):
            assert await heard(await asyncio.wait_for(there.open.get(), 10), 2) == REGISTERED
    assert asked[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"Proxy-Authorization: Basic " + b64encode(b"p:pw") in asked[0]
    between.close()


async def test_a_name_that_is_not_known_is_no_reason_to_stop() -> None:
    ari = settings(1, uri="ws://127.0.0.1:1/events", connection_timeout=0.5)
    with structlog.testing.capture_logs() as logs:
        async with running(ari=ari) as edge:
            await until(lambda: sum("can not be opened" in e["event"] for e in logs) > 2, "more than one try")
            assert (await edge.ask("GET", "/ari/asterisk/ping")).status == 200


def test_pauses_double_and_are_not_all_the_same() -> None:
    tries = [list(islice(pauses(1.0), 8)) for _ in range(20)]
    for several in zip(*tries, strict=True):
        assert len(set(several)) > 1
    for number, several in enumerate(zip(*tries, strict=True)):
        most = min(2.0**number, RECONNECT_SECONDS)
        assert all(most / 2 <= pause <= most for pause in several)
    assert max(islice(pauses(100.0), 8)) <= 100.0
