"""Threat S04: integer abuse. ASCII digits only, ten at most, in range or refused with 400; never another error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.framing import StreamFramer
from switchroom.wire.sip.headers import parse_cseq, parse_delta_seconds, parse_via
from switchroom.wire.sip.limits import MAX_BODY, MAX_DIGITS
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.sanity import check
from switchroom.wire.sip.uri import parse_uri


def whole(name: str, value: str, body: str = "") -> bytes:
    """A sound MESSAGE with one header in another way."""
    headers = {
        "Via": "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1",
        "From": "<sip:a@b>;tag=1",
        "To": "<sip:c@d>",
        "Call-ID": "1",
        "CSeq": "1 MESSAGE",
        name: value,
    }
    lines = ["MESSAGE sip:c@d SIP/2.0", *(f"{key}: {text}" for key, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape")


def _request(name: str, value: str) -> Request:
    message = parse(whole(name, value))
    assert isinstance(message, Request)
    return message


def cseq(text: str) -> int:
    request = _request("CSeq", f"{text} MESSAGE")
    if error := check(request):
        raise error
    return request.cseq.number


def max_forwards(text: str) -> int | None:
    request = _request("Max-Forwards", text)
    if error := check(request):
        raise error
    return request.max_forwards


def content_length(text: str) -> int:
    """The body is 300 bytes: what is longer is refused as too long, what is shorter cuts it."""
    return len(parse(whole("Content-Length", text, "x" * 300)).body)


def stream_content_length(text: str) -> int:
    """What is behind the body is no message; that is found out after the first was given."""
    (message,) = StreamFramer().feed(whole("Content-Length", text, "x" * MAX_BODY))
    return len(message.partition(b"\r\n\r\n")[2])


def expires(text: str) -> int | None:
    return _request("Expires", text).expires


def contact_expires(text: str) -> int:
    (contact,) = _request("Contact", f"<sip:a@b>;expires={text}").contacts
    return parse_delta_seconds(contact.params["expires"] or "")


def port(text: str) -> int | None:
    return parse_uri(f"sip:a@b:{text}").port


def via_port(text: str) -> int | None:
    return parse_via(f"SIP/2.0/UDP a:{text};branch=1").port


def rport(text: str) -> int | None:
    return parse_via(f"SIP/2.0/UDP a;rport={text}").rport


#: What reads a number off the wire -> the largest it takes as it is.
READERS: dict[Callable[[str], int | None], int] = {
    cseq: 2**31 - 1,
    max_forwards: 255,
    content_length: 300,
    stream_content_length: MAX_BODY,
    expires: 2**32 - 1,
    contact_expires: 2**32 - 1,
    port: 65_535,
    via_port: 65_535,
    rport: 65_535,
}
CLAMPED = {expires, contact_expires}

every_reader = pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)

NOT_NUMBERS = {
    "negative": "-1",
    "plus": "+1",
    "minus zero": "-0",
    "hexadecimal": "0x10",
    "exponent": "1e3",
    "fraction": "1.0",
    "underscore": "1_0",
    "blank within": "1 0",
    "comma": "1,0",
    "letters": "ten",
    "arabic": "\u0661\u0662",
    "full width": "\uff11",
    "superscript": "\u00b2",
    "mathematical": "\U0001d7ce",
    "no-break space": "\u00a01",
    "not UTF-8": "1\udcff",
    "line separator": "1\u2028",
    "eleven digits": "00000000001",
    "2**64": str(2**64),
    "thirty digits": "9" * 30,
    "ten thousand digits": "9" * 10_000,
}


@every_reader
@pytest.mark.parametrize("text", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_what_is_no_number_is_refused(read: Callable[[str], int | None], text: str) -> None:
    with pytest.raises(SipError) as caught:
        read(text)
    assert caught.value.status == 400


@every_reader
def test_an_empty_number(read: Callable[[str], int | None]) -> None:
    if read is rport:  # a valueless rport only asks for the port (RFC 3581 3)
        assert read("") is None
        return
    with pytest.raises(SipError):
        read("")


@every_reader
def test_largest_and_beyond(read: Callable[[str], int | None]) -> None:
    largest = READERS[read]
    assert read("1") == 1
    assert read(str(largest)) == largest
    if read in CLAMPED:
        assert read(str(largest + 1)) == largest
        assert read("9" * 10) == largest
        return
    for number in (largest + 1, 9_999_999_999):
        with pytest.raises(SipError):
            read(str(number))


@pytest.mark.parametrize("read", [port, via_port, rport])
def test_port_zero(read: Callable[[str], int | None]) -> None:
    with pytest.raises(SipError):
        read("0")


@pytest.mark.parametrize("text", ["99", "1000", "4294967496", "-200", "2e2", "\u0662\u0660\u0660", "0x0c8"])
def test_status_of_a_response(text: str) -> None:
    with pytest.raises(SipError) as caught:
        parse(f"SIP/2.0 {text} OK\r\n\r\n".encode())
    assert caught.value.status == 400


@every_reader
@given(text=st.text("0123456789+-._eExX\u00b2\u0663\uff11", min_size=1, max_size=14) | st.integers().map(str))
def test_any_text_is_the_number_it_says_or_refused(read: Callable[[str], int | None], text: str) -> None:
    try:
        number = read(text)
    except SipError:
        return
    assert text.isascii()
    assert text.isdigit()
    assert len(text) <= MAX_DIGITS
    assert number == min(int(text), READERS[read])


@given(st.text(max_size=30))
def test_any_cseq(text: str) -> None:
    try:
        value = parse_cseq(text)
    except SipError:
        return
    assert 0 <= value.number < 2**31
