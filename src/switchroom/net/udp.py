"""UDP: datagrams in by the batch, the answers to them out by the batch.

The socket is read by this module itself and not by the loop's datagram endpoint, for two things that
the endpoint can not do: it tells when a batch of datagrams was read, so that the work they caused is flushed
together, and it hears which destination refused a datagram. It costs no more; docs/decisions has the figures.

What is sent while a batch is read leaves when that is done: to wake whoever reads it costs the kernel as much as to
send, and a reader that is awake needs no second call. All else leaves at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Self

from switchroom.net.limits import BEHIND_SECONDS, MAX_BATCH, MAX_DATAGRAM, MAX_ERRORS, MAX_OUTGOING, SOCKET_BUFFER

# Linux's numbers (linux/in.h, linux/in6.h), which Python's socket module does not name.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_SO_TIMESTAMPNS = 35
#: struct timespec, when a datagram came.
_STAMP = struct.Struct("@ll")
_STAMP_SPACE = socket.CMSG_SPACE(_STAMP.size)
#: That, struct sock_extended_err and the address of the machine that sent the error.
_ERROR_SPACE = _STAMP_SPACE + socket.CMSG_SPACE(16 + 28)
#: struct sock_extended_err: its first field is the errno.
_ERRNO = struct.Struct("=I")

#: What a datagram that could not leave says about its destination, as ICMP told it (RFC 3261 18.4).
_REFUSALS = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOPROTOOPT, errno.EPROTO}
)


class UdpListener:
    """One bound UDP socket. Made by ``open``; all calls are of the loop it was opened in."""

    __slots__ = (
        "_after",
        "_buffer",
        "_closed",
        "_draining",
        "_error",
        "_fileno",
        "_loop",
        "_outgoing",
        "_receive",
        "_socket",
        "_suspect",
        "_view",
        "address",
        "behind",
        "received",
        "send_errors",
        "sent",
    )

    def __init__(
        self,
        bound: socket.socket,
        receive: Callable[[bytes, str, int], None],
        after: Callable[[], None],
        error: Callable[[str, int, OSError], None] | None,
    ) -> None:
        self._socket = bound
        self._fileno = bound.fileno()
        self._receive = receive
        self._after = after
        self._error = error
        self._buffer = bytearray(MAX_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._closed = False
        #: What leaves when the batch that is being read is done: data, host, port.
        self._outgoing: list[tuple[bytes, str, int]] = []
        self._draining = False
        #: Whether more has come than can be read soon, as of the last batch.
        self.behind = False
        #: The loop may have stopped watching the socket because of an error on it.
        self._suspect = False
        self._loop = asyncio.get_running_loop()
        #: Host without brackets, and port, as bound.
        self.address: tuple[str, int] = bound.getsockname()[:2]
        self.received = 0
        self.sent = 0
        #: Datagrams that did not leave: full buffer, no route, too long.
        self.send_errors = 0
        self._loop.add_reader(self._fileno, self._drain)

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        receive: Callable[[bytes, str, int], None],
        *,
        after: Callable[[], None],
        error: Callable[[str, int, OSError], None] | None = None,
    ) -> Self:
        """Binds ``host`` (an address without brackets; IPv6 takes IPv6 only) and ``port`` (0: any).

        ``receive(data, host, port)`` gets each datagram, ``after()`` is called once when a batch was read,
        ``error(host, port, reason)`` when a datagram sent there could not leave or arrive, never from within
        ``send``; what ICMP says can be forged by anybody, so it is a hint and no proof.

        Raises:
            OSError: the address is not ours, the port is taken or not allowed.
            ValueError: ``host`` is not an address.
        """
        family = _family(host)
        if family is None:
            raise ValueError(f"not an IP address: {host!r}")
        bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            _prepare(bound, family)
            bound.bind((host, port))
            return cls(bound, receive, after, error)
        except BaseException:
            bound.close()
            raise

    def send(self, data: bytes, host: str, port: int) -> None:
        """Sends at once, or at the end of the batch that is being read. What the kernel can not take then is counted
        and lost, as the network may lose it.

        Raises:
            ValueError: ``host`` is a name: looking it up here would stop the loop.
        """
        if _family(host) is None:
            raise ValueError(f"not an IP address: {host!r}")
        outgoing = self._outgoing
        outgoing.append((data, host, port))
        if not self._draining or len(outgoing) == MAX_OUTGOING:
            self._send_outgoing()

    def _send_outgoing(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        sendto = self._socket.sendto
        for data, host, port in outgoing:
            try:
                sendto(data, (host, port))
            except (OSError, OverflowError) as refused:
                self._refused(data, host, port, refused)
            else:
                self.sent += 1

    def close(self) -> None:
        """Sends what is to be sent, and stops listening; nothing is called afterwards. May be called twice."""
        if not self._closed:
            self._send_outgoing()
            self._closed = True
            self._loop.remove_reader(self._fileno)
            self._socket.close()

    def _drain(self) -> None:
        """Reads what is there, up to a batch; the loop calls again at once if that was not all."""
        receive, view, buffer, into = self._receive, self._view, self._buffer, self._socket.recvfrom_into
        count = 0
        self._draining = True
        try:
            while count < MAX_BATCH and not self._closed:
                try:
                    size, address = into(buffer)
                except BlockingIOError:
                    break
                except OSError:
                    self._take_errors()
                    break
                count += 1
                receive(bytes(view[:size]), address[0], address[1])
        finally:
            self.received += count
            self.behind = count == MAX_BATCH and self._waiting() >= BEHIND_SECONDS
            self._finish(count)
            self._draining = False
            self._send_outgoing()

    def _waiting(self) -> float:
        """Seconds the next datagram has waited in the socket; 0 when there is none, or the kernel does not say."""
        try:
            _, ancillary, _, _ = self._socket.recvmsg(0, _STAMP_SPACE, socket.MSG_PEEK)
        except OSError:
            return 0.0
        for level, kind, stamp in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(stamp) == _STAMP.size:
                seconds, nanoseconds = _STAMP.unpack(stamp)
                return float(time.time() - seconds - nanoseconds / 1e9)
        return 0.0

    def _finish(self, count: int) -> None:
        """Ends a wake-up in which ``count`` datagrams were read."""
        if self._closed:
            return
        if self._suspect or not count:
            # libuv stops watching a socket on which poll(2) showed an error, and does not say so.
            self._suspect = False
            self._take_errors()
            self._loop.remove_reader(self._fileno)
            self._loop.add_reader(self._fileno, self._drain)
        if count:
            self._after()

    def _refused(self, data: bytes, host: str, port: int, reason: Exception) -> None:
        """The kernel did not send: for an older datagram's ICMP error, or for a reason of this one."""
        if isinstance(reason, OSError) and reason.errno != errno.EAGAIN:
            if self._take_errors():
                with suppress(OSError):
                    self._socket.sendto(data, (host, port))
                    self.sent += 1
                    return
            else:
                self._loop.call_soon(self._report, [(host, port, reason)])
        self.send_errors += 1

    def _take_errors(self) -> int:
        """Empties the socket's queue of ICMP errors and has them reported; how many there were."""
        found: list[tuple[str, int, OSError]] = []
        taken = 0
        while taken < MAX_ERRORS:
            try:
                _, ancillary, _, address = self._socket.recvmsg(0, _ERROR_SPACE, socket.MSG_ERRQUEUE)
            except OSError:
                break
            taken += 1
            for _, kind, content in ancillary:
                if kind == _SO_TIMESTAMPNS:
                    continue
                (number,) = _ERRNO.unpack_from(content)
                if number in _REFUSALS and address:
                    found.append((address[0], address[1], OSError(number, os.strerror(number))))
        if taken:
            self._suspect = True
        if found:
            self._loop.call_soon(self._report, found)
        return taken

    def _report(self, found: list[tuple[str, int, OSError]]) -> None:
        """Out of the turn that sent, so that ``send`` never calls back."""
        if self._error is None or self._closed:
            return
        for host, port, reason in found:
            self._error(host, port, reason)
        self._after()


@lru_cache(maxsize=4096)
def _family(host: str) -> socket.AddressFamily | None:
    """The family of a numeric address, None for anything else; remembered, as it is asked for each datagram."""
    address, _, _ = host.partition("%")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return family
    return None


def _prepare(bound: socket.socket, family: socket.AddressFamily) -> None:
    """Sets what can be set; smaller buffers or no ICMP errors are no reason not to serve."""
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    if sys.platform == "linux":
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with suppress(OSError):
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                bound.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
