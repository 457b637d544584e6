"""Where one message ends and the next begins on a stream (RFC 3261 18.3, keep-alives of RFC 5626 3.5.1)."""

from __future__ import annotations

from typing import Final

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import CONTENT_LENGTH, DIGITS
from switchroom.wire.sip.limits import MAX_BODY, MAX_HEAD

PING: Final = b"\r\n\r\n"
"""Asks for a PONG (RFC 5626 3.5.1)."""

PONG: Final = b"\r\n"
"""Answers a PING; a lone one is also some phones' way to keep a path open."""

KEEPALIVE: Final = frozenset({PING, PONG})
"""What stands between messages: ``item in KEEPALIVE`` tells it from a message."""

_END_OF_HEAD: Final = b"\r\n\r\n"


class StreamFramer:
    """Cuts the bytes of one connection into messages.

    A stream that can not be followed any more is at fault for good: ``fault`` says why, and the connection is to be
    closed. At most one message of the largest size is ever held.
    """

    __slots__ = ("_buffer", "_length", "_scanned", "_split_ping", "fault")

    def __init__(self) -> None:
        self.fault: SipError | None = None
        self._buffer = bytearray()
        self._scanned = 0
        """Bytes of the buffer in which the end of the head was looked for in vain."""
        self._length = 0
        """Length of the message at the front of the buffer, once its head is complete; else 0."""
        self._split_ping = False
        """The last bytes were a lone CRLF: if another follows, they were a ping after all."""

    def feed(self, data: bytes) -> list[bytes]:
        """Takes what has arrived; gives the messages and keep-alives that are complete, in order.

        Raises SipError (400 without a Content-Length or with a bad one, 513 too large) when the stream is at fault
        and nothing came before it; what came before it is given first, and ``fault`` is set.
        """
        if self.fault is None:
            self._buffer += data
        complete: list[bytes] = []
        try:
            while (item := self._next()) is not None:
                complete.append(item)
        except SipError as error:
            self.fault = error
            self._buffer.clear()
        if self.fault is not None and not complete:
            raise self.fault
        return complete

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if not self._length:
            if buffer[:1] == b"\r" and (keepalive := self._keepalive()) is not None:
                return keepalive
            if not self._measure():
                return None
        if len(buffer) < self._length:
            return None
        return self._take(self._length)

    def _keepalive(self) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(PING):
            self._split_ping = False
            self._take(len(PING))
            return PING
        if not buffer.startswith(PONG):
            return None
        self._take(len(PONG))
        if self._split_ping:
            self._split_ping = False
            return PING
        self._split_ping = len(buffer) == 0 or buffer == b"\r"
        return PONG

    def _measure(self) -> bool:
        """Finds the length of the message at the front; false while its head is not complete."""
        buffer = self._buffer
        if not buffer or buffer == b"\r":
            return False
        self._split_ping = False
        end = buffer.find(_END_OF_HEAD, max(0, self._scanned - len(_END_OF_HEAD) + 1))
        if end < 0:
            self._scanned = len(buffer)
        if end > MAX_HEAD or self._scanned > MAX_HEAD:
            raise SipError(513, "The head of a message on a stream is too long")
        if end < 0:
            return False
        body = _content_length(bytes(buffer[:end]))
        if body > MAX_BODY:
            raise SipError(513, "The body of a message on a stream is too long")
        self._length = end + len(_END_OF_HEAD) + body
        return True

    def _take(self, length: int) -> bytes:
        item = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._scanned = self._length = 0
        return item


def _content_length(head: bytes) -> int:
    """The one Content-Length of a head; a stream can not be cut without it (RFC 3261 20.14)."""
    values = CONTENT_LENGTH.findall(head)
    if len(values) != 1:
        raise SipError(400, "A message on a stream needs one Content-Length")
    text = values[0].decode("latin-1").strip(" \t\r\n")
    if not DIGITS.fullmatch(text):
        raise SipError(400, "Content-Length is not a number of one to ten digits")
    return int(text)
