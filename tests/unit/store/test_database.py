"""The writer and the loop: what shares a commit, what waits, what is given up."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.model.record import MessageState
from switchroom.store import database as module
from switchroom.store.database import Database
from switchroom.store.journal import SqliteJournal
from switchroom.store.limits import MAX_BATCH
from switchroom.store.sqlite import SqliteStore
from switchroom.store.writer import Row, Statement

from .faults import Faults, FaultySqliteStore, message, until_it_works


async def statements(store: FaultySqliteStore) -> list[str]:
    """What the writer says to SQLite from now on."""
    said: list[str] = []
    store.faults.connections[0].set_trace_callback(said.append)
    return said


async def test_a_turn_shares_a_commit(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    said = await statements(store)
    records = [message(f"m{number}") for number in range(100)]
    await asyncio.gather(*(store.journal.accept(record) for record in records))
    assert said.count("COMMIT") == 1
    assert sum(text.startswith("INSERT") for text in said) == 100
    await store.close()


async def test_changes_of_one_row_are_written_once(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    record = message("m1")
    await store.journal.accept(record)
    said = await statements(store)
    for _ in range(10):
        store.journal.update(record)
    await store.journal.find("m1")
    assert sum(text.startswith("UPDATE") for text in said) == 1
    await store.close()


async def test_looking_writes_nothing(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    said = await statements(store)
    await store.journal.find("m1")
    await store.journal.search(limit=1)
    assert len(said) == 1
    assert said[0].startswith("SELECT")
    await store.close()


async def test_a_long_turn_is_written_in_portions(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    records = [message(f"m{number}") for number in range(3 * MAX_BATCH + 1)]
    await asyncio.gather(*(store.journal.accept(record) for record in records))
    said = await statements(store)
    for record in records:
        store.journal.update(record)
    await store.close()
    assert 2 <= said.count("COMMIT") <= 4


async def test_close_commits_what_waits(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    record = message("m1")
    await store.journal.accept(record)
    record.body = "changed"
    store.journal.update(record)
    await store.close()
    assert store.database.dropped == 0
    store = SqliteStore.open(tmp_path)
    assert await store.journal.find("m1") == record
    await store.close()


async def test_close_of_a_store_that_fails_counts_what_is_lost(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    record = message("m1")
    await store.journal.accept(record)
    store.fail("disk I/O error")
    store.journal.update(record)
    await store.close()
    assert store.database.dropped == 1


async def test_a_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db", faults=Faults(failing_at="COMMIT"))
    store.fail("database or disk is full")
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await store.journal.accept(message("m1"))
    store.heal()
    assert await until_it_works(store.journal.unfinished) == []
    await store.close()


async def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    kept = message("kept")
    await store.journal.accept(kept)
    writing = store.faults.connections[0]
    writing.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await store.journal.accept(message("big", body="x" * 200_000))
    assert await until_it_works(lambda: store.journal.find("kept")) == kept
    writing.execute("PRAGMA max_page_count = 100000")
    await until_it_works(lambda: store.journal.accept(message("big", body="x" * 200_000)))
    assert [record.id for record in await store.journal.unfinished()] == ["kept", "big"]
    await store.close()


async def test_a_file_another_program_locks(tmp_path: Path) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    record = message("m1")
    await store.journal.accept(record)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.journal.update(record)
    with pytest.raises(StoreUnavailable, match="database is locked"):
        await store.journal.accept(message("m2"))
    assert store.database.trouble == "database is locked"
    assert store.database.failures >= 1
    other.execute("COMMIT")
    other.close()
    await until_it_works(lambda: store.journal.accept(message("m2")))
    assert store.database.trouble == ""
    assert store.database.queued == 0
    await store.close()


async def test_trouble_is_heard_of_once(tmp_path: Path) -> None:
    faults = Faults()
    heard: asyncio.Queue[str] = asyncio.Queue()
    database = Database.open(tmp_path / "x.db", connect=faults.connect, heard=heard.put_nowait, retry_delay=0.002)
    journal = SqliteJournal(database)
    record = message("m1")
    await journal.accept(record)
    faults.reason = "disk I/O error"
    journal.update(record)
    assert await heard.get() == "disk I/O error"
    async with asyncio.timeout(30):
        while database.failures < 5:  # noqa: ASYNC110  # the writer's thread counts and sets no event
            await asyncio.sleep(0)
    faults.reason = ""
    assert await heard.get() == ""
    assert heard.empty()
    await database.close()


# ---- a disk that does not answer


class SlowStore:
    """A journal whose commits wait until ``faults.open`` is set."""

    def __init__(self, folder: Path, patience: float) -> None:
        self.faults = Faults()
        self.database = Database.open(folder / "x.db", connect=self.faults.connect, patience=patience)
        self.journal = SqliteJournal(self.database)
        self.faults.open.clear()

    async def reach(self) -> None:
        """Returns when the writer waits in a transaction."""
        assert await asyncio.to_thread(self.faults.reached.wait, 30)


async def test_nobody_waits_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    slow = SlowStore(tmp_path, patience=0.01)
    waiting = [message(f"m{number}") for number in range(3)]
    outcomes = await asyncio.gather(*(slow.journal.accept(record) for record in waiting), return_exceptions=True)
    assert {str(outcome) for outcome in outcomes} == {"the disk does not answer"}
    assert [record.sequence for record in waiting] == [0, 0, 0]
    with pytest.raises(StoreUnavailable, match="the disk does not answer"):
        await slow.journal.accept(message("at once"))
    slow.faults.open.set()
    later = message("later")
    await until_it_works(lambda: slow.journal.accept(later))
    assert await slow.journal.unfinished() == [later]
    await slow.journal.accept(message("m1"))
    await slow.database.close()


async def test_who_does_not_wait_withdraws(tmp_path: Path) -> None:
    """What was not answered 202 must not be delivered after a restart."""
    slow = SlowStore(tmp_path, patience=60.0)
    writing = asyncio.ensure_future(slow.journal.accept(message("being written")))
    await slow.reach()
    queued = asyncio.ensure_future(slow.journal.accept(message("queued")))
    kept = asyncio.ensure_future(slow.journal.accept(message("kept")))
    await asyncio.sleep(0)
    writing.cancel()
    queued.cancel()
    await asyncio.wait([writing, queued])
    slow.faults.open.set()
    await kept
    assert [record.id for record in await slow.journal.unfinished()] == ["kept"]
    await slow.database.close()


async def test_too_many_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 5)
    slow = SlowStore(tmp_path, patience=60.0)
    accepting = [asyncio.ensure_future(slow.journal.accept(message(f"m{number}"))) for number in range(8)]
    await slow.reach()
    refused, waiting = await asyncio.wait(accepting, return_when=asyncio.FIRST_COMPLETED)
    assert {str(each.exception()) for each in refused} == {"5 operations wait to be written"}
    assert len(refused) == 3
    slow.faults.open.set()
    await asyncio.wait(waiting)
    await slow.journal.accept(message("m8"))
    assert len(await slow.journal.unfinished()) == 6
    await slow.database.close()


async def test_what_is_owed_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OWED", 5)
    slow = SlowStore(tmp_path, patience=60.0)
    for number in range(8):
        slow.journal.update(message(f"m{number}", sequence=number))
    assert slow.database.dropped == 3
    slow.faults.open.set()
    await slow.database.close()


# ---- what can never be written


async def test_what_never_fits_holds_up_nobody(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "x.db")
    journal = SqliteJournal(database)
    unfit = Statement(1, "INSERT INTO message (sequence, id) VALUES (?, ?)")
    record = message("m1")
    accepting = asyncio.ensure_future(journal.accept(record))
    await asyncio.sleep(0)
    database.write(unfit, "unfit", (7, "x"))
    database.write(unfit, "too large", (2**70, "x"))
    with pytest.raises(StoreUnavailable, match="NOT NULL"):
        await database.commit(Row(unfit, None, (8, "x")), undo=Row(unfit, None, ()))
    await accepting
    assert database.dropped == 3
    assert database.trouble == ""
    assert await journal.unfinished() == [record]
    await database.close()


async def test_a_damaged_record_is_said_to_be_one(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    await store.journal.accept(message("m1"))
    await store.database.call(lambda connection: connection.execute("UPDATE message SET record = x'c1'"), writes=True)
    for ask in (store.journal.find("m1"), store.journal.unfinished(), store.journal.search(limit=1)):
        with pytest.raises(StoreUnavailable, match="a damaged record"):
            await ask
    await store.close()


@pytest.mark.parametrize(
    ("asked", "found_by"),
    [
        ({}, "INTEGER PRIMARY KEY (rowid<?)"),
        ({"state": MessageState.DELIVERED}, "INTEGER PRIMARY KEY (rowid<?)"),
        ({"state": MessageState.FAILED}, "INDEX message_trouble (state=? AND rowid<?)"),
        ({"state": MessageState.QUEUED}, "INDEX message_ended (ended=? AND rowid<?)"),
        ({"endpoint": "alice"}, "INDEX message_endpoint (<expr>=? AND endpoint=? AND rowid<?)"),
        ({"endpoint": "alice", "state": MessageState.SENDING}, "INDEX message_endpoint (<expr>=? AND endpoint=? AND"),
    ],
)
async def test_a_search_reads_no_more_than_it_must(tmp_path: Path, asked: dict[str, Any], found_by: str) -> None:
    store = FaultySqliteStore(tmp_path / "x.db")
    await store.journal.accept(message("m1"))
    reading = store.faults.connections[1]
    said: list[str] = []
    reading.set_trace_callback(said.append)
    await store.journal.search(limit=10, **asked)
    reading.set_trace_callback(None)
    (question,) = [text for text in said if text.startswith("SELECT record")]
    plan = " ".join(row[3] for row in reading.execute(f"EXPLAIN QUERY PLAN {question}"))
    assert found_by in plan
    assert "TEMP B-TREE" not in plan
    await store.close()
