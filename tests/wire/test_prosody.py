"""Prosody, a server many people run: texts both ways, presence, receipts, restart, what it refuses.

The other side is a client on slixmpp with its own reading and answering; ours shares only the library.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from slixmpp import JID, ClientXMPP

from support.ari import Ari, ari_client
from support.certificates import Certificate, self_signed
from support.config import user, write_config
from support.events import Events, events
from support.phone import phone
from support.programs import need_program
from support.prosody import ACCOUNTS, COMPONENT, Prosody
from support.server import RunningServer, running_server
from support.wait import until


class Romeo(ClientXMPP):
    """A person's client: confirms what it gets, and keeps it."""

    def __init__(self, port: int, certificate: Certificate | None) -> None:
        context = ssl.create_default_context(cafile=certificate.cert if certificate else None)
        super().__init__("romeo@localhost/phone", ACCOUNTS["romeo"], ssl_context=context)
        self._port = port
        self._tls = certificate is not None
        self.register_plugin("xep_0184")
        self.plugin["feature_mechanisms"].unencrypted_scram = not self._tls
        self.got: asyncio.Queue[Any] = asyncio.Queue()
        self.presences: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.receipts: asyncio.Queue[str] = asyncio.Queue()
        self.add_event_handler("message", self.got.put_nowait)
        self.add_event_handler("presence", lambda p: self.presences.put_nowait((p["type"], str(p["from"]))))
        self.add_event_handler("receipt_received", lambda m: self.receipts.put_nowait(m["receipt"]))

    async def come(self) -> None:
        bound = asyncio.ensure_future(self.wait_until("session_start"))
        self.enable_direct_tls = False
        self.enable_starttls = self._tls
        self.enable_plaintext = not self._tls
        self.connect("127.0.0.1", self._port)
        await bound
        # Who asks for the roster is told of answers to its requests (RFC 6121 2.1.6).
        await self.get_roster()
        self.send_presence()

    async def text(self) -> tuple[str, str]:
        """The next text: from whom, and what."""
        message = await asyncio.wait_for(self.got.get(), 10)
        return str(message["from"]), message["body"]


class World(NamedTuple):
    server: RunningServer
    ari: Ari
    heard: Events
    romeo: Romeo
    prosody: Prosody
    certificate: Certificate | None

    async def say(self, to: str, sender: str, body: str) -> int:
        answer = await self.ari.ask(
            "PUT", f"/ari/endpoints/sendMessage?to={quote(to)}&from={quote(sender)}&body={quote(body)}"
        )
        return answer.status

    async def until_state(self, name: str, state: str) -> None:
        async def is_so() -> bool:
            return bool((await self.ari.endpoint(name, "XMPP"))["state"] == state)

        await until(is_so, f"{name} {state}", 20)


def xmpp_conf(prosody: Prosody, certificate: Certificate | None) -> str:
    tls = f"usetls=yes\ntls_ca_file={certificate.cert}\n" if certificate else "usetls=no\n"
    server = f"serverhost=127.0.0.1\nport={prosody.client_port}\n"
    return (
        f"[general]\nautoregister=yes\n"
        f"[gateway]\ntype=client\n{server}{tls}username=gateway@localhost\nsecret={ACCOUNTS['gateway']}\n"
        f"[wrong]\ntype=client\n{server}{tls}username=romeo@localhost/w\nsecret=wrong\n"
        f"[stranger]\ntype=client\n{server}usetls=yes\nusername=romeo@localhost/s\nsecret={ACCOUNTS['romeo']}\n"
        f"[sip]\ntype=component\nserverhost=127.0.0.1\nport={prosody.component_port}\n"
        f"username={COMPONENT[0]}\nsecret={COMPONENT[1]}\n"
        f"[impostor]\ntype=component\nserverhost=127.0.0.1\nport={prosody.component_port}\n"
        f"username={COMPONENT[0]}\nsecret=wrong\n"
    )


@asynccontextmanager
async def switchroom(
    prosody: Prosody, folder: Path, certificate: Certificate | None, conf: str = ""
) -> AsyncIterator[World]:
    """The server, with its XMPP accounts; romeo is not there yet."""
    files = {"xmpp.conf": conf or xmpp_conf(prosody, certificate)}
    config = write_config(folder / "config", pjsip=user("alice", "alicepw"), files=files)
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        romeo = Romeo(prosody.client_port, certificate)
        try:
            yield World(server, ari, heard, romeo, prosody, certificate)
        finally:
            await romeo.disconnect(wait=2)
            if romeo._run_out_filters is not None:
                romeo._run_out_filters.cancel()


BOTH = pytest.mark.parametrize("world", ["plain", "tls"], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    path = need_program("prosody", request)
    certificate = self_signed(tmp_path, "localhost") if getattr(request, "param", "plain") == "tls" else None
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", certificate)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(prosody.running())
        world = await stack.enter_async_context(switchroom(prosody, tmp_path, certificate))
        await world.romeo.come()
        for name in ("gateway", "sip"):
            await world.until_state(name, "online")
        yield world
        assert world.server.log_errors() == []


@BOTH
async def test_texts_go_both_ways(world: World) -> None:
    romeo = world.romeo
    assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "Zoë <b>&\n😀\x07") == 202
    assert await romeo.text() == ("gateway@localhost/asterisk-xmpp", "Zoë <b>&\n😀")
    assert await world.say("XMPP:romeo@localhost/phone", "gateway@localhost", "to the phone") == 202
    assert await romeo.text() == ("gateway@localhost/asterisk-xmpp", "to the phone")

    for kind in ("chat", "normal", "headline"):
        romeo.send_message(JID("gateway@localhost"), f"a {kind}", mtype=kind)
        text = await world.heard.next_of("TextMessageReceived")
        assert text["endpoint"] == {
            "technology": "XMPP",
            "resource": "gateway",
            "state": "online",
            "channel_ids": [],
        }
        assert text["message"] == {
            "from": "xmpp:romeo@localhost/phone",
            "to": "xmpp:gateway@localhost",
            "body": f"a {kind}",
            "variables": {},
        }


