"""What is counted: each message, referral and answer once, and nothing that grows with traffic."""

from __future__ import annotations

import pytest

from support.messages_world import MessagesWorld
from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.limits import LAG_EVERY
from switchroom.core.tally import DELIVERY_BOUNDS, LAG_BOUNDS, OTHER, Answers, Histogram, LoopLag, Tally
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import ContactStatusChange, ReferStatusChange, TextMessageStatusChange
from switchroom.model.message import ReferralState
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState, ReferralRecord


async def world(*contacts: str) -> tuple[MessagesWorld, Tally]:
    w = MessagesWorld("bob")
    tally = Tally(w.clock.wall())
    w.bus.attach(tally)
    await w.start()
    for contact in contacts:
        w.phones.come("bob", contact)
    return w, tally


def test_a_value_is_in_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 7.0):
        histogram.add(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 12.0


@pytest.mark.parametrize("bounds", [DELIVERY_BOUNDS, LAG_BOUNDS])
def test_bounds_rise(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_methods_of_strangers_are_one() -> None:
    answers = Answers(("GET",))
    answers.add("GET", 200)
    for number in range(1000):
        answers.add(f"BREW{number}", 405)
    answers.add("GET", 200)
    assert list(answers) == [("GET", 200, 2), (OTHER, 405, 1000)]


async def test_a_message_is_counted_when_it_comes_and_when_it_ends() -> None:
    w, tally = await world("sip:one")
    await w.send()
    assert (tally.accepted, tally.ended) == ({"PJSIP": 1}, {})
    await w.pass_time(0.2)
    await w.answer(200)
    assert (tally.accepted, tally.ended) == ({"PJSIP": 1}, {("PJSIP", "delivered"): 1})
    assert tally.delivery.total == pytest.approx(0.2)
    assert tally.delivery.counts[DELIVERY_BOUNDS.index(0.25)] == 1
    await w.send()
    await w.answer(488)
    assert tally.ended == {("PJSIP", "delivered"): 1, ("PJSIP", "failed"): 1}
    assert sum(tally.delivery.counts) == 1


async def test_a_message_to_several_contacts_is_one() -> None:
    w, tally = await world("sip:one", "sip:two", "sip:three")
    await w.send()
    await w.pass_time(1.0)
    await w.answer(200, contact="sip:two")
    assert tally.ended == {("PJSIP", "delivered"): 1}
    await w.answer(488, contact="sip:one")
    await w.pass_time(1.0)
    await w.answer(200, contact="sip:three")
    assert tally.ended == {("PJSIP", "delivered"): 1}
    assert tally.delivery.total == pytest.approx(1.0)
    assert not tally._lingering


async def test_attempts_and_waiting_are_no_messages() -> None:
    w, tally = await world()
    record = await w.send(offline=True, expires=100)
    await w.pass_time(1.0)
    w.phones.come("bob", "sip:one")
    await w.pass_time(1.0)
    await w.answer(503)
    await w.pass_time(5.0)
    await w.answer(503)
    assert (tally.accepted, tally.ended) == ({"PJSIP": 1}, {})
    await w.messages.cancel(record.id)
    w.phones.go("bob", "sip:one")
    await w.send(offline=True, expires=10)
    await w.pass_time(20.0)
    assert tally.accepted == {"PJSIP": 2}
    assert tally.ended == {("PJSIP", "cancelled"): 1, ("PJSIP", "expired"): 1}


def test_what_was_delivered_before_the_start_was_counted_then() -> None:
    tally = Tally(since=1000.0)
    earlier = DeliveryRecord(contact="sip:a", state=MessageState.DELIVERED, updated=900.0)
    later = DeliveryRecord(contact="sip:b", state=MessageState.FAILED, updated=1001.0)
    record = MessageRecord(
        id="m1",
        technology="PJSIP",
        destination="bob",
        sender="alice",
        body="",
        state=MessageState.DELIVERED,
        created=800.0,
        expires=2000.0,
        deliveries=[earlier, later],
    )
    tally.hear(TextMessageStatusChange(message=record, at=1001.0))
    assert tally.ended == {}
    assert sum(tally.delivery.counts) == 0


async def test_events_are_counted_by_their_name() -> None:
    w, tally = await world("sip:one")
    assert tally.published[ContactStatusChange] == 1
    assert not tally.takes(EndpointId("PJSIP", "bob"))
    await w.send()
    await w.answer(200)
    assert tally.published[TextMessageStatusChange] == len(w.told) == 3


def test_a_referral_is_counted_in_each_state_it_gets_to() -> None:
    tally = Tally(0.0)
    referral = ReferralRecord(
        id="r", technology="PJSIP", destination="bob", sender="a", refer_to="c", created=1.0, updated=1.0
    )
    for state in (ReferralState.SENT, ReferralState.ACCEPTED, ReferralState.ANSWERED):
        referral.state = state
        tally.hear(ReferStatusChange(referral=referral, at=1.0))
    assert tally.referrals == {"sent": 1, "accepted": 1, "trying": 0, "ringing": 0, "answered": 1, "failed": 0}


async def test_lag_is_how_late_an_alarm_rings() -> None:
    clock = VirtualClock()
    timers = VirtualTimers(clock)
    lag = LoopLag(clock, timers)
    lag.start()
    await timers.pass_time(3 * LAG_EVERY)
    assert sum(lag.seconds.counts) == lag.seconds.counts[0] == 3
    clock.now += LAG_EVERY + 0.2  # the loop did something else for so long
    await timers.pass_time(0.0)
    assert lag.seconds.total == pytest.approx(0.2)
    lag.stop()
    await timers.pass_time(10 * LAG_EVERY)
    assert sum(lag.seconds.counts) == 4
