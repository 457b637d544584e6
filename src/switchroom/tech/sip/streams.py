"""From connections to flows: messages cut out of streams and frames, keep-alives answered, ends told.

A connection is known to the rest of the technology by its ``Flow`` alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from switchroom.core.ports import Timers
from switchroom.tech.sip.limits import MESSAGES_PER_TURN
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.framing import KEEPALIVE, PING, PONG, StreamFramer


class Connection(Protocol):
    """What a stream or a WebSocket lets us do; ``context`` is ours."""

    host: str
    port: int
    context: object

    def send(self, data: bytes) -> bool: ...

    def prove(self) -> None:
        """It has sent a whole message."""
        ...

    def close(self, reason: str) -> None: ...


class PausableConnection(Connection, Protocol):
    """A connection that can be made to wait."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Frames:
    """The WebSockets of one listener: each frame is a message (RFC 7118 section 5)."""

    def __init__(
        self, protocol: str, name: str, receive: Callable[[bytes, Flow], None], ended: Callable[[Flow], None]
    ) -> None:
        """``receive(message, flow)`` gets each message, ``ended(flow)`` is called when a connection is gone."""
        self._protocol = protocol
        self._name = name
        self._receive = receive
        self._ended = ended

    def receive(self, data: bytes, connection: Connection) -> None:
        """Takes one frame."""
        flow = connection.context
        if not isinstance(flow, Flow):
            flow = connection.context = self.flow(connection)
        self._take(data, flow, connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """The connection is gone."""
        self._ended(self.flow(connection))

    def flow(self, connection: Connection) -> Flow:
        return Flow(self._protocol, self._name, connection.host, connection.port)

    def _take(self, item: bytes, flow: Flow, connection: Connection) -> bool:
        """One message or keep-alive; False when the peer does not speak SIP, and is let go."""
        if item in KEEPALIVE:
            # Answered here, and not by a step: a keep-alive is of the connection (RFC 5626 section 4.4.1).
            if item == PING:
                connection.send(PONG)
            return True
        if not _is_sip(item):
            connection.close("the peer does not speak SIP")
            return False
        connection.prove()
        self._receive(item, flow)
        return True


class Streams(Frames):
    """The TCP or TLS connections of one listener."""

    def __init__(
        self,
        protocol: str,
        name: str,
        receive: Callable[[bytes, Flow], None],
        ended: Callable[[Flow], None],
        timers: Timers,
    ) -> None:
        super().__init__(protocol, name, receive, ended)
        self._timers = timers

    def receive_bytes(self, data: bytes, connection: PausableConnection) -> None:
        """Takes bytes as they came. A stream that can not be cut into messages is closed (RFC 3261 18.3)."""
        stream = connection.context
        if not isinstance(stream, _Stream):
            stream = connection.context = _Stream(self.flow(connection))
        try:
            items = stream.framer.feed(data)
        except SipError as error:
            if not stream.waiting:
                connection.close(error.reason)
            return
        if stream.waiting:
            stream.waiting.extend(items)
        elif len(items) <= MESSAGES_PER_TURN:
            self._work(items, stream, connection)
        else:
            stream.waiting.extend(items)
            connection.pause()
            self._go_on(stream, connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """The connection is gone, and with it what has not been worked on."""
        if isinstance(connection.context, _Stream):
            connection.context.waiting.clear()
        super().closed(connection, reason)

    def _go_on(self, stream: _Stream, connection: PausableConnection) -> None:
        """Some of what waits; the rest when everybody else has had a turn, and only then is more read."""
        waiting = stream.waiting
        some = [waiting.popleft() for _ in range(min(len(waiting), MESSAGES_PER_TURN))]
        if not self._work(some, stream, connection):
            waiting.clear()
        elif waiting:
            self._timers.call_later(0.0, partial(self._go_on, stream, connection))
        else:
            connection.resume()

    def _work(self, items: list[bytes], stream: _Stream, connection: Connection) -> bool:
        """False when the connection is at its end."""
        for item in items:
            if not self._take(item, stream.flow, connection):
                return False
        if stream.framer.fault is not None and not stream.waiting:
            connection.close(stream.framer.fault.reason)
            return False
        return True


class _Stream:
    """What is kept of one connection."""

    __slots__ = ("flow", "framer", "waiting")

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.framer = StreamFramer()
        #: Messages that came with many others and have not had their turn; nothing is read meanwhile.
        self.waiting: deque[bytes] = deque()


def _is_sip(message: bytes) -> bool:
    """Whether the first line begins or ends with a SIP version: whoever speaks HTTP is not worth an answer."""
    line = message.lstrip(b"\r\n").partition(b"\r\n")[0].strip().upper()
    return line.startswith(b"SIP/") or b" SIP/" in line[-12:]
