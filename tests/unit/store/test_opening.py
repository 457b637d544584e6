"""A database that can not be opened: one clear line, and every byte stays as it was."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.store.database import Database
from switchroom.store.schema import connect
from switchroom.store.sqlite import SqliteStore

from .faults import Faults, message


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with some hundred messages, closed in order."""
    store = SqliteStore.open(tmp_path)
    for number in range(300):
        await store.journal.accept(message(f"m{number}"))
    await store.close()
    return tmp_path / SqliteStore.FILE


def refusal(path: Path, faults: Faults | None = None) -> str:
    """What opening says; the files but the lock are the same afterwards."""

    def contents() -> dict[str, bytes]:
        return {
            each.name: each.read_bytes()
            for each in path.parent.iterdir()
            if not each.name.endswith((".lock", "-shm")) and each.stat().st_size
        }

    before = contents()
    with pytest.raises(StoreUnavailable) as caught:
        Database.open(path, connect=faults.connect if faults else connect)
    assert contents() == before
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path)) or str(path.parent) in said
    return said


def test_garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)
    assert "file is not a database" in refusal(path)


@pytest.mark.parametrize("size", [50, 4096, 20_000, 70_001])
def test_cut_short(path: Path, size: int) -> None:
    os.truncate(path, size)
    said = refusal(path)
    assert "malformed" in said or "not a database" in said or "damaged" in said


def test_overwritten_in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 4096 * 3)
    assert "damaged" in refusal(path) or "malformed" in refusal(path)


def test_emptied(path: Path) -> None:
    os.truncate(path, 0)
    assert "empty, though it was in use" in refusal(path)
    assert path.stat().st_size == 0


async def test_removed_by_its_owner(path: Path) -> None:
    os.remove(path)
    store = SqliteStore.open(path.parent)
    assert await store.journal.search(limit=1) == []
    await store.close()


def test_removed_without_its_log(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.with_name(path.name + "-wal").write_bytes(b"what was not moved yet")
    assert "missing, but not the log" in refusal(path)
    assert not path.exists()


async def test_begun_and_never_served(tmp_path: Path) -> None:
    """An end between the making of the file and its first page is no damage."""
    (tmp_path / SqliteStore.FILE).touch()
    (tmp_path / (SqliteStore.FILE + ".lock")).touch()
    store = SqliteStore.open(tmp_path)
    await store.journal.accept(message("m1"))
    await store.close()


def test_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    assert "of version 9999, which is newer than this program's" in refusal(path)


async def test_in_use_by_this_process(path: Path) -> None:
    store = SqliteStore.open(path.parent)
    with pytest.raises(StoreUnavailable, match=f"in use by process {os.getpid()}$"):
        SqliteStore.open(path.parent)
    await store.journal.accept(message("new"))
    await store.close()
    again = SqliteStore.open(path.parent)
    assert await again.journal.find("new")
    await again.close()


HOLD = """
import sys
from pathlib import Path
from switchroom.store.database import Database
database = Database.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_in_use_by_another_process_until_that_ends(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreUnavailable, match=f"in use by process {other.pid}$"):
            SqliteStore.open(path.parent)
        other.kill()

    async def look() -> None:
        store = SqliteStore.open(path.parent)
        assert await store.journal.find("m1")
        await store.close()

    asyncio.run(look())


def test_locked_by_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in refusal(path, Faults())


def test_a_folder_that_can_not_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(path) + ".lock")

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(path).endswith("Read-only file system")


def test_a_folder_that_is_a_file(path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"switchroom\.db.*(Not a directory|File exists)"):
        Database.open(path / "switchroom.db")


def test_no_room_for_the_first_write(path: Path) -> None:
    faults = Faults(failing_at="PRAGMA user_version = 1")
    faults.reason = "database or disk is full"
    assert refusal(path, faults).endswith("database or disk is full")
