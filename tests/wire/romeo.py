"""A person on somebody's XMPP server, and a Switchroom with accounts there.

The person's client is on slixmpp with its own reading and answering; ours shares only the library.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from slixmpp import ClientXMPP

from support.ari import Ari, ari_client
from support.certificates import Certificate
from support.config import user, write_config
from support.events import Events, events
from support.prosody import ACCOUNTS, COMPONENT
from support.server import RunningServer, running_server
from support.wait import until


class XmppServer(Protocol):
    """A server of others with ``ACCOUNTS`` and ``COMPONENT``, on loopback."""

    client_port: int
    component_port: int


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


def xmpp_conf(theirs: XmppServer, certificate: Certificate | None) -> str:
    tls = f"usetls=yes\ntls_ca_file={certificate.cert}\n" if certificate else "usetls=no\n"
    server = f"serverhost=127.0.0.1\nport={theirs.client_port}\n"
    return (
        f"[general]\nautoregister=yes\n"
        f"[gateway]\ntype=client\n{server}{tls}username=gateway@localhost\nsecret={ACCOUNTS['gateway']}\n"
        f"[wrong]\ntype=client\n{server}{tls}username=romeo@localhost/w\nsecret=wrong\n"
        f"[stranger]\ntype=client\n{server}usetls=yes\nusername=romeo@localhost/s\nsecret={ACCOUNTS['romeo']}\n"
        f"[sip]\ntype=component\nserverhost=127.0.0.1\nport={theirs.component_port}\n"
        f"username={COMPONENT[0]}\nsecret={COMPONENT[1]}\n"
        f"[impostor]\ntype=component\nserverhost=127.0.0.1\nport={theirs.component_port}\n"
        f"username={COMPONENT[0]}\nsecret=wrong\n"
    )


@asynccontextmanager
async def switchroom(
    theirs: XmppServer,
    folder: Path,
    certificate: Certificate | None,
    conf: str = "",
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[World]:
    """The server, with its XMPP accounts and ``more`` files; romeo is not there yet."""
    files = {"xmpp.conf": conf or xmpp_conf(theirs, certificate), **(more or {})}
    config = write_config(folder / "config", pjsip=user("alice", "alicepw"), files=files)
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        romeo = Romeo(theirs.client_port, certificate)
        try:
            yield World(server, ari, heard, romeo, certificate)
        finally:
            await romeo.disconnect(wait=2)
            if romeo._run_out_filters is not None:
                romeo._run_out_filters.cancel()


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
