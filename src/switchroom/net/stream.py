"""TCP and TLS: connections that come in and connections we open, their bytes as they come.

Connections are accepted here and not by the loop's server, so that one counts from its first packet on: a TLS
handshake that never ends holds a place of its address like any other connection, and for five seconds at most.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Self, cast

from switchroom.net.admission import Admission, Entry
from switchroom.net.limits import (
    ACCEPT_BATCH,
    ACCEPT_PAUSE,
    BACKLOG,
    CONNECT_SECONDS,
    FIRST_MESSAGE_SECONDS,
    GOODBYE_SECONDS,
    HANDSHAKE_SECONDS,
    KEEPALIVE_IDLE,
    KEEPALIVE_INTERVAL,
    KEEPALIVE_PROBES,
    MAX_CONNECTING,
    MAX_UNSENT,
    OUTGOING_IDLE_SECONDS,
    UNACKNOWLEDGED_MILLISECONDS,
)

#: What accept(2) says when it is the system that has no room.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  compared with, never bound to


class StreamConnection(asyncio.Protocol):
    """One connection, from the end of its handshake. ``context`` is for its user, who keeps there what it likes."""

    __slots__ = (
        "_entry",
        "_listener",
        "_reason",
        "_timer",
        "_transport",
        "_used",
        "context",
        "host",
        "incoming",
        "port",
    )

    def __init__(self, listener: StreamListener, entry: Entry, host: str, port: int, *, incoming: bool) -> None:
        self._listener = listener
        self._entry = entry
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._used = 0.0
        #: Why it ends, once that is known.
        self._reason = ""
        #: The peer's address without brackets, and its port.
        self.host = host
        self.port = port
        self.incoming = incoming
        self.context: object = None

    def send(self, data: bytes) -> bool:
        """Sends, now or as soon as the peer reads; False when the connection is at its end.

        A peer that leaves MAX_UNSENT bytes unread is disconnected.
        """
        transport = self._transport
        if transport is None or self._reason:
            return False
        if not self.incoming:
            self.touch()
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort("the peer does not read")
            return False
        return True

    def prove(self) -> None:
        """The peer has sent a whole message: it need not hurry any more."""
        if not self._entry.proven:
            self._entry.prove()
            if self.incoming and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def pause(self) -> None:
        """Nothing more is read for now; the kernel makes the peer wait."""
        if self._transport is not None and not self._reason:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self._transport is not None and not self._reason:
            self._transport.resume_reading()

    def close(self, reason: str) -> None:
        """Closes once all is sent; ``closed`` is told later."""
        if self._transport is not None and not self._reason:
            self._reason = reason
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Closes at once, without a goodbye; ``closed`` is told later."""
        if self._transport is not None:
            self._reason = self._reason or reason
            self._transport.abort()

    # ---- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._used = loop.time()
        if self.incoming:
            self._timer = loop.call_later(FIRST_MESSAGE_SECONDS, self._give_up)
        else:
            self._entry.prove()
            self._timer = loop.call_later(OUTGOING_IDLE_SECONDS, self._look)
        self._listener.add(self)

    def data_received(self, data: bytes) -> None:
        if not self._reason:
            if not self.incoming:
                self.touch()
            self._listener.receive(data, self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._entry.leave()
        reason = self._reason or (str(error) if error is not None else "closed by the peer")
        self._reason = reason
        self._listener.forget(self, reason)

    def touch(self) -> None:
        """The connection is about to be used: it stays open for its next OUTGOING_IDLE_SECONDS."""
        self._used = asyncio.get_running_loop().time()

    def _give_up(self) -> None:
        self.abort("no message came in time")

    def _look(self) -> None:
        """An outgoing connection that nobody uses is closed; else it is looked at again when its time may be over."""
        loop = asyncio.get_running_loop()
        left = self._used + OUTGOING_IDLE_SECONDS - loop.time()
        if left <= 0:
            self.close("not used any more")
        else:
            self._timer = loop.call_later(left, self._look)


class StreamListener:
    """One bound TCP socket and its connections, with TLS or without. Made by ``open``.

    At most one connection is known of each peer address and port.
    """

    def __init__(
        self,
        bound: socket.socket,
        receive: Callable[[bytes, StreamConnection], None],
        closed: Callable[[StreamConnection, str], None],
        admission: Admission,
        server_tls: ssl.SSLContext | None,
        client_tls: ssl.SSLContext | None,
    ) -> None:
        self.receive = receive
        self._closed = closed
        self._admission = admission
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._socket = bound
        self._loop = asyncio.get_running_loop()
        self._connections: dict[tuple[str, int], StreamConnection] = {}
        self._connecting: dict[tuple[str, int], asyncio.Task[StreamConnection]] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._stopped: asyncio.Event | None = None
        #: Host without brackets, and port, as bound.
        self.address: tuple[str, int] = bound.getsockname()[:2]
        #: Connections that ended before anything could be said on them.
        self.failed_handshakes = 0
        self._loop.add_reader(bound.fileno(), self._accept)

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        receive: Callable[[bytes, StreamConnection], None],
        closed: Callable[[StreamConnection, str], None],
        *,
        admission: Admission,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Binds ``host`` (an address without brackets; IPv6 takes IPv6 only) and ``port`` (0: any).

        ``receive(data, connection)`` gets bytes as they come. ``closed(connection, reason)`` is called once for each
        connection, never from within ``send`` or ``close``, and not for one whose place a new one of the same peer
        has taken. With TLS contexts connections of both directions use TLS.

        Raises:
            OSError: the address is not ours, the port is taken or not allowed.
            ValueError: ``host`` is not an address.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.inet_pton(family, host)
        except OSError:
            raise ValueError(f"not an IP address: {host!r}") from None
        bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            bound.listen(BACKLOG)
            return cls(bound, receive, closed, admission, server_tls, client_tls)
        except BaseException:
            bound.close()
            raise

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def connected(self, host: str, port: int) -> bool:
        """Whether there is a connection with this peer that something can be sent on."""
        return (host, port) in self._connections

    def send(self, data: bytes, host: str, port: int) -> bool:
        """Sends on the connection with this peer; False when there is none. Opens none."""
        connection = self._connections.get((host, port))
        return connection is not None and connection.send(data)

    async def connect(self, host: str, port: int, server_name: str = "") -> None:
        """Opens a connection to an address, unless there is one.

        ``server_name`` is whose certificate is expected when certificates are checked, the address unless given.

        Raises:
            OSError: nobody is there, the certificate is not right, too many are being opened, or it takes too long.
        """
        key = host, port
        known = self._connections.get(key)
        if known is not None:
            known.touch()
            return
        task = self._connecting.get(key)
        if task is None:
            if len(self._connecting) >= MAX_CONNECTING or self._stopped is not None:
                raise OSError("too many connections are being opened")
            task = self._connecting[key] = self._loop.create_task(self._connect(host, port, server_name))
            task.add_done_callback(lambda _: self._connecting.pop(key, None))
        # Whoever gives up leaves the attempt to the others who wait for it.
        await asyncio.shield(task)

    async def stop(self) -> None:
        """Closes the socket and every connection, in GOODBYE_SECONDS at most; nothing is called afterwards."""
        if self._stopped is not None:
            return
        self._stopped = asyncio.Event()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        if self._pause is not None:
            self._pause.cancel()
        opening = (*self._handshakes, *self._connecting.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for connection in tuple(self._connections.values()):
            connection.close("the server stops")
        for last in (False, True):
            if self._connections:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), GOODBYE_SECONDS)
            for connection in () if last else tuple(self._connections.values()):
                connection.abort("the server stops")

    # ---- connections come and go

    def add(self, connection: StreamConnection) -> None:
        """A connection is up. An older one with the same peer address and port is dead: the peer began anew."""
        key = connection.host, connection.port
        older = self._connections.pop(key, None)
        self._connections[key] = connection
        if older is not None:
            older.abort("replaced by a new connection")

    def forget(self, connection: StreamConnection, reason: str) -> None:
        """A connection is gone."""
        key = connection.host, connection.port
        if self._connections.get(key) is not connection:
            return
        del self._connections[key]
        if self._stopped is None:
            self._closed(connection, reason)
        elif not self._connections:
            self._stopped.set()

    def _accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                accepted, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause_accepting()
                    return
                continue  # that peer has given up meanwhile
            entry = self._admission.enter(address[0])
            if entry is None:
                accepted.close()
                continue
            accepted.setblocking(False)
            task = self._loop.create_task(self._serve(accepted, entry, address[0], address[1]))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _pause_accepting(self) -> None:
        """Without file descriptors the socket would be readable for ever: wait until some are free."""
        self._loop.remove_reader(self._socket.fileno())
        self._pause = self._loop.call_later(ACCEPT_PAUSE, self._resume_accepting)

    def _resume_accepting(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _serve(self, accepted: socket.socket, entry: Entry, host: str, port: int) -> None:
        """Brings one connection up; from then on it lives by itself."""
        try:
            find_dead_peers(accepted)
            await self._loop.connect_accepted_socket(
                lambda: StreamConnection(self, entry, host, port, incoming=True),
                accepted,
                ssl=self._server_tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._server_tls else None,
                ssl_shutdown_timeout=GOODBYE_SECONDS if self._server_tls else None,
            )
        except BaseException as error:
            entry.leave()
            accepted.close()
            if not isinstance(error, OSError):
                raise
            self.failed_handshakes += 1

    async def _connect(self, host: str, port: int, server_name: str) -> StreamConnection:
        entry = self._admission.enter(host)
        if entry is None:
            raise OSError("too many connections with this address")
        tls = self._client_tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self.address[0] not in _WILDCARDS:
                    opened.bind((self.address[0], 0))
                await self._loop.sock_connect(opened, (host, port))
                find_dead_peers(opened)
                _, connection = await self._loop.create_connection(
                    lambda: StreamConnection(self, entry, host, port, incoming=False),
                    sock=opened,
                    ssl=tls,
                    server_hostname=(server_name or host) if tls else None,
                    ssl_shutdown_timeout=GOODBYE_SECONDS if tls else None,
                )
        except BaseException as error:
            entry.leave()
            opened.close()
            if isinstance(error, OverflowError):
                raise OSError(f"no port: {port}") from error
            raise
        return connection


def find_dead_peers(connected: socket.socket) -> None:
    """Has the kernel ask whether the peer is still there, and give up when it does not answer; and nothing waits to be
    sent. What the system does not know is left out.
    """
    with suppress(OSError):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
