"""What a message waits for: a contact, the end of its time, a server that comes back."""

from __future__ import annotations

import asyncio

import pytest

from support.messages_world import DEFAULTS, ONE, STORE, TWO, MessagesWorld, world
from support.virtual import settle
from switchroom.core.limits import RETRY_DELAYS, WINDOW
from switchroom.core.messages import MessageTerms
from switchroom.model.endpoint import ContactStatus, EndpointId
from switchroom.model.errors import Conflict, EndpointNotFound, InvalidParameter
from switchroom.model.record import MessageState

# ---- contacts come and go


async def test_an_unreachable_contact_gets_it_when_it_is_back() -> None:
    w = await world(ONE, TWO)
    w.phones.fall_silent("bob", TWO)
    await w.send()
    assert w.on_the_wire() == [("hello", ONE)]
    await w.answer()
    assert await w.state("m1") == "delivered"
    w.phones.come("bob", TWO, ContactStatus.REACHABLE)
    assert w.on_the_wire() == [("hello", TWO)]
    await w.answer()
    assert len(w.messages._dispatch) == 0


async def test_when_all_are_unreachable_all_are_tried() -> None:
    w = await world(ONE, TWO)
    w.phones.fall_silent("bob", ONE)
    w.phones.fall_silent("bob", TWO)
    await w.send()
    assert len(w.on_the_wire()) == 2


async def test_a_contact_that_goes_takes_its_messages_with_it() -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2")
    w.phones.go("bob", ONE)
    record = await w.now("m2")
    assert (record.state, record.deliveries[0].status_code) == ("failed", 480)
    assert await w.state("m1") == "sending"
    await w.answer(408)
    assert await w.state("m1") == "failed"


async def test_a_contact_that_goes_leaves_what_another_can_take() -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2")
    w.phones.come("bob", TWO)
    w.phones.go("bob", ONE)
    await w.answer(contact=TWO, times=2)
    await w.answer(408, contact=ONE)
    assert await w.state("m1") == "delivered"
    record = await w.now("m2")
    assert [(d.contact, d.state.value) for d in record.deliveries] == [(ONE, "failed"), (TWO, "delivered")]


# ---- offline


async def test_offline_by_request_by_endpoint_and_by_setting() -> None:
    bob = EndpointId("PJSIP", "bob")
    for terms, asked, kept in (
        (MessageTerms(), None, False),
        (MessageTerms(), True, True),
        (STORE, None, True),
        (STORE, False, False),
        (MessageTerms(offline_of={bob: True}), None, True),
        (MessageTerms(offline=True, offline_of={bob: False}), None, False),
    ):
        w = await world(terms=terms)
        assert w.messages.keeps(bob) == terms.offline_of.get(bob, terms.offline)
        if kept:
            assert (await w.send(offline=asked)).state is MessageState.QUEUED
        else:
            with pytest.raises(EndpointNotFound):
                await w.send(offline=asked)


async def test_it_waits_for_the_endpoint_and_goes_in_order() -> None:
    w = await world(terms=STORE)
    for number in range(40):
        await w.send(body=str(number))
    assert len(w.messages._dispatch) == 0
    w.phones.come("bob", ONE)
    await w.send(body="40")
    seen = []
    await settle()
    while w.on_the_wire():
        seen += [body for body, _ in w.on_the_wire()]
        assert len(w.messages._dispatch) <= WINDOW
        await w.answer()
    assert seen == [str(number) for number in range(41)]


