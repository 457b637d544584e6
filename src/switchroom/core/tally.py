"""Counts of what happens, as plain numbers: to count is an increment, who shows them reads them when asked.

Nothing here grows with traffic: methods, states and technologies are few, and the rest is one number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from switchroom.core.limits import LAG_EVERY
from switchroom.core.ports import Alarm, Clock, Timers
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import (
    ContactStatusChange,
    EndpointStateChange,
    Event,
    PeerStatusChange,
    ReferStatusChange,
    TextMessageReceived,
    TextMessageStatusChange,
)
from switchroom.model.message import ReferralState
from switchroom.model.record import MessageRecord, MessageState

#: Upper bounds in seconds: a phone on the same network, one far away, retransmissions, retries, people who return.
DELIVERY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)

#: Upper bounds in seconds; SIP phones repeat after 0.5 (RFC 3261 17.1.2.1).
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

#: What a method is called that is none of those one knows.
OTHER = "other"


class Histogram:
    """How many values were how large."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds`` are the upper ends of the buckets, rising; what is above them has one of its own."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        #: The sum of all values.
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Answers:
    """How often each method was answered with each status. Other people's methods are all one."""

    __slots__ = ("_by_method", "_other")

    def __init__(self, methods: Iterable[str]) -> None:
        self._by_method: dict[str, dict[int, int]] = {method: {} for method in methods}
        self._other = self._by_method[OTHER] = {}

    def add(self, method: str, status: int) -> None:
        counts = self._by_method.get(method, self._other)
        counts[status] = counts.get(status, 0) + 1

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Method, status, count."""
        for method, counts in self._by_method.items():
            for status, count in counts.items():
                yield method, status, count


class Tally:
    """What became of events, messages and referrals; a listener of the bus.

    A message is counted when it is accepted, and once more when it reaches its first final state: what still is on
    its way to other contacts then changes nothing.
    """

    def __init__(self, since: float) -> None:
        """``since``: wall-clock seconds; what was delivered before was counted by an earlier run."""
        self._since = since
        #: Events, by their name.
        self.published = dict.fromkeys(
            (
                EndpointStateChange,
                PeerStatusChange,
                ContactStatusChange,
                TextMessageReceived,
                TextMessageStatusChange,
                ReferStatusChange,
            ),
            0,
        )
        #: Messages by technology; and those that ended, by technology and state.
        self.accepted: dict[str, int] = {}
        self.ended: dict[tuple[str, str], int] = {}
        #: Seconds from acceptance to the first delivery.
        self.delivery = Histogram(DELIVERY_BOUNDS)
        #: Times a referral got so far, by state.
        self.referrals: dict[str, int] = dict.fromkeys(ReferralState, 0)
        #: Counted as ended, while something of it is still under way; no more than messages are open.
        self._lingering: set[str] = set()

    def takes(self, endpoint: EndpointId) -> bool:
        """Who counts takes no texts."""
        return False

    def hear(self, event: Event) -> None:
        kind = type(event)
        self.published[kind] = self.published.get(kind, 0) + 1
        if kind is TextMessageStatusChange:
            self._hear_message(event)  # type: ignore[arg-type]
        elif kind is ReferStatusChange:
            state = event.referral.state  # type: ignore[attr-defined]
            self.referrals[state] += 1

    def _hear_message(self, event: TextMessageStatusChange) -> None:
        record = event.message
        state = record.state
        if state is MessageState.SENDING or event.notified:
            return
        if state is MessageState.QUEUED:
            if event.at == record.created:
                self.accepted[record.technology] = self.accepted.get(record.technology, 0) + 1
            return
        deliveries = record.deliveries
        if len(deliveries) > 1 and self._ended_before(record):
            return
        if state is MessageState.DELIVERED:
            # As a rule there is one, and it has just ended.
            first = (
                deliveries[0].updated
                if len(deliveries) == 1
                else min(d.updated for d in deliveries if d.state is MessageState.DELIVERED)
            )
            if first < self._since:
                return
            self.delivery.add(first - record.created)
        key = record.technology, state.value
        self.ended[key] = self.ended.get(key, 0) + 1

    def _ended_before(self, record: MessageRecord) -> bool:
        """Whether a message to several contacts reached a final state earlier, so that it is counted already."""
        known = record.id in self._lingering
        if record.over:
            self._lingering.discard(record.id)
        else:
            self._lingering.add(record.id)
        return known


class LoopLag:
    """How late the event loop comes to what is due, looked at now and then."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._alarm: Alarm | None = None
        self._due = 0.0
        self.seconds = Histogram(LAG_BOUNDS)

    def start(self) -> None:
        self._due = self._clock.monotonic() + LAG_EVERY
        self._alarm = self._timers.call_later(LAG_EVERY, self._look)

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self) -> None:
        self.seconds.add(max(0.0, self._clock.monotonic() - self._due))
        self.start()
