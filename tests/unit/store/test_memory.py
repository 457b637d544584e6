"""What is only true of the stores in memory: they are bounded, and contacts are not copied."""

from __future__ import annotations

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import Contact
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState
from switchroom.store import memory
from switchroom.store.memory import HeldJournal, MemoryStore, MemoryStoreJournal, UnkeptContacts


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


def deliver(record: MessageRecord) -> None:
    record.state = record.deliveries[0].state = MessageState.DELIVERED


@pytest.mark.parametrize("make", [MemoryStoreJournal, HeldJournal])
async def test_ended_messages_are_bounded_and_open_ones_stay(
    make: type[MemoryStoreJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_ENDED", 3)
    journal = make(MemoryStore())
    records = [message(number) for number in range(6)]
    for record in records:
        await journal.accept(record)
    for record in records[1:]:
        deliver(record)
        journal.update(record, [0])
    known = [record.id for record in records if await journal.find(record.id) is not None]
    assert known == ["m0", "m3", "m4", "m5"]


async def test_more_open_messages_than_are_held_end_as_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_HELD", 2)
    journal = HeldJournal(MemoryStore())
    records = [message(number) for number in range(5)]
    for record in records:
        await journal.accept(record)
    assert [record.id for record in await journal.unfinished()] == ["m0", "m1", "m2", "m3", "m4"]
    assert [record.id for record in await journal.search(limit=2, after="m3")] == ["m2", "m1"]
    for record in (records[0], records[4]):
        deliver(record)
        journal.update(record, [0])
    assert [record.id for record in await journal.unfinished(after=1)] == ["m1", "m2", "m3"]
    assert [await journal.find(record.id) for record in records] == records
    assert await journal.purge(1e9) == 2
    assert await journal.find("m0") is None


async def test_a_change_of_an_open_message_is_seen() -> None:
    journal = HeldJournal(MemoryStore())
    await journal.accept(message(1))
    found = await journal.find("m1")
    assert found is not None
    found.deliveries[0].attempts = 2
    journal.update(found, [0])
    again = await journal.find("m1")
    assert again is not None
    assert again.deliveries[0].attempts == 2


async def test_an_id_is_taken_once() -> None:
    journal = HeldJournal(MemoryStore())
    await journal.accept(message(1))
    with pytest.raises(StoreUnavailable, match="id is kept"):
        await journal.accept(message(1))


async def test_contacts_without_a_state_folder_are_in_the_registry_alone() -> None:
    contacts = UnkeptContacts()
    contacts.save("PJSIP", Contact(aor="alice", uri="sip:alice@192.0.2.9"), 1e9)
    assert await contacts.load("PJSIP") == []
