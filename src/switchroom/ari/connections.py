"""Connections: aiohttp's HTTP protocol with our bounds, our error bodies and news of congestion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from aiohttp import web

from switchroom.ari.limits import (
    HEAD_SECONDS,
    HEADER_BYTES,
    HEADERS,
    LINGER_SECONDS,
    REQUEST_LINE_BYTES,
    SILENT_SECONDS,
)
from switchroom.ari.reply import Head, Reply, error_body
from switchroom.model.settings import HttpSettings

_log = structlog.get_logger("switchroom.ari.connections")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("congested", "on_relief", "silent")

    def __init__(self, manager: Connections, **options: Any) -> None:
        super().__init__(manager, **options)
        #: The transport's buffer is above its high-water mark: the peer reads slower than we write.
        self.congested = False
        #: Called when the transport takes more again.
        self.on_relief: Callable[[], None] | None = None
        #: No request has come whole yet.
        self.silent = True

    def heard(self) -> None:
        """A request has come whole, the first."""
        self.silent = False
        assert isinstance(self._manager, Connections)
        self._manager.silent.pop(self, None)

    def turn_away(self, status: int, message: str) -> None:
        """Says why, and ends the connection."""
        if self.transport is not None and not self.transport.is_closing():
            assert isinstance(self._manager, Connections)
            reply = Reply(status, error_body(message), close=True)
            self.transport.write(reply.whole(self._manager.head))
        self.force_close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.congested = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.congested = False
        if self.on_relief is not None:
            self.on_relief()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """An answer to what never became a request; handlers answer their own errors."""
        if status >= 500 and request.transport is not None:  # who left in the middle of a request is no fault
            _log.error("a request failed", peer=request.remote, exc_info=exc)
        assert isinstance(self._manager, Connections)
        reply = Reply(status, error_body("Bad request" if status < 500 else "Internal server error"), close=True)
        reply.head = self._manager.head
        return reply


class Connections(web.Server):
    """Makes and counts connections, on any number of listeners.

    Beyond ``sessionlimit`` a client is told so and let go; but a place is not held by saying nothing: of those that
    never sent a whole request the oldest makes room, and none is waited for long.
    """

    def __init__(self, handler: Handler, settings: HttpSettings, head: Head) -> None:
        super().__init__(
            handler,
            access_log=None,
            keepalive_timeout=settings.session_keep_alive or HEAD_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=REQUEST_LINE_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
            # A compressed body is no text we know; unpacking it would be the client's way to our memory.
            auto_decompress=False,
        )
        self.head = head
        self.limit = settings.sessionlimit
        self.count = 0
        #: Connections beyond the limit that still wait for their answer.
        self.turned_away = 0
        #: Connections that have not sent a whole request yet, the oldest first, and since when they are open.
        self.silent: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Looks for the silent from now on."""
        self._timer = self._loop.call_later(1.0, self._sweep)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        if self._timer is not None:
            self._timer.cancel()
        await super().shutdown(timeout)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [c for c, since in self.silent.items() if now - since >= HEAD_SECONDS]:
            connection.turn_away(408, "The request takes too long")
        self._timer = self._loop.call_later(1.0, self._sweep)

    def _make_room(self) -> bool:
        oldest = next(iter(self.silent), None)
        if oldest is None or self._loop.time() - self.silent[oldest] < SILENT_SECONDS:
            return False
        del self.silent[oldest]
        oldest.turn_away(503, "Too many connections")
        return True

    def __call__(self) -> Any:
        if self.count >= self.limit and not self._make_room():
            return _TurnedAway(self)
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.count += 1
        assert isinstance(handler, Connection)
        self.silent[handler] = self._loop.time()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.count -= 1
        assert isinstance(handler, Connection)
        self.silent.pop(handler, None)


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: answered 503 when it asks, gone a second later when it does not."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.turned_away += 1
        if self._connections.turned_away > self._connections.limit:
            self._transport.abort()
        else:
            asyncio.get_running_loop().call_later(1.0, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.turned_away -= 1

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            body = error_body("Too many connections")
            reply = Reply(503, body, b"Retry-After: 1\r\n", close=True)
            self._transport.write(reply.whole(self._connections.head))
            self._transport.close()
