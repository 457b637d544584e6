"""One SQLite file, its writer and its reader, as the event loop sees them.

What is asked for within a turn of the loop is handed to the writer together at its end, so it shares a commit.
Long questions are asked on a second connection that only reads, in a thread of its own: a log lets both go on at
once. All methods but ``open`` and ``select`` are of one loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from switchroom.core.storage import StoreUnavailable
from switchroom.store.limits import (
    CLOSE_PATIENCE,
    MAX_BATCH,
    MAX_OWED,
    MAX_WAITING,
    PATIENCE,
    RETRY_DELAY,
    WRITE_BEHIND,
)
from switchroom.store.ownership import Ownership
from switchroom.store.schema import Connect, Durability, connect, migrations, prepare
from switchroom.store.writer import Call, Operation, Outcome, Row, Statement, Writer

T = TypeVar("T")

_CLOSED = "the store is closed"
_NO_ANSWER = "the disk does not answer"


class Database:
    """Made by ``open``."""

    def __init__(
        self,
        ownership: Ownership,
        writing: sqlite3.Connection,
        reading: sqlite3.Connection,
        heard: Callable[[str], None] | None,
        *,
        retry_delay: float,
        patience: float,
    ) -> None:
        self._ownership = ownership
        self._reading = reading
        self._heard = heard
        self._patience = patience
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: list[Operation] = []
        self._waiting: set[asyncio.Future[Any]] = set()
        self._watch: asyncio.TimerHandle | None = None
        #: When what nobody waits for is handed over.
        self._later: asyncio.TimerHandle | None = None
        self._submitted = 0
        self._closed = False
        #: Changes nobody waited for that will never be written.
        self._dropped = 0
        self._readers = ThreadPoolExecutor(1, "switchroom-store-reader")
        self._writer = Writer(writing, settle=self._settled, tell=self._told, retry_delay=retry_delay)
        self._writer.thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        durability: Durability = "process",
        *,
        heard: Callable[[str], None] | None = None,
        connect: Connect = connect,
        retry_delay: float = RETRY_DELAY,
        patience: float = PATIENCE,
    ) -> Self:
        """Takes the file for this process alone, brings it up to date, and makes it when there is none.

        ``durability``: what was committed survives the end of the process, or also a loss of power.
        ``heard(trouble)`` is called in the loop when writing begins to fail, and with "" when it works again.

        Raises:
            StoreUnavailable: it is in use, damaged, full, of a newer version or not ours; nothing was changed.
        """
        ownership = Ownership(path)
        opened: list[sqlite3.Connection] = []
        try:
            opened.append(connect(path))
            prepare(opened[0], durability, migrations())
            opened.append(connect(path))
            opened[1].execute("PRAGMA query_only = ON")
            ownership.confirm()
        except BaseException as error:
            for connection in opened:
                connection.close()
            ownership.release()
            if isinstance(error, sqlite3.Error | OSError | StoreUnavailable):
                raise StoreUnavailable(f"{path}: {error}") from None
            raise
        return cls(ownership, opened[0], opened[1], heard, retry_delay=retry_delay, patience=patience)

    # ---- how it is

    @property
    def trouble(self) -> str:
        """Why nothing can be written now; empty when all is well."""
        writer = self._writer
        if writer.trouble:
            return writer.trouble
        since = writer.busy_since
        if since and time.monotonic() - since > self._patience:
            return _NO_ANSWER
        return ""

    @property
    def queued(self) -> int:
        """Operations that are not committed yet."""
        return self._submitted - self._writer.settled

    @property
    def commits(self) -> int:
        """Transactions that changed something."""
        return self._writer.commits

    @property
    def commit_seconds(self) -> float:
        """The time all of them took."""
        return self._writer.commit_seconds

    @property
    def failures(self) -> int:
        """Transactions that failed."""
        return self._writer.failures

    @property
    def dropped(self) -> int:
        """Changes that nobody waited for and that will never be written."""
        return self._dropped + self._writer.unfit

    # ---- writing

    def write(self, statement: Statement, key: Hashable, parameters: tuple[Any, ...]) -> None:
        """Writes behind: now or, when the store fails, as soon as it works. The last change of a ``key`` counts."""
        if self._closed or self.queued >= MAX_OWED:
            self._dropped += 1
            return
        if not self._turn:
            self._later = self._running_loop().call_later(WRITE_BEHIND, self._hand_over)
        self._turn.append(Row(statement, key, parameters))
        self._submitted += 1
        if len(self._turn) >= MAX_BATCH:
            self._hand_over()

    async def commit(self, row: Row, undo: Row) -> None:
        """Returns when ``row`` is committed; a caller that does not wait for that has it undone.

        Raises:
            StoreUnavailable: it is not kept.
        """
        waiter = self._wait_for(row)
        try:
            await waiter
        except (asyncio.CancelledError, _Stalled):
            row.withdrawn = True
            self.write(undo.statement, undo.key, undo.parameters)
            raise

    async def call(self, function: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """What ``function`` makes of the writer's connection, after all that was written behind before.

        Raises:
            StoreUnavailable: nothing of it is committed; when the disk does not answer it may still be later.
        """
        answer: T = await self._wait_for(Call(function, writes=writes))
        return answer

    async def confirm(self) -> None:
        """Returns when all that was written behind so far is committed.

        Raises:
            StoreUnavailable: it is not, and will be when the store works again.
        """
        if self._closed or self.queued:
            await self.call(_nothing, writes=False)

    # ---- reading

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """As ``call``, for questions that may take long.

        Raises:
            StoreUnavailable: it can not be read, or what was written behind can not be seen yet.
        """
        await self.confirm()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, function, self._reading)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None

    def select(self, question: str) -> list[tuple[Any, ...]]:
        """A short question, asked while nothing else reads: at the start. Raises StoreUnavailable."""
        try:
            return self._reading.execute(question).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None

    async def close(self) -> None:
        """Commits what waits, within ``CLOSE_PATIENCE``, and gives the file back. May be called twice."""
        if self._closed:
            return
        self._hand_over()
        self._closed = True
        self._writer.inbox.put(None)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._readers, self._writer.thread.join, CLOSE_PATIENCE)
        self._readers.shutdown()
        self._reading.close()
        if self._watch is not None:
            self._watch.cancel()
        self._refuse_waiting(StoreUnavailable, _CLOSED)
        self._dropped += self.queued
        self._ownership.release()

    # ---- to the writer and back

    def _wait_for(self, operation: Operation) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreUnavailable(_CLOSED)
        if trouble := self.trouble:
            raise StoreUnavailable(trouble)
        if self.queued >= MAX_WAITING:
            raise StoreUnavailable(f"{MAX_WAITING} operations wait to be written")
        self._submit(operation)
        assert self._loop is not None
        waiter: asyncio.Future[Any] = self._loop.create_future()
        operation.waiter = waiter
        self._waiting.add(waiter)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience, self._look)
        return waiter

    def _submit(self, operation: Operation) -> None:
        """Somebody waits for it: it goes at the end of the turn, and what is to be written behind with it."""
        if self._later is not None or not self._turn:
            if self._later is not None:
                self._later.cancel()
                self._later = None
            self._running_loop().call_soon(self._hand_over)
        self._turn.append(operation)
        self._submitted += 1

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def _hand_over(self) -> None:
        """In portions that each fit a transaction."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        turn, self._turn = self._turn, []
        for start in range(0, len(turn), MAX_BATCH):
            self._writer.inbox.put(turn[start : start + MAX_BATCH] if len(turn) > MAX_BATCH else turn)

    def _settled(self, outcomes: list[Outcome]) -> None:
        """In the writer's thread."""
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._answer, outcomes)

    def _told(self, trouble: str) -> None:
        """In the writer's thread."""
        if self._heard is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._heard, trouble)

    def _answer(self, outcomes: list[Outcome]) -> None:
        waiting = self._waiting
        for waiter, outcome in outcomes:
            waiting.discard(waiter)
            if waiter.done():
                continue
            if isinstance(outcome, StoreUnavailable):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)

    def _look(self) -> None:
        """Every ``patience`` seconds while somebody waits: a disk that does not answer must not hold them."""
        self._watch = None
        since = self._writer.busy_since
        if since and time.monotonic() - since > self._patience:
            self._refuse_waiting(_Stalled, _NO_ANSWER)
        if self._waiting:
            assert self._loop is not None
            self._watch = self._loop.call_later(self._patience, self._look)

    def _refuse_waiting(self, kind: type[StoreUnavailable], reason: str) -> None:
        self._answer([(waiter, kind(reason)) for waiter in self._waiting])


class _Stalled(StoreUnavailable):
    """Not committed in time, though it may be later."""


def _nothing(connection: sqlite3.Connection) -> None:
    """What is asked of the writer to know that it has come so far."""
