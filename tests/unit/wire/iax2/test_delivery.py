"""Sequence numbers, acknowledgements, repetition."""

from __future__ import annotations

import pytest

from switchroom.wire.iax2.delivery import Arrival, Delivery, Lost
from switchroom.wire.iax2.frames import FullFrame, parse_frame
from switchroom.wire.iax2.numbers import Command, FrameType


def sent(data: bytes) -> FullFrame:
    frame = parse_frame(data)
    assert isinstance(frame, FullFrame)
    return frame


def write(delivery: Delivery, now: float = 100.0) -> FullFrame:
    return sent(delivery.write(FrameType.TEXT, 0, b"", now))


def frame(oseq: int, iseq: int = 0) -> FullFrame:
    return FullFrame(9, 7, False, 50, oseq, iseq, FrameType.TEXT, 0, b"")


def test_frames_are_numbered_and_their_timestamps_grow() -> None:
    delivery = Delivery(7, 9, 100.0)
    frames = [write(delivery), write(delivery), write(delivery, 101.0)]
    assert [f.oseq for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == [3, 6, 1000]
    assert {(f.source, f.destination) for f in frames} == {(7, 9)}


def test_a_frame_is_fresh_once_and_a_gap_is_seen() -> None:
    delivery = Delivery(7, 9, 100.0)
    assert delivery.take(frame(0)) is Arrival.FRESH
    assert delivery.take(frame(0)) is Arrival.REPEATED
    assert delivery.take(frame(2)) is Arrival.AHEAD
    assert delivery.take(frame(1)) is Arrival.FRESH
    assert write(delivery).iseq == 2


def test_numbers_wrap() -> None:
    delivery = Delivery(7, 9, 100.0)
    for number in range(600):
        assert delivery.take(frame(number & 0xFF)) is Arrival.FRESH
        assert write(delivery).oseq == number & 0xFF
        assert delivery.acknowledge(number + 1 & 0xFF)
        assert delivery.take(frame(number & 0xFF)) is Arrival.REPEATED


def test_an_acknowledgement_covers_all_before_it_and_no_more_than_was_sent() -> None:
    delivery = Delivery(7, 9, 100.0)
    for _ in range(3):
        write(delivery)
    assert not delivery.acknowledge(0)
    assert not delivery.acknowledge(4)
    assert not delivery.acknowledge(200)
    assert delivery.acknowledge(2)
    assert not delivery.acknowledge(2)
    assert delivery.unacknowledged == 1
    assert delivery.acknowledge(3)
    assert delivery.settled
    assert not delivery.acknowledge(3)


def test_an_ack_has_the_timestamp_of_what_it_acknowledges() -> None:
    delivery = Delivery(7, 9, 100.0)
    delivery.take(frame(0, 5))
    ack = sent(delivery.write_ack(frame(0, 5)))
    assert (ack.timestamp, ack.oseq, ack.iseq, ack.subclass) == (50, 5, 1, Command.ACK)
    assert delivery.settled


def test_repetition_at_2_12_and_22_seconds_and_lost_at_32() -> None:
    delivery = Delivery(7, 9, 100.0)
    first = write(delivery)
    delivery.take(frame(0))
    times = []
    while True:
        due = delivery.due
        assert due is not None
        try:
            (again,) = delivery.repeat_due(due)
        except Lost:
            break
        times.append(due)
        assert sent(again) == first._replace(retransmitted=True, iseq=1)
        assert delivery.repeat_due(due) == []
    assert (times, due) == ([102.0, 112.0, 122.0], 132.0)


def test_what_is_not_to_be_repeated_is_never_due_but_can_be_asked_for() -> None:
    delivery = Delivery(7, 9, 100.0, repeats=False)
    write(delivery)
    assert delivery.due is None
    assert len(delivery.repeat_all()) == 1


def test_begun_again_with_a_token() -> None:
    delivery = Delivery(7, 9, 100.0)
    first = write(delivery)
    delivery.begin_again()
    assert delivery.settled
    assert (write(delivery).oseq, first.oseq) == (0, 0)


def test_a_frame_that_is_sent_once_is_lost_at_its_first_due_time() -> None:
    delivery = Delivery(7, 9, 100.0, retries=(1.0,))
    write(delivery)
    assert delivery.repeat_due(100.9) == []
    with pytest.raises(Lost):
        delivery.repeat_due(101.0)
