"""Our 2xx to an INVITE of the other end, sent again until its ACK comes (RFC 3261 13.3.1.4).

The transaction keeps retransmissions of the INVITE away and repeats nothing (RFC 6026 7.1): this is its user's to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.limits import ACK_LIFE, ACK_REPEATS
from switchroom.wire.sip.events import RequestReceived


class Acknowledgement:
    """What one dialog waits for; the latest 2xx counts."""

    __slots__ = ("_clock", "_due", "_lost", "_number", "_schedule", "_send")

    def __init__(
        self,
        schedule: Schedule,
        clock: Clock,
        send: Callable[[RequestReceived, Answer], None],
        lost: Callable[[], None],
    ) -> None:
        """``send`` sends an answer once more, ``lost`` hears that no ACK came within 64*T1."""
        self._schedule = schedule
        self._clock = clock
        self._send = send
        self._lost = lost
        self._number = 0
        self._due: Deadline | None = None

    def expect(self, incoming: RequestReceived, answer: Answer) -> None:
        """A 2xx was given."""
        self.stop()
        self._number = incoming.request.cseq.number
        self._wait(incoming, answer, ACK_REPEATS[0], ACK_LIFE)

    def came(self, number: int) -> None:
        """An ACK, with its CSeq."""
        if number == self._number:
            self.stop()

    def stop(self) -> None:
        """Nothing is sent again any more."""
        if self._due is not None:
            self._schedule.cancel(self._due)
            self._due = None

    def _wait(self, incoming: RequestReceived, answer: Answer, interval: float, left: float) -> None:
        again = partial(self._again, incoming, answer, interval, left)
        self._due = self._schedule.at(self._clock.monotonic() + min(interval, left), again)

    def _again(self, incoming: RequestReceived, answer: Answer, interval: float, left: float, now: float) -> None:
        self._due = None
        if left <= interval:
            self._lost()
            return
        self._send(incoming, answer)
        self._wait(incoming, answer, min(2 * interval, ACK_REPEATS[1]), left - interval)
