"""Phones in browsers: JsSIP and SIP.js in Chromium, on WebSocket in clear, with TLS of the server, and of a proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from support.ari import ari_client
from support.certificates import Certificate, self_signed
from support.config import Address, user
from support.events import events
from support.server import running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.browser import browser, need_browser

TEXT = "/ari/endpoints/sendMessage?to=pjsip:{}&from=sip:me@example.org&body=Zo%C3%AB+calls"


@asynccontextmanager
async def tls_before(server: Address, made: Certificate) -> AsyncIterator[Address]:
    """What a reverse proxy does: TLS outside, the same bytes in the clear inside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside = await asyncio.open_connection(*server)
        for pumping in (pump(reader, inside[1]), pump(inside[0], writer)):
            task = asyncio.create_task(pumping)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    outside = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    try:
        yield Address(*outside.sockets[0].getsockname()[:2])
    finally:
        outside.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def reached(where: str, server: Address, folder: Path) -> AsyncIterator[str]:
    """Where a browser connects to: the server itself by ``ws`` or ``wss``, or a proxy before it."""
    if where != "a proxy":
        yield f"{where}://{server}/ws"
        return
    async with tls_before(server, self_signed(folder, "proxy")) as outside:
        yield f"wss://{outside}/ws"


@pytest.mark.parametrize(
    ("library", "where"), [("jssip", "ws"), ("jssip", "wss"), ("jssip", "a proxy"), ("sipjs", "ws"), ("sipjs", "wss")]
)
async def test_a_browser_is_a_phone(tmp_path: Path, request: pytest.FixtureRequest, library: str, where: str) -> None:
    path = need_browser(request)
    protocol = "ws" if where == "ws" else "wss"
    config = write_transports(tmp_path / "config", pjsip=user("wim"), browsers=[protocol])
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        reached(where, addresses(config)["wss" if where == "wss" else "ws"], tmp_path) as url,
    ):
        account = ("wim", library, url, "wim", "wimpw", "127.0.0.1")
        async with browser(path, tmp_path / "browser") as page:
            await page.do("start", *account)
            await page.tells("wim", "registered", 200)
            await until(lambda: ari.is_state("wim", "online"), "wim online")

            assert (await ari.ask("PUT", TEXT.format("wim"))).status == 202
            await page.tells("wim", "message", "sip:me@example.org", "Zoë calls")
            await page.do("send", "wim", "sip:desk@127.0.0.1", "on my way, Zoë")
            await page.tells("wim", "sent", 202)
            text = await heard.next_of("TextMessageReceived")
            assert (text["endpoint"]["resource"], text["message"]["body"]) == ("wim", "on my way, Zoë")

            # A page that is reloaded is a new phone; the old one is gone with its connection.
            await page.do("reload")
            await page.tells("page", "ready")
            await until(lambda: ari.is_state("wim", "offline"), "wim offline")
            await page.do("start", *account)
            await page.tells("wim", "registered", 200)
            assert (await ari.ask("PUT", TEXT.format("wim"))).status == 202
            await page.tells("wim", "message", "sip:me@example.org", "Zoë calls")

            await page.do("unregister", "wim")
            await until(lambda: ari.is_state("wim", "offline"), "wim offline again")
            await page.do("reload")
            await page.tells("page", "ready")
            await page.do("start", *account)
            await page.tells("wim", "registered", 200)
        await until(lambda: ari.is_state("wim", "offline"), "wim offline with the browser")
        assert server.log_errors() == []


async def test_browsers_write_to_each_other_and_are_referred(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = need_browser(request)
    config = write_transports(tmp_path / "config", pjsip=user("jo") + user("sue"))
    url = f"ws://{addresses(config)['ws']}/ws"
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        browser(path, tmp_path / "browser") as page,
    ):
        for name, library in (("jo", "jssip"), ("sue", "sipjs")):
            await page.do("start", name, library, url, name, f"{name}pw", "127.0.0.1")
            await page.tells(name, "registered", 200)
        for sender, receiver in (("jo", "sue"), ("sue", "jo")):
            await page.do("send", sender, f"sip:{receiver}@127.0.0.1", f"hello {receiver}")
            await page.tells(sender, "sent", 202)
            await page.tells(receiver, "message", f"sip:{sender}@127.0.0.1", f"hello {receiver}")
        refer = "/ari/endpoints/refer?to=pjsip:sue&from=sip:me@example.org&refer_to=pjsip:jo&to_self=true"
        assert (await ari.ask("POST", refer)).status == 202
        here = addresses(config)["ws"]
        await page.tells("sue", "referred", f"<sip:jo@{here};transport=ws>")
        assert server.log_errors() == []
