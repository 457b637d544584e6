"""Receipts (XEP-0184) and errors that come when the delivery of their text has ended: they are noted on the message.

Somebody who was away sends a receipt hours later, a slow phone seconds later, and a server that can not reach another
one says so after a minute; nobody waits that long (``outcomes``).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Protocol

import structlog

from switchroom.core.ports import Clock
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import EndpointId
from switchroom.model.message import Notification
from switchroom.tech.xmpp.limits import LATE_RECEIPT_WAIT, MAX_LATE_RECEIPTS
from switchroom.tech.xmpp.stanza import Kind, Text

log = structlog.get_logger(__name__)


class Notes(Protocol):
    """Where messages are kept (``core.messages.Messages``)."""

    async def note(self, message_id: str, recipient: EndpointId, contact: str, notification: Notification) -> bool:
        """A device told what became of a text; False when there is none of that name."""
        ...


class LateReceipts:
    """The texts of all accounts that a receipt or an error may still come for; of so many, and for so long, as
    ``limits`` say.
    """

    def __init__(self, technology: str, clock: Clock) -> None:
        self._technology = technology
        self._clock = clock
        self._notes: Notes | None = None
        #: Account and bare JID a text went through and to, and until when its receipt counts, the oldest first.
        self._awaited: OrderedDict[str, tuple[str, str, float]] = OrderedDict()
        #: Message, account, full JID and word of receipts that are not noted yet.
        self._come: deque[tuple[str, str, str, Notification]] = deque(maxlen=MAX_LATE_RECEIPTS)
        self._noting: asyncio.Task[None] | None = None

    def note_to(self, notes: Notes) -> None:
        """Receipts are noted there from now on."""
        self._notes = notes

    async def stop(self) -> None:
        """What is not noted yet stays so."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)

    def expect(self, account: str, message_id: str, recipient: str) -> None:
        """A text has ended without a receipt of ``recipient``, a bare JID."""
        awaited, now = self._awaited, self._clock.monotonic()
        awaited[message_id] = (account, recipient, now + LATE_RECEIPT_WAIT)
        while len(awaited) > MAX_LATE_RECEIPTS or next(iter(awaited.values()))[2] <= now:
            awaited.popitem(last=False)

    def hear(self, account: str, receipt: Text) -> None:
        """A receipt or an error came for a text that is not on its way. Only the word of who it was for counts, in an
        error that of its server too, and only once.
        """
        known, recipient, until = self._awaited.get(receipt.id, _UNKNOWN)
        if known != account or until <= self._clock.monotonic():
            return
        sender, received = receipt.sender.bare, receipt.kind is Kind.RECEIPT
        if sender != recipient and (received or sender != recipient.rpartition("@")[2]):
            return
        del self._awaited[receipt.id]
        word = Notification.DELIVERED if received else Notification.FAILED
        self._come.append((receipt.id, account, receipt.sender.full, word))
        if self._notes is not None and (self._noting is None or self._noting.done()):
            # Somebody who comes back may send very many: one task for all.
            self._noting = asyncio.get_running_loop().create_task(self._note(self._notes))

    async def _note(self, notes: Notes) -> None:
        while self._come:
            message_id, account, sender, word = self._come.popleft()
            try:
                await notes.note(message_id, EndpointId(self._technology, account), sender, word)
            except StoreUnavailable as error:
                log.warning("a receipt is not noted", message=message_id, error=str(error))


_UNKNOWN = ("", "", 0.0)
