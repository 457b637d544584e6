"""Threat S36: texts of others in the store. Whatever they hold, they come back equal and change nothing else."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import switchroom.store
from switchroom.model.endpoint import Contact
from switchroom.model.record import DeliveryRecord, MessageRecord
from switchroom.store.sqlite import SqliteStore

#: Any text Python holds: NUL and lone surrogates too, which stand for bytes that are no UTF-8.
ANY = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs"]), max_size=4)

HOSTILE = [
    "'; DROP TABLE message; --",
    '" OR ""="',
    "a'b''c",
    "?1 :name @name $name",
    "%_*[",
    "\x00",
    "a\x00b",
    "\r\nX: y",
    "\udc80\udcff",
    "\ud83d\ude00",
    "\U0001f600",
    "e\u0301 \u00e9",
    "\u202e",
    "x" * 70_000,
]

texts = st.sampled_from(HOSTILE) | ANY


@contextmanager
def opened(folder: Path) -> Iterator[tuple[asyncio.Runner, SqliteStore]]:
    with asyncio.Runner() as runner:
        store = SqliteStore.open(folder)
        try:
            yield runner, store
        finally:
            runner.run(store.close())


def message(number: int, text: str) -> MessageRecord:
    return MessageRecord(
        id=f"{number}{text}",
        technology=text,
        destination=text,
        endpoint=text,
        sender=text,
        body=text,
        headers={text: text},
        digest=text,
        created=1.0,
        expires=2.0,
        deliveries=[DeliveryRecord(contact=text, reason=text)],
    )


async def check(store: SqliteStore, number: int, text: str, other: str) -> None:
    one, two = message(number, text), message(number + 1, other)
    await store.journal.accept(one)
    await store.journal.accept(two)
    one.deliveries[0].reason = other
    store.journal.update(one, (0,))
    assert await store.journal.find(one.id) == one
    assert await store.journal.find(two.id) == two
    matching = [record for record in (two, one) if text in ("", record.endpoint)]
    found = await store.journal.search(technology=text, endpoint=text, limit=len(matching))
    assert found == matching

    contact = Contact(aor=text, uri=other, user_agent=text, path=(text, other), instance=other, call_id=text)
    store.contacts.save(text, contact, 7.0)
    store.contacts.save(text, Contact(aor=text, uri=other + "x"), 8.0)
    assert (contact, 7.0) in await store.contacts.load(text)
    store.contacts.forget(text, text, other)
    assert [each.uri for each, _ in await store.contacts.load(text) if each.aor == text] == [other + "x"]
    store.contacts.forget(text, text, other + "x")

    await store.objects.put(text, other, [(text, other), (other, text)])
    assert await store.objects.all() == [(text, other, [(text, other), (other, text)])]
    assert await store.objects.delete(text, other)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_a_hostile_text(tmp_path: Path, text: str) -> None:
    with opened(tmp_path) as (runner, store):
        runner.run(check(store, 0, text, "plain"))
        runner.run(check(store, 2, "plain", text))


def test_any_text(tmp_path: Path) -> None:
    with opened(tmp_path) as (runner, store):
        numbers = iter(range(0, 1_000_000, 2))

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(text=texts, other=texts)
        def check_any(text: str, other: str) -> None:
            runner.run(check(store, next(numbers), text, other))

        check_any()


def test_texts_are_the_same_after_a_restart(tmp_path: Path) -> None:
    records = [message(number, text) for number, text in enumerate(HOSTILE)]
    with opened(tmp_path) as (runner, store):
        for record in records:
            runner.run(store.journal.accept(record))
    with opened(tmp_path) as (runner, store):
        assert runner.run(store.journal.unfinished()) == records


def test_no_statement_is_made_of_values() -> None:
    """SQL is made of texts of the source alone; what is joined into it is listed here, and is no value."""
    joined = set()
    for source in Path(switchroom.store.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if re.search(r"\b(SELECT|PRAGMA|AND|state =) ", text):
                joined |= {ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)}
    assert joined == {
        "CACHE_KIB", "CHECKPOINT_PAGES", "LOG_BYTES", "MessageState(state).value", "RUN_BITS",
        "_SYNCHRONOUS[durability]", "number", "step", "table", "version", "where",
    }  # fmt: skip
