"""The message service: accepted means kept, kept means that its end will be known."""

from __future__ import annotations

import asyncio

import pytest

from support.messages_world import ONE, STORE, TWO, world
from support.virtual import settle
from switchroom.core.limits import MAX_LANE, PURGE_EVERY, RETRY_DELAYS, WINDOW
from switchroom.core.messages import MessageTerms
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import Conflict, EndpointNotFound, Full, InvalidParameter, MessageNotFound
from switchroom.model.message import Notification
from switchroom.model.record import MessageState

# ---- a message and its states


async def test_from_queued_to_delivered() -> None:
    w = await world(ONE)
    record = await w.send(body="hi")
    assert w.told == [("m1", "queued"), ("m1", "sending")]
    assert record.expires == record.created + 7 * 86_400
    await w.answer(202)
    assert w.told[2:] == [("m1", "delivered")]
    kept = w.journal.committed("m1")
    assert kept is not None
    (delivery,) = kept.deliveries
    assert (kept.state, delivery.contact, delivery.state) == ("delivered", ONE, "delivered")
    assert (delivery.status_code, delivery.reason, delivery.attempts) == (202, "Because", 1)


async def test_a_refusal_is_final_and_says_why() -> None:
    w = await world(ONE)
    await w.send()
    await w.answer(486)
    record = await w.now("m1")
    assert (record.state, record.deliveries[0].status_code) == ("failed", 486)


async def test_delivered_to_one_is_delivered_and_the_rest_is_seen() -> None:
    w = await world(ONE, TWO)
    await w.send()
    await w.answer(200, contact=TWO)
    assert await w.state("m1") == "delivered"
    await w.answer(603, contact=ONE)
    record = await w.now("m1")
    assert [(d.contact, d.state) for d in record.deliveries] == [(ONE, "failed"), (TWO, "delivered")]
    assert record.state == "delivered"


async def test_nothing_is_sent_that_is_not_kept() -> None:
    w = await world(ONE)
    w.journal.failing = True
    with pytest.raises(StoreUnavailable):
        await w.send()
    assert not w.on_the_wire()
    w.journal.repair()
    await w.send(body="again")
    assert w.on_the_wire() == [("again", ONE)]


async def test_nothing_is_sent_before_it_is_kept() -> None:
    w = await world(ONE)
    w.journal.gate = asyncio.Event()
    sending = asyncio.create_task(w.send())
    await settle()
    assert not w.on_the_wire()
    w.journal.gate.set()
    await sending
    assert w.on_the_wire() == [("hello", ONE)]


@pytest.mark.parametrize(("to", "error"), [("nobody", EndpointNotFound), ("bob", EndpointNotFound)])
async def test_whom_there_is_not_is_not_found(to: str, error: type[Exception]) -> None:
    w = await world()
    with pytest.raises(error):
        await w.send(to)
    assert not w.told


async def test_a_text_outside_every_endpoint() -> None:
    w = await world()
    record = await w.messages.send("pjsip:sip:x@192.0.2.7", "alice", "hi", {})
    assert record.endpoint == ""
    await w.answer(200)
    assert await w.state(record.id) == "delivered"


# ---- order and independence


async def test_order_is_kept_and_contacts_are_independent() -> None:
    w = await world(ONE, TWO)
    for number in range(3):
        await w.send(body=str(number))
    await w.send("carol", "c")
    assert w.on_the_wire() == [("0", ONE), ("0", TWO), ("c", "sip:carol@192.0.2.9")]
    await w.answer(200, contact=ONE, times=2)
    assert w.on_the_wire() == [("0", TWO), ("c", "sip:carol@192.0.2.9"), ("2", ONE)]


async def test_thousands_for_one_phone_hold_up_nobody_and_little_memory() -> None:
    w = await world(ONE)
    for number in range(200):
        await w.send(body=str(number))
    assert len(w.messages._dispatch) == WINDOW
    seen = []
    while w.on_the_wire():
        seen += [body for body, _ in w.on_the_wire()]
        await w.answer()
    assert seen == [str(number) for number in range(200)]


async def test_a_dead_second_contact_does_not_stop_the_first() -> None:
    w = await world(ONE, TWO)
    for number in range(MAX_LANE + 20):
        await w.send(body=str(number))
        await w.answer(contact=ONE)
        assert await w.state(f"m{number + 1}") == "delivered"
    (last,) = [d for d in (await w.now(f"m{MAX_LANE + 20}")).deliveries if d.contact == TWO]
    assert (last.state, last.status_code) == ("failed", 503)


