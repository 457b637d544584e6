"""What the core needs kept: ports for messages, contacts and run-time objects. ``store`` implements them.

Every write is grouped with the others of its turn by one writer; only what a promise depends on is awaited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from switchroom.model.endpoint import Contact
from switchroom.model.errors import DomainError
from switchroom.model.record import MessageRecord, MessageState


class StoreUnavailable(DomainError):
    """The store can not take or give something now; the text says why (shown as 503, and in the log)."""


class Journal(Protocol):
    """Messages, from acceptance to a while after their end."""

    async def accept(self, record: MessageRecord) -> None:
        """Returns when the message, with its deliveries, is committed; sets ``record.sequence``.

        Raises:
            StoreUnavailable: it is not kept, and the caller must be told so.
        """
        ...

    def update(self, record: MessageRecord, changed: Sequence[int] = ()) -> None:
        """Writes the message's state and times behind, with the deliveries of these indexes (new ones too).

        Never raises: a store that fails is retried in order until it works, bounded, and counted; the next
        ``accept`` is refused while it does not.
        """
        ...

    async def confirm(self) -> None:
        """Returns when all that was written behind so far is committed.

        Raises:
            StoreUnavailable: it is not, and will be once the store works again.
        """
        ...

    async def find(self, message_id: str) -> MessageRecord | None:
        """As last committed or written behind."""
        ...

    async def search(
        self,
        *,
        technology: str = "",
        endpoint: str = "",
        state: MessageState | None = None,
        limit: int,
        after: str = "",
    ) -> list[MessageRecord]:
        """The newest first; ``after`` is the id of the last one seen; at most ``limit``."""
        ...

    async def unfinished(self, *, after: int = 0, limit: int | None = None) -> list[MessageRecord]:
        """At start: every message with an open delivery, or none yet, in the order of acceptance; those after a
        sequence, and at most ``limit``.
        """
        ...

    async def purge(self, finished_before: float) -> int:
        """Forgets messages that ended before this wall-clock time; how many."""
        ...


class ContactStore(Protocol):
    """Registered contacts that survive a restart (those tied to a connection do not)."""

    @property
    def lasting(self) -> bool:
        """Whether what is saved outlives the process, so that it is worth waiting for."""
        ...

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        """Written behind. ``expires`` is wall-clock seconds: the monotonic scale does not survive."""
        ...

    def forget(self, technology: str, aor: str, uri: str) -> None: ...

    async def confirm(self) -> None:
        """As ``Journal.confirm``."""
        ...

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        """Contacts with their wall-clock expiry; ``Contact.expires`` and ``flow`` are unset."""
        ...


class ObjectStore(Protocol):
    """Configuration made at run time: objects of named fields, by class, type and id."""

    async def put(self, kind: str, object_id: str, fields: list[tuple[str, str]]) -> None:
        """Returns when committed."""
        ...

    async def delete(self, kind: str, object_id: str) -> bool: ...

    async def all(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """(kind, id, fields) in the order they were first put."""
        ...
