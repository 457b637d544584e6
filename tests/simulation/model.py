"""Who should have what: a naive account of a run, that knows nothing of lanes, windows or journals.

It is told what was asked, what was answered and what the phones saw, and at the end what the server says of each
message. Whatever does not fit together is a fault.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from simulation.network import Receipt
from switchroom.model.record import MessageRecord, MessageState

#: What a phone that says no says for good.
_FINAL_REFUSALS = (486, 603)
_PASSING = (500, 503)


@dataclass
class Sent:
    """A text that was asked for."""

    to: str
    body: str
    offline: bool
    message_id: str = ""
    sequence: int = 0
    accepted: bool = False
    cancelled: bool = False
    #: Whether a client was told that its wish to take it back may not be kept.
    cancel_unsure: bool = False


@dataclass
class Model:
    """The account. ``committed`` are deliveries whose end was on disk, with the time it was seen there."""

    sent: list[Sent] = field(default_factory=list)
    committed: dict[tuple[str, str], float] = field(default_factory=dict)
    gone_at_some_time: set[str] = field(default_factory=set)
    #: Messages whose last change a crash took: they are taken up again where the disk has them, so late.
    taken_back: set[str] = field(default_factory=set)

    def note_committed(self, record: MessageRecord, at: float) -> None:
        for delivery in record.deliveries:
            if delivery.state is MessageState.DELIVERED:
                self.committed.setdefault((record.id, delivery.contact), at)

    def faults(self, records: dict[str, MessageRecord], receipts: dict[tuple[str, str], list[Receipt]]) -> list[str]:
        """What is wrong; ``receipts`` by endpoint and contact."""
        found: list[str] = []
        by_id = {s.message_id: s for s in self.sent if s.accepted}
        had: dict[str, list[tuple[str, Receipt]]] = defaultdict(list)
        for (endpoint, contact), list_ in receipts.items():
            order: list[int] = []
            # As they left: a copy that the network held back may come after the next text, when it was given up.
            for receipt in sorted(list_, key=lambda receipt: receipt.left):
                sent = by_id.get(receipt.message_id)
                if sent is None or sent.body != receipt.body or sent.to != endpoint:
                    found.append(f"{contact} got {receipt}, which nobody sent it")
                    continue
                first = contact not in (c for c, _ in had[receipt.message_id])
                if first and receipt.message_id not in self.taken_back:
                    order.append(sent.sequence)
                had[receipt.message_id].append((contact, receipt))
                known = self.committed.get((receipt.message_id, contact))
                if known is not None and receipt.left > known:
                    found.append(f"{contact} was sent {receipt} again after its delivery was on disk at {known}")
            if order != sorted(order):
                found.append(f"{contact} got texts out of order: {order}")
        for sent in self.sent:
            if sent.accepted:
                found += self._faults_of(sent, records.get(sent.message_id), had[sent.message_id])
        bodies = {s.body for s in self.sent if s.accepted}
        found += [
            f"{contact} got {r.body}, which was refused"
            for (_, contact), list_ in receipts.items()
            for r in list_
            if r.body not in bodies
        ]
        return found

    def _faults_of(self, sent: Sent, record: MessageRecord | None, had: list[tuple[str, Receipt]]) -> list[str]:
        """One message that was answered 202, after everything has calmed down."""
        name = f"{sent.message_id} ({sent.body})"
        if record is None:
            return [f"{name} is lost"]
        if not record.over:
            return [f"{name} has no end: {record}"]
        taken = {contact for contact, receipt in had if receipt.status == 200}
        refused = {contact for contact, receipt in had if receipt.status in _FINAL_REFUSALS}
        faults = [
            f"{name} is said to be delivered to {delivery.contact}, which did not take it"
            for delivery in record.deliveries
            if delivery.state is MessageState.DELIVERED and delivery.contact not in taken
        ]
        states = {delivery.state for delivery in record.deliveries}
        if (record.state is MessageState.DELIVERED) != (MessageState.DELIVERED in states):
            faults.append(f"{name} is {record.state} with deliveries {states}")
        if record.state is MessageState.FAILED and sent.offline and not refused:
            faults.append(f"{name} was to wait, and failed: {record}")
        if record.state is MessageState.FAILED and not refused and sent.to not in self.gone_at_some_time:
            faults.append(f"{name} failed though its endpoint always had a contact: {record}")
        was_cancelled = record.state is MessageState.CANCELLED
        if sent.cancelled != was_cancelled and not (was_cancelled and sent.cancel_unsure):
            faults.append(f"{name} is {record.state}, cancelled: {sent.cancelled}")
        return faults
