"""Threat S05: header smuggling. Two readers of one message must not see two different messages.

What parsers are known to read differently is refused, or brought into one form once: the parsed message is what
policy looks at and what is written on, and the written bytes parse to the same message again.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import COMPACT, SINGLE
from switchroom.wire.sip.message import Field, Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.write import write_request, write_response

START = b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
HEADERS = (
    b"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: 1@example.com\r\n"
    b"CSeq: 1 MESSAGE\r\n"
)
END = b"Content-Length: 2\r\n\r\nHi"


def message(extra: bytes = b"", end: bytes = END) -> Request:
    parsed = parse(START + HEADERS + extra + end)
    assert isinstance(parsed, Request)
    return parsed


def fault(data: bytes) -> SipError:
    with pytest.raises(SipError) as caught:
        parse(data)
    return caught.value


def carried(request: Request) -> list[Field]:
    return [field for field in request.fields if field[0] != "content-length"]


def forwarded(request: Request) -> bytes:
    return write_request(request.method, request.target, [field[1:] for field in request.fields], request.body)


def assert_same_when_forwarded(request: Request) -> None:
    data = forwarded(request)
    again = parse(data)
    assert isinstance(again, Request)
    assert (again.method, again.target, again.body) == (request.method, request.target, request.body)
    assert carried(again) == carried(request)
    assert forwarded(again) == data


@pytest.mark.parametrize(
    "written",
    [
        b"X-A: v",
        b"X-A : v",
        b"X-A\t: v",
        b"X-A \t :v",
        b"X-A:\tv\t ",
        b"X-A:\r\n v",
        b"X-A:\r\n\tv\r\n ",
        b"X-A :\r\n \r\n v",
    ],
)
def test_blanks_and_folds_around_a_header_mean_nothing(written: bytes) -> None:
    request = message(written + b"\r\n")
    assert ("x-a", "X-A", "v") in request.fields
    assert b"\r\nX-A: v\r\n" in forwarded(request)
    assert_same_when_forwarded(request)


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t "])
@pytest.mark.parametrize("name", [b"From", b"f", b"Call-ID", b"i", b"Content-Length", b"l"])
def test_a_blank_before_the_colon_hides_no_duplicate(name: bytes, blank: bytes) -> None:
    error = fault(START + HEADERS + name + blank + b": 0\r\n" + END)
    assert error.status == 400


@pytest.mark.parametrize("key", sorted(SINGLE))
def test_what_may_stand_once_stands_once(key: str) -> None:
    forms = [key, key.upper(), key.title()] + [short for short, full in COMPACT.items() if full == key]
    for first in forms:
        for second in forms:
            lines = f"{first}: 0\r\n{second} : 0\r\n".encode()
            assert fault(START + lines + b"\r\n").status == 400


def test_a_request_with_two_from_can_be_answered() -> None:
    error = fault(START + HEADERS + b"f: <sip:mallory@example.com>;tag=2\r\n" + END)
    assert error.request is not None
    answer = parse(write_response(error.request, error.status))
    assert answer.lines("from") == ["<sip:alice@example.com>;tag=1"]


@pytest.mark.parametrize("bad", [b"\n", b"\r", b"\x00", b"\n\r", b"\r\r\n", b"\n\n", b"\r\n\n"])
@pytest.mark.parametrize(
    "place",
    [
        b"MESSAGE%s sip:b SIP/2.0\r\n" + HEADERS + END,
        b"MESSAGE sip:b SIP/2.0%sX: y\r\n" + HEADERS + END,
        START + b"X-A: a%sFrom: <sip:mallory@example.com>\r\n" + HEADERS + END,
        START + b"X-A%s: a\r\n" + HEADERS + END,
        START + b"X-A: %s\r\n" + HEADERS + END,
        START + b"X-A: a%s b\r\n" + HEADERS + END,
        START + HEADERS + b"X-A: a\r\nX-B: b%sX-C: c\r\n" + END,
    ],
)
def test_bare_line_ends_and_nul_are_refused(place: bytes, bad: bytes) -> None:
    error = fault(place.replace(b"%s", bad))
    assert (error.status, error.request) == (400, None)


@pytest.mark.parametrize("first", [b" X-A: b\r\n", b"\tX-A: b\r\n", b" \r\n"])
def test_the_first_header_is_no_continuation(first: bytes) -> None:
    assert fault(START + first + HEADERS + END).status == 400


def test_a_folded_header_name_is_a_value() -> None:
    request = message(b"Subject: a\r\n From: <sip:mallory@example.com>\r\n")
    assert request.first("subject") == "a From: <sip:mallory@example.com>"
    assert request.lines("from") == ["<sip:alice@example.com>;tag=1"]
    assert_same_when_forwarded(request)


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_line_ends_of_unicode_end_no_line(end: str) -> None:
    request = message(f"X-A: a{end}From: <sip:mallory@example.com>\r\n".encode())
    assert request.lines("from") == ["<sip:alice@example.com>;tag=1"]
    assert request.first("x-a") == f"a{end}From: <sip:mallory@example.com>"
    assert_same_when_forwarded(request)


@pytest.mark.parametrize(
    "name",
    [
        "Fro\u039c",
        "\uff26rom",
        "From\u00a0",
        "\u00adFrom",
        "From\u200b",
        "Call-\u0131D",
        "\u212a",
        "From;",
        "[From]",
        "From\x7f",
    ],
)
def test_names_that_look_alike_are_no_names(name: str) -> None:
    assert fault(START + HEADERS + f"{name}: x\r\n".encode() + END).status == 400


def test_what_follows_the_body_is_no_second_request() -> None:
    request = message(end=END + START + HEADERS + END)
    assert request.body == b"Hi"
    assert b"\r\n\r\nHi" in forwarded(request)
    assert_same_when_forwarded(request)


@pytest.mark.parametrize("length", [b"3", b"-2", b"+2", b"2, 2", b"0x2", b"\xd9\xa2", b"2 2", b""])
def test_a_length_that_is_not_that_of_the_body(length: bytes) -> None:
    assert fault(START + HEADERS + b"Content-Length: " + length + b"\r\n\r\nHi").status == 400


def test_bytes_of_any_kind_pass_unchanged() -> None:
    request = message(b"Subject: \xff\xfe Zo\xc3\xab \xed\xa0\x80\r\n")
    assert b"\r\nSubject: \xff\xfe Zo\xc3\xab \xed\xa0\x80\r\n" in forwarded(request)
    assert_same_when_forwarded(request)


NAMES = st.from_regex(r"[!%'*+\-.0-9A-Z_`a-z~]{1,12}", fullmatch=True)
BLANKS = st.sampled_from([b"", b" ", b"\t", b"  \t"])
VALUES = st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\x00"))


@given(
    st.lists(st.tuples(NAMES, BLANKS, BLANKS, VALUES, st.sampled_from([b"", b"\r\n ", b" \r\n\t \r\n x"]))), st.binary()
)
def test_parsed_written_and_parsed_again_is_the_same(
    lines: list[tuple[str, bytes, bytes, bytes, bytes]], body: bytes
) -> None:
    extra = b"".join(
        name.encode() + before + b":" + after + value + fold + b"\r\n" for name, before, after, value, fold in lines
    )
    try:
        parsed = parse(START + HEADERS + extra + b"\r\n" + body)
    except SipError:  # one of the names is in SINGLE, or the length is not that of the body
        return
    assert isinstance(parsed, Request)
    assert len(parsed.fields) == len(lines) + 5
    assert_same_when_forwarded(parsed)
