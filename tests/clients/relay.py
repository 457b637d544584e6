"""A relay between a client library and the server: keeps what the library sends, and can break its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_CHUNK = 65536


class Relay:
    """``base`` is to the library what the server's is: ``http://HOST:PORT``."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self.base = ""
        #: All that clients have sent, connection after connection.
        self.sent = bytearray()
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(*self._to)
        ends = {writer, onward_writer}
        self._open |= ends
        try:
            await asyncio.gather(
                self._carry(reader, onward_writer, self.sent), self._carry(onward_reader, writer, None)
            )
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
        """One direction, until its sender ends or the connection breaks."""
        try:
            while data := await reader.read(_CHUNK):
                if kept is not None:
                    kept += data
                writer.write(data)
            if not writer.is_closing():
                writer.write_eof()
        except OSError:
            writer.transport.abort()

    def cut(self) -> None:
        """Breaks every connection, as a network does: neither side is told of a close."""
        for writer in self._open:
            writer.transport.abort()


@asynccontextmanager
async def relay(base: str) -> AsyncIterator[Relay]:
    """A relay to the server at ``base``, open for new connections for as long as the block lasts."""
    to = urlsplit(base)
    assert to.hostname is not None
    assert to.port is not None
    made = Relay(to.hostname, to.port)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    made.base = f"http://{host}:{port}"
    async with listening:
        try:
            yield made
        finally:
            made.cut()
