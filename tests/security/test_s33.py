"""S33: JSON made to confuse or to exhaust. It is refused, soon, over HTTP and over a WebSocket alike."""

from __future__ import annotations

import msgspec
import pytest

from switchroom.ari.limits import BODY_BYTES, JSON_DEPTH
from unit.ari.edge import Edge, running

SEND = "/ari/endpoints/PJSIP/carol/sendMessage?from=alice&body=x"


def within(value: bytes) -> bytes:
    return b'{"variables":' + value + b"}"


REFUSED = {
    "depth of 20,000 lists": b"[" * 20_000 + b"]" * 20_000,
    "depth of 6,000 objects": b'{"a":' * 6_000 + b"1" + b"}" * 6_000,
    "unclosed depth": b"[" * BODY_BYTES,
    "one level too deep": b'{"a":' * (JSON_DEPTH + 2) + b"1" + b"}" * (JSON_DEPTH + 2),
    "NaN": within(b'{"a":NaN}'),
    "Infinity": within(b'{"a":-Infinity}'),
    "a huge number": within(b'{"a":' + b"9" * 30_000 + b"}"),
    "a huge exponent": within(b'{"a":1e999999999}'),
    "a leading zero": within(b'{"a":01}'),
    "single quotes": b"{'a':1}",
    "a trailing comma": b'{"a":1,}',
    "a comment": b'{"a":1/**/}',
    "text behind": b'{"a":"b"} x',
    "two documents": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":"b"}'.encode("utf-16"),
    "not UTF-8": within(b'{"a":"\xff"}'),
    "overlong UTF-8": within(b'{"a":"\xc0\xaf"}'),
    "a raw control character": within(b'{"a":"\x01"}'),
    "a raw line break": within(b'{"a":"\n"}'),
    "NUL": within(b'{"a":"\\u0000"}'),
    "NUL in a name": b'{"variables":{"a\\u0000":"b"}}',
    "a lone surrogate": within(b'{"a":"\\ud800"}'),
    "surrogates the wrong way round": within(b'{"a":"\\udc00\\ud800"}'),
    "an unfinished escape": within(b'{"a":"\\u12"}'),
    "an unknown escape": within(b'{"a":"\\x41"}'),
    "a number as a variable": within(b'{"a":1}'),
    "null as a variable": within(b'{"a":null}'),
    "true as a variable": within(b'{"a":true}'),
    "a list as a variable": within(b'{"a":[]}'),
    "an object as a variable": within(b'{"a":{}}'),
    "a list of variables": within(b"[]"),
    "a text of variables": within(b'"a"'),
    "a number of variables": within(b"1"),
    "false variables": within(b"false"),
    "a number as the sender": b'{"from":5}',
    "a list as the sender": b'{"from":["alice"]}',
    "an object as the text": b'{"body":{}}',
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"5",
    "nothing": b"null",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
async def test_refused(body: bytes) -> None:
    async with running() as edge:
        assert (await edge.ask("PUT", SEND, body=body)).status == 400
        assert not edge.pjsip.messages
        wire = await edge.listen("/ari/events?app=a")
        text = body.decode("utf-8", "replace")
        if text.encode() == body and len(body) < 30_000:
            request = {"type": "RESTRequest", "method": "PUT", "uri": SEND[5:], "content_type": "application/json"}
            wire.frame(0x1, msgspec.json.encode({**request, "message_body": text}))
            assert (await wire.event())["status_code"] == 400
        wire.frame(0x1, text.encode())
        assert (await wire.event())["status_code"] == 400
        assert not edge.pjsip.messages
        await wire.close()


@pytest.mark.parametrize("size", [BODY_BYTES + 1, 10_000_000])
async def test_too_large(size: int) -> None:
    async with running() as edge:
        wire = await edge.open()
        head = f"PUT {SEND} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YXN0ZXJpc2s6YXN0ZXJpc2s=\r\n"
        wire.send(f"{head}Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n{{".encode())
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        await wire.close()


async def last_wins(edge: Edge, body: bytes) -> str:
    assert (await edge.ask("PUT", SEND.partition("?")[0], body=body)).status == 202
    return edge.pjsip.messages[-1].body


async def test_of_keys_that_come_twice_the_last_counts() -> None:
    async with running() as edge:
        assert await last_wins(edge, b'{"from":"x:y","from":"alice","body":"one","body":"two"}') == "two"


async def test_the_deepest_that_is_taken() -> None:
    async with running() as edge:
        depth = JSON_DEPTH - 2
        body = b'{"from":"alice","body":"deep","other":' + b"[" * depth + b"]" * depth + b"}"
        assert await last_wins(edge, body) == "deep"
