"""Outboxes, their bounds and their flush."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from switchroom.ari.limits import OUTBOX_BYTES, OUTBOX_EVENTS
from switchroom.ari.sockets import Socket, Sockets, close_frame, text_frame


class Transport:
    """Takes what is written and remembers it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = self.aborted = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


class Line:
    """A connection whose congestion the test decides."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.congested = False
        self.on_relief: Any = None

    def relieve(self) -> None:
        self.congested = False
        self.on_relief()


class Response:
    closed = False


def opened(sockets: Sockets) -> tuple[Socket, Line]:
    line: Any = Line()
    response: Any = Response()
    return Socket(sockets, line, response, "192.0.2.1"), line


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\0\0\0\0\0\x01\0\0"),
    ],
)
def test_text_frame(length: int, head: bytes) -> None:
    assert text_frame(b"x" * length) == head + b"x" * length


def test_close_frame() -> None:
    assert close_frame(1001) == b"\x88\x02\x03\xe9"
    assert len(close_frame(1013, "x" * 500)) == 127


async def test_one_write_for_all_events_of_a_turn() -> None:
    sockets = Sockets("")
    socket, line = opened(sockets)
    socket.send(b"a")
    socket.send(b"b")
    assert line.transport.written == []
    await asyncio.sleep(0)
    assert line.transport.written == [b"\x81\x01a\x81\x01b"]
    socket.send(b"c")
    await asyncio.sleep(0)
    assert line.transport.written[1:] == [b"\x81\x01c"]
    socket.forget()


async def test_a_congested_socket_keeps_its_events_until_relief() -> None:
    sockets = Sockets("")
    socket, line = opened(sockets)
    line.congested = True
    socket.send(b"a")
    sockets._flush()
    socket.ping()
    assert line.transport.written == []
    line.relieve()
    assert line.transport.written == [b"\x81\x01a"]
    socket.forget()


@pytest.mark.parametrize(("count", "size"), [(OUTBOX_EVENTS + 1, 1), (2, OUTBOX_BYTES)])
async def test_a_full_outbox_closes_its_socket_only(count: int, size: int) -> None:
    sockets = Sockets("")
    (slow, slow_line), (good, good_line) = opened(sockets), opened(sockets)
    slow_line.congested = True
    for _ in range(count):
        slow.send(b"x" * size)
        good.send(b"x")
    sockets._flush()
    assert slow_line.transport.written == [close_frame(1013, "events are not read")]
    assert b"".join(good_line.transport.written) == b"\x81\x01x" * count
    assert sockets.dropped == 1
    slow.send(b"more")
    slow.flush()
    slow.ping()
    assert len(slow_line.transport.written) == 1
    good.forget()
    slow.forget()


async def test_a_burst_is_no_slow_reader() -> None:
    sockets = Sockets("")
    socket, line = opened(sockets)
    for _ in range(5 * OUTBOX_EVENTS):
        socket.send(b"x")
    sockets._flush()
    assert b"".join(line.transport.written) == b"\x81\x01x" * 5 * OUTBOX_EVENTS
    assert sockets.dropped == 0
    socket.forget()


async def test_nothing_is_written_behind_a_close() -> None:
    sockets = Sockets("")
    socket, line = opened(sockets)
    socket.send(b"lost")
    socket.close(1001)
    socket.send(b"lost")
    socket.close(1001)
    sockets._flush()
    assert line.transport.written == [b"\x88\x02\x03\xe9"]
    socket.forget()
    assert not sockets.open


async def test_every_socket_is_pinged() -> None:
    sockets = Sockets("")
    pairs = [opened(sockets) for _ in range(3)]
    sockets._ping()
    assert [line.transport.written for _, line in pairs] == [[b"\x89\x00"]] * 3
    for socket, _ in pairs:
        socket.forget()
    await sockets.stop()
