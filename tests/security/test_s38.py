"""S38: what an XMPP server, or somebody behind one, can send to hurt: entities, depth, size, floods, false names."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from support.ari import ari_client
from support.config import write_config
from support.programs import need_program
from support.prosody import ACCOUNTS, COMPONENT, Prosody
from support.server import running_server
from support.wait import until
from support.xmpp_server import Connection, Script, Server, xmpp_server
from support.xmpp_world import FakeOutlet, component
from switchroom.core.addresses import Addresses
from switchroom.core.bus import Bus
from switchroom.core.crossing import Crossing
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.model.endpoint import EndpointId, EndpointState
from switchroom.model.events import Event, TextMessageReceived
from switchroom.model.xmpp_settings import XmppSettings
from switchroom.tech.xmpp.limits import MAX_STANZA
from switchroom.tech.xmpp.service import XmppTechnology

LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><l>&b;</l>"
TEXT = "<message from='romeo@localhost/p' to='alice@sip.localhost' type='chat'><body>{}</body></message>"

HOSTILE = {
    "entities": LAUGHS,
    "entity without a type": TEXT.format("&b;"),
    "external entity": "<!DOCTYPE l SYSTEM 'http://localhost/x'>",
    "processing instruction": "<?xml-stylesheet href='x'?>",
    "comment": "<!-- x -->",
    "depth": "<message>" + "<a>" * 40,
    "text without end": "<message><body>" + "x" * (2 * MAX_STANZA),
    "attribute without end": "<message a='" + "x" * (2 * MAX_STANZA),
    "name without end": "<" + "x" * (2 * MAX_STANZA),
    "namespaces": "<message " + " ".join(f"xmlns:a{n}='{'n' * 1000}'" for n in range(100)) + "/>",
    "many elements": "<message>" + "<a/>" * MAX_STANZA,
    "control character": TEXT.format("&#0;"),
    "half a character": "<message><body>\ud800</body></message>",
    "another stream": "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>" * 40,
    "wrong end": "</message>",
}


class RealClock:
    """See ``core.ports.Clock``."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class World:
    """A component on a hostile server, and another one on a server that behaves."""

    def __init__(self, hostile: Server, good: Server) -> None:
        self.hostile = hostile
        self.texts: list[str] = []
        clock = RealClock()
        self.registry = Registry(clock)
        bus = Bus()
        bus.attach(self)
        self.technology = XmppTechnology(
            XmppSettings(
                accounts={
                    "sip": component(port=hostile.port),
                    "good": component("good", "good.localhost", port=good.port),
                }
            ),
            registry=self.registry,
            bus=bus,
            clock=clock,
            schedule=Schedule(clock, asyncio.get_running_loop()),
            random=Random(1),
            crossing=Crossing(Addresses(self.registry), FakeOutlet(), clock),
        )

    def takes(self, endpoint: EndpointId) -> bool:
        return True

    def hear(self, event: Event) -> None:
        if isinstance(event, TextMessageReceived):
            self.texts.append(event.message.body)

    async def until_state(self, name: str, state: EndpointState) -> None:
        def is_so() -> bool:
            endpoint = self.registry.get("XMPP", name)
            return endpoint is not None and endpoint.state is state

        await until(is_so, f"{name} {state}", 5)


@asynccontextmanager
async def world(script: Script) -> AsyncIterator[World]:
    async def hostile(connection: Connection) -> None:
        await connection.accept_component()
        await script(connection)

    async with xmpp_server(hostile) as bad, xmpp_server(Connection.accept_component) as good:
        made = World(bad, good)
        await made.technology.start()
        try:
            await made.until_state("good", EndpointState.ONLINE)
            yield made
            await made.until_state("good", EndpointState.ONLINE)
        finally:
            await made.technology.stop()


async def say(connection: Connection, *, xml: str) -> None:
    connection.send(TEXT.format("before") + xml)
    await connection.closed()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_xml_ends_the_stream_and_nothing_else(name: str) -> None:
    async with world(partial(say, xml=HOSTILE[name])) as made:
        await until(lambda: bool(made.texts), "the text before")
        await made.until_state("sip", EndpointState.OFFLINE)
        assert made.texts[0] == "before"
        assert set(made.texts) == {"before"}


async def test_a_stanza_without_end_takes_no_memory() -> None:
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        connection.send("<message><body>")
        for _ in range(10_000):
            connection.send("x" * 10_000)
            sent += 10_000
            await connection.writer.drain()

    async with world(flood) as made:
        await made.until_state("sip", EndpointState.OFFLINE)
    assert sent < 20_000_000


