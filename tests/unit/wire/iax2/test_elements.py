"""Information elements."""

from __future__ import annotations

import pytest

from switchroom.wire.iax2.elements import (
    Elements,
    packed_time,
    write_address,
    write_number,
    write_raw,
    write_text,
)
from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.numbers import Element


def test_text_numbers_and_bytes() -> None:
    elements = Elements(bytes.fromhex("0605616c696365 1302003c 3600"))
    assert elements.text(Element.USERNAME) == "alice"
    assert elements.number(Element.REFRESH, 2) == 60
    assert elements.raw(Element.CALL_TOKEN) == b""
    assert Element.CALL_TOKEN in elements
    assert elements.raw(Element.CHALLENGE) is None
    assert elements.text(Element.CHALLENGE) == ""


def test_a_number_of_another_length_counts_as_not_there() -> None:
    assert Elements(bytes.fromhex("1303000000")).number(Element.REFRESH, 2) is None


def test_the_last_of_several_wins_and_an_unknown_one_is_passed_over() -> None:
    assert Elements(b"\x06\x01a\xf0\x02zz\x06\x01b").text(Element.USERNAME) == "b"


def test_text_ends_at_a_nul_and_bytes_that_are_none_are_replaced() -> None:
    assert Elements(b"\x06\x05ab\0cd").text(Element.USERNAME) == "ab"
    assert Elements(b"\x06\x02\xc3\x28").text(Element.USERNAME) == "\ufffd("


@pytest.mark.parametrize(
    "payload", [b"\x06", b"\x06\x05abcd", b"\x06\x01a\x06", b"\x06\xff" + b"x" * 254, b"\0" * 4098]
)
def test_lengths_that_do_not_hold(payload: bytes) -> None:
    with pytest.raises(FrameError):
        Elements(payload)


def test_a_long_text_is_cut_between_characters() -> None:
    data = write_text(Element.USERNAME, "ü" * 200)
    assert data[1] == 254
    assert Elements(data).text(Element.USERNAME) == "ü" * 127


def test_a_nul_and_half_a_character_are_no_trouble() -> None:
    assert write_text(Element.USERNAME, "a\0b\ud800") == b"\x06\x04a b?"


def test_a_password_of_more_than_an_element_is_no_raw_one() -> None:
    with pytest.raises(ValueError):
        write_raw(Element.CALL_TOKEN, bytes(256))


def test_apparent_addresses_are_socket_addresses() -> None:
    assert write_address("127.0.0.1", 4598) == bytes.fromhex("1210 0200 11f6 7f000001 0000000000000000")
    six = write_address("2001:db8::1", 4569)
    assert six == bytes.fromhex("121c 0a00 11d9 00000000 20010db8000000000000000000000001 00000000")


def test_a_date() -> None:
    packed = packed_time(2026, 11, 23, 7, 48, 31)
    assert (packed & 31, packed >> 5 & 63, packed >> 11 & 31) == (15, 48, 7)
    assert (packed >> 16 & 31, packed >> 21 & 15, packed >> 25) == (23, 11, 26)
    assert len(write_number(Element.DATE_TIME, packed_time(2199, 12, 31, 23, 59, 60), 4)) == 6
