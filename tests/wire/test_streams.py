"""Phones on TCP, TLS and WebSocket against a running server."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from support.ari import ari_client
from support.certificates import self_signed
from support.config import free_port, user, write_config
from support.events import events
from support.phone import SipMessage
from support.server import running_server
from support.stream_phone import stream_phone
from support.transports import addresses, write_transports
from support.wait import until


@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
async def test_a_phone_lives_on_its_connection(tmp_path: Path, transport: str) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("tina"))
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        async with stream_phone("tina", transport, addresses(config)[transport]) as phone:
            assert (await phone.register()).status == 200
            await until(lambda: ari.is_state("tina", "online"), "tina online")

            answer = await ari.ask(
                "PUT", "/ari/endpoints/sendMessage?to=pjsip:tina&from=sip:me@example.org&body=Zo%C3%AB"
            )
            assert answer.status == 202
            message = await phone.next()
            assert (message.method, message.uri, message.body) == ("MESSAGE", phone.contact, "Zoë")
            assert message.first("Via").startswith(f"SIP/2.0/{transport.upper()} {addresses(config)[transport]};")

            sent = await phone.request("MESSAGE", "desk", headers=["Content-Type: text/plain"], body="on my way")
            assert sent.status == 202
            assert (await heard.next_of("TextMessageReceived"))["message"]["body"] == "on my way"

            await phone.send(b"\r\n\r\n")
            assert await asyncio.wait_for(phone.keepalives.get(), 10) == b"\r\n"
        await until(lambda: ari.is_state("tina", "offline"), "tina offline")
        answer = await ari.ask("PUT", "/ari/endpoints/sendMessage?to=pjsip:tina&from=sip:me@example.org&body=x")
        assert answer.status == 404
        assert server.log_errors() == []


async def test_phones_of_every_transport_write_to_each_other(tmp_path: Path) -> None:
    names = {"tcp": "tom", "tls": "lea", "ws": "wim"}
    config = write_transports(tmp_path / "config", pjsip="".join(user(name) for name in names.values()))
    where = addresses(config)
    async with (
        running_server(config) as server,
        stream_phone("tom", "tcp", where["tcp"]) as tom,
        stream_phone("lea", "tls", where["tls"]) as lea,
        stream_phone("wim", "ws", where["ws"]) as wim,
    ):
        phones = (tom, lea, wim)
        for phone in phones:
            assert (await phone.register()).status == 200
        for sender in phones:
            for receiver in phones:
                body = f"{sender.name} to {receiver.name}"
                answer = await sender.request("MESSAGE", receiver.name, headers=["Content-Type: text/plain"], body=body)
                assert answer.status == 202
                assert (await receiver.next()).body == body
        assert server.log_errors() == []


async def test_a_route_that_names_us_leads_nowhere_else(tmp_path: Path) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("tina"))
    where = addresses(config)["tcp"]
    async with running_server(config) as server, stream_phone("tina", "tcp", where) as phone:
        route = f"Route: <sip:{where};transport=tcp;lr>"
        assert (await phone.register(headers=[route])).status == 200
        answer = await phone.request("MESSAGE", "tina", headers=[route, "Content-Type: text/plain"], body="to myself")
        assert answer.status == 202
        assert (await phone.next()).all("Route") == []
        assert server.log_errors() == []


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_peer_that_listens_is_connected_to_once(tmp_path: Path, transport: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if transport == "tls" else None
    if tls is not None:
        tls.load_cert_chain(*self_signed(tmp_path, "desk"))
    listening = Listening()
    desk = await asyncio.start_server(listening.serve, "127.0.0.1", 0, ssl=tls)
    host, port = desk.sockets[0].getsockname()
    contact = f"contact=sip:desk@{host}:{port}\\;transport={transport}\n"
    config = write_transports(tmp_path / "config", pjsip=f"{user('desk')}{contact}")
    async with desk, running_server(config) as server, ari_client(server.base) as ari:
        for body in ("one", "two"):
            text = f"/ari/endpoints/sendMessage?to=pjsip:desk&from=sip:me@example.org&body={body}"
            assert (await ari.ask("PUT", text)).status == 202
            message = await asyncio.wait_for(listening.received.get(), 10)
            assert (message.body, message.uri) == (body, f"sip:desk@{host}:{port};transport={transport}")
        assert listening.connections == 1
        assert server.log_errors() == []


class Listening:
    """A peer that waits for connections and answers 200 to everything."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                message = SipMessage.parse(head)
                body = await reader.readexactly(int(message.first("Content-Length")))
                self.received.put_nowait(SipMessage.parse(head + body))
                names = ("Via", "From", "To", "Call-ID", "CSeq")
                lines = ["SIP/2.0 200 OK", *(f"{name}: {message.first(name)}" for name in names), "Content-Length: 0"]
                writer.write("\r\n".join([*lines, "", ""]).encode())
        writer.close()


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("protocol=tls\nbind=127.0.0.1:{port}\n", "it has no cert_file"),
        ("protocol=tls\nbind=127.0.0.1:{port}\ncert_file=/dev/null\n", "no PEM certificate with its key"),
        ("protocol=tcp\nbind=192.0.2.1:{port}\n", "[Cc]annot assign requested address"),
    ],
    ids=["no certificate", "an empty certificate", "not our address"],
)
async def test_a_transport_that_can_not_be_opened_is_named(tmp_path: Path, section: str, wrong: str) -> None:
    section = section.format(port=free_port())
    config = write_config(tmp_path / "config", pjsip=f"[bad]\ntype=transport\n{section}")
    with pytest.raises(AssertionError, match=rf"(?s)pjsip\.conf:\d+: can not listen on .*{wrong}"):
        async with running_server(config):
            pass
