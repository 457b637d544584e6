"""Who is told of as an offender over IAX2."""

from __future__ import annotations

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from switchroom.tech.iax2.limits import MAX_COUNTED_NAME, MAX_FAILURES


@pytest.mark.parametrize(
    ("name", "secret", "offence"),
    [("iaxphone", "wrong", "failed_authentication"), ("nobody", "iaxpw", "unknown_user")],
)
async def test_wrong_secrets_and_unknown_names(name: str, secret: str, offence: str) -> None:
    w = await IaxWorld(peer()).start()
    stranger = w.add(name=name, secret=secret)
    stranger.register(w.clock.now)
    assert w.offences == [(offence, PHONE.host, name)]
    stranger.send_text("x", w.clock.now)
    assert w.offences == [(offence, PHONE.host, name)] * 2


async def test_a_phone_that_registers_and_writes_is_none() -> None:
    w = await IaxWorld(peer()).start()
    phone = w.add()
    phone.register(w.clock.now)
    phone.send_text("x", w.clock.now)
    assert phone.outcomes == ["registered for 60", "delivered"]
    assert w.offences == []


async def test_guessing_until_nothing_is_looked_at() -> None:
    w = await IaxWorld(peer()).start()
    phone = w.add(secret="wrong")
    for _ in range(MAX_FAILURES + 2):
        phone.register(w.clock.now)
    told = [offence for offence, _, _ in w.offences]
    assert told == ["failed_authentication"] * MAX_FAILURES + ["too_many_failures"] * 2


async def test_a_name_of_a_stranger_is_cut_and_shown_as_it_is() -> None:
    w = await IaxWorld(peer()).start()
    w.add(name="\x1b[2J" + "x" * 100).register(w.clock.now)
    ((_, _, account),) = w.offences
    assert account.startswith("\\x1b[2Jxx")
    assert len(account) < 2 * MAX_COUNTED_NAME