async def test_too_many_for_one_endpoint_is_a_conflict() -> None:
    w = await world(ONE, terms=MessageTerms(max_waiting=20))
    for _ in range(20):
        await w.send()
    with pytest.raises(Conflict):
        await w.send()
    await w.send("carol")
    await w.answer(contact=ONE)
    await w.send()


async def test_too_many_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.core.messages.MAX_MESSAGES", 2)
    w = await world(ONE)
    await w.send()
    await w.send("carol")
    with pytest.raises(Full):
        await w.send()


# ---- trying again


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again_later_and_later(status: int) -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2")
    for delay in (*RETRY_DELAYS, RETRY_DELAYS[-1]):
        assert w.on_the_wire() == [("1", ONE)]
        await w.answer(status)
        assert await w.state("m1") == "queued"
        await w.pass_time(delay - 0.1)
        assert not w.on_the_wire()
        await w.pass_time(0.1)
    await w.answer()
    assert (await w.now("m1")).deliveries[0].attempts == 7
    assert w.on_the_wire() == [("2", ONE)]


@pytest.mark.parametrize("status", [301, 400, 404, 480, 501, 505, 513, 600])
async def test_what_will_not_pass_is_not(status: int) -> None:
    w = await world(ONE)
    await w.send()
    await w.answer(status)
    await w.pass_time(100)
    assert not w.on_the_wire()
    assert await w.state("m1") == "failed"


async def test_a_contact_that_registers_again_is_tried_at_once() -> None:
    w = await world(ONE)
    await w.send()
    await w.answer(408)
    w.messages.refreshed("PJSIP", ONE)
    assert w.on_the_wire() == [("hello", ONE)]


async def test_a_phone_that_comes_back_elsewhere_gets_what_its_old_contact_did_not_take() -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2")
    await w.answer(408)
    w.phones.come("bob", TWO)
    assert w.on_the_wire() == [("1", TWO)]
    await w.answer(contact=TWO, times=2)
    assert [await w.state(m) for m in ("m1", "m2")] == ["delivered", "delivered"]


# ---- identity


async def test_the_same_id_and_content_is_the_same_message() -> None:
    w = await world(ONE)
    first = await w.send(message_id="x:1")
    assert await w.send(message_id="x:1") is first
    await w.answer()
    again = await w.send(message_id="x:1")
    assert (again.id, again.state) == ("x:1", "delivered")
    assert not w.on_the_wire()


async def test_the_same_id_and_other_content_is_a_conflict() -> None:
    w = await world(ONE)
    await w.send(message_id="x")
    for other in ({"to": "carol"}, {"body": "other"}):
        with pytest.raises(Conflict):
            await w.send(message_id="x", **other)
    generated = await w.send()
    with pytest.raises(Conflict):
        await w.send(message_id=generated.id)


async def test_the_same_id_at_the_same_time() -> None:
    w = await world(ONE)
    w.journal.gate = asyncio.Event()
    both = [asyncio.create_task(w.send(message_id="x")) for _ in range(2)]
    other = asyncio.create_task(w.send(message_id="x", body="other"))
    await settle()
    assert isinstance(other.exception(), Conflict)
    w.journal.gate.set()
    first, second = await asyncio.gather(*both)
    assert first is second
    assert len(w.on_the_wire()) == 1


async def test_a_repeat_of_what_was_not_kept_is_tried_itself() -> None:
    w = await world(ONE)
    w.journal.gate = asyncio.Event()
    w.journal.failing = True
    both = [asyncio.create_task(w.send(message_id="x")) for _ in range(2)]
    await settle()
    w.journal.gate.set()
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    w.journal.repair()
    await w.send(message_id="x", body="other")


@pytest.mark.parametrize("message_id", ["", "a b", "a/b", "x" * 129, "a\r\nb", "é", "a@b"])
async def test_ids_that_can_not_be(message_id: str) -> None:
    w = await world(ONE)
    with pytest.raises(InvalidParameter):
        await w.send(message_id=message_id)


# ---- cancelling


async def test_what_waits_can_be_taken_back() -> None:
    w = await world(terms=STORE)
    await w.send(body="1")
    await w.send(body="2")
    await w.messages.cancel("m1")
    assert await w.state("m1") == "cancelled"
    w.phones.come("bob", ONE)
    await settle()
    assert w.on_the_wire() == [("2", ONE)]
    with pytest.raises(Conflict):
        await w.messages.cancel("m1")
    with pytest.raises(Conflict):
        await w.messages.cancel("m2")
    with pytest.raises(MessageNotFound):
        await w.messages.cancel("m9")


