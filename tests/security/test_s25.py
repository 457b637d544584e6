"""S25: the WebSocket of events against RFC 6455, frame by frame. Sections are numbered after Autobahn's test suite."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest

from switchroom.ari.limits import MESSAGE_BYTES
from unit.ari.edge import Edge, Wire, handshake, running

PATH = "/ari/events?app=a"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x12\x34\x56\x78"

#: What a text that is no request is answered with: a sign that it was taken whole.
ANSWER = b'"status_code":400'


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, mask: bytes | None = MASK) -> bytes:
    """A client's frame (RFC 6455 5.2)."""
    first = (0x80 if final else 0) | rsv << 4 | opcode
    length = len(payload)
    masked = 0x80 if mask is not None else 0
    if length < 126:
        head = bytes([first, masked | length])
    elif length < 65_536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Case(NamedTuple):
    """What is sent, and what comes: payloads of pongs in order, so many answers to texts, or a close code, after
    which nothing is answered any more.
    """

    sent: bytes
    pongs: tuple[bytes, ...] = ()
    texts: int = 0
    close: int | None = None


#: Ends a case that leaves the WebSocket open.
OPEN = frame(PING, b"still open")

CASES: dict[str, Case] = {}

# 1: texts and binaries of all sizes. Texts are answered; binaries mean nothing.
for size in (0, 1, 125, 126, 127, 128, 65_534, 65_535):
    CASES[f"1.1 text of {size}"] = Case(frame(TEXT, b"*" * size), texts=1)
    CASES[f"1.2 binary of {size}"] = Case(frame(BINARY, b"\xfe" * size))
for size in (65_536, 70_000):
    CASES[f"1.3 text of {size}"] = Case(frame(TEXT, b"*" * size), close=1009)
    CASES[f"1.3 binary of {size}"] = Case(frame(BINARY, b"*" * size), close=1009)
CASES["1.4 a length of 2**63"] = Case(bytes([0x81, 0xFF]) + (2**63).to_bytes(8, "big") + MASK, close=1009)
CASES["1.5 many in one packet"] = Case(frame(TEXT, b"x") * 20, texts=20)

# 2: pings and pongs.
for size in (0, 1, 124, 125):
    CASES[f"2.1 ping of {size}"] = Case(frame(PING, b"\xff" * size), pongs=(b"\xff" * size,))
    CASES[f"2.2 pong of {size} nobody asked for"] = Case(frame(PONG, b"\xff" * size))
for opcode in (PING, PONG, CLOSE):
    for size in (126, 127, 1_000):
        CASES[f"2.3 control frame {opcode:x} of {size}"] = Case(
            frame(opcode, b"\x03\xe8" + b"x" * (size - 2)), close=1002
        )
CASES["2.4 ten pings in one packet"] = Case(
    b"".join(frame(PING, b"%d" % n) for n in range(10)), pongs=tuple(b"%d" % n for n in range(10))
)
CASES["2.5 pongs between pings"] = Case(frame(PONG) + frame(PING, b"a") + frame(PONG, b"a"), pongs=(b"a",))

# 3: reserved bits; nothing was agreed that gives them a meaning.
for bits in range(1, 8):
    CASES[f"3.1 text with reserved bits {bits}"] = Case(frame(TEXT, b"x", rsv=bits), close=1002)
for opcode in (BINARY, PING, PONG, CLOSE):
    for bits in (1, 2, 4):
        CASES[f"3.2 opcode {opcode:x} with reserved bits {bits}"] = Case(frame(opcode, b"", rsv=bits), close=1002)
CASES["3.3 after a good one"] = Case(frame(TEXT, b"x") + frame(TEXT, b"x", rsv=2), close=1002)

# 4: opcodes nobody defined.
for opcode in (*range(0x3, 0x8), *range(0xB, 0x10)):
    CASES[f"4.1 opcode {opcode:x}"] = Case(frame(opcode, b"x"), close=1002)
    CASES[f"4.2 opcode {opcode:x} empty, after a good one"] = Case(
        frame(TEXT, b"x") + frame(opcode), texts=1, close=1002
    )

