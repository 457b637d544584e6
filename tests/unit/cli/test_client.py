"""Every way in which a server can fail to answer is one line that says what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.certificates import Certificate, expired, self_signed
from switchroom.cli import client
from switchroom.cli.account import Account
from switchroom.cli.terminal import Refused, Unreachable
from switchroom.cli.trouble import denied, unreachable

from .conftest import Switchroom
from .double import Asked, Said, answering

pytestmark = pytest.mark.usefixtures("asterisk")


@contextmanager
def answering_bytes(data: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A TCP server that answers whatever it is sent with ``data`` and closes, or for None says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                held.append(accepted)
                try:
                    connection = context.wrap_socket(accepted, server_side=True) if context else accepted
                    connection.recv(65536)
                    if data is not None:
                        connection.sendall(data)
                        connection.close()
                except OSError:
                    accepted.close()

        held: list[socket.socket] = []
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()
            for each in held:
                each.close()


def complaint(switchroom: Switchroom, *arguments: str) -> str:
    status, out, err = switchroom("endpoints", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def test_nobody_listens(switchroom: Switchroom) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = complaint(switchroom, "--url", f"http://127.0.0.1:{port}")
    assert f"no server answers at http://127.0.0.1:{port}: start it there, or name its place with --url" in said


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "was lost"),
        (b"SSH-2.0-OpenSSH\r\n", "is no HTTP server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]", "was lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<h1>", "is no ARI"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n<h1>", "is no ARI (404)"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is no ARI (404)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", "is no ARI (302)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is not as ARI has it"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{}]", "is not as ARI has it"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", "is not as ARI has it"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 22\r\n\r\n" + b'{"message": "\\u001b[m"}'[:22], "is no ARI (500)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200000, "is no ARI"),
    ],
)
def test_what_is_no_ari(switchroom: Switchroom, data: bytes, error: str) -> None:
    with answering_bytes(data) as port:
        assert error in complaint(switchroom, "--url", f"http://127.0.0.1:{port}")


def test_silence(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    with answering_bytes(None) as port:
        assert "does not answer in time" in complaint(switchroom, "--url", f"http://127.0.0.1:{port}")


def test_an_unknown_host(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*given: Any, **named: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = complaint(switchroom, "--url", "http://server.invalid")
    assert "the host of http://server.invalid is not known: see to its name in --url" in said
    monkeypatch.undo()


def test_a_host_that_can_be_none(switchroom: Switchroom) -> None:
    assert "is not known" in complaint(switchroom, "--url", f"http://{'a' * 70}ü.example")


def test_a_wrong_password(switchroom: Switchroom, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hidden", encoding="utf-8")
    with answering(lambda asked: Said(200, [])) as double:
        said = complaint(switchroom, "--url", double.url, "--password-file", str(tmp_path / "password"))
        assert f'wrong password, or no user "asterisk" at {double.url}: see ari.conf there' in said
        assert "hidden" not in said


@pytest.mark.parametrize("path", ["", "/", "/ari", "/ari/"])
def test_the_address_may_end_with_ari(switchroom: Switchroom, path: str) -> None:
    with answering(lambda asked: Said(200, [])) as double:
        assert switchroom("endpoints", "--url", double.url + path).status == 0
        assert [asked.path for asked in double.requests] == ["/ari/endpoints"]


def test_a_prefix(switchroom: Switchroom) -> None:
    with answering(lambda asked: Said(200, [])) as double:
        assert switchroom("endpoints", "--url", f"{double.url}/asterisk").status == 0
        assert [asked.path for asked in double.requests] == ["/asterisk/ari/endpoints"]


def served(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


def test_certificates(switchroom: Switchroom, tmp_path: Path) -> None:
    good = self_signed(tmp_path)
    with answering_bytes(OK, served(good)) as port:
        url = f"https://127.0.0.1:{port}"
        assert "is signed by itself: name its file with --ca-file" in complaint(switchroom, "--url", url)
        assert switchroom("endpoints", "--url", url, "--ca-file", str(good.cert)).status == 0
        assert "holds no certificate" in complaint(switchroom, "--url", url, "--ca-file", str(good.key))
        assert "No such file" in complaint(switchroom, "--url", url, "--ca-file", str(tmp_path / "none"))
    with answering_bytes(OK) as port:
        assert "no TLS is spoken at" in complaint(switchroom, "--url", f"https://127.0.0.1:{port}")
    old = expired(tmp_path)
    with answering_bytes(OK, served(old)) as port:
        said = complaint(switchroom, "--url", f"https://127.0.0.1:{port}", "--ca-file", str(old.cert))
        assert "has expired: renew it" in said


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (9, "see to the clocks"),
        (20, "--ca-file"),
        (62, "use the name it was made for"),
        (64, "use the name it was made for"),
        (99, "is refused (revoked)"),
    ],
)
def test_other_certificates(code: int, advice: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "revoked"
    assert advice in str(unreachable("https://server", error))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(113, "No route to host"), True),
        (http.client.BadStatusLine("x"), False),
        (ssl.SSLError(), False),
        (ValueError("odd"), False),
    ],
)
def test_what_may_pass_can_be_asked_again(error: Exception, again: bool) -> None:
    assert isinstance(unreachable("http://server", error), Unreachable) == again


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (403, "Write access denied", "use a user without read_only"),
        (403, "Access denied by ACL", "permit and deny"),
        (403, "The origin is not allowed", "allowed_origins"),
        (503, "Too many logins at a time", "ask again in a moment"),
        (400, "The text is too long", "The text is too long"),
        (404, None, "is no ARI (404)"),
    ],
)
def test_refusals_say_what_to_do(status: int, message: str | None, advice: str) -> None:
    refused = denied("http://server", "asterisk", status, message)
    assert isinstance(refused, Refused)
    assert refused.status == status
    assert advice in str(refused)


def test_a_connection_that_was_idle_too_long_is_made_again(switchroom: Switchroom) -> None:
    served: list[str] = []

    def answer(asked: Asked) -> Said:
        served.append(asked.path)
        return Said(200, [])

    with answering(answer) as double:
        server = client.Server(Account(double.url, "asterisk", "secret"))
        assert server.ask("GET", "/endpoints") == []
        server._connection.sock.shutdown(socket.SHUT_RDWR)
        assert server.ask("GET", "/endpoints") == []
        server._connection.sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(Unreachable):
            server.ask("PUT", "/endpoints/sendMessage")  # it may have been heard
        server.close()
    assert len(served) == 2
