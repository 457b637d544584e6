"""A relay between a client library and the server: keeps what the library sends, and can lose its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from support.wait import until

_CHUNK = 65536


class Relay:
    """``base`` is to the library what the server's is: ``http://HOST:PORT``."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self.base = ""
        #: All that clients have sent, connection after connection.
        self.sent = bytearray()
        #: Open connections: the library's end to the server's end.
        self._open: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        #: Server's ends of connections whose other end is lost.
        self._halves: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both sides have ended it."""
        onward_reader, onward = await asyncio.open_connection(*self._to)
        self._open[writer] = onward
        try:
            await asyncio.gather(self._carry_on(reader, onward), self._carry_back(onward_reader, writer))
        finally:
            self._open.pop(writer, None)
            self._halves.discard(onward)
            writer.close()
            onward.close()

    async def _carry_on(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        while data := await _read(reader):
            self.sent += data
            onward.write(data)
        if onward not in self._halves:
            _end(onward)

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _read(reader):
            if not writer.is_closing():
                writer.write(data)
        _end(writer)

    def end_all(self) -> None:
        """The server sees each connection end, and the library sees what the server makes of that."""
        for onward in self._open.values():
            _end(onward)

    def lose_clients(self) -> None:
        """The library's connections break; the server is not told, as after a fault of the network."""
        for writer, onward in self._open.items():
            self._halves.add(onward)
            writer.transport.abort()
        self._open.clear()

    async def end_halves(self) -> None:
        """The server learns at last that those connections are no more, and has ended them too."""
        for onward in self._halves:
            _end(onward)
        await until(lambda: not self._halves, "the end of the lost connections")


async def _read(reader: asyncio.StreamReader) -> bytes:
    """What has come, nothing at the end or once the connection is broken."""
    try:
        return await reader.read(_CHUNK)
    except ConnectionError:
        return b""


def _end(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.write_eof()


@asynccontextmanager
async def relay(base: str) -> AsyncIterator[Relay]:
    """A relay to the server at ``base``, for as long as the block lasts."""
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
            made.lose_clients()
            await made.end_halves()
