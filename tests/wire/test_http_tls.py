"""HTTP with TLS and a WebSocket that the server opens, from configuration files to the wire."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from support.certificates import Certificate, self_signed
from support.config import ARI, free_port, user, write_config
from support.server import running_server

AUTH = {"Authorization": aiohttp.encode_basic_auth("asterisk", "asterisk")}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


def http(port: int, tls_port: int, certificate: Certificate) -> str:
    return (
        f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={port}\ntlsenable=yes\ntlsbindaddr=127.0.0.1:{tls_port}\n"
        f"tlscertfile={certificate.cert}\ntlsprivatekey={certificate.key}\n"
        "[/ari/asterisk]\ntype=restriction\ndeny=0.0.0.0/0\n"
    )


async def test_both_listeners_and_a_restriction(tmp_path: Path, certificate: Certificate) -> None:
    port, tls_port = free_port(), free_port()
    folder = write_config(tmp_path, pjsip=user("alice"), files={"http.conf": http(port, tls_port, certificate)})
    trust = ssl.create_default_context(cafile=str(certificate.cert))
    async with running_server(folder) as server, aiohttp.ClientSession(headers=AUTH) as session:
        for base in (server.base, f"https://127.0.0.1:{tls_port}"):
            async with session.get(f"{base}/ari/api-docs/openapi.json", ssl=trust) as answer:
                assert (await answer.json())["servers"] == [{"url": f"{base}/ari"}]
            async with session.get(f"{base}/ari/asterisk/ping", ssl=trust) as answer:
                assert answer.status == 403
        assert server.log_errors() == []


async def test_a_websocket_that_the_server_opens(tmp_path: Path, certificate: Certificate) -> None:
    heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("ari",))
        await socket.prepare(request)
        await socket.send_str('{"type":"RESTRequest","request_id":"1","method":"GET","uri":"endpoints/PJSIP/alice"}')
        async for message in socket:
            heard.put_nowait(msgspec.json.decode(message.data))
        return socket

    there = web.Application()
    there.router.add_get("/events", listen)
    runner = web.AppRunner(there, shutdown_timeout=0.1)
    await runner.setup()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.cert, certificate.key)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    files = {
        "websocket_client.conf": "[there]\ntype=websocket_client\nconnection_type=persistent\nprotocols=ari\n"
        f"uri=wss://127.0.0.1:{runner.addresses[0][1]}/events\nconnection_timeout=5000\n"
        f"ca_list_file={certificate.cert}\n"
    }
    ari = ARI + "[out]\ntype=outbound_websocket\nwebsocket_client_id=there\napps=desk\nlocal_ari_user=asterisk\n"
    folder = write_config(tmp_path, pjsip=user("alice"), ari=ari, files=files)
    async with running_server(folder):
        first, second = [await asyncio.wait_for(heard.get(), 20) for _ in range(2)]
        assert (first["type"], first["application"]) == ("ApplicationRegistered", "desk")
        assert (second["type"], second["status_code"]) == ("RESTResponse", 200)
    assert (await asyncio.wait_for(heard.get(), 20))["type"] == "ApplicationUnregistered"
    await runner.cleanup()
