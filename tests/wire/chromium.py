"""Headless Chromium as a person uses it, driven over its DevTools protocol: one tab, keys, clicks, and what it said."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from support.wait import until
from wire.process import program

#: Nothing but the tab: no profile of anybody, no network of the browser's own; a microphone that beeps.
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)

#: Seconds for the browser to start, and for a page to come to what is waited for.
_WITHIN = 20.0
#: DevTools messages hold whole screenshots.
_LARGEST = 64 << 20

#: Waits in the page until the expression is true; a rejected promise says what the page showed instead.
_UNTIL = """
new Promise((resolve, reject) => {
  const end = performance.now() + %d;
  const look = () => {
    let found;
    try { found = (%s); } catch (error) { found = false; }
    if (found) return resolve(found);
    if (performance.now() > end) return reject(new Error("the page shows: " + document.body.innerText.slice(0, 3000)));
    setTimeout(look, 15);
  };
  look();
})
"""

_KEYS = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36, "PageDown": 34, "Tab": 9, "Escape": 27}


class Tab:
    """One tab. What it asks for, complains about and shows in dialogs is kept in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._serial = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        #: Addresses of all requests and WebSockets.
        self.requests: list[str] = []
        #: Bytes of headers and bodies that came over HTTP, compressed as they came.
        self.received = 0
        #: Errors on the console, exceptions nobody caught, reports of the security policy, dialogs.
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        serial = next(self._serial)
        future = self._asked[serial] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(json.dumps({"id": serial, "method": method, "params": parameters}))
        return await asyncio.wait_for(future, 2 * _WITHIN)

    async def read(self) -> None:
        """Takes what the browser says until it ends."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            said = json.loads(message.data)
            if "id" in said:
                future = self._asked.pop(said["id"])
                if future.done():
                    continue
                if "error" in said:
                    future.set_exception(AssertionError(said["error"]["message"]))
                else:
                    future.set_result(said["result"])
            else:
                self._hear(said["method"], said["params"])

    def _hear(self, method: str, said: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(said["url"])
        elif method == "Network.loadingFinished":
            self.received += int(said["encodedDataLength"])
        elif method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(value.get("value")) for value in said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {said['message']}")

    # ---- what a person does

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def go(self, fragment: str) -> None:
        """To another view, as a link would."""
        await self.evaluate(f"location.hash = {json.dumps(fragment)}")

    async def click(self, selector: str) -> None:
        """Clicks in the middle of the first element of a CSS selector once it is there and can be pressed."""
        found = json.dumps(selector)
        await self.shows(f"document.querySelector({found}) && !document.querySelector({found}).disabled")
        place = await self.evaluate(
            f"(() => {{ const e = document.querySelector({found}); e.scrollIntoView({{block: 'nearest'}}); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def type(self, selector: str, text: str) -> None:
        """Replaces what stands in a field."""
        found = json.dumps(selector)
        await self.shows(f"document.querySelector({found})")
        await self.evaluate(f"(() => {{ const e = document.querySelector({found}); e.focus(); e.select(); }})()")
        if text:
            await self.call("Input.insertText", text=text)
        else:
            await self.press("Delete")

    async def press(self, key: str) -> None:
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = _KEYS.get(key, ord(key) if len(key) == 1 else 46)
        for kind in ("keyDown", "keyUp"):
            down = {"text": text} if kind == "keyDown" and text else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **down)

    # ---- what a person sees

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, waited for when it is a promise."""
        said = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in said:
            raise AssertionError(said["exceptionDetails"]["exception"].get("description", said))
        return said["result"].get("value")

    async def shows(self, expression: str, within: float = _WITHIN) -> Any:
        """Waits until an expression in the page is true; its value."""
        while True:
            try:
                return await self.evaluate(_UNTIL % (within * 1000, expression))
            except AssertionError as error:
                if "context was destroyed" not in str(error) and "navigated" not in str(error):
                    raise AssertionError(f"never true: {expression}\n{error}\n{self.complaints}") from None

    async def says(self, text: str, selector: str = "body", within: float = _WITHIN) -> None:
        """Waits until the text is seen within the first element of a CSS selector."""
        await self.shows(
            f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})", within
        )

    async def look(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Another window, another taste."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        await self.call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        said = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(said["data"])


@asynccontextmanager
async def chromium(path: str, folder: Path, *options: str) -> AsyncIterator[Tab]:
    """A browser with one empty tab for as long as the block lasts; ``options`` are further ones of its own."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    told = profile / "DevToolsActivePort"
    async with (
        program(path, *_OPTIONS, *options, f"--user-data-dir={profile}", "about:blank", folder=folder) as running,
        aiohttp.ClientSession() as session,
    ):
        await until(lambda: told.exists() and "\n" in told.read_text(), "DevTools of Chromium", _WITHIN)
        port = told.read_text().split("\n")[0]
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        assert pages, running.output()
        async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=_LARGEST) as socket:
            tab = Tab(socket)
            reading = asyncio.create_task(tab.read())
            for domain in ("Page", "Runtime", "Network", "Log"):
                await tab.call(f"{domain}.enable")
            try:
                yield tab
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
