"""The console's phone: the browser as an endpoint that writes, is written to, calls and is called."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import user, write_config
from support.phone import phone
from support.programs import need_program
from support.server import RunningServer, running_server
from support.transports import write_transports
from support.wait import until
from wire.chromium import Tab, chromium
from wire.console import console, log_in, register

#: Lets the test see the connections that calls make.
WATCH = """
window.calls = [];
const Connection = RTCPeerConnection;
window.RTCPeerConnection = class extends Connection {
  constructor(...given) { super(...given); window.calls.push(this); }
};
"""
#: Whether sound arrives in the latest of them.
HEARS = """
window.calls.at(-1).getStats().then((stats) =>
  [...stats.values()].some(({ type, bytesReceived }) => type === "inbound-rtp" && bytesReceived > 0))
"""


async def become(tab: Tab, name: str, password: str = "") -> None:
    await tab.go("#/phone")
    await tab.type("input[name=user]", name)
    await tab.type("input[name=password]", password or f"{name}pw")
    await tab.press("Enter")


async def test_it_registers_writes_and_is_written_to(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("wim") + user("desk"), browsers=["ws"])
    async with (
        running_server(config) as server,
        console(tmp_path / "browser", request, server) as tab,
        ari_client(server.base) as ari,
        phone("desk", server.sip) as desk,
    ):
        await register(desk)
        await become(tab, "wim", "guessed")
        await tab.says("The server refuses this name and password", "[role=alert]")
        await become(tab, "wim")
        await tab.says("registered", ".device")
        await until(lambda: ari.is_state("wim", "online"), "wim online")

        sent = await ari.ask("PUT", "/ari/endpoints/PJSIP/wim/sendMessage?from=pjsip:desk&body=Zo%C3%AB+calls")
        assert sent.status == 202
        await tab.says("Zoë calls", ".theirs .bubble")
        await tab.click(".theirs .link")
        await tab.shows("document.querySelector('input[name=peer]').value === 'desk'")
        await tab.type("textarea[name=text]", "on my way, Zoë")
        await tab.press("Enter")
        assert (await desk.next("MESSAGE")).body == "on my way, Zoë"
        await tab.says("accepted", ".mine")
        await tab.type("input[name=peer]", "sip:")
        await tab.type("textarea[name=text]", "anybody there?")
        await tab.press("Enter")
        await tab.says("refused", ".mine[data-state=failed]")

        # It stays a phone while other views are looked at, and when the page is reloaded.
        await tab.go("#/endpoints")
        await tab.says("Switchroom console", ".rows")
        await tab.go("#/phone")
        await tab.call("Page.reload")
        await tab.says("registered", ".device")
        await tab.click(".device button")
        await tab.says("Register this browser")
        await until(lambda: ari.is_state("wim", "offline"), "wim offline")
        assert server.log_errors() == []


async def test_without_a_websocket_for_phones_it_says_what_is_missing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = write_config(tmp_path / "config", pjsip=user("wim"))
    async with (
        running_server(config) as server,
        chromium(need_program("chromium", request), tmp_path / "browser") as tab,
    ):
        await log_in(tab, server.base)
        await become(tab, "wim")
        await tab.says("No SIP WebSocket answers at ws://", "[role=alert]")
        await tab.says("protocol=ws in pjsip.conf", "[role=alert]")


async def browser(stack: AsyncExitStack, folder: Path, request: pytest.FixtureRequest, server: RunningServer) -> Tab:
    return await stack.enter_async_context(console(folder, request, server))


async def test_two_browsers_call_each_other(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("wim") + user("zoe"), browsers=["ws"])
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(config))
        wim = await browser(stack, tmp_path / "wim", request, server)
        zoe = await browser(stack, tmp_path / "zoe", request, server)
        for tab, name in ((wim, "wim"), (zoe, "zoe")):
            await tab.evaluate(WATCH)
            await become(tab, name)
            await tab.says("registered", ".device")

        # Answered, and ended by the one that was called.
        await wim.type("input[name=peer]", "zoe")
        await wim.click("button.call")
        await zoe.says("wim is calling", "[data-call=incoming]")
        await wim.says("It rings at zoe", "[data-call=ringing]")
        await zoe.click("[data-call] .primary")
        await zoe.says("In a call with wim", "[data-call=talking]")
        await wim.says("In a call with zoe", "[data-call=talking]")
        for tab in (wim, zoe):
            await until(partial(tab.evaluate, HEARS), "sound of the other", within=20)
        await wim.click("[data-call] [aria-pressed]")
        await wim.says("muted", "[data-call]")
        await zoe.click("[data-call] .danger")
        await wim.says("has ended", "[data-call=ended]")
        await zoe.says("has ended", "[data-call=ended]")

        # Seen in every view, and declined.
        await wim.go("#/endpoints")
        await zoe.type("input[name=peer]", "wim")
        await zoe.click("button.call")
        await wim.says("zoe is calling", "main > [role=alert]")
        await wim.click("main > [role=alert] a")
        await wim.click("[data-call=incoming] .danger")
        await zoe.says("has ended: 603", "[data-call=ended]")
        await zoe.type("input[name=peer]", "nobody")
        await zoe.click("button.call")
        await zoe.says("has ended: 404", "[data-call=ended]")
        assert server.log_errors() == []
