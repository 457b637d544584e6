"""A program that accepts messages and updates them until it is killed; says each id when it is accepted.

``accepting.py FILE ROUND``
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from switchroom.model.record import MessageRecord, MessageState
from switchroom.store.sqlite import SqliteStore


async def accept(store: SqliteStore, names: itertools.count[int], prefix: str) -> None:
    for number in names:
        record = MessageRecord(
            id=f"{prefix}-{number}", technology="PJSIP", destination="a", endpoint="a", sender="b", body="c" * 500,
            created=1.0, expires=2.0,
        )  # fmt: skip
        await store.journal.accept(record)
        sys.stdout.write(f"{record.id}\n")
        sys.stdout.flush()
        record.state = MessageState.DELIVERED if number % 2 else MessageState.SENDING
        store.journal.update(record)


async def main(folder: Path, prefix: str) -> None:
    store = SqliteStore.open(folder)
    names = itertools.count()
    await asyncio.gather(*(accept(store, names, prefix) for _ in range(16)))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
