"""Some seeds in every run, and each seed that once showed a fault; ``make sim`` plays many more."""

from __future__ import annotations

import pytest

from simulation.world import faults_of

#: Seeds played in every run; they are cut into parts so that a failure names a small one.
SEEDS = 500
_PART = 25

#: Seeds that failed once, and what was wrong then.
FOUND = {
    501: "a message whose life ended with a timeout had failed, not expired",
    504: "what waited again did so behind younger messages",
    511: "a contact that was gone for a while was given up for good",
    594: "a contact that came back was sent the next message while the last one was under way",
    3206: "a message under way to a contact that was gone overtook an older one that had to wait",
}


@pytest.mark.parametrize("first", range(0, SEEDS, _PART))
async def test_everybody_has_what_they_should(first: int) -> None:
    for seed in range(first, first + _PART):
        assert await faults_of(seed) == [], f"seed {seed}"


@pytest.mark.parametrize("seed", FOUND)
async def test_what_failed_once(seed: int) -> None:
    assert await faults_of(seed) == []
