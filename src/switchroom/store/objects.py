"""Configuration made at run time, in the database."""

from __future__ import annotations

import sqlite3

from switchroom.store.database import Database
from switchroom.store.packing import Packer, column, text

_PUT = (  # the position stays that of the first put
    "INSERT INTO object (kind, id, fields) VALUES (?, ?, ?)"
    " ON CONFLICT (kind, id) DO UPDATE SET fields = excluded.fields"
)
_DELETE = "DELETE FROM object WHERE kind = ? AND id = ?"
_ALL = "SELECT kind, id, fields FROM object ORDER BY position"

_packer: Packer[list[tuple[str, str]]] = Packer(list[tuple[str, str]])


class SqliteObjects:
    """``core.storage.ObjectStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, kind: str, object_id: str, fields: list[tuple[str, str]]) -> None:
        """Raises StoreUnavailable."""
        parameters = (column(kind), column(object_id), _packer.pack(fields))

        def put(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, parameters)

        await self._database.call(put, writes=True)

    async def delete(self, kind: str, object_id: str) -> bool:
        """Whether there was one. Raises StoreUnavailable."""
        parameters = (column(kind), column(object_id))

        def delete(connection: sqlite3.Connection) -> bool:
            return connection.execute(_DELETE, parameters).rowcount > 0

        return await self._database.call(delete, writes=True)

    async def all(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Raises StoreUnavailable."""

        def ask(connection: sqlite3.Connection) -> list[tuple[str, str, list[tuple[str, str]]]]:
            return [(text(kind), text(name), _packer.unpack(fields)) for kind, name, fields in connection.execute(_ALL)]

        return await self._database.read(ask)
