"""kill -9 while messages are accepted: what was said to be accepted is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from switchroom.store.sqlite import SqliteStore

ROUNDS = 20


def killed_round(folder: Path, prefix: str, lines: int) -> list[str]:
    """Ids the program told before it was killed, which is at least after so many."""
    program = Path(__file__).with_name("accepting.py")
    with subprocess.Popen([sys.executable, program, folder, prefix], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        told = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        told += child.stdout.readlines()
    return [line.strip() for line in told if line.endswith("\n")]


async def test_what_was_accepted_survives(tmp_path: Path) -> None:
    told: list[str] = []
    for number in range(ROUNDS):
        told += killed_round(tmp_path, f"r{number}", 1 + 23 * number)
        store = SqliteStore.open(tmp_path)
        kept = {record.id for record in await store.journal.search(limit=1_000_000)}
        missing = [name for name in told if name not in kept]
        await store.close()
        assert not missing
    assert len(told) >= ROUNDS
    assert len(set(told)) == len(told)
