"""TCP and TLS connections on the loopback interface."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.certificates import Certificate, self_signed
from support.wait import until
from switchroom.net import stream
from switchroom.net.admission import Admission
from switchroom.net.certificates import client_context, server_context
from switchroom.net.limits import MAX_UNSENT
from switchroom.net.stream import StreamConnection, StreamListener

Opener = Callable[..., Awaitable[StreamListener]]


class Recorder:
    """Remembers what a listener says."""

    def __init__(self) -> None:
        self.data = b""
        self.connections: list[StreamConnection] = []
        self.ends: list[str] = []

    def receive(self, data: bytes, connection: StreamConnection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
        self.data += data

    def closed(self, connection: StreamConnection, reason: str) -> None:
        self.ends.append(reason)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def opener(recorder: Recorder) -> AsyncIterator[Opener]:
    opened: list[StreamListener] = []

    async def make(host: str = "127.0.0.1", port: int = 0, **options: Any) -> StreamListener:
        options.setdefault("admission", Admission())
        opened.append(await StreamListener.open(host, port, recorder.receive, recorder.closed, **options))
        return opened[-1]

    yield make
    for listener in opened:
        await listener.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def peer(
    listener: StreamListener, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*listener.address, **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has closed the connection; waits for it."""
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_bytes_go_both_ways(opener: Opener, recorder: Recorder) -> None:
    listener = await opener()
    async with peer(listener) as (reader, writer):
        source = writer.get_extra_info("sockname")
        writer.write(b"ping")
        await until(lambda: recorder.data == b"ping", "the bytes")
        (connection,) = recorder.connections
        assert (connection.host, connection.port, connection.incoming) == (*source, True)
        assert listener.connected(*source)
        assert connection._transport
        options = connection._transport.get_extra_info("socket")
        assert options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert listener.send(b"pong", *source)
        assert await reader.readexactly(4) == b"pong"
    await until(lambda: recorder.ends == ["closed by the peer"], "the end")
    assert not listener.connected(*source)
    assert not listener.send(b"late", *source)
    assert not connection.send(b"late")
    assert len(listener) == 0


async def test_a_connection_is_opened_once_and_used_by_all(opener: Opener, recorder: Recorder) -> None:
    ours, theirs = await opener(), await opener()
    await asyncio.gather(*(ours.connect(*theirs.address) for _ in range(3)))
    await ours.connect(*theirs.address)
    await until(lambda: len(theirs) == 1, "the connection")
    assert len(ours) == 1
    assert ours.send(b"hello", *theirs.address)
    await until(lambda: recorder.data == b"hello", "the bytes")
    assert recorder.connections[0].host == "127.0.0.1"


async def test_ipv6_takes_addresses_without_brackets(opener: Opener, recorder: Recorder) -> None:
    ours, theirs = await opener("::1"), await opener("::1")
    await ours.connect(*theirs.address)
    ours.send(b"six", *theirs.address)
    await until(lambda: recorder.data == b"six", "the bytes")
    assert recorder.connections[0].host == "::1"


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 1), ("::1", 5060), ("127.0.0.1", 70_000)])
async def test_what_can_not_be_reached_is_an_os_error(opener: Opener, host: str, port: int) -> None:
    admission = Admission()
    listener = await opener(admission=admission)
    with pytest.raises(OSError):
        await listener.connect(host, port)
    assert admission.count == 0


