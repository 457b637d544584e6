"""Registered contacts in the database."""

from __future__ import annotations

import sqlite3

import msgspec

from switchroom.model.endpoint import Contact
from switchroom.store.database import Database
from switchroom.store.packing import Packer, column
from switchroom.store.writer import Statement

_SAVE = Statement(3, "INSERT OR REPLACE INTO contact (technology, aor, uri, expires, contact) VALUES (?, ?, ?, ?, ?)")
_FORGET = Statement(3, "DELETE FROM contact WHERE technology = ? AND aor = ? AND uri = ?")
_LOAD = "SELECT contact, expires FROM contact WHERE technology = ? ORDER BY aor, uri"

_packer = Packer(Contact)


class SqliteContacts:
    """``core.storage.ContactStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        key = (column(technology), column(contact.aor), column(contact.uri))
        self._database.write(_SAVE, key, (*key, expires, pack(contact)))

    def forget(self, technology: str, aor: str, uri: str) -> None:
        key = (column(technology), column(aor), column(uri))
        self._database.write(_FORGET, key, key)

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        """In the order of address of record and URI."""

        def ask(connection: sqlite3.Connection) -> list[tuple[Contact, float]]:
            rows = connection.execute(_LOAD, (column(technology),))
            return [(unpack(packed), expires) for packed, expires in rows]

        return await self._database.read(ask)


def pack(contact: Contact) -> bytes:
    """Without what does not survive the process: its flow, and a time on the monotonic scale."""
    return _packer.pack(msgspec.structs.replace(contact, expires=None, flow=None))


def unpack(packed: bytes) -> Contact:
    """Raises StoreUnavailable when it is damaged."""
    return _packer.unpack(packed)
