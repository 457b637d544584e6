"""Tokens and ids: unlike each other, and ids in the order of time."""

from __future__ import annotations

from support.sip_world import VirtualClock
from switchroom.core.tokens import Ids, Tokens


def test_tokens_are_unlike_across_pages() -> None:
    tokens = Tokens()
    made = [tokens() for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert all(len(token) == 16 and int(token, 16) >= 0 for token in made)


def test_ids_of_later_times_sort_later() -> None:
    clock = VirtualClock()
    ids = Ids(Tokens(), clock)
    made = []
    for _ in range(100):
        made.append(ids())
        clock.now += 0.002
    assert made == sorted(made)
    assert len({len(one) for one in made}) == 1