# 5: fragments.
CASES["5.1 ping in fragments"] = Case(frame(PING, b"a", final=False) + frame(0, b"b"), close=1002)
CASES["5.2 pong in fragments"] = Case(frame(PONG, b"a", final=False) + frame(0, b"b"), close=1002)
CASES["5.2 close in fragments"] = Case(frame(CLOSE, b"", final=False), close=1002)
CASES["5.3 text in two"] = Case(frame(TEXT, b"a", final=False) + frame(0, b"b"), texts=1)
CASES["5.4 binary in two"] = Case(frame(BINARY, b"a", final=False) + frame(0, b"b"))
CASES["5.5 text in a thousand"] = Case(
    frame(TEXT, b"a", final=False) + frame(0, b"b", final=False) * 998 + frame(0, b"c"), texts=1
)
CASES["5.6 empty fragments"] = Case(frame(TEXT, final=False) + frame(0, final=False) + frame(0), texts=1)
CASES["5.7 ping between fragments"] = Case(
    frame(TEXT, b"a", final=False) + frame(PING, b"p") + frame(0, b"b"), pongs=(b"p",), texts=1
)
CASES["5.8 pong between fragments"] = Case(frame(TEXT, b"a", final=False) + frame(PONG) + frame(0, b"b"), texts=1)
CASES["5.9 continuation of nothing"] = Case(frame(0, b"a"), close=1002)
CASES["5.10 continuation of nothing, not the last"] = Case(frame(0, b"a", final=False), close=1002)
CASES["5.11 continuation after the end"] = Case(
    frame(TEXT, b"a", final=False) + frame(0, b"b") + frame(0, b"c"), close=1002
)
CASES["5.12 text within a text"] = Case(frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), close=1002)
CASES["5.13 binary within a text"] = Case(frame(TEXT, b"a", final=False) + frame(BINARY, b"b"), close=1002)
CASES["5.14 text within a binary"] = Case(frame(BINARY, b"a", final=False) + frame(TEXT, b"b"), close=1002)
CASES["5.15 too large together"] = Case(
    frame(TEXT, b"a" * 40_000, final=False) + frame(0, b"b" * (MESSAGE_BYTES - 40_000)), close=1009
)
CASES["5.16 close between fragments"] = Case(frame(TEXT, b"a", final=False) + closing(1000), close=1000)

# 6: UTF-8.
GOOD_TEXTS = {
    "greek": "κόσμε".encode(),
    "the last of one byte": b"\x7f",
    "the first and last of two": b"\xc2\x80\xdf\xbf",
    "the first and last of three": b"\xe0\xa0\x80\xef\xbf\xbf",
    "the first and last of four": b"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    "around the surrogates": b"\xed\x9f\xbf\xee\x80\x80",
    "no character": b"\xef\xb7\x90\xf0\x9f\xbf\xbe",
    "NUL": b"\x00",
}
BAD_TEXTS = {
    "a lone continuation": b"\x80",
    "a start without an end": b"\xce",
    "a start and a letter": b"\xc3(",
    "an end cut off": b"\xf0\x9f\x98",
    "overlong of two": b"\xc0\xaf",
    "overlong of three": b"\xe0\x80\xaf",
    "overlong of four": b"\xf0\x80\x80\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa1\x80\xed\xb0\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
}
for name, text in GOOD_TEXTS.items():
    CASES[f"6.1 {name}"] = Case(frame(TEXT, text), texts=1)
    CASES[f"6.2 {name}, byte by byte"] = Case(
        frame(TEXT, final=False) + b"".join(frame(0, bytes([b]), final=False) for b in text) + frame(0), texts=1
    )
for name, text in BAD_TEXTS.items():
    CASES[f"6.3 {name}"] = Case(frame(TEXT, b"good " + text), close=1007)
    CASES[f"6.4 {name}, in fragments"] = Case(
        frame(TEXT, b"good " + text[:1], final=False) + frame(0, text[1:]), close=1007
    )
    CASES[f"6.5 {name} in a binary"] = Case(frame(BINARY, text))

# 7: closing. The code comes back; what may not be sent is a protocol error.
for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
    CASES[f"7.1 {code}"] = Case(closing(code), close=code)
CASES["7.2 no code"] = Case(frame(CLOSE), close=1000)
CASES["7.3 half a code"] = Case(frame(CLOSE, b"\x03"), close=1002)
CASES["7.4 with a reason"] = Case(closing(1000, "auf Wiedersehen, κόσμε".encode()), close=1000)
CASES["7.5 the longest reason"] = Case(closing(1000, b"x" * 123), close=1000)
CASES["7.6 a reason that is not UTF-8"] = Case(closing(1000, b"\xce\xba\xff"), close=1007)
for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
    CASES[f"7.7 {code}"] = Case(closing(code), close=1002)
