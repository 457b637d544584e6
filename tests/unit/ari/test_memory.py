"""The short memory of applications, and its bounds."""

from __future__ import annotations

import pytest

from switchroom.ari import memory as module
from switchroom.ari.limits import FORGOTTEN, MEMORY_EVENTS, MEMORY_SECONDS
from switchroom.ari.memory import Memories, Recalled
from unit.ari.edge import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def memories(clock: FakeClock) -> Memories:
    return Memories(clock)


def test_what_is_kept_comes_back_once_and_in_order(memories: Memories, clock: FakeClock) -> None:
    began = clock.now
    memory = memories.begin("a", [b"unsent"])
    clock.now += MEMORY_SECONDS - 1
    memory.keep(b"one")
    memory.keep(b"two")
    assert memories.recall("a") == Recalled((b"unsent", b"one", b"two"), 0, began)
    assert memories.recall("a") is None


def test_who_missed_nothing_is_told_nothing(memories: Memories, clock: FakeClock) -> None:
    memories.begin("a")
    assert memories.recall("a") is None
    memories.begin("a")
    clock.now += MEMORY_SECONDS
    assert memories.recall("a") is None
    assert memories.recall("nobody") is None


def test_the_oldest_gives_way_and_is_counted(memories: Memories, clock: FakeClock) -> None:
    memory = memories.begin("a")
    for number in range(MEMORY_EVENTS + 3):
        memory.keep(b"%d" % number)
    recalled = memories.recall("a")
    assert recalled is not None
    assert (recalled.events[0], len(recalled.events), recalled.lost) == (b"3", MEMORY_EVENTS, 3)


def test_its_time_is_bounded(memories: Memories, clock: FakeClock) -> None:
    memory = memories.begin("a")
    memory.keep(b"one")
    clock.now += MEMORY_SECONDS - 0.5
    assert memories.over() == []
    clock.now += 0.5
    assert memories.over() == ["a"]
    assert memories.recall("a") == Recalled((), 1, clock.now - MEMORY_SECONDS)


def test_what_was_on_its_way_is_not_known(memories: Memories, clock: FakeClock) -> None:
    memories.begin("a", torn=True).keep(b"one")
    assert memories.recall("a") == Recalled((b"one",), None, clock.now)


def test_all_together_are_bounded(memories: Memories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_BYTES", 1_000)
    old, new = memories.begin("old"), memories.begin("new")
    for _ in range(9):
        old.keep(b"x" * 100)
    new.keep(b"y" * 100)
    assert (len(old.events), old.lost, len(new.events)) == (9, 0, 1)
    for _ in range(11):
        new.keep(b"y" * 100)
    assert (len(old.events), len(new.events), old.lost, new.lost) == (0, 10, 9, 2)
    memories.end("new")
    for _ in range(10):
        old.keep(b"x" * 100)
    assert (len(old.events), old.lost) == (10, 9)


def test_a_forgotten_one_is_told_once(memories: Memories, clock: FakeClock) -> None:
    began = clock.now
    memories.begin("a").keep(b"one")
    memories.forget("a")
    memories.forget("nobody")
    clock.now += 1
    assert memories.recall("a") == Recalled((), None, began)
    assert memories.recall("a") is None
    assert memories.recall("nobody") is None


def test_the_forgotten_are_bounded(memories: Memories) -> None:
    for number in range(FORGOTTEN + 1):
        memories.begin(f"a{number}")
        memories.forget(f"a{number}")
    assert memories.recall("a0") is None
    assert memories.recall("a1") is not None


def test_the_next_memory_starts_empty(memories: Memories) -> None:
    memories.begin("a").keep(b"one")
    memories.begin("a").keep(b"two")
    recalled = memories.recall("a")
    assert recalled is not None
    assert recalled.events == (b"two",)
