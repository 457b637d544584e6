"""The store of an installation: messages, contacts and objects in one SQLite file of the state folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from switchroom.store.contacts import SqliteContacts
from switchroom.store.database import Database
from switchroom.store.journal import SqliteJournal
from switchroom.store.objects import SqliteObjects
from switchroom.store.schema import Connect, Durability, connect


class SqliteStore:
    """The three ports on one database; made by ``open``."""

    #: Name of the file in the state folder.
    FILE = "switchroom.db"

    def __init__(self, database: Database) -> None:
        """Raises StoreUnavailable."""
        self.database = database
        self.journal = SqliteJournal(database)
        self.contacts = SqliteContacts(database)
        self.objects = SqliteObjects(database)

    @property
    def queued(self) -> int:
        """Changes that are not committed yet."""
        return self.database.queued

    @classmethod
    def open(
        cls,
        folder: Path,
        durability: Durability = "process",
        *,
        heard: Callable[[str], None] | None = None,
        connect: Connect = connect,
    ) -> Self:
        """The store in the state folder, made when there is none; parameters and errors as ``Database.open``."""
        return cls(Database.open(folder / cls.FILE, durability, heard=heard, connect=connect))

    async def close(self) -> None:
        """Commits what waits and gives the files back."""
        await self.database.close()
