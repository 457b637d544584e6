"""Nonces: bound to source, realm and time, and each count good for one use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.nonces import Nonces, NonceVerdict

OK, STALE, FORGED = NonceVerdict.OK, NonceVerdict.STALE, NonceVerdict.FORGED
SOURCE, REALM = "192.0.2.1", "asterisk"
SECRET = b"0123456789abcdef"


def used(nonces: Nonces, nonce: str, nc: int | None = 1, now: float = 1000.0, lifetime: float = 32) -> NonceVerdict:
    return nonces.check(nonce, SOURCE, REALM, nc, now, lifetime)


def test_issued_is_accepted_once_per_count() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(SOURCE, REALM, 1000.0)
    assert [used(nonces, nonce, nc) for nc in (1, 2, 2, 1, 7, 6, 0xFFFFFFFF, 0xFFFFFFFF)] == [
        OK, OK, STALE, STALE, OK, STALE, OK, STALE,
    ]  # fmt: skip


def test_without_count_a_nonce_is_good_for_one_use() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(SOURCE, REALM, 1000.0)
    assert [used(nonces, nonce, nc) for nc in (None, None, 1, 0xFFFFFFFF)] == [OK, STALE, STALE, STALE]
    counted = nonces.issue(SOURCE, REALM, 1000.0)
    assert [used(nonces, counted, nc) for nc in (1, None, 2)] == [OK, STALE, OK]


@pytest.mark.parametrize("nc", [0, -1])
def test_counting_starts_at_one(nc: int) -> None:
    nonces = Nonces(SECRET)
    assert used(nonces, nonces.issue(SOURCE, REALM, 1000.0), nc) is STALE


def test_lifetime_is_exact_to_a_second() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(SOURCE, REALM, 1000.9)
    assert used(nonces, nonce, 1, now=1032.0) is OK
    assert used(nonces, nonce, 2, now=1033.0) is STALE
    assert used(nonces, nonce, 3, now=1032.5) is OK


def test_no_two_are_alike() -> None:
    nonces = Nonces(SECRET)
    issued = {nonces.issue(SOURCE, REALM, 1000.0) for _ in range(10_000)}
    assert len(issued) == 10_000
    assert {len(nonce) for nonce in issued} == {24}


def test_bound_to_source_realm_and_secret() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue("192.0.2.1", "asterisk", 1000.0)
    assert nonces.check(nonce, "192.0.2.10", "asterisk", 1, 1000.0, 32) is FORGED
    assert nonces.check(nonce, "192.0.2.1", "Asterisk", 1, 1000.0, 32) is FORGED
    # The border between source and realm is part of what is sealed.
    assert nonces.check(nonce, "192.0.2.1a", "sterisk", 1, 1000.0, 32) is FORGED
    assert Nonces(b"another-secret-of-16").check(nonce, "192.0.2.1", "asterisk", 1, 1000.0, 32) is FORGED
    assert nonces.check(nonce, "192.0.2.1", "asterisk", 1, 1000.0, 32) is OK


def test_every_character_counts() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(SOURCE, REALM, 1000.0)
    for place in range(len(nonce)):
        other = "A" if nonce[place] != "A" else "B"
        assert used(nonces, nonce[:place] + other + nonce[place + 1 :]) is FORGED


@pytest.mark.parametrize(
    "spoil", [lambda n: n[:-1], lambda n: n + "=", lambda n: f" {n[1:]}", lambda n: n[:-4] + "===="]
)
def test_other_spellings_are_forged(spoil: object) -> None:
    nonces = Nonces(SECRET)
    assert callable(spoil)
    assert used(nonces, spoil(nonces.issue(SOURCE, REALM, 1000.0))) is FORGED


def test_the_other_alphabet_of_base64_is_forged() -> None:
    nonces = Nonces(SECRET)
    issued = (nonces.issue(SOURCE, REALM, 1000.0) for _ in range(1000))
    nonce = next(n for n in issued if "-" in n or "_" in n)
    assert used(nonces, nonce.replace("-", "+").replace("_", "/")) is FORGED


@given(st.text(max_size=40) | st.text(alphabet="ABCab01-_", min_size=24, max_size=24))
def test_any_text_is_forged_and_nothing_worse(text: str) -> None:
    nonces = Nonces(SECRET)
    assert used(nonces, text) is FORGED
    assert len(nonces) == 0


def test_what_was_forgotten_is_stale_and_never_accepted_again() -> None:
    nonces = Nonces(SECRET, capacity=8)
    issued = [nonces.issue(SOURCE, REALM, 1000.0) for _ in range(40)]
    for nonce in issued:
        assert used(nonces, nonce, 1) is OK
        assert len(nonces) <= 8
    assert {used(nonces, nonce, 1) for nonce in issued} == {STALE}


def test_forgetting_takes_those_issued_before_with_it() -> None:
    """The price of the bound: a nonce from before the forgotten ones costs its owner one more challenge."""
    nonces = Nonces(SECRET, capacity=1)
    waiting, first, second = (nonces.issue(SOURCE, REALM, 1000.0) for _ in range(3))
    assert used(nonces, first) is OK
    assert used(nonces, second) is OK
    assert used(nonces, waiting) is STALE


def test_issuing_and_refusing_remember_nothing() -> None:
    nonces = Nonces(SECRET)
    for _ in range(1000):
        nonce = nonces.issue(SOURCE, REALM, 1000.0)
        nonces.check(nonce, "198.51.100.1", REALM, 1, 1000.0, 32)
        used(nonces, nonce, 1, now=2000.0)
    assert len(nonces) == 0


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Nonces(b"short")
    with pytest.raises(ValueError, match="at least one"):
        Nonces(SECRET, capacity=0)
