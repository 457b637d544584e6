"""WebSockets that we open (ari.conf ``type=outbound_websocket``): the application is a server, and we are its client.

Such a connection is kept open for ever. Its applications exist from the start; what they miss while it is down is kept
as for any application that resumes.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

import aiohttp
import msgspec
import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType

from switchroom.ari.applications import Application
from switchroom.ari.call import Services
from switchroom.ari.limits import CLOSE_SECONDS, MESSAGE_BYTES, QUEUE_BYTES, QUEUE_EVENTS, RECONNECT_SECONDS
from switchroom.ari.render import Rendered
from switchroom.ari.reply import encode
from switchroom.ari.requests import Conversation
from switchroom.model.settings import AriUser, OutboundSettings

_log = structlog.get_logger("switchroom.ari.outbound")

#: RFC 6455 7.4.1 and, for the last, the IANA registry.
_NORMAL = 1000
_PROTOCOL_ERROR = 1002
_TRY_AGAIN_LATER = 1013


def pauses(interval: float) -> Iterator[float]:
    """Seconds between tries, for ever: doubled each time, with chance in it, so that many servers that lost the same
    peer do not come back together.
    """
    pause = interval
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(2 * pause, max(RECONNECT_SECONDS, interval))


class Outbound:
    """One connection and the applications it serves."""

    def __init__(self, settings: OutboundSettings, services: Services, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._services = services
        self._tls = tls
        self._task: asyncio.Task[None] | None = None
        self._line: _Line | None = None

    def start(self) -> None:
        settings = self._settings
        self._services.applications.expect(settings.apps, everything=settings.subscribe_all)
        self._task = asyncio.create_task(self._keep_open())

    async def stop(self) -> None:
        """Says that the applications end here, and closes."""
        line = self._line
        if line is not None:
            services = self._services
            line.announce(services.renderer.unregistered(services.clock.wall()), self._settings.apps)
            with suppress(TimeoutError):
                await asyncio.wait_for(line.drained(), CLOSE_SECONDS)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_open(self) -> None:
        """Connects, and again when the connection ends."""
        settings = self._settings
        waits = pauses(settings.reconnect_interval)
        while True:
            try:
                async with aiohttp.ClientSession(trust_env=False) as session:
                    web = await self._connect(session)
                    waits = pauses(settings.reconnect_interval)
                    await self._serve(web)
                _log.warning("an outbound WebSocket has ended", name=settings.name, uri=settings.uri)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                reason = str(error) or type(error).__name__
                _log.warning(
                    "an outbound WebSocket can not be opened", name=settings.name, uri=settings.uri, reason=reason
                )
            await asyncio.sleep(next(waits))

    async def _connect(self, session: aiohttp.ClientSession) -> ClientWebSocketResponse:
        settings = self._settings
        headers = {"Authorization": _basic(settings.username, settings.password)} if settings.username else {}
        proxied = {"Proxy-Authorization": _basic(settings.proxy_username, settings.proxy_password)}
        async with asyncio.timeout(settings.connection_timeout):
            web = await session.ws_connect(
                settings.uri,
                protocols=settings.protocols,
                headers=headers,
                ssl=self._tls if self._tls is not None else True,
                proxy=f"http://{settings.proxy}" if settings.proxy else None,
                proxy_headers=proxied if settings.proxy and settings.proxy_username else None,
                max_msg_size=MESSAGE_BYTES,
                heartbeat=settings.ping_interval or None,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            )
        if settings.protocols and web.protocol not in settings.protocols:
            await web.close(code=_PROTOCOL_ERROR)
            raise ValueError("the server did not choose one of the protocols")
        return web

    async def _serve(self, web: ClientWebSocketResponse) -> None:
        """Serves the applications over a new connection, to its end."""
        settings, services = self._settings, self._services
        line = self._line = _Line(web, services)
        conversation = Conversation(services, line, self._user, settings.apps[0])
        _log.info("an outbound WebSocket is open", name=settings.name, uri=settings.uri)
        line.announce(services.renderer.registered(services.clock.wall()), settings.apps)
        services.applications.join(settings.apps, line, everything=settings.subscribe_all, resumes=True)
        work = (asyncio.create_task(line.write()), asyncio.create_task(_read(web, conversation)))
        try:
            await asyncio.wait((*work, line.stalled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._line = None
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            services.applications.leave(line)
            with suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await web.close(code=_TRY_AGAIN_LATER if line.stalled.done() else _NORMAL)

    async def _user(self) -> AriUser:
        """With whose rights the other side asks."""
        return self._services.gate.authenticator.local(self._settings.local_user)


async def _read(web: ClientWebSocketResponse, conversation: Conversation) -> None:
    async for message in web:
        if message.type is WSMsgType.TEXT:
            await conversation.take(message.data)


class _Line:
    """A connection that is open: events wait in a bounded queue until the other side takes them."""

    def __init__(self, web: ClientWebSocketResponse, services: Services) -> None:
        self.applications: list[Application] = []
        address = web.get_extra_info("peername")
        self.peer: str = address[0] if address else ""
        #: Done when the peer does not read: it loses the connection, not the events.
        self.stalled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._web = web
        self._pretty = services.sockets.pretty
        self._queue: deque[bytes] = deque()
        self._drained = asyncio.Event()
        self._size = 0
        self._most_events = QUEUE_EVENTS
        self._most_bytes = QUEUE_BYTES
        self._wake = asyncio.Event()

    @property
    def unsent(self) -> Sequence[bytes]:
        return tuple(self._queue)

    @property
    def torn(self) -> bool:
        return self.stalled.done()

    def announce(self, event: Rendered, names: Sequence[str]) -> None:
        """Tells each application's other side that it begins or ends."""
        for name in names:
            self.send(event.before + encode(name) + event.after)

    def send(self, payload: bytes) -> None:
        self._queue.append(msgspec.json.format(payload, indent=2) if self._pretty else payload)
        self._size += len(payload)
        self._wake.set()
        if (len(self._queue) > self._most_events or self._size > self._most_bytes) and not self.stalled.done():
            _log.warning("the peer of an outbound WebSocket does not read its events", peer=self.peer)
            self.stalled.set_result(None)

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Until they are on their way the queue has room for them, too."""
        self._most_events += len(payloads)
        self._most_bytes += sum(map(len, payloads))
        for payload in payloads:
            self.send(payload)

    async def write(self) -> None:
        """Sends what is queued, until that fails."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._web.send_frame(self._queue[0], WSMsgType.TEXT)
                self._queue.popleft()
            self._drained.set()
            self._size = 0
            self._most_events, self._most_bytes = QUEUE_EVENTS, QUEUE_BYTES

    async def drained(self) -> None:
        """Returns when everything that waits now is sent."""
        if self._queue:
            self._drained.clear()
            await self._drained.wait()


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