async def test_a_flood_of_strangers_takes_no_memory() -> None:
    count = 5_000
    done = asyncio.Event()

    async def flood(connection: Connection) -> None:
        for number in range(count):
            connection.send(
                f"<presence from='p{number}@h/x' to='a{number}@sip.localhost'/>"
                f"<presence from='q{number}@h/x' to='a@sip.localhost' type='subscribe'/>"
                f"<message from='r{number}@h/x' to='a@sip.localhost' id='{number}'>"
                "<received xmlns='urn:xmpp:receipts' id='x'/></message>"
            )
            if number % 1000 == 0:
                connection.said = connection._unread = ""
                await connection.writer.drain()
                await asyncio.sleep(0)
        connection.send("<message from='r@h' to='a@sip.localhost'><body>done</body></message>")
        reading = asyncio.create_task(connection.closed(60))
        await done.wait()
        reading.cancel()

    async with world(flood) as made:
        tracemalloc.start()
        try:
            before = tracemalloc.take_snapshot()
            await until(lambda: made.texts == ["done"], "the end of the flood", 60)
            gc.collect()
            after = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
        grown = sum(
            entry.size_diff
            for entry in after.compare_to(before, "filename")
            if "/slixmpp/" in entry.traceback[0].filename or "/tech/xmpp/" in entry.traceback[0].filename
        )
        assert grown < 500_000  # 100 bytes a stranger would be as much
        done.set()


@pytest.mark.parametrize(
    "xml",
    [
        TEXT.replace("sip.localhost", "good.localhost"),
        TEXT.replace("romeo@localhost/p", "bob@sip.localhost"),
        TEXT.replace("romeo@localhost/p", "@"),
        TEXT.replace("romeo@localhost/p", "a" * 2000 + "@h"),
        TEXT.replace("type='chat'", "type='error'"),
        TEXT.replace("type='chat'", "type='groupchat'"),
    ],
)
async def test_false_addresses_are_not_taken(xml: str) -> None:
    async def script(connection: Connection) -> None:
        connection.send(xml.format("false") + TEXT.format("true"))

    async with world(script) as made:
        await until(lambda: bool(made.texts), "a text")
        assert made.texts == ["true"]


async def test_behind_a_real_server(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """What a person can make Prosody pass on to us."""
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    conf = (
        f"[gateway]\ntype=client\nserverhost=127.0.0.1\nport={prosody.client_port}\nusetls=no\n"
        f"username=gateway@localhost\nsecret={ACCOUNTS['gateway']}\n"
        f"[sip]\ntype=component\nserverhost=127.0.0.1\nport={prosody.component_port}\n"
        f"username={COMPONENT[0]}\nsecret={COMPONENT[1]}\n"
    )
    config = write_config(tmp_path / "config", pjsip="", files={"xmpp.conf": conf})
    async with prosody.running(), running_server(config) as server, ari_client(server.base) as ari:

        async def online(name: str) -> bool:
            return bool((await ari.endpoint(name, "XMPP"))["state"] == "online")

        await until(partial(online, "gateway"), "gateway", 20)
        await until(partial(online, "sip"), "sip", 20)
        romeo = await _Raw.login(prosody.client_port)
        for to in ("gateway@localhost", "desk@sip.localhost"):
            for content in (
                "<body>" + "x" * 60_000 + "</body>",
                "<body>x</body>" + "<a>" * 100 + "</a>" * 100,
                "<body>x</body>" + "<a b='" + "y" * 50_000 + "'/>",
                "<received xmlns='urn:xmpp:receipts'/>",
                "<body/>" * 1000,
            ):
                romeo.send(f"<message to='{to}' type='chat' id='1'>{content}</message>")
        for name in ("gateway", "sip"):
            await until(partial(online, name), f"{name} again", 20)
        assert server.log_errors() == []
        romeo.close()


class _Raw:
    """A client of bare bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def login(cls, port: int) -> _Raw:
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        head = (
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='localhost' version='1.0' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        made.send(head)
        await made._until(b"</stream:features>")
        plain = "AHJvbWVvAHJvbWVvcHc="
        made.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>")
        await made._until(b"<success")
        made.send(head)
        await made._until(b"</stream:features>")
        made.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        await made._until(b"</iq>")
        made.send("<presence/>")
        return made

    async def _until(self, text: bytes) -> None:
        async with asyncio.timeout(10):
            await self._reader.readuntil(text)

    def send(self, xml: str) -> None:
        self._writer.write(xml.encode())

    def close(self) -> None:
        self._writer.close()
