"""A 2xx to an INVITE, again and again until its ACK comes (RFC 3261 13.3.1.4)."""

from __future__ import annotations

from support.sip_world import VirtualClock, VirtualTimers, request, wire
from switchroom.core.schedule import Schedule
from switchroom.tech.sip.acknowledgement import Acknowledgement
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.limits import ACK_LIFE
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse


class Dialog:
    """One that answered an INVITE."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.schedule = Schedule(self.clock, VirtualTimers(self.clock))
        self.began = self.clock.now
        #: Seconds after the answer at which it was sent again, and its status.
        self.sent: list[tuple[float, int]] = []
        self.lost: list[float] = []
        self.acknowledgement = Acknowledgement(self.schedule, self.clock, self._send, self._end)

    def _send(self, incoming: RequestReceived, answer: Answer) -> None:
        self.sent.append((self.clock.now - self.began, answer.status))

    def _end(self) -> None:
        self.lost.append(self.clock.now - self.began)

    def answer(self, number: int, status: int = 200) -> None:
        message = parse(wire(request("INVITE", "carol", cseq=number)))
        assert isinstance(message, Request)
        flow = Flow("udp", "udp", "192.0.2.5", 5060)
        self.acknowledgement.expect(RequestReceived(message, flow, f"k{number}", self.clock.now), Answer(status))

    def pass_time(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while (due := self.schedule.next_due()) is not None and due <= end:
            self.clock.now = due
            self.schedule.run(due)
        self.clock.now = end


def test_it_is_sent_at_t1_doubled_up_to_t2_and_given_up_after_64_t1() -> None:
    dialog = Dialog()
    dialog.answer(1)
    dialog.pass_time(100)
    assert [when for when, _ in dialog.sent] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert dialog.lost == [ACK_LIFE]


def test_its_ack_ends_it_and_no_other() -> None:
    dialog = Dialog()
    dialog.answer(7)
    dialog.acknowledgement.came(6)
    dialog.pass_time(1)
    assert len(dialog.sent) == 1
    dialog.acknowledgement.came(7)
    dialog.acknowledgement.came(7)
    dialog.pass_time(100)
    assert len(dialog.sent) == 1
    assert dialog.lost == []
    assert len(dialog.schedule) == 0


def test_the_latest_counts() -> None:
    dialog = Dialog()
    dialog.answer(1, 200)
    dialog.answer(2, 202)
    dialog.acknowledgement.came(1)
    dialog.pass_time(0.6)
    assert [status for _, status in dialog.sent] == [202]


def test_what_is_over_is_not_sent_again() -> None:
    dialog = Dialog()
    dialog.answer(1)
    dialog.acknowledgement.stop()
    dialog.acknowledgement.stop()
    dialog.pass_time(100)
    assert dialog.sent == []
    assert dialog.lost == []
