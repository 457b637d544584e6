"""The one thread that writes: whatever waits when it is free goes into one transaction.

The loop hands over lists of operations, one list a turn; the outcome of a transaction goes back in one call.
Changes nobody waits for are owed: when a transaction fails they are kept, the latest of each kind for each row,
and tried again, together and in order, until they are written. Operations somebody waits for fail at once.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from asyncio import Future
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from switchroom.core.storage import StoreUnavailable
from switchroom.store.limits import MAX_BATCH
from switchroom.store.schema import probe

#: Errors that say something about one operation and nothing about the file.
_UNFIT = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
    sqlite3.InterfaceError,
)


class Statement:
    """SQL that changes one row, run for many at once. Those of one transaction run in the order of ``rank``.

    ``present``, when given, asks for the row by the first parameter: a row that is not there afterwards was refused.
    """

    __slots__ = ("present", "rank", "refusal", "sql")

    def __init__(self, rank: int, sql: str, *, present: str = "", refusal: str = "") -> None:
        self.rank = rank
        self.sql = sql
        self.present = present
        self.refusal = refusal


class Row:
    """A change of one row. Of those with one ``key`` in a transaction the last counts; None is like no other."""

    __slots__ = ("key", "parameters", "statement", "waiter", "withdrawn")

    def __init__(self, statement: Statement, key: Hashable, parameters: tuple[Any, ...]) -> None:
        self.statement = statement
        self.key = key
        self.parameters = parameters
        self.waiter: Future[Any] | None = None
        #: Nobody wants it any more; it is left out unless it is being written already.
        self.withdrawn = False


class Call:
    """Something to do on the connection, after the rows of its transaction."""

    __slots__ = ("function", "waiter", "writes")

    def __init__(self, function: Callable[[sqlite3.Connection], Any], *, writes: bool) -> None:
        self.function = function
        self.writes = writes
        self.waiter: Future[Any] | None = None


Operation = Row | Call
#: What an operation's future gets: an answer, or StoreUnavailable.
Outcome = tuple["Future[Any]", Any]


class Writer:
    """``run`` is the thread; all else it tells are plain numbers and texts that any thread may read."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        settle: Callable[[list[Outcome]], None],
        tell: Callable[[str], None],
        retry_delay: float,
    ) -> None:
        """``settle(outcomes)`` and ``tell(trouble)``, on each change of it, are called in the writer's thread."""
        self._connection = connection
        self._settle = settle
        self._tell = tell
        self._retry_delay = retry_delay
        self._retry_at = 0.0
        self._owed: dict[Hashable, Row] = {}
        self._outcomes: list[Outcome] = []
        self._taken = 0
        #: Lists of operations; None is the end.
        self.inbox: SimpleQueue[list[Operation] | None] = SimpleQueue()
        #: Operations that were taken and are not owed.
        self.settled = 0
        #: Since when it has been in a transaction, monotonic; 0 between two.
        self.busy_since = 0.0
        #: Why it can not write now; empty when it can.
        self.trouble = ""
        #: Transactions that changed something, and the seconds they took from their begin to the end of their commit.
        self.commits = 0
        self.commit_seconds = 0.0
        #: Transactions that failed, and changes that can never be written.
        self.failures = 0
        self.unfit = 0
        self.thread = threading.Thread(target=self.run, name="switchroom-store", daemon=True)

    def run(self) -> None:
        """Until the end is handed over; what is owed then gets one more attempt."""
        ended = False
        while not ended:
            operations, ended = self._gather()
            self._taken += len(operations)
            if self.trouble and not ended and time.monotonic() < self._retry_at:
                self._put_off(operations)
            else:
                owed, self._owed = self._owed, {}
                self._write([*owed.values(), *operations])
            self.settled = self._taken - len(self._owed)
            if self._outcomes:
                outcomes, self._outcomes = self._outcomes, []
                self._settle(outcomes)
        with suppress(sqlite3.Error):
            self._connection.close()

    def _gather(self) -> tuple[list[Operation], bool]:
        """Waits for operations, or for the time of the next attempt; takes all that are there, about a batch."""
        inbox = self.inbox
        operations: list[Operation] = []
        try:
            turn = inbox.get(timeout=max(0.0, self._retry_at - time.monotonic()) if self.trouble else None)
            while turn is not None:
                operations += turn
                if len(operations) >= MAX_BATCH:
                    return operations, False
                turn = inbox.get_nowait()
        except Empty:
            return operations, False
        return operations, True

    def _write(self, operations: list[Operation]) -> bool:
        """One transaction; False when the file can not be written now.

        An operation that never fits must not hold up the others, so it is found and dropped.
        """
        self.busy_since = time.monotonic()
        try:
            outcomes = self._commit(operations)
        except Exception as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error) and not isinstance(error, _UNFIT):
                self._fail(operations, str(error))
                return False
            if len(operations) > 1:
                return self._write_singly(operations)
            self.unfit += 1
            self._refuse(operations, str(error))
        else:
            self._become("")
            self._outcomes += outcomes
        finally:
            self.busy_since = 0.0
        return True

    def _write_singly(self, operations: list[Operation]) -> bool:
        for number, operation in enumerate(operations, 1):
            if not self._write([operation]):
                self._put_off(operations[number:])
                return False
        return True

    def _fail(self, operations: list[Operation], reason: str) -> None:
        self.failures += 1
        self._retry_at = time.monotonic() + self._retry_delay
        self._become(reason)
        self._put_off(operations)

    def _commit(self, operations: list[Operation]) -> list[Outcome]:
        rows: dict[Hashable, Row] = {}
        calls: list[Call] = []
        writes = bool(self.trouble)
        for operation in operations:
            if isinstance(operation, Call):
                calls.append(operation)
                writes = writes or operation.writes
            elif not operation.withdrawn:
                rows[operation if operation.key is None else operation.key] = operation
        connection = self._connection
        if rows or writes:
            connection.execute("BEGIN IMMEDIATE")
        outcomes = self._run_rows(rows.values())
        for call in calls:
            answer = call.function(connection)
            if call.waiter is not None:
                outcomes.append((call.waiter, answer))
        if self.trouble:
            probe(connection)
        if rows or writes:
            connection.execute("COMMIT")
            self.commits += 1
            self.commit_seconds += time.monotonic() - self.busy_since
        return outcomes

    def _run_rows(self, rows: Iterable[Row]) -> list[Outcome]:
        groups: dict[Statement, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.statement, []).append(row)
        outcomes: list[Outcome] = []
        for statement in sorted(groups, key=lambda statement: statement.rank):
            group = groups[statement]
            cursor = self._connection.executemany(statement.sql, [row.parameters for row in group])
            whole = not statement.present or cursor.rowcount == len(group)
            outcomes += [
                (row.waiter, None if whole or self._has(row) else StoreUnavailable(statement.refusal))
                for row in group
                if row.waiter is not None
            ]
        return outcomes

    def _has(self, row: Row) -> bool:
        return self._connection.execute(row.statement.present, row.parameters[:1]).fetchone() is not None

    def _put_off(self, operations: list[Operation]) -> None:
        """Changes nobody waits for are owed, the rest is refused."""
        refused: list[Operation] = []
        for operation in operations:
            if isinstance(operation, Row) and operation.waiter is None:
                self._owed[operation.key] = operation
            else:
                refused.append(operation)
        self._refuse(refused, self.trouble)

    def _refuse(self, operations: list[Operation], reason: str) -> None:
        self._outcomes += [(each.waiter, StoreUnavailable(reason)) for each in operations if each.waiter is not None]

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _become(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._tell(trouble)
