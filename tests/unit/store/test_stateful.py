"""The database against a dict: whatever is done, in whatever order, with faults and restarts between."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import Contact
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState
from switchroom.store.packing import ended, pack_message, unpack_message

from .faults import FaultySqliteStore, message, until_it_works

T = TypeVar("T")

ENDPOINTS = st.sampled_from(["alice", "bob", "c'; --", "\udc80"])
STATES = st.sampled_from(MessageState)


class Journals(RuleBasedStateMachine):
    """``self.kept`` is the model: what was accepted, by id, as last updated."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.opened()
        self.failing = False
        self.kept: dict[str, MessageRecord] = {}
        self.contacts: dict[tuple[str, str], float] = {}
        self.number = 0

    def opened(self) -> FaultySqliteStore:
        return FaultySqliteStore(self.folder / "switchroom.db")

    def run(self, ask: Callable[[], Awaitable[T]]) -> T:
        async def asking() -> T:
            return await ask()

        return self.loop.run_until_complete(asking())

    def teardown(self) -> None:
        self.store.heal()
        self.run(self.store.close)
        self.loop.close()
        shutil.rmtree(self.folder)

    @rule(target=ids, endpoint=ENDPOINTS, state=STATES, deliveries=st.lists(STATES, max_size=2))
    def accept(self, endpoint: str, state: MessageState, deliveries: list[MessageState]) -> str:
        self.number += 1
        record = message(f"m{self.number}", endpoint, state=state, deliveries=[])
        record.deliveries = [DeliveryRecord(contact=f"sip:{n}", state=each) for n, each in enumerate(deliveries)]
        if self.failing:
            with pytest.raises(StoreUnavailable):
                self.run(lambda: self.store.journal.accept(record))
        else:
            self.run(lambda: self.store.journal.accept(record))
            self.kept[record.id] = unpack_message(pack_message(record))
        return record.id

    @rule(name=ids)
    def accept_again(self, name: str) -> None:
        if name in self.kept:
            with pytest.raises(StoreUnavailable):
                self.run(lambda: self.store.journal.accept(message(name)))

    @rule(name=ids, state=STATES, code=st.integers(0, 699), at=st.integers(1, 100))
    def update(self, name: str, state: MessageState, code: int, at: int) -> None:
        record = self.kept.get(name)
        if record is None:
            return
        record.state, record.updated = state, float(at)
        record.deliveries.append(DeliveryRecord(contact="sip:new", state=state, status_code=code))

        async def update() -> None:
            self.store.journal.update(record, (len(record.deliveries) - 1,))

        self.run(update)

    @rule(aor=ENDPOINTS, expires=st.none() | st.floats(0, 1e10))
    def change_contact(self, aor: str, expires: float | None) -> None:
        async def change() -> None:
            if expires is None:
                self.store.contacts.forget("PJSIP", aor, "sip:x")
            else:
                self.store.contacts.save("PJSIP", Contact(aor=aor, uri="sip:x"), expires)

        self.run(change)
        if expires is None:
            self.contacts.pop((aor, "sip:x"), None)
        else:
            self.contacts[aor, "sip:x"] = expires

    @precondition(lambda self: not self.failing)
    @rule(before=st.integers(1, 1100))
    def purge(self, before: int) -> None:
        old = [name for name, record in self.kept.items() if (end := ended(record)) is not None and end < before]
        assert self.run(lambda: self.store.journal.purge(float(before))) == len(old)
        for name in old:
            del self.kept[name]

    @precondition(lambda self: not self.failing)
    @rule()
    def fail(self) -> None:
        self.store.fail("disk I/O error")
        with pytest.raises(StoreUnavailable):
            self.run(lambda: self.store.objects.put("k", "o", []))
        self.failing = True

    @precondition(lambda self: self.failing)
    @rule()
    def heal(self) -> None:
        self.store.heal()
        self.failing = False
        self.run(lambda: until_it_works(lambda: self.store.objects.put("k", "o", [])))

    @precondition(lambda self: not self.failing)
    @rule()
    def restart(self) -> None:
        self.run(self.store.close)
        assert self.store.database.dropped == 0
        self.store = self.opened()

    @precondition(lambda self: not self.failing)
    @rule(endpoint=st.just("") | ENDPOINTS, state=st.none() | STATES, limit=st.integers(1, 5))
    def search(self, endpoint: str, state: MessageState | None, limit: int) -> None:
        expected = [
            record
            for record in sorted(self.kept.values(), key=lambda record: -record.sequence)
            if endpoint in ("", record.endpoint) and state in (None, record.state)
        ]
        found = self.run(lambda: self.store.journal.search(endpoint=endpoint, state=state, limit=limit))
        assert found == expected[:limit]

    @precondition(lambda self: not self.failing)
    @rule(name=ids)
    def find(self, name: str) -> None:
        assert self.run(lambda: self.store.journal.find(name)) == self.kept.get(name)

    @invariant()
    def what_is_open_is_unfinished(self) -> None:
        if not self.failing:
            assert self.run(self.store.journal.unfinished) == [
                record
                for record in sorted(self.kept.values(), key=lambda record: record.sequence)
                if ended(record) is None
            ]
            contacts = self.run(lambda: self.store.contacts.load("PJSIP"))
            assert {(each.aor, each.uri): expires for each, expires in contacts} == self.contacts


TestJournals = Journals.TestCase
TestJournals.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
