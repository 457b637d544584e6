"""Stores in memory: what was accepted is known while the process lives.

``MemoryStore`` keeps the contract of the database to the letter, failures included, for tests and simulations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice

from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import Contact
from switchroom.model.record import MessageRecord, MessageState
from switchroom.store.limits import MAX_ENDED, MAX_HELD, MAX_OWED
from switchroom.store.packing import ended, pack_contact, pack_message, unpack_contact, unpack_message


class MemoryStore:
    """The three ports in memory. ``fail`` makes it refuse as a database does that can not write."""

    def __init__(self) -> None:
        #: Why nothing can be written now; empty when all is well.
        self.trouble = ""
        #: Changes that nobody waited for and that will never be written.
        self.dropped = 0
        self._owed: list[Callable[[], None]] = []
        self.journal = MemoryStoreJournal(self)
        self.contacts = MemoryStoreContacts(self)
        self.objects = MemoryStoreObjects(self)

    @property
    def queued(self) -> int:
        """Changes that are owed."""
        return len(self._owed)

    def fail(self, reason: str) -> None:
        self.trouble = reason

    def heal(self) -> None:
        """Writes what is owed, in order."""
        self.trouble = ""
        owed, self._owed = self._owed, []
        for change in owed:
            change()

    async def close(self) -> None:
        """Refuses all from now on; what was kept stays, for there is no other place."""
        self.trouble = "the store is closed"

    def write(self, change: Callable[[], None]) -> None:
        """Does it, now or when the store is well again."""
        if not self.trouble:
            change()
        elif len(self._owed) < MAX_OWED:
            self._owed.append(change)
        else:
            self.dropped += 1

    def check(self) -> None:
        """Raises StoreUnavailable while the store fails."""
        if self.trouble:
            raise StoreUnavailable(self.trouble)


class MemoryStoreJournal:
    """``core.storage.Journal``. Messages are kept packed, so that nobody's later change shows."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._sequence = 0
        self._packed: dict[int, bytes] = {}
        self._sequences: dict[str, int] = {}
        #: Sequence, id and end of each message that has ended, in the order they ended.
        self._ended: OrderedDict[int, tuple[str, float]] = OrderedDict()

    async def accept(self, record: MessageRecord) -> None:
        self._store.check()
        self._number(record)
        self._packed[record.sequence] = pack_message(record)

    def _number(self, record: MessageRecord) -> None:
        if record.id in self._sequences:
            raise StoreUnavailable("a message with this id is kept already")
        self._sequence += 1
        record.sequence = self._sequence
        self._sequences[record.id] = record.sequence

    def update(self, record: MessageRecord, changed: Sequence[int] = ()) -> None:
        sequence, packed, identity, end = record.sequence, pack_message(record), record.id, ended(record)

        def change() -> None:
            if sequence in self._packed:
                self._put(sequence, packed, identity, end)

        self._store.write(change)

    def _put(self, sequence: int, packed: bytes, identity: str, end: float | None) -> None:
        self._packed[sequence] = packed
        if end is not None:
            self._ended[sequence] = (identity, end)
            if len(self._ended) > MAX_ENDED:
                self._forget(next(iter(self._ended)))

    def _read(self, sequence: int) -> MessageRecord:
        return unpack_message(self._packed[sequence])

    def _known(self) -> list[int]:
        """The sequences of all messages, the oldest first."""
        return sorted(self._packed)

    async def confirm(self) -> None:
        self._store.check()

    async def find(self, message_id: str) -> MessageRecord | None:
        self._store.check()
        sequence = self._sequences.get(message_id)
        return self._read(sequence) if sequence else None

    async def search(
        self,
        *,
        technology: str = "",
        endpoint: str = "",
        state: MessageState | None = None,
        limit: int,
        after: str = "",
    ) -> list[MessageRecord]:
        self._store.check()
        before = self._sequences.get(after, 0) if after else self._sequence + 1
        found: list[MessageRecord] = []
        for sequence in reversed(self._known()):
            if len(found) == limit:
                break
            record = self._read(sequence)
            if (
                sequence < before
                and technology in ("", record.technology)
                and endpoint in ("", record.endpoint)
                and state in (None, record.state)
            ):
                found.append(record)
        return found

    async def unfinished(self, *, after: int = 0, limit: int | None = None) -> list[MessageRecord]:
        self._store.check()
        records = (self._read(sequence) for sequence in self._known() if sequence > after)
        return list(islice((record for record in records if ended(record) is None), limit))

    async def purge(self, finished_before: float) -> int:
        self._store.check()
        old = [sequence for sequence, (_, end) in self._ended.items() if end < finished_before]
        for sequence in old:
            self._forget(sequence)
        return len(old)

    def _forget(self, sequence: int) -> None:
        identity, _ = self._ended.pop(sequence)
        del self._packed[sequence], self._sequences[identity]


class HeldJournal(MemoryStoreJournal):
    """The journal of a server without a state folder: the latest open messages are held as they are and packed once,
    when they have ended. A crash takes all of it, so nothing can tell what was written from what is known.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._held: OrderedDict[int, MessageRecord] = OrderedDict()

    async def accept(self, record: MessageRecord) -> None:
        self._number(record)
        self._held[record.sequence] = record
        if len(self._held) > MAX_HELD:
            sequence, oldest = self._held.popitem(last=False)
            self._packed[sequence] = pack_message(oldest)

    def update(self, record: MessageRecord, changed: Sequence[int] = ()) -> None:
        sequence, end = record.sequence, ended(record)
        if end is None and sequence in self._held:
            self._held[sequence] = record
        elif self._held.pop(sequence, None) is not None or sequence in self._packed:
            self._put(sequence, pack_message(record), record.id, end)

    def _read(self, sequence: int) -> MessageRecord:
        held = self._held.get(sequence)
        return super()._read(sequence) if held is None else held

    def _known(self) -> list[int]:
        return sorted((*self._packed, *self._held))


class MemoryStoreContacts:
    """``core.storage.ContactStore``."""

    lasting = False

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._packed: dict[tuple[str, str, str], tuple[bytes, float]] = {}

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        key, packed = (technology, contact.aor, contact.uri), pack_contact(contact)
        self._store.write(lambda: self._packed.update({key: (packed, expires)}))

    def forget(self, technology: str, aor: str, uri: str) -> None:
        def change() -> None:
            self._packed.pop((technology, aor, uri), None)

        self._store.write(change)

    async def confirm(self) -> None:
        self._store.check()

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        self._store.check()
        return [
            (unpack_contact(self._packed[key][0]), self._packed[key][1])
            for key in sorted(self._packed)
            if key[0] == technology
        ]


class UnkeptContacts:
    """``core.storage.ContactStore`` of a server without a state folder: contacts are in its registry, and
    there is nothing that a copy of them would survive.
    """

    lasting = False

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        """Nothing to do."""

    def forget(self, technology: str, aor: str, uri: str) -> None:
        """Nothing to do."""

    async def confirm(self) -> None:
        """Nothing to wait for."""

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        return []


class MemoryStoreObjects:
    """``core.storage.ObjectStore``."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._fields: dict[tuple[str, str], list[tuple[str, str]]] = {}

    async def put(self, kind: str, object_id: str, fields: list[tuple[str, str]]) -> None:
        self._store.check()
        self._fields[kind, object_id] = list(fields)

    async def delete(self, kind: str, object_id: str) -> bool:
        self._store.check()
        return self._fields.pop((kind, object_id), None) is not None

    async def all(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        self._store.check()
        return [(kind, name, list(fields)) for (kind, name), fields in self._fields.items()]
