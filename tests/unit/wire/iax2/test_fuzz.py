"""The invariant of the kernel: any bytes are parsed, or FrameError; no datagram makes the stack raise, answer with
more than one datagram, or keep what it should not.
"""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from switchroom.wire.iax2.elements import Elements
from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.events import CallOffered, CallProven
from switchroom.wire.iax2.frames import FullFrame, parse_frame, write_frame
from switchroom.wire.iax2.numbers import MD5, Command, Element, FrameType
from switchroom.wire.iax2.registration import RegistrationRequested

from .client import HERE, Client

#: Bytes that look like elements more often than chance would have it.
elements = st.lists(
    st.tuples(st.sampled_from([*Element, 200]), st.binary(max_size=20), st.sampled_from([0, 0, 0, 1, -1, 200])),
    max_size=8,
).map(lambda items: b"".join(bytes((e, max(0, min(255, len(d) + lie)))) + d for e, d, lie in items))

frames = st.builds(
    write_frame,
    st.sampled_from([1, 7, 7, 7, 8]),
    st.sampled_from([0, 0, 102, 103, 104, 105, 106, 20_000]),
    st.sampled_from([0, 3, 2**32 - 1]),
    st.sampled_from([0, 0, 1, 2, 3, 255]),
    st.sampled_from([0, 0, 1, 2, 3, 255]),
    st.sampled_from([*FrameType, FrameType.IAX, FrameType.IAX, FrameType.IAX]),
    st.sampled_from([*Command, 99]),
    elements,
)

#: What iaxmodem sends first, and a call; each after its length and a verdict.
REGISTRATION = bytes.fromhex(
    "1701 82f9000000000003 0000060d 0605616c696365 1302003c 0e00 82fa000000000003 00000601 3600"
)

VERDICTS = ("accept", "challenge", "refuse")


def explore(data: bytes) -> None:
    """One datagram, and the same bytes as several (each after its length and a verdict on what it asks); only a bug
    lets an error out.
    """
    with contextlib.suppress(FrameError):
        frame = parse_frame(data)
        if isinstance(frame, FullFrame):
            found = Elements(frame.payload)
            for element in Element:
                assert isinstance(found.text(element), str)
                for size in (1, 2, 4):
                    number = found.number(element, size)
                    assert number is None or 0 <= number < 1 << 8 * size
    datagrams = []
    while len(data) > 2:
        datagrams.append((data[2 : 2 + data[0]], VERDICTS[data[1] % 3]))
        data = data[2 + data[0] :]
    play(datagrams)


def play(datagrams: list[tuple[bytes, str]]) -> None:
    """A stack with a question and a text of its own gets datagrams, and is left alone at the end."""
    client = Client()
    client.stack.poke(HERE, "poke", 2.0, client.now)
    client.stack.send_text(HERE, b"hi", "text", client.now)
    client.sent()
    for data, verdict in datagrams:
        sent = client.raw(data)
        for event in client.events():
            _judge(client, event, verdict)
        sent += client.sent()
        # A repetition that a peer of ours asks for may be of several frames; strangers get one.
        assert len(sent) <= 3
        client.pass_time(0.5)
    client.pass_time(4000)
    client.pass_time(200)
    assert len(client.stack) == 0
    assert client.stack.next_timer() is None


@given(st.binary(max_size=200) | frames | frames.map(lambda data: data[: len(data) // 2]))
@example(b"\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x01" + b"\x00" * 5000)
def test_any_bytes_are_parsed_or_the_documented_error(data: bytes) -> None:
    explore(data)


@given(st.lists(st.tuples(st.binary(max_size=40) | frames, st.sampled_from(VERDICTS)), max_size=30))
def test_no_sequence_of_datagrams_makes_it_raise_or_talk(datagrams: list[tuple[bytes, str]]) -> None:
    play(datagrams)


def _judge(client: Client, event: object, verdict: str) -> None:
    stack = client.stack
    match event:
        case RegistrationRequested():
            if verdict == "accept":
                stack.confirm_registration(event, 60, 0)
            elif verdict == "challenge":
                stack.challenge_registration(event, MD5)
            else:
                stack.refuse_registration(event)
        case CallOffered():
            if verdict == "accept":
                stack.accept_call(event)
            elif verdict == "challenge":
                stack.challenge_call(event, MD5)
            else:
                stack.reject_call(event, 3, "No")
        case CallProven():
            if verdict == "accept":
                stack.accept_call(event)
            else:
                stack.reject_call(event, 3, "No")
