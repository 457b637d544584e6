"""What 202 means on the wire: the text is on its way already."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import user, write_config
from support.server import running_server


@pytest.fixture
def phone() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


async def test_a_text_has_left_when_its_sender_is_told_202(tmp_path: Path, phone: socket.socket) -> None:
    """Programs that look at the phone next find it there. Loopback delivers while it is sent: nothing is waited for."""
    contact = f"contact=sip:lea@127.0.0.1:{phone.getsockname()[1]}\n"
    config = write_config(tmp_path / "config", pjsip=user("lea") + contact)
    async with running_server(config) as server, ari_client(server.base) as ari:
        for number in range(20):
            answer = await ari.ask("PUT", f"/ari/endpoints/PJSIP/lea/sendMessage?from=desk&body=text{number}")
            assert answer.status == 202
            data, source = phone.recvfrom(65535)
            assert data.startswith(b"MESSAGE sip:lea@")
            assert data.endswith(b"\r\n\r\ntext%d" % number)
            phone.sendto(_ok(data), source)


def _ok(request: bytes) -> bytes:
    copied = [line for line in request.split(b"\r\n") if line.split(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")]
    to = next(line for line in request.split(b"\r\n") if line.startswith(b"To:"))
    return b"\r\n".join((b"SIP/2.0 200 OK", *copied, to + b";tag=lea", b"Content-Length: 0", b"", b""))
