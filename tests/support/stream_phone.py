"""A scripted SIP phone on one TCP, TLS or WebSocket connection. It shares no code with the server."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import aiohttp

from support.config import Address
from support.phone import SipMessage, answer_challenge

_SERIAL = itertools.count(1)


class StreamPhone:
    """One phone. Requests to it are answered 200 at once, and kept in ``received``."""

    def __init__(self, name: str, transport: str, server: Address) -> None:
        self.name = name
        self.transport = transport
        self.server = server
        self.contact = ""
        self.received: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.keepalives: asyncio.Queue[bytes] = asyncio.Queue()
        self.answers: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def send(self, data: bytes) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def take(self, data: bytes) -> None:
        """One message or keep-alive that came in."""
        if not data.strip(b"\r\n"):
            self.keepalives.put_nowait(data)
            return
        message = SipMessage.parse(data)
        if message.is_response:
            self.answers.put_nowait(message)
            return
        self.received.put_nowait(message)
        lines = ["SIP/2.0 200 OK", *(f"Via: {via}" for via in message.all("Via"))]
        lines += [f"{name}: {message.first(name)}" for name in ("From", "Call-ID", "CSeq")]
        await self.send(_bytes([*lines, f"To: {message.first('To')};tag={self.name}"], ""))

    async def request(self, method: str, to: str, *, headers: Iterable[str] = (), body: str = "") -> SipMessage:
        """Sends a request and answers the challenge with password ``{name}pw``; the final response."""
        uri = f"sip:{to}@{self.server.host}" if to else f"sip:{self.server.host}"
        call, authorization = f"{self.name}-{next(_SERIAL)}", ""
        for cseq in (1, 2):
            lines = [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/{self.transport.upper()} host.invalid;branch=z9hG4bK{self.name}{next(_SERIAL)}",
                f"From: <sip:{self.name}@{self.server.host}>;tag=f{cseq}",
                f"To: <sip:{to or self.name}@{self.server.host}>",
                f"Call-ID: {call}",
                f"CSeq: {cseq} {method}",
                "Max-Forwards: 70",
                *headers,
                *([authorization] if authorization else []),
            ]
            await self.send(_bytes(lines, body))
            answer = await asyncio.wait_for(self.answers.get(), 10)
            if answer.status != 401:
                break
            authorization = answer_challenge(answer.first("WWW-Authenticate"), method, uri, self.name, f"{self.name}pw")
        return answer

    async def register(self, *parameters: str, expires: int = 600, headers: Iterable[str] = ()) -> SipMessage:
        contact = ";".join((f"<{self.contact}>", *parameters))
        return await self.request("REGISTER", "", headers=[f"Contact: {contact}", f"Expires: {expires}", *headers])

    async def next(self, within: float = 10.0) -> SipMessage:
        return await asyncio.wait_for(self.received.get(), within)


class _Stream(StreamPhone):
    """On TCP or TLS."""

    def __init__(
        self, name: str, transport: str, server: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(name, transport, server)
        self._reader = reader
        self._writer = writer
        host, port = writer.get_extra_info("sockname")[:2]
        self.contact = f"sip:{name}@{host}:{port};transport={transport}"

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def read(self) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await self._reader.readuntil(b"\r\n")
                if head == b"\r\n":
                    await self.take(head)
                    continue
                head += await self._reader.readuntil(b"\r\n\r\n")
                length = int(SipMessage.parse(head).first("Content-Length"))
                await self.take(head + await self._reader.readexactly(length))
        self.closed.set()


class _Browser(StreamPhone):
    """On WebSocket."""

    def __init__(self, name: str, transport: str, server: Address, socket: aiohttp.ClientWebSocketResponse) -> None:
        super().__init__(name, transport, server)
        self.socket = socket
        self.contact = f"sip:r{next(_SERIAL)}@r{name}.invalid;transport=ws"

    async def send(self, data: bytes) -> None:
        await self.socket.send_str(data.decode())

    async def close(self) -> None:
        await self.socket.close(code=1001)

    async def read(self) -> None:
        async for message in self.socket:
            await self.take(message.data.encode() if isinstance(message.data, str) else message.data)
        self.closed.set()


@asynccontextmanager
async def stream_phone(name: str, transport: str, server: Address) -> AsyncIterator[StreamPhone]:
    """A phone with a connection of its own for as long as the block lasts. ``server`` is where it connects to."""
    async with aiohttp.ClientSession() as session:
        made: _Stream | _Browser
        if transport in ("ws", "wss"):
            scheme = "https" if transport == "wss" else "http"
            socket = await session.ws_connect(f"{scheme}://{server}/ws", protocols=("sip",), ssl=_trusting())
            made = _Browser(name, transport, server, socket)
        else:
            reader, writer = await asyncio.open_connection(*server, ssl=_trusting() if transport == "tls" else None)
            made = _Stream(name, transport, server, reader, writer)
        reading = asyncio.create_task(made.read())
        try:
            yield made
        finally:
            await made.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _bytes(lines: Iterable[str], body: str) -> bytes:
    payload = body.encode()
    return "\r\n".join([*lines, f"Content-Length: {len(payload)}", "", ""]).encode() + payload