async def test_a_silent_address_is_given_up(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CONNECT_SECONDS", 0.05)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        listener = await opener()
        with pytest.raises(TimeoutError):
            await listener.connect(*full.getsockname())
        assert len(listener) == 0


async def test_a_busy_port_is_an_os_error(opener: Opener) -> None:
    listener = await opener()
    with pytest.raises(OSError, match="in use"):
        await opener(*listener.address)


async def test_a_name_can_not_be_bound(opener: Opener) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        await opener("localhost")


async def test_whoever_says_nothing_is_let_go(
    opener: Opener, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_MESSAGE_SECONDS", 0.05)
    admission = Admission()
    listener = await opener(admission=admission)
    async with peer(listener) as (reader, writer):
        writer.write(b"half a mess")
        assert await ended(reader)
    await until(lambda: recorder.ends == ["no message came in time"], "the end")
    assert admission.count == 0


async def test_whoever_has_proved_itself_may_be_silent(
    opener: Opener, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_MESSAGE_SECONDS", 0.05)
    listener = await opener()
    async with peer(listener) as (quick, writer), peer(listener) as (slow, _):
        writer.write(b"message")
        await until(lambda: bool(recorder.connections), "the message")
        recorder.connections[0].prove()
        assert await ended(slow)
        assert recorder.connections[0].send(b"still here")
        assert await quick.readexactly(10) == b"still here"


async def test_an_outgoing_connection_is_closed_when_nobody_uses_it(
    opener: Opener, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "OUTGOING_IDLE_SECONDS", 0.05)
    ours, theirs = await opener(), await opener()
    await ours.connect(*theirs.address)
    await until(lambda: not len(ours) and not len(theirs), "the end")
    assert sorted(recorder.ends) == ["closed by the peer", "not used any more"]


async def test_a_peer_that_never_reads_is_let_go(opener: Opener, recorder: Recorder) -> None:
    listener = await opener()
    async with peer(listener, limit=1) as (_, writer):
        writer.write(b"x")
        await until(lambda: bool(recorder.connections), "the connection")
        (connection,) = recorder.connections
        sent = 0
        while connection.send(b"y" * 65_536):
            sent += 65_536
            assert sent < 64 * MAX_UNSENT, "what is unsent is bounded"
            await asyncio.sleep(0)
        await until(lambda: recorder.ends == ["the peer does not read"], "the end")


async def test_a_burst_that_the_kernel_takes_is_no_slow_reader(opener: Opener, recorder: Recorder) -> None:
    listener = await opener()
    async with peer(listener) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(recorder.connections), "the connection")
        for _ in range(1000):
            assert recorder.connections[0].send(b"z" * 500)
        assert len(await reader.readexactly(500_000)) == 500_000


async def test_close_sends_what_is_left(opener: Opener, recorder: Recorder) -> None:
    listener = await opener()
    async with peer(listener) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(recorder.connections), "the connection")
        recorder.connections[0].send(b"goodbye")
        recorder.connections[0].close("enough")
        assert not recorder.connections[0].send(b"more")
        assert await reader.read() == b"goodbye"
    await until(lambda: recorder.ends == ["enough"], "the end")


async def test_connections_beyond_the_bounds_are_refused(opener: Opener, recorder: Recorder) -> None:
    admission = Admission(total=4, per_address=3, unproven_per_address=2)
    listener = await opener(admission=admission)
    async with peer(listener) as (_, one), peer(listener) as (_, two):
        one.write(b"1")
        two.write(b"2")
        await until(lambda: len(recorder.connections) == 2, "two connections")
        async with peer(listener) as (third, _):
            assert await ended(third), "two that have not proved themselves are enough"
        recorder.connections[0].prove()
        recorder.connections[1].prove()
        async with peer(listener) as (_, again):
            again.write(b"3")
            await until(lambda: len(recorder.connections) == 3, "a third")
            async with peer(listener) as (fourth, _):
                assert await ended(fourth), "three of one address are enough"
    assert admission.refused == 2
    await until(lambda: admission.count == 0, "places given back")


async def test_without_file_descriptors_the_listener_waits(
    opener: Opener, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "ACCEPT_PAUSE", 0.05)
    listener = await opener()
    tries = 0

    class Exhausted:
        def accept(self) -> tuple[socket.socket, Any]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise OSError(24, "Too many open files")
            return real.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real = listener._socket
    listener._socket = Exhausted()  # type: ignore[assignment]
    async with peer(listener) as (_, writer):
        writer.write(b"at last")
        await until(lambda: recorder.data == b"at last", "the connection")


async def test_stop_ends_connections_and_calls_nobody(opener: Opener, recorder: Recorder) -> None:
    admission = Admission()
    listener = await opener(admission=admission)
    async with peer(listener) as (reader, writer):
        writer.write(b"x")
        await until(lambda: bool(recorder.connections), "the connection")
        await listener.stop()
        assert await ended(reader)
    assert recorder.ends == []
    assert (len(listener), admission.count) == (0, 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*listener.address)


# ---- TLS


async def tls(opener: Opener, made: Certificate, **options: Any) -> StreamListener:
    return await opener(
        server_tls=server_context(str(made.cert), str(made.key), **options), client_tls=client_context()
    )


async def test_tls_both_ways(opener: Opener, recorder: Recorder, certificate: Certificate) -> None:
    ours, theirs = await tls(opener, certificate), await tls(opener, certificate)
    await ours.connect(*theirs.address)
    ours.send(b"secret", *theirs.address)
    await until(lambda: recorder.data == b"secret", "the bytes")
    recorder.connections[0].send(b" answer")
    await until(lambda: recorder.data == b"secret answer", "the answer")


async def test_tls_1_1_is_refused(opener: Opener, certificate: Certificate) -> None:
    listener = await tls(opener, certificate)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(*listener.address, ssl=old)
    await until(lambda: listener.failed_handshakes == 1, "the failed handshake")


async def test_a_server_that_is_not_who_it_should_be_is_refused(opener: Opener, certificate: Certificate) -> None:
    theirs = await tls(opener, certificate)
    trusting = client_context(ca_file=str(certificate.cert), verify_server=True)
    ours = await opener(client_tls=trusting)
    with pytest.raises(ssl.SSLCertVerificationError):
        await ours.connect(*theirs.address, "sip.example.org")
    assert len(ours) == 0
    await ours.connect(*theirs.address)
    assert len(ours) == 1
    stranger = await opener(client_tls=client_context(verify_server=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        await stranger.connect(*theirs.address)


async def test_a_half_open_handshake_holds_a_place_and_not_for_long(
    opener: Opener, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HANDSHAKE_SECONDS", 0.3)
    admission = Admission()
    listener = await opener(admission=admission, server_tls=server_context(str(certificate.cert), str(certificate.key)))
    async with peer(listener) as (reader, writer):
        writer.write(b"\x16\x03\x01")
        await until(lambda: admission.count == 1, "its place")
        assert await ended(reader)
    await until(lambda: admission.count == 0, "the place given back")
    assert listener.failed_handshakes == 1


async def test_plain_text_on_a_tls_port_is_let_go(opener: Opener, recorder: Recorder, certificate: Certificate) -> None:
    listener = await tls(opener, certificate)
    async with peer(listener) as (reader, writer):
        writer.write(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
    await until(lambda: listener.failed_handshakes == 1, "the failed handshake")
    assert recorder.data == b""


async def test_a_client_certificate_is_asked_for_when_it_is_wanted(
    opener: Opener, recorder: Recorder, certificate: Certificate, tmp_path: Path
) -> None:
    theirs = await tls(opener, certificate, ca_file=str(certificate.cert), require_client_cert=True)
    known = await opener(client_tls=client_context(str(certificate.cert), str(certificate.key)))
    await known.connect(*theirs.address)
    known.send(b"known", *theirs.address)
    await until(lambda: recorder.data == b"known", "the bytes")
    nobody = await opener(client_tls=client_context())
    with suppress(OSError):  # with TLS 1.3 the client learns it later
        await nobody.connect(*theirs.address)
    await until(lambda: theirs.failed_handshakes == 1 and not len(nobody), "the refusal")
