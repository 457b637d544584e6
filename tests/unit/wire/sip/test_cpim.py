"""Envelopes of texts (RFC 3862)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.cpim import CORE, Header, parse_envelope, write_envelope
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.limits import MAX_CPIM_HEADERS

#: RFC 3862 section 5.1, with what RFC 5438 adds and an escape.
EXAMPLE = """\
From: MR SANDERS <im:piglet@100akerwood.com>
To: Depressed Donkey <im:eeyore@100akerwood.com>
DateTime: 2000-12-13T13:40:00-08:00
Subject: the weather will be fine today \\u2600\\!
Subject:;lang=fr beau temps prevu pour aujourd'hui
NS: MyFeatures <mid:MessageFeatures@id.foo.com>
Require: MyFeatures.VitalMessageOption
MyFeatures.VitalMessageOption: Confirmation-requested
NS: imdn <urn:ietf:params:imdn>
imdn.Message-ID: 34jk324j
Other.Name:x

Content-type: text/plain; charset=utf-8
Content-ID: <1234567890@foo.com>

Pooh is here.

Really.
"""


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_example_of_the_rfc(end: str) -> None:
    envelope = parse_envelope(EXAMPLE.replace("\n", end).encode())
    assert (envelope.media_type, envelope.parameters) == ("text/plain", {"charset": "utf-8"})
    assert envelope.content == f"Pooh is here.{end}{end}Really.{end}".encode()
    assert envelope.find("From") == "MR SANDERS <im:piglet@100akerwood.com>"
    assert envelope.find("Subject") == "the weather will be fine today \N{BLACK SUN WITH RAYS}!"
    assert envelope.find("Message-ID", "urn:ietf:params:imdn") == "34jk324j"
    assert envelope.find("Message-ID") == ""
    assert Header("mid:MessageFeatures@id.foo.com", "VitalMessageOption", "Confirmation-requested") in envelope.headers
    # Nobody said what the prefix stands for.
    assert Header("", "Other.Name", "x") in envelope.headers
    assert [h.name for h in envelope.headers if h.namespace == CORE].count("Subject") == 2


def test_content_without_a_type_is_text() -> None:
    assert parse_envelope(b"From: <im:a@b>\r\n\r\nContent-ID: <1@b>\r\n\r\nhi").media_type == "text/plain"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"From: <im:a@b>\r\n\r\nhello",
        b"no header\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
        b"From: <im:a@b>\r\n\r\nContent-Type: nonsense\r\n\r\nhi",
        b"From: <im:a@b>\r\n\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=",
        b"A: b\r\n" * (MAX_CPIM_HEADERS + 1) + b"\r\nContent-Type: text/plain\r\n\r\nhi",
    ],
)
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(SipError) as refused:
        parse_envelope(body)
    assert refused.value.status == 400


def test_what_is_written_is_read() -> None:
    headers = [("From", '"Zoë" <sip:z@h>'), ("NS", "imdn <urn:x>"), ("imdn.Message-ID", "4711")]
    written = write_envelope(headers, "text/plain;charset=utf-8", "Zoë\r\n\r\nx".encode())
    envelope = parse_envelope(written)
    assert (envelope.find("From"), envelope.find("Message-ID", "urn:x")) == ('"Zoë" <sip:z@h>', "4711")
    assert envelope.content == "Zoë\r\n\r\nx".encode()


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b"])
def test_no_value_ends_its_line(value: str) -> None:
    with pytest.raises(SipError):
        write_envelope([("Subject", value)], "text/plain", b"")
    with pytest.raises(SipError):
        write_envelope([], value, b"")


@given(st.binary(max_size=300) | st.builds(lambda a, b: EXAMPLE.encode()[:a] + b, st.integers(0, 500), st.binary()))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(SipError):
        parse_envelope(body)
