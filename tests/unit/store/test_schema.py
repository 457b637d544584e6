"""Versions: migrations in order, and files that are none of ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.store.schema import APPLICATION_ID, connect, migrations, prepare

STEPS = [
    f"PRAGMA application_id = {APPLICATION_ID}; CREATE TABLE a (x);",
    "ALTER TABLE a ADD y DEFAULT 7; INSERT INTO a (x) VALUES (1);",
    "CREATE TABLE b AS SELECT y FROM a;",
]


def ask(path: Path, question: str) -> object:
    with closing(connect(path)) as connection:
        return connection.execute(question).fetchone()[0]


def raise_to(path: Path, steps: list[str]) -> None:
    with closing(connect(path)) as connection:
        prepare(connection, "process", steps)


@pytest.mark.parametrize("first", range(4))
def test_steps_that_are_missing_are_taken_in_order(tmp_path: Path, first: int) -> None:
    path = tmp_path / "x.db"
    if first:
        raise_to(path, STEPS[:first])
    raise_to(path, STEPS)
    raise_to(path, STEPS)
    assert ask(path, "PRAGMA user_version") == 3
    assert ask(path, "SELECT group_concat(y) FROM b") == "7"


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    raise_to(path, STEPS[:1])
    with pytest.raises(sqlite3.OperationalError):
        raise_to(path, [STEPS[0], "CREATE TABLE half (x); CREATE TABLE a (x);"])
    assert ask(path, "PRAGMA user_version") == 1
    assert ask(path, "SELECT group_concat(name) FROM sqlite_master") == "a"
    raise_to(path, STEPS)


def test_the_steps_of_the_package() -> None:
    steps = migrations()
    assert len(steps) >= 1
    assert f"application_id = {APPLICATION_ID:#x}" in steps[0]


def test_durability(tmp_path: Path) -> None:
    for durability, synchronous in (("process", 1), ("disk", 2)):
        with closing(connect(tmp_path / durability)) as connection:
            prepare(connection, durability, STEPS)  # type: ignore[arg-type]
            assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    raise_to(path, STEPS)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="of version 3, which is newer than this program's 2"):
        raise_to(path, STEPS[:2])
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, 1])
def test_another_programs_file_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="not a database of Switchroom"):
        raise_to(path, STEPS)
    assert path.read_bytes() == before


def test_no_log_possible() -> None:
    with (
        closing(connect(Path(":memory:"))) as connection,
        pytest.raises(StoreUnavailable, match="can not hold a write-ahead log"),
    ):
        prepare(connection, "process", STEPS)
