"""Stores that fail on command, and what tests of every store begin with."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from switchroom.core.storage import ContactStore, Journal, ObjectStore, StoreUnavailable
from switchroom.model.record import DeliveryRecord, MessageRecord
from switchroom.store.database import Database
from switchroom.store.memory import MemoryStore
from switchroom.store.schema import Durability
from switchroom.store.sqlite import SqliteStore

T = TypeVar("T")


class Faults:
    """Connections whose transactions fail while ``reason`` is set and wait while ``open`` is not."""

    def __init__(self, *, failing_at: str = "BEGIN IMMEDIATE") -> None:
        self.reason = ""
        self.failing_at = failing_at
        self.open = threading.Event()
        self.open.set()
        #: Set when a transaction waits for ``open``.
        self.reached = threading.Event()
        self.connections: list[sqlite3.Connection] = []

    def connect(self, path: Path) -> sqlite3.Connection:
        faults = self

        class FaultyConnection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                if sql == faults.failing_at:
                    faults.reached.set()
                    faults.open.wait()
                    if faults.reason:
                        raise sqlite3.OperationalError(faults.reason)
                return super().execute(sql, parameters)

        connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False, factory=FaultyConnection
        )
        self.connections.append(connection)
        return connection


class Store(Protocol):
    """The three ports, and a fault."""

    @property
    def journal(self) -> Journal: ...

    @property
    def contacts(self) -> ContactStore: ...

    @property
    def objects(self) -> ObjectStore: ...

    @property
    def queued(self) -> int: ...

    def fail(self, reason: str) -> None: ...

    def heal(self) -> None: ...

    async def close(self) -> None: ...


class FaultySqliteStore(SqliteStore):
    """As ``MemoryStore``: it fails and heals on command."""

    def __init__(self, path: Path, durability: Durability = "process", faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        super().__init__(Database.open(path, durability, connect=self.faults.connect, retry_delay=0.002))

    def fail(self, reason: str) -> None:
        self.faults.reason = reason

    def heal(self) -> None:
        self.faults.reason = ""


STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: FaultySqliteStore(folder / "switchroom.db"),
    "sqlite, synced": lambda folder: FaultySqliteStore(folder / "switchroom.db", "disk"),
    "memory": lambda folder: MemoryStore(),
}


def message(name: str, endpoint: str = "alice", **fields: Any) -> MessageRecord:
    """A message as the service accepts it, with one delivery unless other ones are given."""
    given: dict[str, Any] = {
        "id": name,
        "technology": "PJSIP",
        "destination": endpoint,
        "by_name": True,
        "endpoint": endpoint,
        "sender": "sip:bob@example.com",
        "body": f"text of {name}",
        "headers": {"X-Order": "7"},
        "digest": "ab" * 32,
        "created": 1000.5,
        "expires": 605_800.5,
        "deliveries": [DeliveryRecord(contact=f"sip:{endpoint}@192.0.2.1:5060")],
    }
    return MessageRecord(**(given | fields))


async def until_it_works(ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives as soon as the store does not refuse any more."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                await asyncio.sleep(0.002)
