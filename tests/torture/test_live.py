"""RFC 4475 and RFC 5118 against a running server over UDP."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.config import Address, user, write_config
from support.phone import SipMessage
from support.server import running_server
from torture.messages import MESSAGES, TortureMessage
from torture.verdicts import SILENCE, VERDICTS, Verdict

#: The peer at 127.0.0.1 is the endpoint the RFCs' requests are for, asked for no password, with the addresses of
#: record that their REGISTERs name.
TRUSTED = """\
[user](endpoint)
aors=user,watson
[user](aor)
[watson](aor)
[source]
type=identify
endpoint=user
match=127.0.0.1
"""

#: Nothing is known of 127.0.0.1, and the only endpoint has a password.
STRANGER = user("watson")

#: Who asks: the configuration, and what is to come of a message.
PEERS: dict[str, tuple[str, Callable[[Verdict], frozenset[int]]]] = {
    "trusted": (TRUSTED, lambda verdict: verdict.trusted),
    "stranger": (STRANGER, lambda verdict: verdict.stranger),
}

#: What must stand in a header of the answer (blanks left out) to a peer that need not authenticate.
CARRIES = {
    "esc02": ("allow", "MESSAGE"),
    "mpart01": ("accept", "text/plain"),
    "bext01": ("unsupported", "nothingSupportsThis,nothingSupportsThisEither"),
    "cparam01": ("contact", "<sip:+19725552222@gw1.example.net>"),
    "cparam02": ("contact", "<sip:+19725552222@gw1.example.net;unknownparam>"),
    "regescrt": ("contact", "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"),
}

#: Seconds an answer may take; only a fault makes a test wait so long.
_WITHIN = 10.0
_LARGEST = 65535


class Line:
    """A UDP socket that sends to the server and gathers what comes back."""

    def __init__(self, sock: socket.socket, server: Address) -> None:
        self.sock = sock
        self.server = server
        self._serial = itertools.count(1)

    async def arrived(self) -> SipMessage:
        """The next datagram, which must be a response."""
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, _LARGEST), _WITHIN)
        message = SipMessage.parse(data)
        assert message.is_response, f"the server sent a request: {message.start}"
        return message

    async def probe(self) -> list[SipMessage]:
        """Asks with OPTIONS whether the server still answers. Returns what else came until it did."""
        call = f"probe-{next(self._serial)}-{self.sock.getsockname()[1]}"
        lines = (
            f"OPTIONS sip:{self.server} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.sock.getsockname()[1]};rport;branch=z9hG4bK{call}",
            f"From: <sip:probe@127.0.0.1>;tag={call}",
            f"To: <sip:{self.server}>",
            f"Call-ID: {call}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )
        self.sock.sendto("".join(f"{line}\r\n" for line in (*lines, "")).encode(), self.server)
        others: list[SipMessage] = []
        while True:
            message = await self.arrived()
            if message.first("Call-ID") == call:
                assert message.status in (200, 401)
                return others
            others.append(message)

    async def ask(self, data: bytes, *, silence: bool) -> list[SipMessage]:
        """Sends one message and returns the final answers to it.

        ``silence``: none is expected. Otherwise the answer is waited for, then whether there is another.
        """
        self.sock.sendto(data, self.server)
        answers = [] if silence else [await self.arrived()]
        answers += await self.probe()
        answers += await self.probe()
        return [answer for answer in answers if answer.status >= 200]


@asynccontextmanager
async def line_to(server: Address) -> AsyncIterator[Line]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield Line(sock, server)


def values(message: SipMessage, *names: str) -> list[str]:
    """The values of a header by its full and compact name, blanks taken out."""
    return [re.sub(r"\s+", "", value) for name, value in message.headers if name.lower() in names]


def sent(message: TortureMessage) -> SipMessage:
    """A torture message, folding undone."""
    return SipMessage.parse(re.sub(rb"\r\n[ \t]+", b" ", message.data))


def rounds() -> list[list[TortureMessage]]:
    """The messages in as few lots as need a server of their own.

    Many share a transaction (one branch, sent-by and method: the later is taken for a retransmission) or a
    Call-ID and CSeq (a REGISTER out of order). No two of a lot do.
    """
    lots: list[tuple[set[tuple[str, str]], list[TortureMessage]]] = []
    for message in MESSAGES.values():
        asked = sent(message)
        keys = {(via, asked.method) for via in values(asked, "via", "v")[:1]}
        keys.update(itertools.product(values(asked, "call-id", "i"), values(asked, "cseq")))
        lot = next((lot for lot in lots if not lot[0] & keys), None)
        if lot is None:
            lots.append(lot := (set(), []))
        lot[0].update(keys)
        lot[1].append(message)
    return [lot[1] for lot in lots]


def unlike(asked: SipMessage, answer: SipMessage) -> str | None:
    """RFC 3261 8.2.6.2: From, Call-ID, CSeq and each Via come back, To with a tag."""
    for names in (("from", "f"), ("call-id", "i"), ("cseq",)):
        if values(answer, *names) != values(asked, *names)[:1]:
            return f"{names[0]} came back as {answer.all(names[0])}"
    ours, theirs = values(asked, "via", "v"), values(answer, "via", "v")
    if theirs[1:] != ours[1:] or theirs[0].split(";")[0] != ours[0].split(";")[0]:
        return f"Via came back as {theirs}"
    if ";tag=" not in values(answer, "to", "t")[0]:
        return "To came back without a tag"
    return None


async def complaint(server: Address, message: TortureMessage, expected: frozenset[int]) -> str | None:
    """Sends one message; what is wrong with what comes back, None when nothing is."""
    async with line_to(server) as line:
        try:
            answers = await line.ask(message.data, silence=expected == {SILENCE})
        except TimeoutError:
            return f"not answered, expected {sorted(expected)}"
    statuses = {answer.status for answer in answers} or {SILENCE}
    if not statuses <= expected:
        return f"answered {sorted(statuses)}, expected {sorted(expected)}"
    if any(answer != answers[0] for answer in answers):
        return f"answered {len(answers)} times, not alike"
    if not answers:
        return None
    name, part = CARRIES.get(message.name, ("", ""))
    if answers[0].status not in (401, 407) and part not in ",".join(values(answers[0], name)):
        return f"{name} is {answers[0].all(name)}"
    return unlike(sent(message), answers[0])


def test_every_message_is_in_one_round() -> None:
    assert sorted(message.name for lot in rounds() for message in lot) == sorted(MESSAGES)


@pytest.mark.parametrize("lot", rounds(), ids=lambda lot: lot[0].name)
@pytest.mark.parametrize("peer", PEERS)
async def test_answers(peer: str, lot: list[TortureMessage], tmp_path: Path) -> None:
    """Each message is answered as its verdict says, and the server answers on."""
    pjsip, expected = PEERS[peer]
    async with running_server(write_config(tmp_path, pjsip=pjsip)) as server:
        complaints = {
            message.name: await complaint(server.sip, message, expected(VERDICTS[message.name])) for message in lot
        }
        assert {name: text for name, text in complaints.items() if text is not None} == {}
        assert server.alive
        assert server.log_errors() == []


@pytest.mark.parametrize("peer", PEERS)
async def test_one_server_survives_them_all(peer: str, tmp_path: Path) -> None:
    """Forwards and backwards from one socket, twice the same transactions and all, with a probe after each."""
    messages = list(MESSAGES.values())
    async with running_server(write_config(tmp_path, pjsip=PEERS[peer][0])) as server, line_to(server.sip) as line:
        for message in (*messages, *reversed(messages)):
            line.sock.sendto(message.data, server.sip)
            await line.probe()
        assert server.alive
        assert server.log_errors() == []
