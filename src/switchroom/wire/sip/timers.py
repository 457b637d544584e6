"""Time in the transaction layer: how long each timer runs, a heap of those that do, and a cheap end for the finished.

Nothing here asks what time it is; ``now`` is seconds on a monotonic clock and comes with every call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

from switchroom.wire.sip.machines import Action, Input, State
from switchroom.wire.sip.table_limits import BUCKET_SECONDS, MIN_SWEEP
from switchroom.wire.sip.transactions import Transaction

#: Timer D is more than that on unreliable transports (RFC 3261 17.1.1.2): nobody knows the server's T1.
_TIMER_D_MINIMUM: Final = 32.0

Value = TypeVar("Value")


class Durations:
    """Seconds of each timer (RFC 3261 table 4, RFC 6026 8.8), made from T1, T2, T4 and the transaction timeout."""

    __slots__ = ("lives", "reliable_lives", "t1", "t2", "timeout", "trying")

    def __init__(self, t1: float, t2: float, t4: float, timeout: float) -> None:
        if min(t1, t2, t4, timeout) <= 0:
            raise ValueError("T1, T2, T4 and the timeout must be positive")
        self.t1 = t1
        #: A network slow enough for a T1 above T2 needs no shorter intervals than its round trip.
        self.t2 = t2 = max(t1, t2)
        self.timeout = timeout
        #: The timers that end a state, on UDP.
        self.lives: dict[Input | None, float] = {
            None: math.inf,
            Input.TIMER_B: timeout,
            Input.TIMER_D: max(timeout, _TIMER_D_MINIMUM),
            Input.TIMER_F: timeout,
            Input.TIMER_H: timeout,
            Input.TIMER_I: t4,
            Input.TIMER_J: timeout,
            Input.TIMER_K: t4,
            Input.TIMER_L: timeout,
            Input.TIMER_M: timeout,
            # Nothing may be sent after the timeout, but a last copy may still be on its way.
            Input.TIMER_LATE: timeout + t4,
        }
        #: The same on streams: what only waits for retransmissions is zero.
        self.reliable_lives = self.lives | dict.fromkeys(
            (Input.TIMER_D, Input.TIMER_I, Input.TIMER_J, Input.TIMER_K), 0.0
        )
        #: RFC 4320 4.1: how long it takes a client's Timer E to be reset to T2; 3.5 s by default.
        self.trying = interval = t1
        while (interval := interval * 2) < t2:
            self.trying += interval

    def next_interval(self, transaction: Transaction, timer: Input) -> float:
        """Seconds until a timer that has just fired fires again."""
        if timer is Input.TIMER_A:
            return transaction.interval * 2
        if timer is Input.TIMER_E and transaction.state is State.PROCEEDING:
            return self.t2
        return min(transaction.interval * 2, self.t2)


class Timers:
    """Every transaction that waits, with one heap entry each: the earlier of its two timers.

    An entry that is no longer wanted stays until it comes up; when such entries are the greater part, the heap is
    swept, so it is never more than twice as long as there are transactions, a few hundred aside.
    """

    __slots__ = ("_dead", "_durations", "_heap")

    def __init__(self, durations: Durations) -> None:
        self._durations = durations
        self._heap: list[tuple[float, int, Transaction]] = []
        self._dead = 0

    def start(self, transaction: Transaction, now: float) -> None:
        """Starts the timers of the state a new transaction is born in."""
        machine = transaction.machine
        self._run(transaction, *machine.timers[machine.first], now)

    def advance(self, transaction: Transaction, happening: Input, now: float) -> Action:
        """One step of the machine: changes the state and its timers, returns what is to be done.

        A state whose timer is zero on a reliable transport is over at once: TERMINATED.
        """
        machine = transaction.machine
        before = transaction.state
        state, action = machine.table[before, happening]
        if state is before:
            return action
        if state is not State.TERMINATED:
            repeats, ends = machine.timers[state]
            if transaction.flow.reliable and not self._durations.reliable_lives[ends]:
                state = State.TERMINATED
        transaction.state = state
        if state is State.TERMINATED or (machine.brief and state is State.COMPLETED):
            self.stop(transaction)
        elif (repeats, ends) != machine.timers[before]:
            self._run(transaction, repeats, ends, now, keep_end=ends is machine.timers[before][1])
        return action

    def stop(self, transaction: Transaction) -> None:
        """No timer of this transaction fires any more."""
        if transaction.wakes_at is not None:
            transaction.wakes_at = None
            self._bury()

    def next(self) -> float | None:
        """When the next timer fires."""
        heap = self._heap
        while heap:
            when, _, transaction = heap[0]
            if transaction.wakes_at == when:
                return when
            heappop(heap)
            self._dead -= 1
        return None

    def due(self, now: float) -> Iterator[tuple[Transaction, Input]]:
        """The timers that have fired by now; whoever iterates advances each transaction before the next.

        The timer that ends a state goes before the one that repeats, and one that would have fired several times
        since the last call fires once: after a jump of the clock nothing is made up for.
        """
        while (when := self.next()) is not None and when <= now:
            transaction = heappop(self._heap)[2]
            transaction.wakes_at = None
            repeats, ends = transaction.machine.timers[transaction.state]
            if transaction.ends_at <= now:
                assert ends is not None
                yield transaction, ends
            else:
                assert repeats is not None
                state = transaction.state
                yield transaction, repeats
                if transaction.state is state:
                    transaction.interval = self._durations.next_interval(transaction, repeats)
                    transaction.repeats_at = now + transaction.interval
                    self._arm(transaction)

    def __len__(self) -> int:
        """Heap entries, dead ones included."""
        return len(self._heap)

    def _run(
        self, transaction: Transaction, repeats: Input | None, ends: Input | None, now: float, *, keep_end: bool = False
    ) -> None:
        durations = self._durations
        reliable = transaction.flow.reliable
        if not keep_end:
            transaction.ends_at = now + (durations.reliable_lives if reliable else durations.lives)[ends]
        if repeats is None:
            transaction.repeats_at = math.inf
        elif repeats is Input.TIMER_TRYING:
            transaction.repeats_at = now + durations.trying
        elif reliable:
            transaction.repeats_at = math.inf
        else:
            transaction.interval = durations.t1
            transaction.repeats_at = now + durations.t1
        self._arm(transaction)

    def _arm(self, transaction: Transaction) -> None:
        when = min(transaction.repeats_at, transaction.ends_at)
        if when == transaction.wakes_at:
            return
        armed_before = transaction.wakes_at is not None
        if when == math.inf:
            transaction.wakes_at = None
        else:
            transaction.wakes_at = when
            heappush(self._heap, (when, transaction.serial, transaction))
        if armed_before:
            self._bury()

    def _bury(self) -> None:
        self._dead += 1
        if self._dead * 2 > len(self._heap) and len(self._heap) >= MIN_SWEEP:
            self._heap = [entry for entry in self._heap if entry[2].wakes_at == entry[0]]
            heapify(self._heap)
            self._dead = 0


class Lingering(Generic[Value]):
    """Finished transactions that wait for retransmissions, all for the same time, with as little memory as can be.

    They end in the order they came, so they need no timers: keys fall into buckets of BUCKET_SECONDS, and a bucket
    ends as a whole, at most that much late. When there is no room, the oldest bucket ends early.
    """

    __slots__ = ("_buckets", "_capacity", "_entries", "_lifetime")

    def __init__(self, lifetime: float, capacity: int) -> None:
        self._lifetime = lifetime
        self._capacity = capacity
        self._entries: dict[str, Value] = {}
        self._buckets: deque[tuple[float, list[str]]] = deque()

    def add(self, key: str, value: Value, now: float) -> list[Value]:
        """Remembers ``value`` under a key that is new here; returns what had to be forgotten for it."""
        forgotten = self.end_oldest() if len(self._entries) >= self._capacity else []
        buckets = self._buckets
        if not buckets or now >= buckets[-1][0] - self._lifetime:
            buckets.append((now + self._lifetime + BUCKET_SECONDS, [key]))
        else:
            buckets[-1][1].append(key)
        self._entries[key] = value
        return forgotten

    def get(self, key: str) -> Value | None:
        return self._entries.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def next(self) -> float | None:
        """When the oldest bucket ends."""
        return self._buckets[0][0] if self._buckets else None

    def end_due(self, now: float) -> list[Value]:
        """Forgets what has lingered long enough; returns it."""
        ended: list[Value] = []
        while self._buckets and self._buckets[0][0] <= now:
            ended += self.end_oldest()
        return ended

    def end_oldest(self) -> list[Value]:
        """Forgets the oldest bucket; returns what was in it."""
        if not self._buckets:
            return []
        return [self._entries.pop(key) for key in self._buckets.popleft()[1]]
