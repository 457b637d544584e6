"""WebSocket (RFC 6455): one message a frame, over the connections of an HTTP server that is already there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from struct import Struct
from typing import Literal

from aiohttp import WSMsgType, web

from switchroom.net.admission import Admission, Entry
from switchroom.net.limits import (
    FIRST_MESSAGE_SECONDS,
    GOODBYE_SECONDS,
    MAX_FRAME,
    MAX_UNSENT,
    MESSAGES_PER_TURN,
    PING_SECONDS,
)
from switchroom.net.stream import find_dead_peers

#: Opcodes with the bit that says that the frame is whole (RFC 6455 5.2).
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

#: Close codes (RFC 6455 7.4.1).
NORMAL, GOING_AWAY, POLICY_VIOLATION = 1000, 1001, 1008

_SHORT = Struct("!BB").pack
_MEDIUM = Struct("!BBH").pack
_LONG = Struct("!BBQ").pack


def frame(opcode: int, payload: bytes) -> bytes:
    """An unmasked, unfragmented frame (RFC 6455 5.2)."""
    length = len(payload)
    if length < 126:
        return _SHORT(opcode, length) + payload
    if length < 65_536:
        return _MEDIUM(opcode, 126, length) + payload
    return _LONG(opcode, 127, length) + payload


class WebSocketConnection:
    """One WebSocket whose handshake is done. ``context`` is for its user, who keeps there what it likes."""

    __slots__ = ("_entry", "_reason", "_timer", "_transport", "context", "host", "incoming", "port", "secure")

    def __init__(self, transport: asyncio.Transport, entry: Entry, host: str, port: int, *, secure: bool) -> None:
        self._transport = transport
        self._entry = entry
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
            FIRST_MESSAGE_SECONDS, self._give_up
        )
        #: Why it ends, once that is known.
        self._reason = ""
        #: The peer's address without brackets, and its port.
        self.host = host
        self.port = port
        self.incoming = True
        #: Whether it came over TLS.
        self.secure = secure
        self.context: object = None

    def send(self, data: bytes) -> bool:
        """Sends one message, as text when it is UTF-8 (RFC 7118 section 5); False when the WebSocket is at its end.

        A peer that leaves MAX_UNSENT bytes unread is disconnected.
        """
        if data.isascii():
            return self._write(_TEXT, data)
        try:
            data.decode()
        except UnicodeDecodeError:
            return self._write(_BINARY, data)
        return self._write(_TEXT, data)

    def prove(self) -> None:
        """The peer has sent a whole message: it need not hurry any more."""
        self._entry.prove()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ping(self) -> None:
        self._write(_PING, b"")

    def pong(self, payload: bytes) -> None:
        self._write(_PONG, payload)

    def close(self, reason: str, code: int = NORMAL) -> None:
        """Sends a close frame; the connection goes a second later, whether the peer answers or not."""
        if not self._reason:
            self._write(_CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])
            self._end(reason)

    def abort(self, reason: str) -> None:
        """Closes at once, without a goodbye."""
        self._reason = self._reason or reason
        self._transport.abort()

    def forget(self) -> str:
        """The connection is gone; why."""
        if self._timer is not None:
            self._timer.cancel()
        self._entry.leave()
        self._reason = self._reason or "closed by the peer"
        return self._reason

    def _write(self, opcode: int, payload: bytes) -> bool:
        transport = self._transport
        if self._reason or transport.is_closing():
            return False
        transport.write(frame(opcode, payload))
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort("the peer does not read")
            return False
        return True

    def _end(self, reason: str) -> None:
        self._reason = reason
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._transport.abort)

    def _give_up(self) -> None:
        self._timer = None
        self.close("no message came in time", POLICY_VIOLATION)


class WebSocketListener:
    """The WebSockets of one subprotocol. ``serve`` handles the HTTP requests for them.

    ``receive(data, connection)`` gets each message. ``closed(connection, reason)`` is called once for each
    connection that ``receive`` may have seen.
    """

    def __init__(
        self,
        subprotocol: str,
        receive: Callable[[bytes, WebSocketConnection], None],
        closed: Callable[[WebSocketConnection, str], None],
        admission: Admission,
        servername: str = "",
    ) -> None:
        """``servername`` is what the handshake says we are."""
        self._subprotocol = subprotocol
        self._servername = servername
        self._receive = receive
        self._closed = closed
        self._admission = admission
        self._connections: dict[tuple[str, int], WebSocketConnection] = {}
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    def __len__(self) -> int:
        """How many WebSockets there are."""
        return len(self._connections)

    def connected(self, host: str, port: int) -> bool:
        """Whether there is a WebSocket with this peer."""
        return (host, port) in self._connections

    def send(self, data: bytes, host: str, port: int) -> bool:
        """Sends one message to this peer; False when it has no WebSocket here."""
        connection = self._connections.get((host, port))
        return connection is not None and connection.send(data)

    async def connect(self, host: str, port: int, server_name: str = "") -> None:
        """Nobody can open a WebSocket to a browser.

        Raises:
            OSError: unless there is one already.
        """
        if not self.connected(host, port):
            raise OSError("its WebSocket is closed")

    def stop(self) -> None:
        """Says goodbye to everybody and takes nobody in any more; nothing is called afterwards."""
        self._stopped = True
        self._timer.cancel()
        for connection in tuple(self._connections.values()):
            connection.close("the server stops", GOING_AWAY)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one HTTP request: a WebSocket for as long as it lasts, or why there is none."""
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        if not self._offered(request):
            return self._refused(426, f"Here is WebSocket with the subprotocol {self._subprotocol}")
        response: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
            protocols=(self._subprotocol,),
            timeout=GOODBYE_SECONDS,
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=MAX_FRAME,
            decode_text=False,
        )
        response.headers["Server"] = self._servername
        if not response.can_prepare(request).ok:
            return self._refused(400, "Not a WebSocket handshake")
        if transport is None or not peer or self._stopped:
            return self._refused(503, "No WebSocket can be served now")
        host, port = str(peer[0]), int(peer[1])
        entry = self._admission.enter(host)
        if entry is None:
            return self._refused(503, "Too many connections")
        connection = WebSocketConnection(transport, entry, host, port, secure=request.secure)
        try:
            await response.prepare(request)
            # A browser whose machine is gone leaves our pings unacknowledged.
            find_dead_peers(transport.get_extra_info("socket"))
            self._connections[host, port] = connection
            await self._listen(response, connection)
        except ConnectionError:
            pass  # gone while it was answered
        except Exception as error:
            # As the loop does for other transports: an answer of HTTP would be garbage here.
            self._loop.call_exception_handler({"message": "a WebSocket failed", "exception": error})
            connection.abort("the server failed")
        finally:
            # Closed here, or aiohttp would send a close frame of its own.
            transport.close()
            self._forget(connection)
        return response

    def _offered(self, request: web.BaseRequest) -> bool:
        """Whether it asks for a WebSocket with our subprotocol (RFC 7118 section 4)."""
        asked = request.headers.getall("Sec-WebSocket-Protocol", [])
        return (
            request.headers.get("Upgrade", "").strip().lower() == "websocket"
            and self._subprotocol in {name.strip() for line in asked for name in line.split(",")}
            # aiohttp looks at the first line alone.
            and len(asked) == 1
        )

    async def _listen(self, response: web.WebSocketResponse[Literal[False]], connection: WebSocketConnection) -> None:
        """Reads until the WebSocket ends."""
        taken = 0
        while True:
            message = await response.receive()
            taken += 1
            if taken % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)  # receive() does not wait while there is something
            kind = message.type
            if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
                self._receive(message.data, connection)
            elif kind is WSMsgType.PING:
                connection.pong(message.data)
            elif kind is WSMsgType.CLOSE:
                connection.close("closed by the peer", message.data or NORMAL)
                return
            elif kind is not WSMsgType.PONG:
                return

    def _forget(self, connection: WebSocketConnection) -> None:
        key = connection.host, connection.port
        if self._connections.get(key) is connection:
            del self._connections[key]
        reason = connection.forget()
        if not self._stopped:
            self._closed(connection, reason)

    def _ping(self) -> None:
        """A quiet WebSocket is kept open; a missing pong closes nothing (some clients never answer)."""
        for connection in tuple(self._connections.values()):
            connection.ping()
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    def _refused(self, status: int, text: str) -> web.Response:
        more = {"Upgrade": "websocket"} if status == 426 else {"Connection": "close"}
        return web.Response(status=status, text=f"{text}\n", headers={"Server": self._servername, **more})
