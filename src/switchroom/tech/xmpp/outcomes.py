"""What becomes of texts that were sent: an error, a receipt, or at least the server's word that it has them.

A recipient who never sends receipts is waited for once; after that its server's word is enough.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from slixmpp.jid import JID

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, Notification
from switchroom.tech.xmpp.limits import ACK_WAIT, MAX_KNOWN_RECIPIENTS, RECEIPT_WAIT
from switchroom.tech.xmpp.receipts import LateReceipts
from switchroom.tech.xmpp.stanza import Kind, Text

Done = Callable[[DeliveryReport], None]


class Outcome(NamedTuple):
    """The end of a delivery; ``status`` is SIP's for the same thing."""

    status: int
    reason: str


RECEIVED = Outcome(200, "Received")
TAKEN = Outcome(202, "Taken by the server")
NO_ANSWER = Outcome(408, "The server does not answer")
NOT_CONNECTED = Outcome(503, "The account is not connected")


class Sent:
    """A text whose end is not known."""

    __slots__ = ("deadline", "delivery", "done", "id", "stanza", "taken", "to")

    def __init__(self, stanza_id: str, to: JID, stanza: str, delivery: Delivery, done: Done) -> None:
        self.id = stanza_id
        self.to = to
        self.stanza = stanza
        self.delivery = delivery
        self.done = done
        self.deadline: Deadline | None = None
        #: The server has it.
        self.taken = False


class Outcomes:
    """The texts of one account that are on their way, in the order they were sent."""

    def __init__(
        self, account: str, schedule: Schedule, clock: Clock, late: LateReceipts, overdue: Callable[[Sent], Outcome]
    ) -> None:
        """``overdue`` says what it means that the server did not take a text in time."""
        self._account = account
        self._schedule = schedule
        self._clock = clock
        self._late_receipts = late
        self._overdue = overdue
        self._open: dict[str, Sent] = {}
        #: Bare JIDs to whether they send receipts.
        self._recipients: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, sent: Sent) -> None:
        """A text is sent, or will be as soon as there is a connection. The same id again takes the other's place."""
        other = self._open.pop(sent.id, None)
        if other is not None:
            self._end(other, NO_ANSWER)
        self._open[sent.id] = sent
        sent.deadline = self._schedule.at(self._clock.monotonic() + ACK_WAIT, lambda _: self._late(sent))

    def waits(self, sent: Sent) -> bool:
        """Whether nothing was heard of a text yet."""
        return not sent.taken and self._open.get(sent.id) is sent

    def expects_receipt(self, sent: Sent) -> bool:
        """Whether its recipient is known to send receipts."""
        return self._recipients.get(sent.to.bare) is True

    def untaken(self) -> Iterator[Sent]:
        """Texts the server may not have."""
        return (sent for sent in list(self._open.values()) if not sent.taken)

    def take(self, sent: Sent) -> None:
        """The server has a text; what the recipient says is waited for a little, unless it never says anything."""
        if sent.taken or self._open.get(sent.id) is not sent:
            return
        sent.taken = True
        if self._recipients.get(sent.to.bare) is False:
            self._finish(sent, TAKEN)
            return
        assert sent.deadline is not None
        self._schedule.cancel(sent.deadline)
        sent.deadline = self._schedule.at(self._clock.monotonic() + RECEIPT_WAIT, lambda _: self._silent(sent))

    def hear(self, text: Text) -> None:
        """A receipt or an error came. Only the recipient's word counts, or in an error that of its server."""
        receipt = text.kind is Kind.RECEIPT
        if receipt and text.sender.bare in self._recipients:
            self._remember(text.sender.bare, receipts=True)
        sent = self._open.get(text.id)
        if sent is None:
            self._late_receipts.hear(self._account, text)
            return
        sender = text.sender.bare
        if sender != sent.to.bare and (receipt or sender != sent.to.domain):
            return
        if receipt:
            self._remember(sender, receipts=True)
        self._finish(sent, RECEIVED if receipt else Outcome(text.status, text.reason))

    def fail_all(self, outcome: Outcome) -> None:
        """Nothing more will be heard."""
        for sent in list(self._open.values()):
            self._finish(sent, TAKEN if sent.taken else outcome)

    def _silent(self, sent: Sent) -> None:
        self._remember(sent.to.bare, receipts=False)
        self._finish(sent, TAKEN)

    def _late(self, sent: Sent) -> None:
        self._finish(sent, self._overdue(sent))

    def _remember(self, recipient: str, *, receipts: bool) -> None:
        recipients = self._recipients
        recipients[recipient] = receipts
        recipients.move_to_end(recipient)
        if len(recipients) > MAX_KNOWN_RECIPIENTS:
            recipients.popitem(last=False)

    def _finish(self, sent: Sent, outcome: Outcome) -> None:
        if self._open.get(sent.id) is sent:
            del self._open[sent.id]
            self._end(sent, outcome)

    def _end(self, sent: Sent, outcome: Outcome) -> None:
        if sent.deadline is not None:
            self._schedule.cancel(sent.deadline)
        if outcome is TAKEN:
            self._late_receipts.expect(self._account, sent.id, sent.to.bare)
        sent.done(report(sent.delivery, outcome))


def report(delivery: Delivery, outcome: Outcome) -> DeliveryReport:
    """What the message service is told."""
    good = 200 <= outcome.status < 300
    return DeliveryReport(
        delivery=delivery,
        state=DeliveryState.DELIVERED if good else DeliveryState.FAILED,
        status_code=outcome.status,
        reason=outcome.reason,
        notification=Notification.DELIVERED if outcome is RECEIVED else None,
    )