@pytest.mark.parametrize("ends", [None, 200, 603, 503])
async def test_what_is_under_way_to_a_contact_that_is_gone_overtakes_nothing_that_waits(ends: int | None) -> None:
    w = await world(ONE, TWO, terms=STORE)
    w.phones.fall_silent("bob", TWO)
    for body in ("1", "2", "3"):
        await w.send(body=body)
    await w.answer(603, contact=ONE)
    assert w.on_the_wire() == [("2", ONE)]
    w.phones.go("bob", ONE)
    w.phones.go("bob", TWO)
    if ends:
        await w.answer(ends, contact=ONE)
    w.phones.come("bob", TWO)
    await settle()
    seen = []
    while to_two := [body for body, contact in w.on_the_wire() if contact == TWO]:
        seen += to_two
        await w.answer(contact=TWO)
    # What one phone has already does not wait for another one that comes.
    assert seen == (["1", "3"] if ends == 200 else ["1", "2", "3"])


async def test_what_stood_behind_goes_on_when_what_waited_is_taken_back() -> None:
    w = await world(ONE, TWO, terms=STORE)
    w.phones.fall_silent("bob", TWO)
    await w.send(body="1")
    await w.send(body="2")
    await w.answer(603, contact=ONE)
    w.phones.go("bob", ONE)
    w.phones.go("bob", TWO)
    await w.messages.cancel("m1")
    w.phones.come("bob", TWO)
    await settle()
    assert w.on_the_wire() == [("2", ONE), ("2", TWO)]


async def test_it_waits_again_when_the_contact_goes() -> None:
    w = await world(ONE, terms=STORE)
    for body in ("1", "2", "3"):
        await w.send(body=body)
    w.phones.go("bob", ONE)
    assert [await w.state(m) for m in ("m1", "m2", "m3")] == ["sending", "queued", "queued"]
    await w.answer(408)
    w.phones.come("bob", TWO)
    await w.answer(times=3)
    record = await w.now("m1")
    assert record.state == "delivered"
    assert [(d.contact, d.state.value) for d in record.deliveries] == [(ONE, "failed"), (TWO, "delivered")]


async def test_a_contact_that_comes_while_a_message_is_being_kept() -> None:
    w = await world(terms=STORE)
    w.journal.gate = asyncio.Event()
    sending = asyncio.create_task(w.send())
    await settle()
    w.phones.come("bob", ONE)
    w.journal.gate.set()
    await sending
    await settle()
    assert w.on_the_wire() == [("hello", ONE)]


# ---- expiry


async def test_what_waits_expires() -> None:
    w = await world(terms=STORE)
    await w.send(expires=60)
    await w.send(expires=3600)
    await w.pass_time(60)
    assert [await w.state(m) for m in ("m1", "m2")] == ["expired", "queued"]
    w.phones.come("bob", ONE)
    await settle()
    assert len(w.on_the_wire()) == 1


async def test_what_is_tried_again_expires_and_lets_the_next_one_go() -> None:
    w = await world(ONE)
    await w.send(body="1", expires=30)
    await w.send(body="2")
    for delay in RETRY_DELAYS[:2]:
        await w.answer(503)
        await w.pass_time(delay)
    await w.answer(503)
    await w.pass_time(10)
    record = await w.now("m1")
    assert (record.state, record.deliveries[0].status_code) == ("expired", 503)
    assert w.on_the_wire() == [("2", ONE)]


async def test_what_is_being_sent_ends_by_its_answer() -> None:
    w = await world(ONE)
    await w.send(expires=10)
    await w.send(expires=10)
    await w.pass_time(11)
    assert [await w.state(m) for m in ("m1", "m2")] == ["sending", "expired"]
    await w.answer()
    assert await w.state("m1") == "delivered"


@pytest.mark.parametrize("expires", [0, -1, 1e12, float("nan"), float("inf")])
async def test_a_life_that_is_none(expires: float) -> None:
    w = await world(ONE)
    with pytest.raises(InvalidParameter):
        await w.send(expires=expires)


async def test_a_wall_clock_that_jumps_expires_nothing() -> None:
    w = await world(terms=STORE)
    await w.send(expires=600)
    w.clock.offset += 3_600
    await w.pass_time(599)
    assert await w.state("m1") == "queued"
    w.clock.offset -= 7_200
    await w.pass_time(1)
    assert await w.state("m1") == "expired"


