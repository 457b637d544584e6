"""Responses: the whole of one is made as bytes and leaves in one write.

aiohttp's own responses build a header dictionary and await four times for each; at thousands of
small answers a second that is most of the work. Only documented parts of ``StreamResponse`` are replaced.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from switchroom.ari.limits import RESPONSE_SECONDS

JSON: Final = b"application/json"

#: Larger bodies are not copied behind the head; and no more than this waits for a peer that does not read.
_LARGE = 65_536

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}

encode = msgspec.json.Encoder().encode


class Head:
    """The first lines of every response: status, Server and Date, made once a second for each status."""

    def __init__(self, servername: str) -> None:
        self._server = b"Server: %b\r\n" % servername.encode("latin-1", "replace") if servername else b""
        self._second = 0
        self._lines: dict[int, bytes] = {}

    def lines(self, status: int) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._lines.clear()
        lines = self._lines.get(status)
        if lines is None:
            date = formatdate(second, usegmt=True).encode()
            lines = b"HTTP/1.1 %d %b\r\n%bDate: %b\r\n" % (status, _REASONS.get(status, b""), self._server, date)
            self._lines[status] = lines
        return lines


class Reply(web.StreamResponse):
    """A response known in full. ``headers`` are whole lines with CRLF, in the order they are sent."""

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: bytes = b"",
        *,
        content_type: bytes = JSON,
        close: bool = False,
    ) -> None:
        # StreamResponse.__init__ is left out: it makes the header dictionary nobody here asks for.
        self.code = status
        self.content = body
        self.lines = headers
        self.media = content_type
        self.close = close
        self.head: Head | None = None

    @property
    def status(self) -> int:
        return self.code

    @property
    def keep_alive(self) -> bool:
        return not self.close

    def whole(self, head: Head) -> bytes:
        """Head and body, for a connection that is closed behind it."""
        self.close = True
        return self._head_lines(head, old=False) + self.content

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Writes the response; one buffer, so that old clients see head and body together."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if not request.keep_alive:
            self.close = True
        assert self.head is not None
        lines = self._head_lines(self.head, old=request.version < HttpVersion11)
        body = self.content
        if request.method == "HEAD" or not body:
            transport.write(lines)
        elif len(body) < _LARGE:
            transport.write(lines + body)
        else:
            transport.write(lines)
            transport.write(body)
        if transport.get_write_buffer_size() > _LARGE:
            await _taken(request, transport)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""

    def _head_lines(self, head: Head, *, old: bool) -> bytes:
        first = head.lines(self.code)
        if self.close:
            first += b"Connection: close\r\n"
        elif old:
            first += b"Connection: keep-alive\r\n"
        length = len(self.content)
        if self.code == 304:  # it has no length of its own (RFC 9110 8.6)
            return b"%bCache-Control: no-cache, no-store\r\n%b\r\n" % (first, self.lines)
        if not length:
            return b"%bCache-Control: no-cache, no-store\r\n%bContent-Length: 0\r\n\r\n" % (first, self.lines)
        return b"%bCache-Control: no-cache, no-store\r\n%bContent-type: %b\r\nContent-Length: %d\r\n\r\n" % (
            first,
            self.lines,
            self.media,
            length,
        )


async def _taken(request: web.BaseRequest, transport: asyncio.Transport) -> None:
    """Waits until the peer has taken most of what was written, before its next request is served."""
    try:
        async with asyncio.timeout(RESPONSE_SECONDS):
            await request.writer.drain()
    except TimeoutError:
        transport.abort()
        raise ConnectionResetError("the client does not read its response") from None


def error_body(message: str) -> bytes:
    """ARI's error object. What can not be written as UTF-8 is replaced: the text may echo the request."""
    return encode({"message": message.encode("utf-8", "replace").decode()})
