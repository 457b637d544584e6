"""Datagrams through real sockets on the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import pytest

from switchroom.net.limits import MAX_BATCH, MAX_DATAGRAM, MAX_OUTGOING
from switchroom.net.udp import UdpListener


class Recorder:
    """Remembers what a listener says."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, str, int]] = []
        self.batches: list[int] = []
        self.errors: list[tuple[str, int, int | None]] = []
        self._changed = asyncio.Event()

    def receive(self, data: bytes, host: str, port: int) -> None:
        self.datagrams.append((data, host, port))

    def after(self) -> None:
        self.batches.append(len(self.datagrams))
        self._changed.set()

    def error(self, host: str, port: int, reason: OSError) -> None:
        self.errors.append((host, port, reason.errno))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def listener(recorder: Recorder) -> AsyncIterator[UdpListener]:
    opened = await UdpListener.open("127.0.0.1", 0, recorder.receive, after=recorder.after, error=recorder.error)
    yield opened
    opened.close()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10)
        yield made


def closed_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


async def test_datagrams_go_both_ways(listener: UdpListener, recorder: Recorder, peer: socket.socket) -> None:
    peer.sendto(b"ping", listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == 1)
    assert recorder.datagrams == [(b"ping", *peer.getsockname())]
    listener.send(b"pong", *peer.getsockname())
    assert peer.recvfrom(100) == (b"pong", listener.address)
    assert (listener.received, listener.sent, listener.send_errors) == (1, 1, 0)


async def test_the_empty_and_the_largest_datagram_arrive_whole(
    listener: UdpListener, recorder: Recorder, peer: socket.socket
) -> None:
    largest = bytes(range(256)) * 255 + b"x" * (65507 - 256 * 255)
    peer.sendto(b"", listener.address)
    peer.sendto(largest, listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == 2)
    assert [data for data, _, _ in recorder.datagrams] == [b"", largest]


async def test_after_is_called_once_for_a_batch(listener: UdpListener, recorder: Recorder, peer: socket.socket) -> None:
    total = MAX_BATCH + 3
    for number in range(total):
        peer.sendto(b"%d" % number, listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == total)
    assert recorder.batches == [MAX_BATCH, total]
    assert [data for data, _, _ in recorder.datagrams] == [b"%d" % number for number in range(total)]


async def test_an_error_in_receive_loses_neither_the_batch_nor_the_listener(
    listener: UdpListener, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context.get("exception")))
    failure = RuntimeError("a bug")

    def receive(data: bytes, host: str, port: int) -> None:
        if data == b"bad":
            raise failure
        recorder.receive(data, host, port)

    listener._receive = receive
    for data in (b"one", b"bad", b"two"):
        peer.sendto(data, listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == 2)
    assert seen == [failure]
    assert [data for data, _, _ in recorder.datagrams] == [b"one", b"two"]


@pytest.mark.skipif(sys.platform != "linux", reason="ICMP errors are told to unconnected sockets by Linux only")
async def test_a_refused_datagram_is_told_and_the_listener_goes_on(
    listener: UdpListener, recorder: Recorder, peer: socket.socket
) -> None:
    dead = closed_port()

    async def go(number: int) -> None:
        listener.send(b"anybody?", "127.0.0.1", dead)
        listener.send(b"hello", *peer.getsockname())
        assert len(recorder.errors) < number, "send never calls back"
        assert peer.recv(100) == b"hello"
        await recorder.until(lambda: len(recorder.errors) == number)
        peer.sendto(b"still here?", listener.address)
        await recorder.until(lambda: len(recorder.datagrams) == number)

    for number in (1, 2, 3):
        await go(number)
    assert recorder.errors == [("127.0.0.1", dead, errno.ECONNREFUSED)] * 3
    assert listener.send_errors == 0


@pytest.mark.skipif(sys.platform != "linux", reason="ICMP errors are told to unconnected sockets by Linux only")
async def test_a_refusal_read_with_a_datagram_is_told_too(
    listener: UdpListener, recorder: Recorder, peer: socket.socket
) -> None:
    listener.send(b"anybody?", "127.0.0.1", closed_port())
    peer.sendto(b"one", listener.address)
    await recorder.until(lambda: len(recorder.errors) == 1 and len(recorder.datagrams) == 1)
    peer.sendto(b"two", listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == 2)


@pytest.mark.parametrize(
    ("data", "host", "port"),
    [
        (b"x" * (MAX_DATAGRAM + 1), "127.0.0.1", 5060),
        (b"x", "127.0.0.1", 0),
        (b"x", "127.0.0.1", 70000),
        (b"x", "::1", 5060),
    ],
    ids=["too long", "port 0", "no port", "other family"],
)
async def test_what_can_not_be_sent_is_counted(listener: UdpListener, data: bytes, host: str, port: int) -> None:
    listener.send(data, host, port)
    assert (listener.sent, listener.send_errors) == (0, 1)