CASES["7.8 nothing is heard after it"] = Case(closing(1000) + frame(TEXT, b"x") + frame(PING, b"x"), close=1000)
CASES["7.9 twice"] = Case(closing(1001) + closing(1000), close=1001)

# 9: masks.
CASES["9.1 a mask of zeros"] = Case(frame(PING, b"x", mask=bytes(4)), pongs=(b"x",))
CASES["9.2 a mask of ones"] = Case(frame(PING, b"x", mask=b"\xff" * 4), pongs=(b"x",))


async def play(edge: Edge, wire: Wire, case: Case) -> None:
    pongs: list[bytes] = []
    texts = 0
    wire.send(case.sent + (OPEN if case.close is None else b""))
    while True:
        first, payload = await wire.receive()
        assert first in (0x81, 0x88, 0x8A), (first, payload)
        if first == 0x81:
            assert ANSWER in payload
            texts += 1
        elif first == 0x88:
            assert int.from_bytes(payload[:2], "big") == case.close
            break
        elif payload == b"still open":
            assert case.close is None
            break
        else:
            pongs.append(payload)
    assert tuple(pongs) == case.pongs
    if case.close is not None:
        wire.frame(CLOSE, b"\x03\xe8")
        assert await wire.ended()
        return
    while texts < case.texts:
        assert ANSWER in (await wire.receive())[1]
        texts += 1
    assert texts == case.texts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_frames(case: Case) -> None:
    async with running() as edge:
        wire = await edge.listen(PATH)
        await play(edge, wire, case)
        await wire.close()


@pytest.mark.parametrize("step", [1, 2, 3, 7])
async def test_frames_in_pieces(step: int) -> None:
    """However the network cuts them."""
    async with running() as edge:
        wire = await edge.listen(PATH)
        data = frame(TEXT, b"x" * 130) + frame(PING, b"p") + frame(TEXT, "κ".encode(), final=False) + frame(0, b"y")
        for start in range(0, len(data), step):
            wire.send(data[start : start + step])
            await wire.writer.drain()
        kinds = sorted([(await wire.receive())[0] for _ in range(3)])
        assert kinds == [0x81, 0x81, 0x8A]
        await wire.close()


async def test_frames_right_behind_the_handshake() -> None:
    async with running() as edge:
        wire = await edge.open()
        wire.send(handshake(PATH) + frame(PING, b"early"))
        assert (await wire.answer()).status == 101
        assert await wire.receive() == (0x8A, b"early")
        await wire.close()


HANDSHAKES = {
    "no key": ({"Sec-WebSocket-Key": ""}, 400),
    "a short key": ({"Sec-WebSocket-Key": "AAAA"}, 400),
    "a long key": ({"Sec-WebSocket-Key": "A" * 32}, 400),
    "a key that is not base64": ({"Sec-WebSocket-Key": "!" * 24}, 400),
    "no version": ({"Sec-WebSocket-Version": ""}, 400),
    "an old version": ({"Sec-WebSocket-Version": "6"}, 400),
    "a future version": ({"Sec-WebSocket-Version": "14"}, 400),
    "a foreign subprotocol": ({"Sec-WebSocket-Protocol": "sip"}, 400),
    "ours among others": ({"Sec-WebSocket-Protocol": "sip, ari"}, 101),
    "another upgrade": ({"Upgrade": "h2c"}, 426),
    "no upgrade in Connection": ({"Connection": "keep-alive"}, 400),
    "keep-alive beside upgrade": ({"Connection": "keep-alive, Upgrade"}, 101),
    "upgrade in other letters": ({"Upgrade": "WebSocket", "Connection": "upgrade"}, 101),
    "an extension nobody knows": ({"Sec-WebSocket-Extensions": "x-other"}, 101),
    "compression": ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}, 101),
}


@pytest.mark.parametrize(("headers", "status"), HANDSHAKES.values(), ids=HANDSHAKES)
async def test_handshakes(headers: dict[str, str], status: int) -> None:
    async with running() as edge:
        wire = await edge.open()
        wire.send(handshake(PATH, headers=headers))
        answer = await wire.answer()
        assert answer.status == status
        assert "sec-websocket-extensions" not in answer.headers
        await wire.close()


def test_there_are_enough() -> None:
    assert len(CASES) >= 120
