"""What is only true of the stores in memory: they are bounded, and contacts are not copied."""

from __future__ import annotations

import pytest

from switchroom.model.endpoint import Contact
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState
from switchroom.store import memory
from switchroom.store.memory import MemoryStore, UnkeptContacts


def message(number: int) -> MessageRecord:
    return MessageRecord(
        id=f"m{number}",
        technology="PJSIP",
        destination="alice",
        sender="bob",
        body="hi",
        created=float(number),
        expires=1e9,
        deliveries=[DeliveryRecord(contact="sip:alice@192.0.2.9")],
    )


async def test_ended_messages_are_bounded_and_open_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_ENDED", 3)
    journal = MemoryStore().journal
    records = [message(number) for number in range(6)]
    for record in records:
        await journal.accept(record)
    for record in records[1:]:
        record.state = record.deliveries[0].state = MessageState.DELIVERED
        journal.update(record, [0])
    known = [record.id for record in records if await journal.find(record.id) is not None]
    assert known == ["m0", "m3", "m4", "m5"]


async def test_contacts_without_a_state_folder_are_in_the_registry_alone() -> None:
    contacts = UnkeptContacts()
    contacts.save("PJSIP", Contact(aor="alice", uri="sip:alice@192.0.2.9"), 1e9)
    assert await contacts.load("PJSIP") == []
