"""An XMPP server that says what a script tells it to, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SM = "urn:xmpp:sm:3"

MECHANISMS = f"<mechanisms xmlns='{SASL}'>{{}}</mechanisms>"
PLAIN = MECHANISMS.format("<mechanism>PLAIN</mechanism>")


class Connection:
    """One client's connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        #: All that came.
        self.said = ""

    def send(self, xml: str) -> None:
        self.writer.write(xml.encode("utf-8", "surrogatepass"))

    async def until(self, text: str, within: float = 5.0) -> str:
        """Waits until ``text`` stands in what came and was not waited for yet; what came up to its end."""
        try:
            async with asyncio.timeout(within):
                while text not in self._unread:
                    data = await self._reader.read(65_536)
                    if not data:
                        raise AssertionError(f"the client went before it said {text!r}: {self._unread!r}")
                    self.said += data.decode()
                    self._unread += data.decode()
        except TimeoutError:
            raise AssertionError(f"the client did not say {text!r} but {self._unread!r}") from None
        found, _, self._unread = self._unread.partition(text)
        return found + text

    _unread = ""

    async def closed(self, within: float = 5.0) -> str:
        """Waits until the client goes; what it said before."""
        async with asyncio.timeout(within):
            with suppress(ConnectionError):
                while data := await self._reader.read(65_536):
                    self.said += data.decode()
        return self.said

    async def farewell(self) -> None:
        """Reads on until the client ends its stream or goes."""
        with suppress(ConnectionError):
            while "</stream:stream>" not in self._unread and (data := await self._reader.read(65_536)):
                self.said += data.decode()
                self._unread = self._unread[-100:] + data.decode()

    # ---- what servers say

    async def head(self, namespace: str = "jabber:client", features: str | None = None) -> None:
        """Answers the head of a stream, with features when the protocol has them."""
        await self.until("version='1.0'>" if namespace == "jabber:client" else '">')
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{STREAMS}' id='abc' "
            "from='localhost' version='1.0'>"
        )
        if features is not None:
            self.send(f"<stream:features>{features}</stream:features>")

    async def accept_component(self) -> None:
        """Lets a component in, whatever its secret."""
        await self.head("jabber:component:accept")
        await self.until("</handshake>")
        self.send("<handshake/>")

    async def accept_client(self, features: str = "") -> None:
        """Lets a client in, whatever its password; ``features`` beside bind."""
        await self.head(features=PLAIN)
        await self.until("</auth>")
        self.send(f"<success xmlns='{SASL}'/>")
        await self.head(features=f"<bind xmlns='{BIND}'/>{features}")
        await self.bind()

    async def bind(self) -> None:
        query = await self.until("</iq>")
        stanza_id = query.partition(' id="')[2].partition('"')[0]
        self.send(
            f"<iq type='result' id='{stanza_id}'><bind xmlns='{BIND}'>"
            "<jid>gateway@localhost/asterisk-xmpp</jid></bind></iq>"
        )


Script = Callable[[Connection], Awaitable[None]]


class Server:
    """A listening server; each connection is given to the next script, the last one is used again. When a script
    has ended, the connection lasts until the client ends it.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.connections: list[Connection] = []
        self.port = 0
        self.faults: list[BaseException] = []
        self._running: set[asyncio.Task[None]] = set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        connection = Connection(reader, writer)
        self.connections.append(connection)
        task = asyncio.get_running_loop().create_task(self._play(script, connection))
        self._running.add(task)

    async def _play(self, script: Script, connection: Connection) -> None:
        try:
            await script(connection)
            await connection.farewell()
        except asyncio.CancelledError:
            raise
        except (AssertionError, OSError) as fault:
            self.faults.append(fault)
        finally:
            connection.writer.transport.abort()

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


@asynccontextmanager
async def xmpp_server(*scripts: Script) -> AsyncIterator[Server]:
    """Listens until the block is left."""
    server = Server(*scripts)
    listening = await asyncio.start_server(server._connected, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.stop()
        await listening.wait_closed()
