"""Where packets may go (docs/rulings.md 7)."""

from __future__ import annotations

import pytest

from switchroom.core.policy import NO_LITERAL, forbidden, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "0.1.2.3", "::", "[::]", "::ffff:0.0.0.0"),
        *("224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "[ff05::1]"),
        *("169.254.169.254", "fe80::1", "[fe80::1]", "::ffff:169.254.1.1", "fe80::1%eth0"),
        *("127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "2001:db8::1%eth0"),
    ],
)
def test_what_no_packet_goes_to(host: str) -> None:
    assert forbidden(host, loopback=False) not in (None, NO_LITERAL)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1"])
def test_what_is_an_ordinary_address(host: str) -> None:
    assert forbidden(host, loopback=False) is None


@pytest.mark.parametrize(
    "host",
    ["example.com", "localhost", "", "1.2.3", "2130706433", "0x7f000001", "127.1", "192.0.2.1%25x", "192.0.2.1%eth0"],
)
def test_what_has_to_be_looked_up_first(host: str) -> None:
    assert forbidden(host, loopback=True) == NO_LITERAL
    assert not is_loopback(host)


def test_loopback_is_open_to_those_who_are_there() -> None:
    assert forbidden("127.0.0.1", loopback=True) is None
    assert forbidden("[::1]", loopback=True) is None
    assert forbidden("169.254.1.1", loopback=True) is not None
    assert is_loopback("[::1]")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1")