async def test_answers_leave_when_a_batch_was_read(peer: socket.socket) -> None:
    sent_within: list[int] = []
    done = asyncio.Event()

    def receive(data: bytes, host: str, port: int) -> None:
        opened.send(data, host, port)
        sent_within.append(opened.sent)

    opened = await UdpListener.open("127.0.0.1", 0, receive, after=done.set)
    with closing(opened):
        for number in range(3):
            peer.sendto(b"%d" % number, opened.address)
        async with asyncio.timeout(10):
            await done.wait()
        assert (sent_within, opened.sent) == ([0, 0, 0], 3)
        assert [peer.recv(100) for _ in range(3)] == [b"0", b"1", b"2"]


async def test_many_answers_do_not_wait_for_the_end_of_the_batch(peer: socket.socket) -> None:
    sent_within: list[int] = []
    done = asyncio.Event()

    def receive(data: bytes, host: str, port: int) -> None:
        for number in range(2 * MAX_OUTGOING + 1):
            opened.send(b"%d" % number, host, port)
            sent_within.append(opened.sent)

    opened = await UdpListener.open("127.0.0.1", 0, receive, after=done.set)
    with closing(opened):
        peer.sendto(b"go", opened.address)
        async with asyncio.timeout(10):
            await done.wait()
        assert sent_within == [turn // MAX_OUTGOING * MAX_OUTGOING for turn in range(1, 2 * MAX_OUTGOING + 2)]
        assert [peer.recv(100) for _ in sent_within] == [b"%d" % number for number in range(len(sent_within))]


async def test_what_is_to_be_sent_leaves_before_it_closes(peer: socket.socket) -> None:
    closed = asyncio.Event()

    def receive(data: bytes, host: str, port: int) -> None:
        opened.send(b"farewell", host, port)
        opened.close()
        closed.set()

    opened = await UdpListener.open("127.0.0.1", 0, receive, after=lambda: None)
    peer.sendto(b"go", opened.address)
    async with asyncio.timeout(10):
        await closed.wait()
    assert peer.recv(100) == b"farewell"


async def test_a_name_is_never_looked_up(listener: UdpListener) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        listener.send(b"x", "localhost", 5060)


async def test_an_unreachable_destination_is_told(listener: UdpListener, recorder: Recorder) -> None:
    listener.send(b"x", "127.0.0.1", 0)
    assert recorder.errors == []
    await recorder.until(lambda: bool(recorder.errors))
    assert recorder.errors == [("127.0.0.1", 0, errno.EINVAL)]


async def test_a_busy_port_is_an_os_error(listener: UdpListener, recorder: Recorder) -> None:
    with pytest.raises(OSError, match="in use") as busy:
        await UdpListener.open(*listener.address, recorder.receive, after=recorder.after)
    assert busy.value.errno == errno.EADDRINUSE


async def test_a_name_can_not_be_bound(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        await UdpListener.open("localhost", 0, recorder.receive, after=recorder.after)


async def test_ipv6_takes_addresses_without_brackets(recorder: Recorder) -> None:
    listener = await UdpListener.open("::1", 0, recorder.receive, after=recorder.after)
    assert listener.address[0] == "::1"
    listener.send(b"to myself", *listener.address)
    await recorder.until(lambda: len(recorder.datagrams) == 1)
    assert recorder.datagrams == [(b"to myself", *listener.address)]
    listener.close()


async def test_the_ipv6_wildcard_leaves_ipv4_to_others(recorder: Recorder) -> None:
    everywhere = await UdpListener.open("::", 0, recorder.receive, after=recorder.after)
    other = await UdpListener.open("0.0.0.0", everywhere.address[1], recorder.receive, after=recorder.after)
    everywhere.close()
    other.close()


async def test_nothing_is_read_after_close(listener: UdpListener, recorder: Recorder, peer: socket.socket) -> None:
    peer.sendto(b"one", listener.address)
    peer.sendto(b"two", listener.address)
    ended = asyncio.Event()

    def receive(data: bytes, host: str, port: int) -> None:
        recorder.receive(data, host, port)
        listener.close()
        ended.set()

    listener._receive = receive
    await ended.wait()
    listener.close()
    assert [data for data, _, _ in recorder.datagrams] == [b"one"]
    assert recorder.batches == []


async def test_it_says_when_it_is_behind(peer: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full batch the next datagram is older than it may be; it is over when none waits."""
    monkeypatch.setattr("switchroom.net.udp.MAX_BATCH", 4)
    monkeypatch.setattr("switchroom.net.udp.BEHIND_SECONDS", 1e-6)
    behind: list[bool] = []
    done = asyncio.Event()

    def receive(data: bytes, host: str, port: int) -> None:
        behind.append(opened.behind)
        if len(behind) == 12:
            done.set()

    opened = await UdpListener.open("127.0.0.1", 0, receive, after=lambda: None)
    with closing(opened):
        for _ in range(12):
            peer.sendto(b"x", opened.address)
        async with asyncio.timeout(10):
            await done.wait()
        assert behind == [False] * 4 + [True] * 8
        assert not opened.behind
