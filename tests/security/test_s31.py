"""S31: requests that two servers would read differently. Each is refused and its connection closed, or it is one
request with one answer; what follows is never taken for a second one.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from unit.ari.edge import RW, running

AUTH = f"Authorization: {RW}".encode()
GET = b"GET /ari/asterisk/ping HTTP/1.1"
PUT = b"PUT /ari/deviceStates/Stasis:x?deviceState=INUSE HTTP/1.1"
HOST = b"Host: a"
#: A request hidden in the body of another.
HIDDEN = b"DELETE /ari/deviceStates/Stasis:y HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n\r\n"


def head(*lines: bytes, end: bytes = b"\r\n") -> bytes:
    return end.join((*lines, b"", b""))


#: Seconds in which a second answer would have come; it is made in the same turn of the loop as the first.
_SECOND_ANSWER = 0.5


class Case(NamedTuple):
    """What is sent; statuses that may come back, of exactly one answer; whether the connection must be closed then."""

    sent: bytes
    statuses: tuple[int, ...] = (400,)
    closed: bool = True


def body(*lines: bytes, data: bytes = HIDDEN) -> bytes:
    return head(PUT, HOST, AUTH, *lines) + data


CASES: dict[str, Case] = {}

LENGTHS = {
    "length and chunked": (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "chunked and length": (b"Transfer-Encoding: chunked", b"Content-Length: 4"),
    "two lengths": (b"Content-Length: 0", b"Content-Length: 50"),
    "two lengths the same": (b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": (b"Content-Length: 0, 50",),
    "a negative length": (b"Content-Length: -1",),
    "a signed length": (b"Content-Length: +0",),
    "a hexadecimal length": (b"Content-Length: 0x0",),
    "a length with letters": (b"Content-Length: 0abc",),
    "a length with blanks": (b"Content-Length: 1 0",),
    "a length with underscores": (b"Content-Length: 1_0",),
    "a length in other digits": ("Content-Length: ٣".encode(),),
    "an empty length": (b"Content-Length: ",),
    "a huge length": (b"Content-Length: " + b"9" * 40,),
    "a fraction": (b"Content-Length: 0.0",),
    "an unknown coding": (b"Transfer-Encoding: x-other",),
    "chunked not last": (b"Transfer-Encoding: chunked, identity",),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked",),
    "chunked on two lines": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "chunked misspelt": (b"Transfer-Encoding: xchunked",),
    "chunked with a vertical tab": (b"Transfer-Encoding: \x0bchunked",),
    "chunked quoted": (b'Transfer-Encoding: "chunked"',),
}
for name, lines in LENGTHS.items():
    CASES[f"length: {name}"] = Case(body(*lines), (400, 413, 501))

CHUNKS = {
    "a size that is none": b"x\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nabc\r\n0\r\n\r\n",
    "a signed size": b"+3\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a huge size": b"ffffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a size beyond the bound": b"fffffff\r\n" + b"x" * 50_000,
    "an endless size": b"0" * 100_000,
    "no line end after a chunk": b"3\r\nabcX\r\n0\r\n\r\n",
    "a bare line feed after the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare line feed after the chunk": b"3\r\nabc\n0\r\n\r\n",
    "an endless extension": b"3;" + b"x" * 100_000,
    "a line feed in the extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
}
for name, data in CHUNKS.items():
    CASES[f"chunk: {name}"] = Case(body(b"Transfer-Encoding: chunked", data=data + HIDDEN), (400, 413))

HEADS = {
    "a blank before the colon": head(GET, HOST, AUTH, b"X-A : b"),
    "a folded line": head(GET, HOST, AUTH, b"X-A: b", b" c"),
    "a folded first line": head(GET, b" X-A: b", HOST, AUTH),
    "a line without a colon": head(GET, HOST, AUTH, b"X-A"),
    "no name": head(GET, HOST, AUTH, b": b"),
    "NUL in a value": head(GET, HOST, AUTH, b"X-A: b\0c"),
    "NUL in a name": head(GET, HOST, AUTH, b"X\0A: b"),
    "a carriage return in a value": head(GET, HOST, AUTH, b"X-A: b\rX-B: c"),
    "a blank in a name": head(GET, HOST, AUTH, b"X A: b"),
    "a bracket in a name": head(GET, HOST, AUTH, b"X(A: b"),
    "letters beyond ASCII in a name": head(GET, HOST, AUTH, "X-Ä: b".encode()),
    "two hosts": head(GET, HOST, b"Host: b", AUTH),
    "a huge line": head(GET, HOST, AUTH, b"X-A: " + b"b" * 100_000),
    "a huge name": head(GET, HOST, AUTH, b"X" * 100_000 + b": b"),
    "too many lines": head(GET, HOST, AUTH, *(b"X-%d: b" % n for n in range(200))),
    "a huge request line": head(b"GET /" + b"a" * 100_000 + b" HTTP/1.1", HOST, AUTH),
    "another protocol": head(b"GET /ari/asterisk/ping SIP/2.0", HOST, AUTH),
    "a version of three digits": head(b"GET /ari/asterisk/ping HTTP/1.11", HOST, AUTH),
    "another version": head(b"GET /ari/asterisk/ping HTTP/9.9", HOST, AUTH),
    "a tab for a blank": head(b"GET\t/ari/asterisk/ping\tHTTP/1.1", HOST, AUTH),
    "a blank in the path": head(b"GET /ari/asterisk/ping x HTTP/1.1", HOST, AUTH),
    "NUL in the path": head(b"GET /ari/\0 HTTP/1.1", HOST, AUTH),
    "a method that is no token": head(b"G(T /ari/asterisk/ping HTTP/1.1", HOST, AUTH),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "SIP": b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n",
    "binary": bytes(range(256)),
    "bare line feeds": head(GET, HOST, AUTH, end=b"\n"),
    "a bare line feed in the head": head(GET, HOST + b"\nX-A: b", AUTH),
}
for name, sent in HEADS.items():
    CASES[f"head: {name}"] = Case(sent, (400,))

#: Odd, and yet only to be read in one way: one answer.
ONE_WAY = {
    "an absolute target": (head(b"GET http://a/ari/asterisk/ping HTTP/1.1", HOST, AUTH), (200, 400, 404)),
    "an absolute target of another host": (
        head(b"GET http://b/ari/asterisk/ping HTTP/1.1", HOST, AUTH),
        (200, 400, 404),
    ),
    "no version": (head(b"GET /ari/asterisk/ping", HOST, AUTH), (200, 400)),
    "two blanks": (head(b"GET  /ari/asterisk/ping HTTP/1.1", HOST, AUTH), (200, 400)),
    "an asterisk": (head(b"OPTIONS * HTTP/1.1", HOST, AUTH), (400, 404)),
    "CONNECT": (head(b"CONNECT a:80 HTTP/1.1", HOST, AUTH), (400, 404, 405)),
    "no host": (head(GET, AUTH), (200, 400)),
    "an empty line before": (b"\r\n" + head(GET, HOST, AUTH), (200, 400)),
    "a chunk extension": (body(b"Transfer-Encoding: chunked", data=b"2;a=b\r\n{}\r\n0\r\n\r\n"), (204, 400)),
    "trailers": (body(b"Transfer-Encoding: chunked", data=b"2\r\n{}\r\n0\r\nHost: b\r\n\r\n"), (204, 400)),
    "chunked in HTTP/1.0": (
        head(PUT.replace(b"1.1", b"1.0"), HOST, AUTH, b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        (204, 400),
    ),
    "Expect of something else": (body(b"Expect: tea", b"Content-Length: 0", data=b""), (204, 400, 417)),
    "an upgrade nobody knows": (head(GET, HOST, AUTH, b"Connection: Upgrade", b"Upgrade: h2c"), (200, 400)),
    "a length of zeros": (body(b"Content-Length: 000", data=b""), (204, 400)),
}


async def answers(sent: bytes) -> tuple[list[int], bool, bool]:
    """Statuses of all answers, whether the connection was closed, and whether the hidden request was obeyed."""
    async with running() as edge:
        for device in ("x", "y"):
            await edge.ask("PUT", f"/ari/deviceStates/Stasis:{device}?deviceState=BUSY")
        wire = await edge.open()
        wire.send(sent)
        found: list[int] = []
        closed = False
        try:
            async with asyncio.timeout(_SECOND_ANSWER):
                while True:
                    answer = await wire.answer()
                    found.append(answer.status)
                    # It is closed at once, or after a little of what still comes was thrown away.
                    closed = answer.headers.get("connection") == "close"
        except (asyncio.IncompleteReadError, ConnectionError):
            closed = True
        except TimeoutError:
            pass
        known = {device["name"] for device in (await edge.ask("GET", "/ari/deviceStates")).json}
        await wire.close()
        return found, closed, "Stasis:y" not in known


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_refused(case: Case) -> None:
    found, closed, obeyed = await answers(case.sent)
    assert not obeyed
    assert len(found) == 1
    assert found[0] in case.statuses
    assert closed


@pytest.mark.parametrize(("sent", "statuses"), ONE_WAY.values(), ids=ONE_WAY)
async def test_read_in_one_way(sent: bytes, statuses: tuple[int, ...]) -> None:
    found, _, _ = await answers(sent)
    assert len(found) == 1
    assert found[0] in statuses


async def test_requests_in_a_row_are_answered_in_order() -> None:
    row = (
        head(GET, HOST, AUTH)
        + head(b"GET /ari/nope HTTP/1.1", HOST, AUTH)
        + head(GET, HOST, AUTH, b"Connection: close")
    )
    assert (await answers(row))[:2] == ([200, 404, 200], True)


def test_there_are_enough() -> None:
    assert len(CASES) + len(ONE_WAY) >= 60
