"""Call tokens: bound to an address and a time."""

from __future__ import annotations

import pytest

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.tokens import CallTokens

TOKENS = CallTokens(b"a secret of sixteen bytes", 10)
HERE = Address("192.0.2.9", 4569)


def test_good_where_and_while_it_was_issued() -> None:
    token = TOKENS.issue(HERE, 100.9)
    assert len(token) == 16
    assert TOKENS.check(token, HERE, 100.9)
    assert TOKENS.check(token, HERE, 109.9)
    assert TOKENS.check(token, HERE._replace(local="1"), 101)
    assert not TOKENS.check(token, HERE, 110.0)
    assert not TOKENS.check(token, HERE, 99.0)
    assert not TOKENS.check(token, HERE._replace(port=4570), 101)
    assert not TOKENS.check(token, HERE._replace(host="192.0.2.90"), 101)
    assert not CallTokens(b"another secret of many bytes", 10).check(token, HERE, 101)


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + b"A", lambda t: b"=" + t[1:], lambda t: bytes(16)])
def test_anything_else_is_none(spoil: object) -> None:
    token = TOKENS.issue(HERE, 100)
    assert callable(spoil)
    assert not TOKENS.check(spoil(token), HERE, 100)


def test_no_second_spelling_passes() -> None:
    token = TOKENS.issue(HERE, 100)
    for index in range(16):
        for sign in b"A-_+/=\n":
            other = token[:index] + bytes((sign,)) + token[index + 1 :]
            assert TOKENS.check(other, HERE, 100) == (other == token)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError):
        CallTokens(b"short", 10)
