"""Who is at the other end: the phones that take texts and the applications that hear events.

Each runs in a process of its own, so that its work is not the load client's, and counts what it is sent. A text is
known by its mark ``T<nanoseconds>.<number>.``, from which its age is taken.
"""

from __future__ import annotations

import base64
import multiprocessing
import multiprocessing.connection
import os
import re
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from figures import spread

Pipe = multiprocessing.connection.Connection

_MARK = re.compile(rb"T(\d{19})\.(\d+)\.")
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.I | re.M)
#: A far end reports once nothing came for so many seconds.
_QUIET = 0.2


class FarEnd:
    """A far end in a child process."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        #: What it says once it is there.
        self.ready = self._pipe.recv()

    def report(self, texts: int = 0, within: float = 10.0) -> dict[str, Any]:
        """What came since the last report: once so many ``texts`` came, or ``within`` so many seconds did not, and
        then nothing for a moment.
        """
        end = time.monotonic() + within
        while True:
            self._pipe.send("peek")
            count, quiet = self._pipe.recv()
            if quiet > _QUIET and (count >= texts or time.monotonic() > end):
                break
            time.sleep(0.05)
        self._pipe.send("report")
        counted: dict[str, Any] = self._pipe.recv()
        return counted

    def ask(self, count: int) -> dict[str, Any]:
        """Has it do ``count`` operations; how that went."""
        self._pipe.send(count)
        done: dict[str, Any] = self._pipe.recv()
        return done

    def told(self) -> Any:
        """What it says next, of itself."""
        return self._pipe.recv()

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


class Tally:
    """What came, texts by their marks; answers the parent's questions."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._last = 0.0
        self._clear()

    def _clear(self) -> None:
        self._seen: set[bytes] = set()
        self._ages: list[float] = []
        self._twice = 0
        self.events = 0

    def take(self, data: bytes) -> None:
        """Something came; its texts count."""
        self._last = time.monotonic()
        for sent, number in _MARK.findall(data):
            if number in self._seen:
                self._twice += 1
                continue
            self._seen.add(number)
            self._ages.append((time.time_ns() - int(sent)) / 1e9)

    def answer(self) -> None:
        """Answers the question that waits in the pipe."""
        if self._pipe.recv() == "peek":
            self._pipe.send((len(self._seen), time.monotonic() - self._last))
            return
        self._pipe.send({"texts": len(self._seen), "twice": self._twice, "events": self.events, **spread(self._ages)})
        self._clear()


def phones(pipe: Pipe, host: str, answering: bool) -> None:
    """The phones of all users at one UDP port: each text is answered with 200, unless nobody answers."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((host, 0))
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send("{}:{}".format(*sock.getsockname()))
    tally = Tally(pipe)
    while True:
        for key, _ in selector.select():
            if key.fileobj is pipe:
                tally.answer()
                continue
            data, source = sock.recvfrom(65535)
            tally.take(data)
            if answering and not data.startswith(b"SIP/2.0"):
                copied = b"".join(_COPIED.findall(data[: data.index(b"\r\n\r\n") + 2]))
                sock.sendto(b"SIP/2.0 200 OK\r\n" + copied + b"Content-Length: 0\r\n\r\n", source)


def applications(pipe: Pipe, host: str, port: int, credentials: str, count: int) -> None:
    """So many applications, each with a WebSocket of its own and subscribed to everything. Events are counted for
    all of them, texts for the first.
    """
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    rests: dict[socket.socket, bytes] = {}
    for number in range(count):
        sock = open_events(host, port, credentials, f"app{number}")
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, number)
        rests[sock] = b""
    pipe.send(count)
    tally = Tally(pipe)
    while True:
        for key, _ in selector.select():
            if not isinstance(key.fileobj, socket.socket):
                tally.answer()
                continue
            data = key.fileobj.recv(1 << 18)
            if not data:
                selector.unregister(key.fileobj)
                continue
            data = rests[key.fileobj] + data
            frames, end = _count_frames(data)
            rests[key.fileobj] = data[end:]
            tally.events += frames
            tally.take(data[:end] if key.data == 0 else b"")


def _count_frames(data: bytes) -> tuple[int, int]:
    """How many whole text frames of a server there are (RFC 6455 section 5.2), and where the last frame ends."""
    at = frames = 0
    while len(data) - at >= 2:
        size, start = data[at + 1] & 0x7F, at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        if start + size > len(data):
            break
        frames += data[at] & 0x0F == 1
        at = start + size
    return frames, at


def open_events(host: str, port: int, credentials: str, app: str, receive_buffer: int = 0) -> socket.socket:
    """An events WebSocket after its handshake, subscribed to everything."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect((host, port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /ari/events?app={app}&subscribeAll=true&api_key={credentials} HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError("closed during the handshake")
        head += byte
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(head.decode("latin-1"))
    return sock
