"""Messages on a stream (RFC 3261 18.3, RFC 5626 3.5.1)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.framing import KEEPALIVE, PING, PONG, StreamFramer
from switchroom.wire.sip.limits import MAX_BODY, MAX_HEAD

FIRST = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\n\r\n\r\nx"
SECOND = b"MESSAGE sip:b SIP/2.0\r\nl :\r\n  0\r\nCall-ID: 2\r\n\r\n"


def test_several_messages_at_once() -> None:
    assert StreamFramer().feed(FIRST + SECOND + FIRST) == [FIRST, SECOND, FIRST]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_messages_in_pieces(size: int) -> None:
    stream = FIRST + SECOND + PING + SECOND
    framer = StreamFramer()
    items = [item for start in range(0, len(stream), size) for item in framer.feed(stream[start : start + size])]
    assert [item for item in items if item not in KEEPALIVE] == [FIRST, SECOND, SECOND]


def test_keep_alives() -> None:
    framer = StreamFramer()
    assert framer.feed(PING) == [PING]
    assert framer.feed(PONG) == [PONG]
    assert framer.feed(SECOND + PING + PONG + SECOND) == [SECOND, PING, PONG, SECOND]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_ping_in_two_pieces_is_still_a_ping(at: int) -> None:
    framer = StreamFramer()
    items = framer.feed(PING[:at]) + framer.feed(PING[at:])
    assert items[-1] == PING
    assert framer.feed(SECOND) == [SECOND]


def test_a_crlf_after_a_message_is_no_half_ping() -> None:
    framer = StreamFramer()
    assert framer.feed(PONG) == [PONG]
    assert framer.feed(SECOND) == [SECOND]
    assert framer.feed(PONG) == [PONG]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nl: \xb2\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 00000000001\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n l: 1\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nl: %d\r\n\r\n" % (MAX_BODY + 1), 513),
        (b"OPTIONS sip:a SIP/2.0\r\nX: " + b"y" * MAX_HEAD, 513),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n", 513),
    ],
)
def test_a_stream_at_fault_stays_so(data: bytes, status: int) -> None:
    framer = StreamFramer()
    for _ in range(2):
        with pytest.raises(SipError) as caught:
            framer.feed(data)
        assert caught.value.status == status
    with pytest.raises(SipError):
        framer.feed(SECOND)


def test_what_came_before_the_fault_is_given_first() -> None:
    framer = StreamFramer()
    assert framer.feed(FIRST + b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n" + SECOND) == [FIRST]
    assert framer.fault is not None
    assert framer.fault.status == 400
    with pytest.raises(SipError):
        framer.feed(b"")


def test_the_largest_message_passes() -> None:
    message = b"OPTIONS sip:a SIP/2.0\r\nl: %d\r\n\r\n" % MAX_BODY + b"a" * MAX_BODY
    framer = StreamFramer()
    assert framer.feed(message[:-1]) == []
    assert framer.feed(message[-1:]) == [message]
