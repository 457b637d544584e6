"""What core.storage promises, of every store."""

from __future__ import annotations

import asyncio

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState

from .faults import Store, message, until_it_works


def end(record: MessageRecord, state: MessageState = MessageState.DELIVERED, at: float = 1001.0) -> MessageRecord:
    """The message and its deliveries come to an end."""
    record.state, record.updated = state, at
    for delivery in record.deliveries:
        delivery.state, delivery.updated, delivery.attempts, delivery.status_code = state, at, 1, 200
    return record


# ---- messages


async def test_what_was_accepted_is_found_as_it_was(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    assert record.sequence > 0
    assert await store.journal.find("m1") == record
    assert await store.journal.find("m2") is None


async def test_messages_are_numbered_in_the_order_of_acceptance(store: Store) -> None:
    records = [message(f"m{number}") for number in range(50)]
    await asyncio.gather(*(store.journal.accept(record) for record in records))
    sequences = [record.sequence for record in records]
    assert sequences == sorted(set(sequences))
    assert await store.journal.unfinished() == records


async def test_an_update_is_seen_at_once(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    record.deliveries.append(DeliveryRecord(contact="sip:alice@192.0.2.2"))
    store.journal.update(end(record), (0, 1))
    assert await store.journal.find("m1") == record
    assert await store.journal.search(limit=10) == [record]


async def test_the_last_of_many_updates_counts(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    for attempt in range(1, 6):
        record.deliveries[0].attempts = attempt
        store.journal.update(record, (0,))
    found = await store.journal.find("m1")
    assert found == record


async def test_a_change_that_was_not_written_does_not_show(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    record.deliveries[0].attempts = 1
    store.journal.update(record, (0,))
    record.deliveries[0].attempts = 2
    found = await store.journal.find("m1")
    assert found
    assert found.deliveries[0].attempts == 1


async def test_an_emptied_body_is_erased(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    record.body = ""
    store.journal.update(end(record))
    found = await store.journal.find("m1")
    assert found
    assert found.body == ""


async def test_an_update_of_an_unknown_message_makes_none(store: Store) -> None:
    store.journal.update(message("m1"))
    assert await store.journal.find("m1") is None
    assert await store.journal.search(limit=10) == []


async def test_an_id_is_kept_once(store: Store) -> None:
    first, second = message("m1"), message("m1", body="other")
    outcomes = await asyncio.gather(store.journal.accept(first), store.journal.accept(second), return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], StoreUnavailable)
    with pytest.raises(StoreUnavailable, match="with this id is kept already"):
        await store.journal.accept(message("m1"))
    found = await store.journal.find("m1")
    assert found == next(record for record in (first, second) if record.sequence)


async def test_confirm_waits_for_what_was_written_behind(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    store.journal.update(end(record), (0,))
    await store.journal.confirm()
    assert store.queued == 0
    store.fail("disk full")
    store.journal.update(record, (0,))
    with pytest.raises(StoreUnavailable):
        await store.journal.confirm()
    store.heal()
    await until_it_works(store.journal.confirm)
    assert store.queued == 0


async def test_unfinished_is_what_has_something_open(store: Store) -> None:
    half = message("half", deliveries=[DeliveryRecord(contact=contact) for contact in ("sip:a@b", "sip:c@d")])
    waiting = message("waiting", deliveries=[])
    tried = message("tried")
    delivered, expired = message("delivered"), message("expired", deliveries=[])
    for record in (half, waiting, delivered, tried, expired):
        await store.journal.accept(record)
    half.state = half.deliveries[0].state = MessageState.DELIVERED
    store.journal.update(half, (0,))
    tried.deliveries[0].state = MessageState.FAILED
    store.journal.update(tried, (0,))
    store.journal.update(end(delivered), (0,))
    store.journal.update(end(expired, MessageState.EXPIRED))
    assert await store.journal.unfinished() == [half, waiting, tried]
    assert await store.journal.unfinished(limit=2) == [half, waiting]
    assert await store.journal.unfinished(after=waiting.sequence, limit=2) == [tried]


async def test_search_gives_the_newest_first_in_pages(store: Store) -> None:
    records = [message(f"m{number}") for number in range(25)]
    for record in records:
        await store.journal.accept(record)
    seen: list[MessageRecord] = []
    after = ""
    while page := await store.journal.search(limit=7, after=after):
        assert len(page) <= 7
        seen += page
        after = page[-1].id
    assert seen == records[::-1]
    assert await store.journal.search(limit=7, after="unknown") == []


async def test_search_filters(store: Store) -> None:
    states = list(MessageState)
    records = []
    for number in range(600):  # more than two runs of the index by endpoint
        state = states[number % len(states)]
        record = message(f"m{number}", endpoint=f"e{number % 5}", technology=("PJSIP", "XMPP")[number % 2])
        records.append(record if not state.final else end(record, state))
        record.state = state
    await asyncio.gather(*(store.journal.accept(record) for record in records))
    records.reverse()
    for endpoint in ("", "e1", "e4", "nobody"):
        for technology in ("", "PJSIP", "XMPP", "SIP"):
            for state_asked in (None, *states):
                expected = [
                    record
                    for record in records
                    if endpoint in ("", record.endpoint)
                    and technology in ("", record.technology)
                    and state_asked in (None, record.state)
                ]
                found = await store.journal.search(
                    endpoint=endpoint, technology=technology, state=state_asked, limit=20
                )
                assert found == expected[:20]
                if len(expected) > 20:
                    found = await store.journal.search(
                        endpoint=endpoint, technology=technology, state=state_asked, limit=1000, after=expected[19].id
                    )
                    assert found == expected[20:]


async def test_search_leaps_over_what_was_purged(store: Store) -> None:
    records = [message(f"m{number}") for number in range(1000)]
    await asyncio.gather(*(store.journal.accept(record) for record in records))
    for record in records[1:-1]:
        store.journal.update(end(record))
    assert await store.journal.purge(2000.0) == 998
    assert await store.journal.search(endpoint="alice", limit=10) == [records[-1], records[0]]


async def test_purge_forgets_what_ended_before(store: Store) -> None:
    early, late, opened, unknown_time = message("early"), message("late"), message("open"), message("unknown")
    for record in (early, late, opened, unknown_time):
        await store.journal.accept(record)
    store.journal.update(end(early, at=1500.0))
    store.journal.update(end(late, at=2500.0))
    store.journal.update(end(unknown_time, at=0.0))
    assert await store.journal.purge(1500.0) == 1
    assert await store.journal.purge(1500.1) == 1
    assert await store.journal.purge(2500.0) == 0
    assert await store.journal.search(limit=10) == [opened, late]
    await store.journal.accept(message("early"))


# ---- contacts


def contact(uri: str = "sip:alice@192.0.2.1:5060", aor: str = "alice", **fields: object) -> Contact:
    return Contact(aor=aor, uri=uri, **fields)  # type: ignore[arg-type]


async def test_contacts_come_back_with_their_expiry(store: Store) -> None:
    full = contact(
        status=ContactStatus.REACHABLE,
        roundtrip_usec=1200,
        registered=1000.25,
        expires=77.0,
        q=0.5,
        user_agent="Phone/1",
        transport="udp",
        address="192.0.2.1:5060",
        path=("<sip:edge.example.com;lr>", "<sip:inner;lr>"),
        original_uri="sip:alice@10.0.0.1",
        call_id="c@d",
        cseq=7,
        instance="<urn:uuid:00000000-0000-1000-8000-000000000000>",
        flow=object(),
    )
    store.contacts.save("PJSIP", full, 4600.125)
    store.contacts.save("PJSIP", contact(aor="bob"), 1.0)
    store.contacts.save("SIP", contact(), 2.0)
    (loaded, expires), (other, _) = await store.contacts.load("PJSIP")
    assert expires == 4600.125
    assert loaded.flow is None
    assert loaded.expires is None
    assert {f: getattr(loaded, f) for f in Contact.__struct_fields__ if f not in ("flow", "expires")} == {
        f: getattr(full, f) for f in Contact.__struct_fields__ if f not in ("flow", "expires")
    }
    assert other.aor == "bob"
    assert await store.contacts.load("XMPP") == []


async def test_a_contact_is_replaced_and_forgotten(store: Store) -> None:
    store.contacts.save("PJSIP", contact(cseq=1), 10.0)
    store.contacts.save("PJSIP", contact(cseq=2), 20.0)
    assert [(each.cseq, expires) for each, expires in await store.contacts.load("PJSIP")] == [(2, 20.0)]
    store.contacts.forget("PJSIP", "alice", "sip:nobody@192.0.2.9")
    store.contacts.forget("PJSIP", "alice", contact().uri)
    assert await store.contacts.load("PJSIP") == []
    store.contacts.forget("PJSIP", "alice", contact().uri)
    store.contacts.save("PJSIP", contact(cseq=3), 30.0)
    assert [each.cseq for each, _ in await store.contacts.load("PJSIP")] == [3]


async def test_many_contacts_in_one_turn(store: Store) -> None:
    for number in range(2500):
        store.contacts.save("PJSIP", contact(aor=f"{number:04}"), float(number))
    assert [expires for _, expires in await store.contacts.load("PJSIP")] == [float(number) for number in range(2500)]


# ---- objects


async def test_objects_keep_their_place(store: Store) -> None:
    for name in ("c", "a", "b"):
        await store.objects.put("res_pjsip/endpoint", name, [("name", name), ("name", "again")])
    await store.objects.put("res_pjsip/endpoint", "a", [("changed", "1")])
    await store.objects.put("res_pjsip/aor", "a", [])
    assert await store.objects.all() == [
        ("res_pjsip/endpoint", "c", [("name", "c"), ("name", "again")]),
        ("res_pjsip/endpoint", "a", [("changed", "1")]),
        ("res_pjsip/endpoint", "b", [("name", "b"), ("name", "again")]),
        ("res_pjsip/aor", "a", []),
    ]
    assert await store.objects.delete("res_pjsip/endpoint", "c") is True
    assert await store.objects.delete("res_pjsip/endpoint", "c") is False
    await store.objects.put("res_pjsip/endpoint", "c", [])
    assert [(kind, name) for kind, name, _ in await store.objects.all()][-1] == ("res_pjsip/endpoint", "c")


# ---- failure


async def test_a_store_that_fails_refuses_with_its_reason(store: Store) -> None:
    store.fail("database or disk is full")
    refused = message("m1")
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await store.journal.accept(refused)
    assert refused.sequence == 0
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await store.objects.put("k", "o", [])
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await store.objects.delete("k", "o")
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await store.journal.purge(9999.0)
    store.heal()
    accepted = message("m2")
    await until_it_works(lambda: store.journal.accept(accepted))
    assert await store.journal.unfinished() == [accepted]
    assert await store.objects.all() == []


async def test_what_a_failing_store_owes_is_written_when_it_works(store: Store) -> None:
    records = [message(f"m{number}") for number in range(10)]
    for record in records:
        await store.journal.accept(record)
    store.contacts.save("PJSIP", contact(aor="gone"), 1.0)
    store.fail("disk I/O error")
    for record in records:
        record.state = MessageState.SENDING
        store.journal.update(record)
    for record in records[:5]:
        store.journal.update(end(record), (0,))
    store.contacts.save("PJSIP", contact(aor="new"), 2.0)
    store.contacts.forget("PJSIP", "gone", contact().uri)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await store.journal.find("m1")
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await store.journal.search(limit=1)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await store.contacts.load("PJSIP")
    store.heal()
    assert await until_it_works(store.journal.unfinished) == records[5:]
    assert await store.journal.search(limit=100) == records[::-1]
    assert [each.aor for each, _ in await store.contacts.load("PJSIP")] == ["new"]


async def test_a_store_fails_and_works_again_and_again(store: Store) -> None:
    record = message("m1")
    await store.journal.accept(record)
    for attempt in range(1, 4):
        store.fail("locked")
        record.deliveries[0].attempts = attempt
        store.journal.update(record, (0,))
        with pytest.raises(StoreUnavailable):
            await store.journal.find("m1")
        store.heal()
        assert await until_it_works(lambda: store.journal.find("m1")) == record


async def test_a_closed_store_refuses(store: Store) -> None:
    await store.journal.accept(message("m1"))
    await store.close()
    store.journal.update(message("m1"))
    store.contacts.save("PJSIP", contact(), 1.0)
    for ask in (
        store.journal.accept(message("m2")),
        store.journal.find("m1"),
        store.journal.search(limit=1),
        store.contacts.load("PJSIP"),
        store.objects.all(),
    ):
        with pytest.raises(StoreUnavailable, match="the store is closed"):
            await ask
    await store.close()
