"""A crowd of users on one UDP socket: registers and sends texts with digest, and accounts for every operation.

An operation is one REGISTER or MESSAGE brought to its final answer, the challenge included (RFC 3261 section 22).
It is lost when no final answer came in time, retransmissions (section 17.1.2) included.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import re
import secrets
import select
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from figures import spread

#: First gap between retransmissions, and how long an operation is waited for, in seconds.
_T1 = 0.5
_GIVE_UP = 8.0
_ANSWER = re.compile(rb"\ASIP/2.0 (\d\d\d) .*?^Call-ID:\s*(\d+)-.*?^CSeq:\s*(\d+)", re.I | re.M | re.S)
_PARAMETER = re.compile(rb'(\w+)="?([^",\r]*)"?')


def user(number: int) -> str:
    """The name of a user; its password is the same with ``pw`` before it."""
    return f"u{number:05d}"


@dataclass
class Operation:
    """One thing a user does. ``line`` is the method and Request-URI user, ``rest`` the headers it adds and the body;
    ``MARK`` in it becomes the nanosecond of sending and a number.
    """

    number: int
    method: str
    to: str
    headers: str
    body: str = ""
    # Filled in while it runs.
    serial: int = 0
    cseq: int = 1
    begun: float = 0.0
    gap: float = _T1
    wire: bytes = b""


def register(number: int, contact: str, expires: int = 3600) -> Operation:
    """REGISTER of user ``number`` at ``contact`` (host:port, or ``*``)."""
    value = contact if contact == "*" else f"<sip:{user(number)}@{contact}>"
    return Operation(number, "REGISTER", user(number), f"Contact: {value}\r\nExpires: {expires}\r\n")


def text(number: int, to: str, padding: int = 0) -> Operation:
    """MESSAGE of user ``number`` with a mark by which it is known again."""
    return Operation(number, "MESSAGE", to, "Content-Type: text/plain\r\n", "MARK" + "x" * padding)


class Crowd:
    """All users behind one socket."""

    def __init__(self, host: str, port: int) -> None:
        self._server = f"{host}:{port}"
        self._host = host
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((host, 0))
        self._socket.connect((host, port))
        self._socket.setblocking(False)
        self.address = "{}:{}".format(*self._socket.getsockname())
        self._serials = itertools.count(1)
        self._own = secrets.token_hex(4)
        self._running: dict[int, Operation] = {}
        self._timers: list[tuple[float, int, int]] = []
        self._answers: Counter[str] = Counter()
        self._took: list[float] = []
        self._lost = self._repeated = 0

    def close(self) -> None:
        self._socket.close()

    def do(self, operations: Iterable[Operation], *, window: int = 32, rate: float | None = None) -> dict[str, object]:
        """Carries out all operations and returns what came of them.

        Args:
            window: so many are open at a time, unless
            rate: so many are begun a second.
        """
        self._answers, self._took, self._lost, self._repeated = Counter(), [], 0, 0
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        begun, started = time.monotonic(), 0
        waiting: Iterator[Operation] = iter(operations)
        upcoming = next(waiting, None)
        while upcoming is not None or self._running:
            now = time.monotonic()
            while upcoming is not None and (now >= begun + started / rate if rate else len(self._running) < window):
                self._begin(upcoming)
                started += 1
                upcoming = next(waiting, None)
            patience = 50.0
            if rate and upcoming is not None:
                patience = max(0.0, min(patience, (begun + started / rate - now) * 1000))
            if poll.poll(patience):
                self._hear()
            self._handle_timers(time.monotonic())
        return {
            "operations": started,
            "answers": dict(self._answers),
            "lost": self._lost,
            "retransmitted": self._repeated,
            "wall_s": round(time.monotonic() - begun, 3),
            **spread(self._took),
        }

    def _begin(self, operation: Operation) -> None:
        operation.serial = next(self._serials)
        operation.begun = time.monotonic()
        operation.body = operation.body.replace("MARK", f"T{time.time_ns()}.{operation.serial}.")
        self._running[operation.serial] = operation
        self._send(operation, b"")

    def _send(self, operation: Operation, authorization: bytes) -> None:
        name, serial, cseq = user(operation.number), operation.serial, operation.cseq
        uri = self._uri(operation)
        head = (
            f"{operation.method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address};rport;branch=z9hG4bK{self._own}{serial}.{cseq}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{name}@{self._host}>;tag={self._own}{serial}\r\n"
            f"To: <sip:{operation.to}@{self._host}>\r\nCall-ID: {serial}-{self._own}\r\n"
            f"CSeq: {cseq} {operation.method}\r\n{operation.headers}"
        )
        tail = f"Content-Length: {len(operation.body)}\r\n\r\n{operation.body}"
        operation.wire = head.encode() + authorization + tail.encode()
        operation.gap = _T1
        self._put(operation)

    def _put(self, operation: Operation) -> None:
        # What can not be sent is as good as lost on the way: it is sent again.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self._socket.send(operation.wire)
        heapq.heappush(self._timers, (time.monotonic() + operation.gap, operation.serial, operation.cseq))

    def _uri(self, operation: Operation) -> str:
        return f"sip:{self._server}" if operation.method == "REGISTER" else f"sip:{operation.to}@{self._server}"

    def _hear(self) -> None:
        while True:
            try:
                data = self._socket.recv(65535)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            found = _ANSWER.match(data)
            operation = self._running.get(int(found[2])) if found else None
            if found is None or operation is None or int(found[3]) != operation.cseq or found[1] < b"200":
                continue
            if found[1] == b"401" and operation.cseq == 1:
                operation.cseq = 2
                self._send(operation, self._authorization(operation, data))
                continue
            self._answers[found[1].decode()] += 1
            self._took.append(time.monotonic() - operation.begun)
            del self._running[operation.serial]

    def _authorization(self, operation: Operation, response: bytes) -> bytes:
        at = response.index(b"WWW-Authenticate:")
        challenge = dict(_PARAMETER.findall(response[at : response.index(b"\r\n", at)]))
        name, uri = user(operation.number).encode(), self._uri(operation).encode()
        realm, nonce = challenge[b"realm"], challenge[b"nonce"]
        cnonce = b"%08x" % operation.serial
        ha1 = _md5(b"%s:%s:pw%s" % (name, realm, name))
        ha2 = _md5(operation.method.encode() + b":" + uri)
        answer = _md5(b":".join((ha1, nonce, b"00000001", cnonce, b"auth", ha2)))
        value = (
            b'Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, '
            b'qop=auth, nc=00000001, cnonce="%s"' % (name, realm, nonce, uri, answer, cnonce)
        )
        if b"opaque" in challenge:
            value += b', opaque="%s"' % challenge[b"opaque"]
        return value + b"\r\n"

    def _handle_timers(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            _, serial, cseq = heapq.heappop(self._timers)
            operation = self._running.get(serial)
            if operation is None or operation.cseq != cseq:
                continue
            if now - operation.begun > _GIVE_UP:
                del self._running[serial]
                self._lost += 1
                continue
            operation.gap *= 2
            self._repeated += 1
            self._put(operation)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
