"""WebSockets of applications: bounded outboxes, flushed together once a loop turn.

Nobody waits for a WebSocket. An event is put into the outbox of each socket that gets it; one flush
for all of them runs at the end of the loop turn and hands each socket's frames to its transport in one
write. A socket whose peer does not read keeps its events here until the transport takes more, or until
the outbox is full: then it is closed, and nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import WSMsgType, web

from switchroom.ari.limits import CLOSE_SECONDS, OUTBOX_BYTES, OUTBOX_EVENTS, PING_SECONDS

if TYPE_CHECKING:
    from switchroom.ari.applications import Application
    from switchroom.ari.connections import Connection

_log = structlog.get_logger("switchroom.ari.sockets")

#: RFC 6455 7.4.1 and, for the last, the IANA registry.
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

#: They tell that there was no close frame, or no code in it.
_NEVER_SENT = frozenset((1004, 1005, 1006))

_PING = b"\x89\x00"

_SHORT = Struct("!BB").pack
_MEDIUM = Struct("!BBH").pack
_LONG = Struct("!BBQ").pack


def text_frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented text frame (RFC 6455 5.2)."""
    length = len(payload)
    if 126 <= length < 65_536:
        return _MEDIUM(0x81, 126, length) + payload
    if length < 126:
        return _SHORT(0x81, length) + payload
    return _LONG(0x81, 127, length) + payload


def _echo(code: int) -> int:
    """What a close code is answered with: the same, if it may be sent at all (RFC 6455 7.4)."""
    if code == 0:
        return NORMAL
    return code if 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in _NEVER_SENT) else PROTOCOL_ERROR


def _payload(frame: bytes) -> bytes:
    """What ``text_frame`` was made of."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame (RFC 6455 5.5.1); the reason is cut to what a control frame holds."""
    payload = code.to_bytes(2, "big") + reason.encode()[:123]
    return b"\x88" + len(payload).to_bytes(1, "big") + payload


class Sockets:
    """All open WebSockets, their common flush and their common ping."""

    def __init__(self, servername: str, *, pretty: bool = False) -> None:
        #: What the handshake says we are.
        self.servername = servername
        #: Events are indented, for people.
        self.pretty = pretty
        self.open: set[Socket] = set()
        #: How many were closed because they did not read.
        self.dropped = 0
        #: Events that were given to WebSockets, and those that went with one that did not read.
        self.sent = 0
        self.lost = 0
        self._loop = asyncio.get_running_loop()
        self._dirty: list[Socket] = []
        self._timer: asyncio.TimerHandle | None = None
        self._now_and_then: Callable[[], None] | None = None
        self._empty: asyncio.Future[None] | None = None

    def start(self, now_and_then: Callable[[], None]) -> None:
        """``now_and_then`` is called with every common ping."""
        self._now_and_then = now_and_then
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    async def stop(self) -> None:
        """Says goodbye to everybody; returns when all have gone, soon after ``CLOSE_SECONDS`` at most."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        for socket in tuple(self.open):
            socket.close(GOING_AWAY, "the server is stopping")
        if self.open:
            self._empty = self._loop.create_future()
            # A little longer than each of them has.
            await asyncio.wait((self._empty,), timeout=1.5 * CLOSE_SECONDS)

    def mark(self, socket: Socket) -> None:
        """The socket has something to send; it is flushed in this loop turn."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(socket)

    def forget(self, socket: Socket) -> None:
        self.open.discard(socket)
        if not self.open and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for socket in dirty:
            socket.flush()

    def _ping(self) -> None:
        """A quiet connection is kept open; a missing pong closes nothing (some clients never answer)."""
        for socket in self.open:
            socket.ping()
        if self._now_and_then is not None:
            self._now_and_then()
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)


