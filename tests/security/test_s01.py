"""Threat S01: no malformed packet stops the server. Every field of each kind of message, mutated in turn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from support.config import Address, write_config
from support.server import running_server
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import AckReceived, Discarded, RequestReceived, ResponseReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Message, Request
from switchroom.wire.sip.stack import Stack

# ---- what is mutated: name and value of each field, the start line and the body among them

_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
_CREDENTIALS = (
    'Digest username="alice", realm="asterisk", nonce="bm9uY2U=", uri="sip:127.0.0.1", qop=auth, nc=00000001,'
    ' cnonce="c", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, opaque="5ccc"'
)

#: Fields every request has, ``{n}`` being the number of the case.
_ALWAYS = {
    "Via": "SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKs01.{n}",
    "Max-Forwards": "70",
    "From": '"Alice" <sip:alice@127.0.0.1>;tag=s01.{n}',
    "To": "<sip:alice@127.0.0.1:9>",
    "Call-ID": "s01.{n}@127.0.0.1",
}

#: Method -> what it has besides.
_TEMPLATES: dict[str, dict[str, str]] = {
    "REGISTER": {
        "Contact": '"A" <sip:alice@127.0.0.1:9;transport=udp>;expires=60;q=0.5;+sip.instance="<urn:uuid:1>"',
        "Expires": "60",
        "Path": "<sip:127.0.0.1:9;lr>",
        "Supported": "path, outbound",
        "Authorization": _CREDENTIALS,
        "User-Agent": "s01/1.0",
    },
    "MESSAGE": {
        "Route": "<sip:127.0.0.1;lr>",
        "Content-Type": "text/plain;charset=utf-8",
        "Date": "Sat, 13 Nov 2010 23:29:00 GMT",
        "Content-Length": "5",
        "body": "hello",
    },
    "OPTIONS": {
        "Accept": "application/sdp;q=0.5, text/plain",
        "Require": "path",
        "Contact": "<sip:alice@127.0.0.1:9>",
    },
    "INVITE": {
        "Record-Route": "<sip:127.0.0.1:9;lr>",
        "Contact": "sip:alice@127.0.0.1:9",
        "Allow": "INVITE, ACK, BYE",
        "Content-Type": "application/sdp",
        "Content-Length": str(len(_SDP)),
        "body": _SDP,
    },
    "REFER": {
        "Refer-To": "<sip:bob@127.0.0.1?Replaces=1>",
        "Referred-By": "<sip:alice@127.0.0.1>",
    },
    "NOTIFY": {
        "Event": "refer;id=1",
        "Subscription-State": "active;expires=60",
        "Content-Type": "message/sipfrag;version=2.0",
        "Content-Length": "17",
        "body": "SIP/2.0 200 Fine\n",
    },
    "SUBSCRIBE": {"Event": "presence", "Allow-Events": "presence", "Proxy-Require": "x", "Session-Expires": "90"},
    "CANCEL": {"Reason": 'SIP;cause=200;text="x"'},
    "ACK": {"Proxy-Authorization": _CREDENTIALS},
}

#: Nobody listens on the discard port of the loopback address: a text that is switched there comes back refused.
_PJSIP = """\
[alice](endpoint)
aors=alice
[alice](aor)
[bob](endpoint)
aors=bob
[bob](aor)
contact=sip:bob@127.0.0.1:9
[source]
type=identify
endpoint=alice
match=127.0.0.1
"""

# ---- mutations: value -> other value; None takes the field away, a list writes it several times


def _repeat(text: str, count: int) -> Callable[[str], str]:
    return lambda value: value + text * count


_MUTATIONS: dict[str, Callable[[str], str | list[str] | None]] = {
    "absent": lambda value: None,
    "empty": lambda value: "",
    "blanks": lambda value: " \t ",
    "doubled": lambda value: [value, value],
    "doubled, then empty": lambda value: [value, ""],
    "trebled as a list": lambda value: f"{value}, {value},{value}",
    "cut in half": lambda value: value[: len(value) // 2],
    "last character gone": lambda value: value[:-1],
    "first character gone": lambda value: value[1:],
    "backwards": lambda value: value[::-1],
    "upper case": str.upper,
    "a blank between all": " ".join,
    "NUL inside": lambda value: value[:3] + "\0" + value[3:],
    "NUL at the end": lambda value: value + "\0",
    "bare CR": lambda value: value[:3] + "\r" + value[3:],
    "bare LF": lambda value: value[:3] + "\n" + value[3:],
    "a header behind CRLF": lambda value: value + "\r\nX-Smuggled: 1",
    "an empty line": lambda value: value + "\r\n\r\n",
    "folded": lambda value: value.replace(" ", "\r\n\t "),
    "folded 200 times": _repeat("\r\n ", 200),
    "a fold with nothing before": lambda value: "\r\n " + value,
    "control characters": lambda value: value + "\x01\x1b[2J\x7f",
    "bytes that are no UTF-8": lambda value: value[:2] + "\udcff\udcfe" + value[2:],
    "overlong UTF-8": lambda value: value + "\udcc0\udc80",
    "half a surrogate": lambda value: value + "\udced\udca0\udc80",
    "letters of many scripts": lambda value: value + "日本語 русский עברית 😀",
    "digits that are no ASCII": lambda value: value.translate({ord(c): ord(c) + 0x630 for c in "0123456789"}),
    "zero": lambda value: "0",
    "minus one": lambda value: "-1",
    "2**31": lambda value: "2147483648",
    "2**32": lambda value: "4294967296",
    "2**64": lambda value: "18446744073709551616",
    "ten to the 5000": lambda value: "1" + "0" * 5000,
    "a fraction": lambda value: "1.5e3",
    "hexadecimal": lambda value: "0x10",
    "not a number": lambda value: "NaN",
    "quote left open": lambda value: '"' + value,
    "quote at the end": lambda value: value + '"',
    "quote left open in a list": lambda value: f'{value}, "x, y',
    "bracket left open in a list": lambda value: f"{value}, <x, y",
    "backslash at the end": lambda value: value + '"\\',
    "bracket left open": lambda value: "<" + value,
    "brackets the wrong way": lambda value: f">{value}<",
    "brackets in brackets": lambda value: f"<<{value}>>",
    "parentheses": lambda value: "(" * 2000 + value,
    "only commas": lambda value: "," * 1000,
    "only semicolons": lambda value: ";" * 1000,
    "only equals signs": lambda value: ";=" * 500,
    "only colons": lambda value: ":" * 1000,
    "only at signs": lambda value: "sip:" + "@" * 1000,
    "500 parameters": lambda value: value + "".join(f";p{i}=v{i}" for i in range(500)),
    "a parameter 500 times": _repeat(";tag=x", 500),
    "parameter without a name": lambda value: value + ";=x",
    "1000 list elements": lambda value: ",".join([value[:20]] * 1000),
    "8 KiB": _repeat("A", 8192),
    "40 KiB": _repeat("A", 40960),
    "percent sign at the end": lambda value: value + "%",
    "percent NUL": lambda value: value + "%00",
    "percent CRLF": lambda value: value + "%0d%0aX:1",
    "percent not hexadecimal": lambda value: value + "%zz",
    "IPv6 left open": lambda value: value.replace("127.0.0.1", "[::1"),
    "IPv6 that is none": lambda value: value.replace("127.0.0.1", "[1:2:3:4:5:6:7:8:9]"),
    "IPv6 with a zone": lambda value: value.replace("127.0.0.1", "[fe80::1%25lo]"),
    "IPv4 that is none": lambda value: value.replace("127.0.0.1", "999.1.1.1"),
    "port too large": lambda value: value.replace("127.0.0.1", "127.0.0.1:99999"),
    "port negative": lambda value: value.replace("127.0.0.1", "127.0.0.1:-1"),
    "unknown scheme": lambda value: value.replace("sip:", "urn:"),
    "no scheme": lambda value: value.replace("sip:", ""),
    "scheme with digits": lambda value: value.replace("sip:", "5ip:"),
    "tel": lambda value: value.replace("sip:", "tel:+1-"),
    "star": lambda value: "*",
    "format letters": lambda value: "%s%n%d{0}${jndi:x}",
    "another protocol": lambda value: "GET / HTTP/1.1",
    "a whole message": lambda value: value + "\r\n\r\nOPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n",
}

#: The fewest cases the matrix is to have (SECURITY.md S01).
_CASES = 2400
#: Cases and bytes that are sent between two probes.
_BATCH = 25
_BATCH_BYTES = 60_000


class Case(NamedTuple):
    """One malformed packet."""

    name: str
    data: bytes


def _write(start: str, fields: list[tuple[str, str]], body: str, number: int) -> bytes:
    lines = (start, *(f"{name}: {value}" for name, value in fields), "", body)
    return "\r\n".join(lines).replace("{n}", str(number)).encode("utf-8", "surrogateescape")


def _mutated(start: dict[str, str], fields: dict[str, str], field: str, mutation: str, number: int) -> bytes:
    """The message with one field changed; ``start`` is the start line in its parts."""
    change = _MUTATIONS[mutation]
    parts, written = dict(start), [pair for pair in fields.items() if pair[0] != "body"]
    body = fields.get("body", "")
    value = {**start, **fields}[field]
    changed = change(value)
    texts = [] if changed is None else changed if isinstance(changed, list) else [changed]
    if field in start:
        parts[field] = " ".join(texts)
    elif field == "body":
        body = "".join(texts)
    else:
        position = list(fields).index(field)
        written[position : position + 1] = [(field, text) for text in texts]
    return _write(" ".join(parts.values()), written, body, number)


def matrix() -> Iterator[Case]:
    """Every mutation of every field of every template, then every spelling of a header line."""
    number = 0
    for method, own in _TEMPLATES.items():
        start = {"method": method, "uri": "sip:bob@127.0.0.1", "version": "SIP/2.0"}
        fields = {**_ALWAYS, "CSeq": f"7 {method}", **own}
        for field in (*start, *fields):
            for mutation in _MUTATIONS:
                number += 1
                yield Case(f"{method} {field}: {mutation}", _mutated(start, fields, field, mutation, number))
    start = {"version": "SIP/2.0", "status": "200", "reason": "OK"}
    fields = {**_ALWAYS, "CSeq": "7 MESSAGE", "Contact": "<sip:alice@127.0.0.1>"}
    for field in (*start, *fields):
        for mutation in _MUTATIONS:
            number += 1
            yield Case(f"response {field}: {mutation}", _mutated(start, fields, field, mutation, number))
    yield from _misspelt(number)


#: A header line around its name and value, where a mutated value does not reach.
_SPELLINGS: dict[str, str] = {
    "no colon": "{name} {value}",
    "no name": ": {value}",
    "blank before the colon": "{name} : {value}",
    "tab before the colon": "{name}\t:\t{value}",
    "blank in the name": "X {name}: {value}",
    "NUL in the name": "\0{name}: {value}",
    "letters that are no ASCII in the name": "{name}é: {value}",
    "fold before the colon": "{name}\r\n : {value}",
    "a line of blanks before": " \r\n{name}: {value}",
    "twice, then an empty line": "{name}: {value}\r\n{name}: {value}\r\n",
    "name of 20 KiB": "{name}" + "x" * 20_000 + ": {value}",
}


def _misspelt(number: int) -> Iterator[Case]:
    fields = {**_ALWAYS, "CSeq": "7 OPTIONS", "Content-Length": "0"}
    for field, value in fields.items():
        for spelling, form in _SPELLINGS.items():
            number += 1
            lines = [
                form.format(name=field, value=value) if name == field else f"{name}: {other}"
                for name, other in fields.items()
            ]
            text = "\r\n".join(("OPTIONS sip:alice@127.0.0.1 SIP/2.0", *lines, "", ""))
            yield Case(f"{field} {spelling}", text.replace("{n}", str(number)).encode("utf-8", "surrogateescape"))


# ---- the kernel


#: Every way to understand a message; each may refuse with SipError and nothing else.
_ACCESSORS = ("from_", "to", "via", "cseq", "call_id", "contacts", "content_type", "max_forwards", "expires")


def _understand(message: Message) -> None:
    for accessor in (*_ACCESSORS, *(("uri",) if isinstance(message, Request) else ())):
        try:
            getattr(message, accessor)
        except SipError:
            continue
    for key in message.index:
        try:
            message.all(key)
        except SipError:
            continue


def test_the_kernel_takes_every_case() -> None:
    """Nothing raises, whatever comes; what is let through can be answered; one packet has one answer at most."""
    tokens = iter(range(10**9))
    stack = Stack(node="s01", token=lambda: f"{next(tokens):016x}")
    flow = Flow("udp", "test", "127.0.0.1", 5099)
    cases, let_through, discarded = 0, 0, 0
    for number, case in enumerate(matrix()):
        cases += 1
        now = number * 0.001
        stack.receive(case.data, flow, now)
        while (event := stack.next_event()) is not None:
            if isinstance(event, RequestReceived | AckReceived | ResponseReceived):
                message = event.request if not isinstance(event, ResponseReceived) else event.response
                _understand(message)
            if isinstance(event, RequestReceived):
                let_through += 1
                stack.respond(event, 200, now=now)
            discarded += isinstance(event, Discarded)
        answers = 0
        while stack.to_send() is not None:
            answers += 1
        assert answers <= 1, case.name
    assert cases >= _CASES
    # The matrix reaches both ends: much is refused, and much is only odd and is served.
    assert let_through > cases // 10
    assert discarded > cases // 10
    while (due := stack.next_timer()) is not None:
        stack.handle_timer(due)
        while stack.to_send() is not None:
            pass


# ---- the server


async def _probe(sock: socket.socket, server: Address, number: int) -> None:
    """Returns when the server has answered an OPTIONS sent now; what else arrives before is left aside."""
    call = f"probe{number}"
    lines = (
        f"OPTIONS sip:{server} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{sock.getsockname()[1]};rport;branch=z9hG4bK{call}",
        f"From: <sip:probe@127.0.0.1>;tag={call}",
        f"To: <sip:{server}>",
        f"Call-ID: {call}",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 70",
        "Content-Length: 0",
        "",
        "",
    )
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(sock, "\r\n".join(lines).encode(), server)
    async with asyncio.timeout(10):
        while True:
            answer = await loop.sock_recv(sock, 65535)
            if f"Call-ID: {call}\r\n".encode() in answer:
                assert answer.startswith(b"SIP/2.0 200 ")
                return


def _batches() -> Iterator[list[Case]]:
    """The matrix in lots that fit the server's receive buffer whole: what the socket drops would test nothing."""
    batch: list[Case] = []
    size = 0
    for case in matrix():
        if len(batch) == _BATCH or size + len(case.data) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(case)
        size += len(case.data)
    yield batch


async def test_the_server_takes_every_case(tmp_path: Path) -> None:
    """From a peer that need not authenticate, so that every case goes as deep as it can; a probe after each lot."""
    sent = 0
    async with running_server(write_config(tmp_path, pjsip=_PJSIP)) as server:
        with _udp() as peer, _udp() as prober:
            for number, batch in enumerate(_batches()):
                for case in batch:
                    await asyncio.get_running_loop().sock_sendto(peer, case.data, server.sip)
                sent += len(batch)
                await _probe(prober, server.sip, number)
                assert server.alive, [case.name for case in batch]
                assert server.log_errors() == [], [case.name for case in batch]
    assert sent >= _CASES


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock
