"""``python -m simulation 20000``: plays so many seeds on all processors and names those with faults."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from concurrent.futures import ProcessPoolExecutor

import structlog

from simulation.world import faults_of


def play(seed: int) -> tuple[int, list[str]]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return seed, asyncio.run(faults_of(seed))
    except Exception as error:  # a crash of the world is a fault of the seed
        return seed, [f"{type(error).__name__}: {error}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description="Plays worlds from seeds.")
    parser.add_argument("seeds", type=int, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    bad = 0
    with ProcessPoolExecutor() as pool:
        seeds = range(given.first, given.first + given.seeds)
        for done, (seed, faults) in enumerate(pool.map(play, seeds, chunksize=20), 1):
            if faults:
                bad += 1
                sys.stdout.write("\n  ".join([f"seed {seed}: {len(faults)} faults", *faults[:5]]) + "\n")
            if done % 1_000 == 0:
                sys.stderr.write(f"{done} of {given.seeds} seeds, {bad} with faults\n")
    sys.stdout.write(f"{given.seeds} seeds, {bad} with faults\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