async def test_what_is_taken_back_while_nothing_can_be_written_is_not_said_to_be_kept() -> None:
    w = await world(terms=STORE)
    await w.send()
    w.journal.failing = True
    with pytest.raises(StoreUnavailable):
        await w.messages.cancel("m1")
    assert w.journal.owed() == {"m1"}
    w.phones.come("bob", ONE)
    await settle()
    assert w.on_the_wire() == []


async def test_what_stands_behind_another_or_is_to_be_tried_again_can_be_taken_back() -> None:
    w = await world(ONE)
    for body in ("1", "2", "3"):
        await w.send(body=body)
    await w.messages.cancel("m2")
    await w.answer(503)
    await w.messages.cancel("m1")
    assert w.on_the_wire() == [("3", ONE)]
    assert [await w.state(m) for m in ("m1", "m2")] == ["cancelled", "cancelled"]


async def test_what_one_contact_has_can_not_be_taken_back() -> None:
    w = await world(ONE, TWO)
    await w.send()
    await w.answer(contact=ONE)
    await w.answer(503, contact=TWO)
    with pytest.raises(Conflict):
        await w.messages.cancel("m1")


# ---- looking


async def test_search_shows_what_is_true_now() -> None:
    w = await world(ONE, terms=STORE)
    for body in ("1", "2", "3"):
        await w.send(body=body)
    await w.send("carol", "c")
    await w.answer(contact=ONE)
    bob = EndpointId("PJSIP", "bob")

    async def ids(**asked: object) -> list[str]:
        return [r.id for r in await w.messages.search(**{"limit": 10, **asked})]  # type: ignore[arg-type]

    assert await ids() == ["m4", "m3", "m2", "m1"]
    assert await ids(limit=2, after="m4") == ["m3", "m2"]
    assert await ids(endpoint=bob) == ["m3", "m2", "m1"]
    assert await ids(state=MessageState.SENDING) == ["m4", "m2"]
    assert await ids(state=MessageState.SENDING, endpoint=bob) == ["m2"]
    assert await ids(state=MessageState.SENDING, after="m4") == ["m2"]
    assert await ids(state=MessageState.QUEUED) == ["m3"]
    assert await ids(state=MessageState.QUEUED, limit=1) == ["m3"]
    assert await ids(state=MessageState.DELIVERED) == ["m1"]


async def test_what_a_device_tells_is_kept() -> None:
    w = await world(ONE, TWO)
    record = await w.send()
    await w.answer(200, contact=ONE)
    await w.answer(200, contact=TWO)
    who = EndpointId(record.technology, record.endpoint)
    assert await w.messages.note(record.id, who, TWO, Notification.DISPLAYED)
    assert await w.messages.note(record.id, who, "elsewhere", Notification.DELIVERED)
    committed = w.journal.committed(record.id)
    assert committed is not None
    # Who speaks from elsewhere is taken for who spoke before; what was displayed stays so.
    assert [d.notification for d in committed.deliveries] == [None, Notification.DISPLAYED]
    assert not await w.messages.note(record.id, EndpointId(record.technology, "carol"), ONE, Notification.DELIVERED)
    assert not await w.messages.note("unknown", who, ONE, Notification.DELIVERED)


async def test_finished_ones_are_forgotten_after_a_while() -> None:
    w = await world(ONE, terms=MessageTerms(retention=600))
    await w.send()
    await w.answer()
    await w.pass_time(600)
    assert await w.state("m1") == "delivered"
    await w.pass_time(2 * PURGE_EVERY)
    with pytest.raises(MessageNotFound):
        await w.now("m1")


async def test_the_text_of_a_finished_one_need_not_be_kept() -> None:
    w = await world(ONE, TWO, terms=MessageTerms(keep_body=False))
    await w.send()
    await w.answer(contact=ONE)
    assert (await w.now("m1")).body == "hello"
    await w.answer(contact=TWO)
    assert (await w.now("m1")).body == ""


# ---- a technology that tries contacts itself


async def test_fork_first_is_one_delivery_in_a_lane_of_its_own() -> None:
    w = await world(ONE, TWO, first=True)
    await w.send(body="1")
    await w.send(body="2")
    assert w.on_the_wire() == [("1", ONE)]
    w.phones.come("bob", "sip:bob@192.0.2.3")
    await w.answer(503)
    w.phones.go("bob", ONE)
    assert not w.on_the_wire()
    await w.pass_time(RETRY_DELAYS[0])
    assert w.on_the_wire() == [("1", TWO)]
    await w.answer(times=2)
    assert [len((await w.now(m)).deliveries) for m in ("m1", "m2")] == [1, 1]
