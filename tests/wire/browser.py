"""Headless Chromium with one page that holds phones on JsSIP and SIP.js."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from support.config import free_port
from support.programs import LEFT_OUT, need_program
from wire.process import program

HERE = Path(__file__).parent / "browsers"
#: Where ``tests/clients/install`` puts the libraries.
LIBRARIES = Path(__file__).parents[2] / ".cache/clients-browsers"

#: Nothing but the page: no profile of anybody, no network of the browser's own.
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    # A microphone that beeps.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
_LOOPBACK = "--allow-loopback-in-peer-connection"
_HTML = "<!doctype html><meta charset=utf-8><title>phones</title><script src=/page.js></script>"

#: Seconds for the browser to start, and for a phone to do what it is told.
_WITHIN = 30.0


class Page:
    """The page; what its phones tell is kept until it is waited for."""

    def __init__(self) -> None:
        self._socket: web.WebSocketResponse | None = None
        self._told: list[list[object]] = []
        self._changed = asyncio.Event()

    async def do(self, command: str, *arguments: str) -> None:
        assert self._socket is not None
        await self._socket.send_str(json.dumps([command, *arguments]))

    async def tells(self, *what: object) -> None:
        """Waits until the page has told this, and forgets it."""
        try:
            async with asyncio.timeout(_WITHIN):
                while list(what) not in self._told:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"the page did not tell {what}, but {self._told}") from None
        self._told.remove(list(what))

    async def control(self, request: web.Request) -> web.WebSocketResponse:
        """The page's own WebSocket; a page that was reloaded comes with a new one."""
        self._socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._told.append(json.loads(message.data))
                self._changed.set()
        return socket


def need_browser(request: pytest.FixtureRequest) -> str:
    """The path of Chromium; skips the test when it or the libraries are not installed."""
    path = need_program("chromium", request)
    if not (LIBRARIES / "installed").exists():
        LEFT_OUT["JsSIP and SIP.js of npm"].add(request.node.nodeid)
        pytest.skip("JsSIP and SIP.js are not installed: tests/clients/install could not do it or was not run")
    return path


@asynccontextmanager
async def browser(path: str, folder: Path, *, loopback: bool = True) -> AsyncIterator[Page]:
    """The page in a browser of its own for as long as the block lasts; ``loopback``: calls may use it."""
    script = _bundle(folder)
    page = Page()
    app = web.Application()
    app.router.add_get("/", _serving(_HTML, "text/html"))
    app.router.add_get("/page.js", _serving(script, "text/javascript"))
    app.router.add_get("/control", page.control)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        profile = f"--user-data-dir={folder / 'profile'}"
        options = (*_OPTIONS, _LOOPBACK) if loopback else _OPTIONS
        async with program(path, *options, profile, f"http://127.0.0.1:{port}/", folder=folder):
            await page.tells("page", "ready")
            yield page
    finally:
        await runner.cleanup()


def _serving(text: str, media: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=media)

    return serve


def _bundle(folder: Path) -> str:
    """The page's script and both libraries in one file."""
    folder.mkdir()
    made = folder / "bundle.js"
    subprocess.run(
        [
            *(str(LIBRARIES / "node_modules/.bin/esbuild"), str(HERE / "page.js"), "--bundle", "--log-level=error"),
            f"--outfile={made}",
        ],
        check=True,
        timeout=60,
        env={"NODE_PATH": str(LIBRARIES / "node_modules"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    return made.read_text(encoding="utf-8")
