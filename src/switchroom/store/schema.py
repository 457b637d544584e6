"""A connection to the database, and the database's version.

Migrations are SQL files, numbered without a gap and applied in order, each in one transaction; the number of the
last one is the file's ``user_version``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Literal

from switchroom.core.storage import StoreUnavailable
from switchroom.store.limits import CACHE_KIB, CHECKPOINT_PAGES, LOCK_PATIENCE, LOG_BYTES, MAX_CHECKED

Durability = Literal["process", "disk"]

#: Opens the file. Tests hand in one whose connections fail on command.
Connect = Callable[[Path], sqlite3.Connection]

#: "SwRm", written by the first migration.
APPLICATION_ID = 0x5377526D

#: What a commit promises, as SQLite says it (https://www.sqlite.org/pragma.html#pragma_synchronous): with a log,
#: NORMAL survives the end of the process, FULL also that of the machine.
_SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "disk": "FULL"}


def connect(path: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may be used by one thread after another."""
    return sqlite3.connect(path, timeout=LOCK_PATIENCE, isolation_level=None, check_same_thread=False)


def migrations() -> list[str]:
    """The SQL of each migration, in order."""
    folder = files("switchroom.store") / "migrations"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    for number, entry in enumerate(found, 1):
        if not entry.name.startswith(f"{number:04}_"):
            raise AssertionError(f"{entry.name} is not migration {number:04}")
    return [entry.read_text(encoding="utf-8") for entry in found]


def prepare(connection: sqlite3.Connection, durability: Durability, steps: list[str]) -> None:
    """Makes the connection the writer's: checks whose file it is, brings it up to date, shows that it can be written.

    Raises:
        StoreUnavailable: the file is another program's or a newer program's, or damaged.
        sqlite3.Error: it is damaged, full, locked or can not be written.
    """
    version = int(_ask(connection, "PRAGMA user_version"))
    if version:
        ours = _ask(connection, "PRAGMA application_id") == APPLICATION_ID
    else:
        ours = not _ask(connection, "SELECT count(*) FROM sqlite_master")
    if not ours:
        raise StoreUnavailable("not a database of Switchroom")
    if version > len(steps):
        raise StoreUnavailable(f"of version {version}, which is newer than this program's {len(steps)}")
    if _ask(connection, "PRAGMA journal_mode = WAL") != "wal":
        raise StoreUnavailable("the file system can not hold a write-ahead log")
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    _look_for_damage(connection)
    for number, step in enumerate(steps[version:], version + 1):
        _migrate(connection, number, step)
    probe(connection)


def probe(connection: sqlite3.Connection) -> None:
    """Writes a page as it is, to see whether writing works. Raises sqlite3.Error."""
    version = _ask(connection, "PRAGMA user_version")
    connection.execute(f"PRAGMA user_version = {version}")


def _look_for_damage(connection: sqlite3.Connection) -> None:
    size = int(_ask(connection, "PRAGMA page_count")) * int(_ask(connection, "PRAGMA page_size"))
    if size <= MAX_CHECKED:
        found = str(_ask(connection, "PRAGMA quick_check(1)"))
        if found != "ok":
            raise StoreUnavailable(f"damaged: {' '.join(found.split())}")


def _migrate(connection: sqlite3.Connection, number: int, step: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _ask(connection: sqlite3.Connection, question: str) -> int | str:
    answer: int | str = connection.execute(question).fetchone()[0]
    return answer
