"""Messages that wait for their turn: ids alone, in order, by what they wait for. The journal has the rest.

A destination (an endpoint, mostly) has a few messages open at a time; all others wait here, and so do those of
an endpoint that can not be reached at all. So a message that waits costs some ninety bytes, however large it
is, and a destination with thousands of them delays nobody.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import Enum

from switchroom.core.limits import READ_RETRY
from switchroom.core.ports import Clock
from switchroom.core.schedule import Schedule
from switchroom.core.storage import Journal, StoreUnavailable
from switchroom.model.record import MessageRecord

#: Technology, and what a message waits for there: an endpoint's name, or another destination.
Key = tuple[str, str]


class Opened(Enum):
    """What became of a message that was taken from its queue."""

    #: It is on its way; the next one may be tried.
    YES = "yes"
    #: There is nowhere to send it; it stays first, and so does the rest.
    NOWHERE = "nowhere"


class Waiting:
    """The queues, and the reading back of what is due."""

    def __init__(
        self,
        journal: Journal,
        schedule: Schedule,
        clock: Clock,
        has_room: Callable[[Key], bool],
        open_message: Callable[[MessageRecord], Opened],
        passed: Callable[[Key], None],
    ) -> None:
        """``has_room`` tells whether one more message of a key may be open, ``open_message`` opens it, ``passed``
        hears that the first of a key had ended before its turn.
        """
        self._journal = journal
        self._schedule = schedule
        self._clock = clock
        self._has_room = has_room
        self._open = open_message
        self._passed = passed
        #: Ids by sequence; dictionaries, so that one can leave from the middle.
        self._queues: dict[Key, dict[str, int]] = {}
        self._total = 0
        self._reading: dict[Key, asyncio.Task[None]] = {}
        self._asked_again: set[Key] = set()
        self._stopped = False

    def __len__(self) -> int:
        return self._total

    def count(self, key: Key) -> int:
        """Messages that wait for ``key``."""
        queue = self._queues.get(key)
        return len(queue) if queue is not None else 0

    def oldest(self, key: Key) -> float:
        """The sequence of the first that waits for ``key``; infinite when none does."""
        queue = self._queues.get(key)
        return next(iter(queue.values())) if queue is not None else math.inf

    def has(self, key: Key, message_id: str) -> bool:
        return message_id in self._queues.get(key, ())

    def add(self, key: Key, message_id: str, sequence: int) -> None:
        """Puts a message where its sequence belongs: at the end, unless it was taken out before."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = {}
        elif sequence < next(reversed(queue.values())):
            queue[message_id] = sequence
            self._queues[key] = dict(sorted(queue.items(), key=lambda item: item[1]))
            self._total += 1
            return
        queue[message_id] = sequence
        self._total += 1

    def remove(self, key: Key, message_id: str) -> bool:
        """Takes a message out; False when it does not wait here."""
        queue = self._queues.get(key)
        if queue is None or queue.pop(message_id, None) is None:
            return False
        self._total -= 1
        if not queue:
            del self._queues[key]
        return True

    def flush(self, key: Key) -> None:
        """Opens what waits for ``key``, the first first, as long as there is room and somewhere to send it."""
        if self._stopped or key not in self._queues or not self._has_room(key):
            return
        if key in self._reading:
            self._asked_again.add(key)
            return
        task = asyncio.get_running_loop().create_task(self._read(key))
        self._reading[key] = task
        task.add_done_callback(lambda _: self._read_out(key))

    def _read_out(self, key: Key) -> None:
        del self._reading[key]
        if key in self._asked_again:
            self._asked_again.discard(key)
            self.flush(key)

    async def _read(self, key: Key) -> None:
        while not self._stopped and self._has_room(key) and (queue := self._queues.get(key)):
            message_id = next(iter(queue))
            try:
                record = await self._journal.find(message_id)
            except StoreUnavailable:
                self._schedule.at(self._clock.monotonic() + READ_RETRY, lambda _: self.flush(key))
                return
            queue = self._queues.get(key, {})
            # Cancelled, expired or overtaken while it was read: then the first one is looked at anew.
            if next(iter(queue), None) != message_id:
                continue
            if not self._has_room(key):
                return
            sequence = queue[message_id]
            self.remove(key, message_id)
            if record is None or record.over:
                self._passed(key)
                continue
            if self._open(record) is Opened.NOWHERE:
                self.add(key, message_id, sequence)
                return

    async def stop(self) -> None:
        """Reads nothing any more."""
        self._stopped = True
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