# ---- after the end of the process


async def restarted(w: MessagesWorld, *contacts: str, terms: MessageTerms = DEFAULTS) -> MessagesWorld:
    """A new service on what the old one's journal has committed."""
    w.journal.cut_off()
    new = MessagesWorld("bob", "carol", terms=terms, journal=w.journal, clock=w.clock)
    await new.messages.restore()
    for uri in contacts:
        new.phones.come("bob", uri)
    await settle()
    assert not new.on_the_wire()
    new.messages.start()
    await settle()
    return new


async def test_what_was_open_goes_again_in_order_and_what_ended_does_not() -> None:
    w = await world(ONE)
    for body in ("1", "2", "3"):
        await w.send(body=body)
    await w.answer()
    new = await restarted(w, ONE)
    assert new.on_the_wire() == [("2", ONE)]
    await new.answer(times=2)
    assert [await new.state(m) for m in ("m1", "m2", "m3")] == ["delivered"] * 3


async def test_an_end_that_was_not_written_is_repeated_with_the_same_id() -> None:
    w = await world(ONE)
    await w.send(message_id="x")
    w.journal.failing = True
    await w.answer()
    assert await w.state("x") == "delivered"
    new = await restarted(w, ONE)
    ((delivery, _),) = new.phones.open
    assert delivery.message.id == "x"


async def test_contacts_that_had_it_do_not_get_it_again() -> None:
    w = await world(ONE, TWO)
    await w.send()
    await w.answer(contact=ONE)
    new = await restarted(w, ONE, TWO, "sip:bob@192.0.2.3")
    assert new.on_the_wire() == [("hello", TWO)]
    await new.answer(486)
    assert await new.state("m1") == "delivered"


async def test_without_a_contact_it_waits_or_has_failed() -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2", offline=True)
    new = await restarted(w)
    record = await new.now("m1")
    assert (record.state, record.deliveries[0].status_code) == ("failed", 480)
    assert await new.state("m2") == "queued"
    new.phones.come("bob", TWO)
    await settle()
    assert new.on_the_wire() == [("2", TWO)]


async def test_an_endpoint_that_is_not_configured_any_more() -> None:
    w = await world(ONE)
    await w.send()
    w.journal.cut_off()
    new = await MessagesWorld("carol", journal=w.journal, clock=w.clock).start()
    record = await new.now("m1")
    assert (record.state, record.deliveries[0].status_code) == ("failed", 404)


async def test_life_goes_on_while_the_server_is_down() -> None:
    w = await world(terms=STORE)
    await w.send(body="1", expires=60)
    await w.send(body="2", expires=600)
    w.clock.now += 100
    new = await restarted(w, terms=STORE)
    await new.pass_time(0)
    assert [await new.state(m) for m in ("m1", "m2")] == ["expired", "queued"]


async def test_the_repeat_of_an_id_after_a_restart() -> None:
    w = await world(ONE)
    await w.send(message_id="x")
    await w.answer()
    new = await restarted(w, ONE)
    assert (await new.send(message_id="x")).state is MessageState.DELIVERED
    with pytest.raises(Conflict):
        await new.send(message_id="x", body="other")
    assert not new.on_the_wire()


async def test_a_store_that_fails_holds_no_delivery_up() -> None:
    w = await world(ONE)
    await w.send(body="1")
    await w.send(body="2")
    w.journal.failing = True
    await w.answer(times=2)
    w.journal.repair()
    kept = [w.journal.committed(m) for m in ("m1", "m2")]
    assert [record and record.state for record in kept] == ["delivered"] * 2


async def test_the_stop_begins_nothing_and_hears_what_ends() -> None:
    w = await world(ONE, terms=STORE)
    await w.send(body="1")
    await w.send(body="2")
    await w.messages.stop()
    await w.answer()
    assert not w.on_the_wire()
    assert [await w.state(m) for m in ("m1", "m2")] == ["delivered", "queued"]
