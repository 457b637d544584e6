"""Registered contacts in the database."""

from __future__ import annotations

import sqlite3

from switchroom.model.endpoint import Contact
from switchroom.store.database import Database
from switchroom.store.packing import column, pack_contact, unpack_contact
from switchroom.store.writer import Statement

_SAVE = Statement(3, "INSERT OR REPLACE INTO contact (technology, aor, uri, expires, contact) VALUES (?, ?, ?, ?, ?)")
_FORGET = Statement(3, "DELETE FROM contact WHERE technology = ? AND aor = ? AND uri = ?")
_LOAD = "SELECT contact, expires FROM contact WHERE technology = ? ORDER BY aor, uri"


class SqliteContacts:
    """``core.storage.ContactStore`` on a database."""

    lasting = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        key = (column(technology), column(contact.aor), column(contact.uri))
        self._database.write(_SAVE, key, (*key, expires, pack_contact(contact)))

    def forget(self, technology: str, aor: str, uri: str) -> None:
        key = (column(technology), column(aor), column(uri))
        self._database.write(_FORGET, key, key)

    async def confirm(self) -> None:
        await self._database.confirm()

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        """In the order of address of record and URI."""

        def ask(connection: sqlite3.Connection) -> list[tuple[Contact, float]]:
            rows = connection.execute(_LOAD, (column(technology),))
            return [(unpack_contact(packed), expires) for packed, expires in rows]

        return await self._database.read(ask)
