"""Messages in the database: a row each, with the whole record packed in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from switchroom.model.record import MessageRecord, MessageState
from switchroom.store.database import Database
from switchroom.store.limits import MAX_SHARED, PURGE_STEP
from switchroom.store.packing import column, ended, pack_message, unpack_message
from switchroom.store.writer import Row, Statement

#: Messages in a run of the index by endpoint: 2 to this power, as the first migration has it.
RUN_BITS = 8

_HAS = "SELECT 1 FROM message WHERE sequence = ?"
_REMOVE = Statement(0, "DELETE FROM message WHERE sequence = ?")
_ACCEPT = Statement(
    1,
    "INSERT INTO message (sequence, id, technology, endpoint, state, ended, record) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING",
    present=_HAS,
    refusal="a message with this id is kept already",
)
_UPDATE = Statement(2, "UPDATE message SET state = ?2, ended = ?3, record = ?4 WHERE sequence = ?1")

_FIND = "SELECT record FROM message WHERE id = ?"
_POSITION = "SELECT sequence FROM message WHERE id = ?"
_UNFINISHED = "SELECT record FROM message WHERE ended IS NULL AND sequence > ? ORDER BY sequence LIMIT ?"
_PURGE = "DELETE FROM message WHERE sequence IN (SELECT sequence FROM message WHERE ended < ? LIMIT ?)"
_LAST = "SELECT coalesce(max(sequence), 0) FROM message"
_LAST_BEFORE = "SELECT max(sequence) FROM message WHERE sequence < ?"


class SqliteJournal:
    """``core.storage.Journal`` on a database."""

    def __init__(self, database: Database) -> None:
        """Raises StoreUnavailable."""
        self._database = database
        self._sequence: int = database.select(_LAST)[0][0]

    async def accept(self, record: MessageRecord) -> None:
        """Also refused when a message with this id is kept. A caller that does not wait for it withdraws it."""
        self._sequence = sequence = self._sequence + 1
        record.sequence = sequence
        parameters = (
            sequence,
            column(record.id),
            column(record.technology),
            column(record.endpoint),
            record.state.value,
            ended(record),
            pack_message(record),
        )
        try:
            await self._database.commit(Row(_ACCEPT, None, parameters), undo=Row(_REMOVE, sequence, (sequence,)))
        except BaseException:
            record.sequence = 0
            raise

    def update(self, record: MessageRecord, changed: Sequence[int] = ()) -> None:
        """All of the record is written, whatever changed: it is one row either way."""
        sequence = record.sequence
        parameters = (sequence, record.state.value, ended(record), pack_message(record))
        self._database.write(_UPDATE, sequence, parameters)

    async def confirm(self) -> None:
        await self._database.confirm()

    async def find(self, message_id: str) -> MessageRecord | None:
        key = column(message_id)
        row = await self._database.call(lambda connection: connection.execute(_FIND, (key,)).fetchone(), writes=False)
        return unpack_message(row[0]) if row else None

    async def search(
        self,
        *,
        technology: str = "",
        endpoint: str = "",
        state: MessageState | None = None,
        limit: int,
        after: str = "",
    ) -> list[MessageRecord]:
        """Nothing when there is no message ``after`` any more."""
        table, where, parameters = _question(technology, endpoint, state)

        def ask(connection: sqlite3.Connection) -> list[MessageRecord]:
            before = _before(connection, after)
            if before is None:
                return []
            if endpoint:
                return _search_runs(connection, table, where, parameters, before, limit)
            return _select(connection, table, f"{where} AND sequence < ?", [*parameters, before], limit)

        return await self._database.read(ask)

    async def unfinished(self, *, after: int = 0, limit: int | None = None) -> list[MessageRecord]:
        """Open is a message that is not in a final state, and one of whose deliveries one is not."""
        most = -1 if limit is None else limit
        return await self._database.read(lambda connection: _unfinished(connection, after, most))

    async def purge(self, finished_before: float) -> int:
        """In steps, between which others write."""
        purged = 0
        while True:
            step = await self._database.call(
                lambda connection: connection.execute(_PURGE, (finished_before, PURGE_STEP)).rowcount, writes=True
            )
            purged += step
            if step < PURGE_STEP:
                return purged


def _question(technology: str, endpoint: str, state: MessageState | None) -> tuple[str, str, list[Any]]:
    """The table with its index, the condition, and the condition's parameters.

    The index is named because SQLite, which does not count how many rows have a state, would read them all. The
    state stands in the condition as it is, or the index of some states only can not be used.
    """
    where = ["TRUE"]
    parameters: list[Any] = []
    table = "message"
    if state is not None:
        where.append(f"state = '{MessageState(state).value}'")
        if not state.final:
            where.append("ended IS NULL")
            table = "message INDEXED BY message_ended"
        elif state is not MessageState.DELIVERED:
            table = "message INDEXED BY message_trouble"
    if endpoint:
        where.append("endpoint = ?")
        parameters.append(column(endpoint))
        table = "message INDEXED BY message_endpoint"
    if technology:
        where.append("technology = ?")
        parameters.append(column(technology))
    return table, " AND ".join(where), parameters


def _before(connection: sqlite3.Connection, after: str) -> int | None:
    """The sequence that a page's messages are below; None when its predecessor is not known."""
    if not after:
        return int(connection.execute(_LAST).fetchone()[0]) + 1
    row = connection.execute(_POSITION, (column(after),)).fetchone()
    return int(row[0]) if row else None


def _search_runs(
    connection: sqlite3.Connection, table: str, where: str, parameters: list[Any], before: int, limit: int
) -> list[MessageRecord]:
    """Walks the runs of the index by endpoint, newest first, and leaps over runs without a message."""
    found: list[MessageRecord] = []
    while len(found) < limit:
        last = connection.execute(_LAST_BEFORE, (before,)).fetchone()[0]
        if last is None:
            break
        run = last >> RUN_BITS
        found += _select(
            connection,
            table,
            f"{where} AND sequence >> {RUN_BITS} = ? AND sequence < ?",
            [*parameters, run, before],
            limit - len(found),
        )
        before = run << RUN_BITS
    return found


def _select(
    connection: sqlite3.Connection, table: str, where: str, parameters: list[Any], limit: int
) -> list[MessageRecord]:
    question = f"SELECT record FROM {table} WHERE {where} ORDER BY sequence DESC LIMIT ?"  # noqa: S608  # fixed texts
    return [unpack_message(packed) for (packed,) in connection.execute(question, [*parameters, limit])]


def _unfinished(connection: sqlite3.Connection, after: int, limit: int) -> list[MessageRecord]:
    rows = connection.execute(_UNFINISHED, (after, limit))
    return list(_share(unpack_message(packed) for (packed,) in rows))


def _share(records: Iterator[MessageRecord]) -> Iterator[MessageRecord]:
    """Values that many messages have are held once: a quarter of the memory of a hundred thousand."""
    shared: dict[str, str] = {}
    share = shared.setdefault
    for record in records:
        if len(shared) >= MAX_SHARED:
            shared.clear()
        record.technology = share(record.technology, record.technology)
        record.endpoint = share(record.endpoint, record.endpoint)
        record.destination = share(record.destination, record.destination)
        record.sender = share(record.sender, record.sender)
        if record.updated == record.created:
            record.updated = record.created
        for delivery in record.deliveries:
            delivery.contact = share(delivery.contact, delivery.contact)
            if delivery.updated == record.updated:
                delivery.updated = record.updated
        yield record
