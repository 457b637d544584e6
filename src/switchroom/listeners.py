"""The sockets SIP is spoken on: opened as pjsip.conf says, and joined to the technology.

Part of the composition root, as ``net`` and ``tech`` know nothing of each other.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from switchroom.model.settings import TransportSettings
from switchroom.net.admission import Admission
from switchroom.net.certificates import client_context, server_context
from switchroom.net.source_address import source_address
from switchroom.net.stream import StreamListener
from switchroom.net.udp import UdpListener
from switchroom.net.websocket import WebSocketConnection, WebSocketListener
from switchroom.tech.sip.service import SipTechnology
from switchroom.tech.sip.streams import Frames, Streams
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.flow import Flow

#: Registered with IANA (RFC 7118 section 4).
_SUBPROTOCOL = "sip"


class Listeners:
    """The listeners of one technology; ``closing`` takes each down that was opened."""

    def __init__(self, sip: SipTechnology, closing: AsyncExitStack, admission: Admission) -> None:
        """``admission`` counts the connections of all technologies."""
        self._sip = sip
        self._closing = closing
        self._admission = admission
        #: Sections of the HTTP server's WebSockets, by protocol.
        self._browsers: dict[str, TransportSettings] = {}
        #: Its UDP sockets, which count what goes through them.
        self.datagrams: list[UdpListener] = []

    async def open(self, transport: TransportSettings) -> tuple[str, int] | None:
        """Where it listens now; None for ``ws`` and ``wss``, which ``browsers`` serves, and for what has no socket.

        Raises:
            OSError: the address is not ours, the port is taken or not allowed.
            ValueError: it is no address, or a file of a certificate can not be used.
        """
        protocol = transport.protocol
        if protocol == "udp":
            return await self._open_udp(transport)
        if protocol in ("tcp", "tls"):
            return await self._open_stream(transport)
        if protocol in ("ws", "wss"):
            self._browsers.setdefault(protocol, transport)
        return None

    def browsers(self, servername: str) -> Browsers | None:
        """What serves WebSockets, if a section wants it."""
        if not self._browsers:
            return None
        return Browsers(self._sip, self._browsers, self._admission, servername)

    async def _open_udp(self, transport: TransportSettings) -> tuple[str, int]:
        sip, name = self._sip, transport.name

        def receive(data: bytes, host: str, port: int) -> None:
            if udp.behind and sip.sheds(data, host, port):
                return
            sip.receive(data, Flow("udp", name, host, port))

        def refused(host: str, port: int, reason: OSError) -> None:
            sip.unreachable(Flow("udp", name, host, port))

        udp = await UdpListener.open(transport.bind_host, transport.bind_port, receive, after=_nothing, error=refused)
        self._closing.callback(udp.close)
        self.datagrams.append(udp)
        self._attach(transport, udp.address, udp)
        return udp.address

    async def _open_stream(self, transport: TransportSettings) -> tuple[str, int]:
        sip, server_tls, client_tls = self._sip, None, None
        if transport.protocol == "tls":
            files = transport.cert_file, transport.priv_key_file
            if not transport.cert_file:
                raise ValueError("it has no cert_file")
            server_tls = server_context(
                *files,
                ca_file=transport.ca_list_file,
                verify_client=transport.verify_client,
                require_client_cert=transport.require_client_cert,
            )
            client_tls = client_context(*files, ca_file=transport.ca_list_file, verify_server=transport.verify_server)
        streams = Streams(transport.protocol, transport.name, sip.receive, sip.disconnected, asyncio.get_running_loop())
        opened = await StreamListener.open(
            transport.bind_host,
            transport.bind_port,
            streams.receive_bytes,
            streams.closed,
            admission=self._admission,
            server_tls=server_tls,
            client_tls=client_tls,
        )
        self._closing.push_async_callback(opened.stop)
        self._attach(transport, opened.address, opened)
        return opened.address

    def _attach(
        self, transport: TransportSettings, address: tuple[str, int], opened: UdpListener | StreamListener
    ) -> None:
        host, port = address
        connections = opened if isinstance(opened, StreamListener) else None
        ours = partial(source_address, ipv6=":" in host)
        self._sip.attach(Listener(transport, host, port, opened.send, ours, connections))


class Browsers:
    """WebSockets on the HTTP server's ports (RFC 7118); ``ws`` and ``wss`` sections say only how they are called."""

    def __init__(
        self, sip: SipTechnology, sections: dict[str, TransportSettings], admission: Admission, servername: str
    ) -> None:
        self._sip = sip
        self._sections = sections
        self._frames = {
            protocol: Frames(protocol, section.name, sip.receive, sip.disconnected)
            for protocol, section in sections.items()
        }
        self._listener = WebSocketListener(_SUBPROTOCOL, self._receive, self._closed, admission, servername)

    def attach(self, plain: tuple[str, int], tls: tuple[str, int] | None) -> None:
        """The HTTP server listens here, and there with TLS if it does so."""
        for protocol, section in self._sections.items():
            host, port = tls if tls is not None and protocol == "wss" else plain
            ours = partial(source_address, ipv6=":" in host)
            self._sip.attach(Listener(section, host, port, self._listener.send, ours, self._listener))

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers an HTTP request for a WebSocket."""
        return await self._listener.serve(request)

    def stop(self) -> None:
        """Says goodbye to every browser."""
        self._listener.stop()

    def _receive(self, data: bytes, connection: WebSocketConnection) -> None:
        self._of(connection).receive(data, connection)

    def _closed(self, connection: WebSocketConnection, reason: str) -> None:
        self._of(connection).closed(connection, reason)

    def _of(self, connection: WebSocketConnection) -> Frames:
        """With one section all are of it: a proxy that ends TLS before us makes ``wss`` of what comes in plain."""
        found = self._frames.get("wss" if connection.secure else "ws")
        return found or next(iter(self._frames.values()))


def _nothing() -> None:
    """Each datagram's work is done when it was received; a batch needs no more."""