class Socket:
    """One client's WebSocket and the events that wait for it."""

    __slots__ = (
        "_bytes",
        "_closing",
        "_connection",
        "_marked",
        "_most_bytes",
        "_most_events",
        "_outbox",
        "_sockets",
        "_transport",
        "_web",
        "applications",
        "peer",
        "torn",
        "unsent",
    )

    def __init__(self, sockets: Sockets, connection: Connection, response: web.WebSocketResponse, peer: str) -> None:
        """For a response whose handshake is done."""
        assert connection.transport is not None
        self.applications: list[Application] = []
        #: The client's address.
        self.peer = peer
        self._sockets = sockets
        self._connection = connection
        self._transport = connection.transport
        self._web = response
        #: Once it has ended: events that were never handed to the transport.
        self.unsent: Sequence[bytes] = ()
        #: And whether others were on their way.
        self.torn = False
        self._outbox: list[bytes] = []
        self._bytes = 0
        self._most_events = OUTBOX_EVENTS
        self._most_bytes = OUTBOX_BYTES
        self._marked = False
        self._closing = False
        connection.on_relief = self.flush
        sockets.open.add(self)

    def send(self, payload: bytes) -> None:
        """Sends one event, in this loop turn or when the peer reads again. Never waits, never raises."""
        if self._closing:
            return
        if self._sockets.pretty:
            payload = msgspec.json.format(payload, indent=2)
        self._sockets.sent += 1
        outbox = self._outbox
        outbox.append(text_frame(payload))
        self._bytes += len(payload)
        if len(outbox) > self._most_events or self._bytes > self._most_bytes:
            # Many events of one loop turn do not make a slow reader: first see what the transport takes.
            self.flush()
            if outbox:
                self._drop()
        elif not self._marked:
            self._marked = True
            self._sockets.mark(self)

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Sends events that are kept elsewhere; until they are on their way the outbox has room for them, too."""
        self._most_events += len(payloads)
        self._most_bytes += sum(map(len, payloads))
        for payload in payloads:
            self.send(payload)

    def flush(self) -> None:
        """Hands everything to the transport, unless that is full or the WebSocket is closing."""
        self._marked = False
        outbox = self._outbox
        if not outbox or self._connection.congested:
            return
        frames = outbox[0] if len(outbox) == 1 else b"".join(outbox)
        self._clear()
        if not self._web.closed and not self._transport.is_closing():
            self._transport.write(frames)

    def ping(self) -> None:
        if not self._connection.congested and self._writable():
            self._transport.write(_PING)

    def close(self, code: int, reason: str = "") -> None:
        """Closes from our side: close frame, then the connection, whether the peer answers or not."""
        if self._writable():
            self._transport.write(close_frame(code, reason))
        self._end()

    def _writable(self) -> bool:
        return not (self._closing or self._web.closed or self._transport.is_closing())

    def _clear(self) -> None:
        self._outbox.clear()
        self._bytes = 0
        self._most_events = OUTBOX_EVENTS
        self._most_bytes = OUTBOX_BYTES

    def _end(self) -> None:
        """Nothing is sent from here on; a peer that keeps the connection loses it."""
        if not self._closing:
            self._closing = True
            self.unsent = [_payload(frame) for frame in self._outbox]
            self.torn = self._connection.congested
            self._clear()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _drop(self) -> None:
        _log.warning(
            "a client does not read its events and is disconnected",
            peer=self.peer,
            applications=[application.name for application in self.applications],
            events=len(self._outbox),
            bytes=self._bytes,
        )
        self._sockets.dropped += 1
        self._sockets.lost += len(self._outbox)
        self.close(TRY_AGAIN_LATER, "events are not read")

    async def listen(self, take: Callable[[str], Awaitable[None]]) -> None:
        """Reads until the WebSocket ends; ``take`` gets its texts. Binaries and pongs mean nothing here."""
        while True:
            message = await self._web.receive()
            if message.type is WSMsgType.TEXT:
                await take(message.data)
            elif message.type is WSMsgType.PING:
                # pong() waits for a peer that sends pings but does not read the answers.
                with suppress(ConnectionError):
                    await self._web.pong(message.data)
            elif message.type is WSMsgType.CLOSE:
                if not self._closing:
                    self.flush()
                    self.close(_echo(message.data))
                # Closed here, or aiohttp would send a close frame of its own.
                self._transport.close()
                return
            elif message.type in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return

    def forget(self) -> None:
        """The connection is gone."""
        self._end()
        self._sockets.forget(self)