async def test_what_can_not_be_sent_is_refused(world: World) -> None:
    assert await world.say("xmpp:romeo@localhost", "sip:alice@example.org", "x") == 404
    assert await world.say("xmpp:romeo@localhost", "xmpp:wrong", "x") == 404
    assert await world.say("xmpp:a b@localhost", "xmpp:gateway", "x") == 400
    answer = await world.ari.ask("PUT", "/ari/endpoints/XMPP/gateway/sendMessage?from=xmpp:gateway&body=to+myself")
    assert answer.status == 202
    answer = await world.ari.ask("POST", "/ari/endpoints/XMPP/gateway/refer?from=alice&refer_to=alice")
    assert answer.status == 404


async def test_a_component_speaks_for_its_names(world: World) -> None:
    assert await world.say("xmpp:romeo@localhost", "xmpp:desk@sip.localhost", "hello") == 202
    assert await world.romeo.text() == ("desk@sip.localhost", "hello")
    message = world.romeo.make_message("desk@sip.localhost", "hello yourself", mtype="chat")
    message["request_receipt"] = True
    message.send()
    text = await world.heard.next_of("TextMessageReceived")
    assert text["endpoint"]["resource"] == "sip"
    assert text["message"]["to"] == "xmpp:desk@sip.localhost"
    assert await asyncio.wait_for(world.romeo.receipts.get(), 10) == message["id"]


async def test_presence_is_given_to_who_asks(world: World) -> None:
    world.romeo.send_presence_subscription("gateway@localhost")
    world.romeo.send_presence_subscription("desk@sip.localhost")
    wanted = {("subscribed", "gateway@localhost"), ("subscribed", "desk@sip.localhost")}
    while wanted:
        wanted.discard(await asyncio.wait_for(world.romeo.presences.get(), 10))


async def test_a_text_for_a_phone_reaches_it_and_its_answer_comes_back(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        world.romeo.send_message(JID("alice@sip.localhost"), "hello phone", mtype="chat")
        request = await alice.next("MESSAGE")
        assert request.body == "hello phone"
        sender = request.first("From")
        assert "<sip:romeo%40localhost@127.0.0.1" in sender

        answer = await alice.message("romeo%40localhost", "hello romeo", password="alicepw")
        assert answer.status == 202
        assert await world.romeo.text() == ("alice@sip.localhost", "hello romeo")


@BOTH
async def test_what_is_refused_stops_nobody_and_is_told(world: World) -> None:
    for name in ("wrong", "stranger", "impostor"):
        assert (await world.ari.endpoint(name, "XMPP"))["state"] == "offline"
    log = world.server.log()
    assert "refuses name or password: not-authorized" in log
    assert "secret" not in log
    assert ("certificate is refused: self-signed" if world.certificate else "TLS with the server failed") in log


async def test_it_comes_back_with_the_server(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with switchroom(prosody, tmp_path, None) as world:
        assert (await world.ari.endpoint("gateway", "XMPP"))["state"] == "offline"
        assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "too early") in (202, 404)
        async with prosody.running():
            await world.until_state("gateway", "online")
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "kept by its server") == 202
        await world.until_state("gateway", "offline")
        await world.until_state("sip", "offline")
        assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "x") == 404
        async with prosody.running():
            await world.until_state("gateway", "online")
            await world.until_state("sip", "online")
            await world.romeo.come()
            while (await world.romeo.text())[1] != "kept by its server":
                pass
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "there again") == 202
            assert (await world.romeo.text())[1] == "there again"
        assert "can not be reached" in world.server.log()
        assert world.server.log_errors() == []


class Cable:
    """A way to a server that can be cut: neither side is told why."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                target.write(data)
        target.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def cable(port: int) -> AsyncIterator[Cable]:
    made = Cable(port)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await asyncio.gather(*made._pumps, return_exceptions=True)
        await server.wait_closed()


async def test_a_session_survives_a_cut_cable(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with prosody.running(), cable(prosody.client_port) as way:
        conf = xmpp_conf(prosody, None).replace(f"port={prosody.client_port}", f"port={way.port}")
        async with switchroom(prosody, tmp_path, None, conf) as world:
            await world.until_state("gateway", "online")
            await world.romeo.come()
            # Two texts: after the first it is certain that stream management is on.
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "before") == 202
            assert (await world.romeo.text())[1] == "before"
            way.cut()
            world.romeo.send_message(JID("gateway@localhost"), "while it is cut", mtype="chat")
            assert (await world.heard.next_of("TextMessageReceived", 15))["message"]["body"] == "while it is cut"
            await world.until_state("gateway", "online")
            assert "resumed=True" in world.server.log()
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "after") == 202
            assert (await world.romeo.text())[1] == "after"
