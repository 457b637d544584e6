"""Messages on their way: one lane for each contact, attempts and their outcome, contacts that come and go.

A destination has few undelivered messages here at a time (its window); the others wait in ``core.waiting``.
A message leaves when the end of each of its deliveries is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from switchroom.core.lanes import Lanes, Turn
from switchroom.core.limits import MAX_LANE, RETRY_DELAYS, WINDOW
from switchroom.core.ports import Clock
from switchroom.core.schedule import Schedule
from switchroom.core.technologies import Technologies
from switchroom.core.waiting import Key, Opened
from switchroom.model.errors import DomainError, EndpointNotFound, NoContact
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, TextMessage
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState

QUEUED = MessageState.QUEUED
SENDING = MessageState.SENDING
DELIVERED = MessageState.DELIVERED
FAILED = MessageState.FAILED
EXPIRED = MessageState.EXPIRED
CANCELLED = MessageState.CANCELLED

#: Failures that may pass: nobody answered, the far end or the way to it has trouble. 501, 505 and 513 stay.
_PASSING = frozenset((408, 500, 502, 503, 504))


def key_of(record: MessageRecord) -> Key:
    """What a message waits for: its endpoint, or else the destination itself."""
    return record.technology, record.endpoint or f" {record.destination}"


def text_of(record: MessageRecord) -> TextMessage:
    """The text as it was accepted."""
    return TextMessage(
        id=record.id,
        technology=record.technology,
        destination=record.destination,
        by_name=record.by_name,
        sender=record.sender,
        body=record.body,
        headers=record.headers,
        max_forwards=record.max_forwards,
        created=record.created,
    )


class Open:
    """A message on its way. ``lanes`` names the lane of each delivery that is in one, ``plans`` what was
    planned for those that begin at once; ``deadline`` is on the monotonic scale.
    """

    __slots__ = ("deadline", "key", "lanes", "plans", "record")

    def __init__(self, record: MessageRecord, key: Key, deadline: float) -> None:
        self.record = record
        self.key = key
        self.deadline = deadline
        self.lanes: dict[int, str] = {}
        self.plans: dict[int, Delivery] = {}


Item = tuple[Open, int]


class Dispatch:
    """All open messages."""

    def __init__(
        self,
        technologies: Technologies,
        clock: Clock,
        schedule: Schedule,
        write: Callable[[MessageRecord, Sequence[int] | None], None],
        wait: Callable[[MessageRecord], None],
        room: Callable[[Key], None],
        oldest: Callable[[Key], float],
    ) -> None:
        """``write`` keeps and tells a change of a message, with the deliveries that changed (None: it is told
        alone, for it is nothing that must survive), ``wait`` takes a message that must wait again, ``room``
        hears of a destination that may have another message open, ``oldest`` tells the sequence of the first message
        that waits for a destination.
        """
        self._technologies = technologies
        self._clock = clock
        self._write = write
        self._wait = wait
        self._room = room
        self._oldest = oldest
        #: Messages that may go to more contacts once all older ones do, by destination.
        self._behind: dict[Key, dict[str, Open]] = {}
        self._open: dict[str, Open] = {}
        #: Undelivered messages by destination.
        self._windows: dict[Key, dict[str, Open]] = {}
        self._lanes: Lanes[Item] = Lanes(schedule, clock, self._begin)

    def __len__(self) -> int:
        return len(self._open)

    def get(self, message_id: str) -> MessageRecord | None:
        """An open message as it is now."""
        found = self._open.get(message_id)
        return found.record if found is not None else None

    def records(self) -> list[MessageRecord]:
        """All open messages, the newest first."""
        return sorted((entry.record for entry in self._open.values()), key=lambda r: -r.sequence)

    def undelivered(self, key: Key) -> int:
        """Open messages of a destination that no contact has taken yet."""
        window = self._windows.get(key)
        return len(window) if window is not None else 0

    def has_room(self, key: Key) -> bool:
        window = self._windows.get(key)
        return window is None or len(window) < WINDOW

    def stop(self) -> None:
        """Begins nothing any more; what is on its way still ends."""
        self._lanes.stop()

    # ---- a message comes

    def enter(self, record: MessageRecord, planned: Sequence[Delivery]) -> None:
        """Opens a message; its delivery records are those of ``planned``, in order, or of an earlier plan."""
        key = key_of(record)
        deadline = self._clock.monotonic() + record.expires - self._clock.wall()
        entry = self._open[record.id] = Open(record, key, deadline)
        if record.state is not DELIVERED:
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = {}
            window[record.id] = entry
        self._spread(entry, planned)
        if self._behind:
            self.join(key)

    def reopen(self, record: MessageRecord) -> Opened:
        """Opens a message that waited, or that an earlier run of the server left unfinished."""
        for delivery in record.deliveries:
            if delivery.state is SENDING:
                delivery.state = QUEUED
        try:
            planned = self._plan(record)
        except NoContact:
            if record.offline and record.state is not DELIVERED:
                return Opened.NOWHERE
            planned = []
        except DomainError as error:
            self._refuse(record, error)
            planned = []
        self.enter(record, planned)
        return Opened.YES

    def _plan(self, record: MessageRecord) -> Sequence[Delivery]:
        """Where an undelivered message goes; a delivered one still goes where it was to go."""
        planned = self._technologies.find(record.technology).plan(text_of(record))
        if record.state is not DELIVERED:
            return planned
        wanted = {d.contact for d in record.deliveries if d.state is QUEUED}
        return [delivery for delivery in planned if delivery.contact in wanted]

    def _refuse(self, record: MessageRecord, error: DomainError) -> None:
        """The destination, sender or a header is no longer what it was when the message was accepted."""
        code = 404 if isinstance(error, EndpointNotFound) else 400
        if not record.deliveries:
            record.deliveries.append(DeliveryRecord(contact=""))
        for delivery in record.deliveries:
            if delivery.state is QUEUED:
                delivery.status_code, delivery.reason = code, str(error)

    def _spread(self, entry: Open, planned: Sequence[Delivery]) -> None:
        """Puts planned deliveries into their lanes. What is queued and planned no more stays so, as its contact may
        come back, unless nothing is left to wait with.
        """
        record = entry.record
        records = record.deliveries
        in_lanes = set(entry.lanes.values())
        going: list[tuple[int, Delivery, str]] = []
        changed: list[int] = []
        for delivery in planned:
            lane = delivery.lane or delivery.contact
            if lane in in_lanes:
                continue
            index = _record_for(entry, delivery, {i for i, _, _ in going})
            if index is None:
                index = len(records)
                records.append(DeliveryRecord(contact=delivery.contact, updated=self._clock.wall()))
                changed.append(index)
            elif records[index].state is not QUEUED:
                continue
            if self._lanes.waiting((record.technology, lane)) >= MAX_LANE and len(planned) > 1:
                self._fail(records[index], 503, "Too Many Wait For This Contact")
                changed.append(index)
                continue
            going.append((index, delivery, lane))
        for index, _, lane in going:
            entry.lanes[index] = lane
        if changed or not entry.lanes:
            self._changed(entry, changed)
        for index, delivery, lane in going:
            key = (record.technology, lane)
            if not self._lanes.waiting(key):
                # Behind others it would be old when its turn comes, and costs memory until then.
                entry.plans[index] = delivery
            self._lanes.push(key, (entry, index), held=not delivery.reachable)

    # ---- one attempt

    def _begin(self, turn: Turn[Item], item: Item) -> bool:
        entry, index = item
        record = entry.record
        known = record.deliveries[index]
        if known.state is not QUEUED:
            return False
        planned = entry.plans.pop(index, None) or self._planned_again(entry, index)
        if planned is None:
            return False
        known.attempts += 1
        known.state = SENDING
        known.contact = planned.contact
        known.updated = self._clock.wall()
        if record.state is QUEUED:
            record.state = SENDING
        self._write(record, None)
        self._technologies.find(record.technology).deliver(planned, partial(self._report, turn, entry, index))
        return True

    def _planned_again(self, entry: Open, index: int) -> Delivery | None:
        """The plan of a delivery as things are now; None when there is none, which has been seen to."""
        lane = entry.lanes[index]
        try:
            for delivery in self._plan(entry.record):
                if (delivery.lane or delivery.contact) == lane:
                    return delivery
        except NoContact:
            pass
        except DomainError as error:
            self._refuse(entry.record, error)
        del entry.lanes[index]
        self.reroute(entry)
        return None

    def _report(self, turn: Turn[Item], entry: Open, index: int, report: DeliveryReport) -> None:
        """An attempt has ended."""
        known = entry.record.deliveries[index]
        known.status_code, known.reason = report.status_code, report.reason
        known.contact = report.contact or known.contact
        known.updated = self._clock.wall()
        if report.notification is not None:
            known.notification, known.notified = report.notification, known.updated
        if report.state is DeliveryState.DELIVERED:
            known.state = DELIVERED
        elif report.status_code in _PASSING and self._clock.monotonic() >= entry.deadline:
            known.state = EXPIRED
        elif report.status_code in _PASSING:
            known.state = QUEUED
            if not turn.retry(RETRY_DELAYS[min(known.attempts, len(RETRY_DELAYS)) - 1]):
                del entry.lanes[index]
                self.reroute(entry)
                return
        else:
            known.state = FAILED
        if known.state is not QUEUED:
            del entry.lanes[index]
        if known.state is FAILED and not entry.lanes and self._is_queued(entry):
            # Of the contacts it was to go to one is gone, this one does not take it: perhaps there are others.
            self.reroute(entry)
        else:
            self._changed(entry, (index,))
        turn.done()

    def _is_queued(self, entry: Open) -> bool:
        record = entry.record
        return record.state is not DELIVERED and any(d.state is QUEUED for d in record.deliveries)

    def _fail(self, known: DeliveryRecord, code: int, reason: str) -> None:
        known.state = FAILED
        known.status_code, known.reason = code, reason
        known.updated = self._clock.wall()

    def _changed(self, entry: Open, indexes: Sequence[int]) -> None:
        """Brings the message to the state its deliveries give it, and lets go of it when it is over."""
        record = entry.record
        before = record.state
        if not entry.lanes:
            for index, known in enumerate(record.deliveries):
                if known.state is QUEUED:
                    self._fail(known, known.status_code or 480, known.reason or "Contact Gone")
                    indexes = (*indexes, index)
        record.state = _state(record)
        over = not entry.lanes and record.state.final
        if over:
            del self._open[record.id]
        self._write(record, indexes)
        if record.state.final and (before is not record.state or over):
            self._leave_window(entry)

    def _leave_window(self, entry: Open) -> None:
        window = self._windows.get(entry.key)
        if window is not None and window.pop(entry.record.id, None) is not None:
            if not window:
                del self._windows[entry.key]
                self._behind.pop(entry.key, None)
            self._room(entry.key)

    # ---- contacts come and go

    def back(self, key: Key, lane: Key) -> None:
        """A contact of ``key`` is there: what was held for it goes on, what is undelivered goes there too."""
        self._lanes.wake(lane)
        self._lanes.nudge((key[0], f"{key[0]}/{key[1]}"))
        window = self._windows.get(key)
        if window is None:
            return
        for entry in list(window.values()):
            if entry.record.id in window and lane[1] not in entry.lanes.values():
                self.reroute(entry)

    def refreshed(self, lane: Key) -> None:
        """A contact gave a sign of life: what waits for its next attempt has it now."""
        self._lanes.nudge(lane)

    def unreachable(self, lane: Key) -> None:
        self._lanes.hold(lane)

    def gone(self, lane: Key) -> None:
        """A contact is no more: what was to go there goes elsewhere, or waits, or has failed."""
        for entry, index in self._lanes.drop(lane):
            if entry.lanes.pop(index, None) is not None:
                entry.plans.pop(index, None)
                self.reroute(entry)

    def reroute(self, entry: Open) -> None:
        """Plans a message anew, after the contacts have changed."""
        record = entry.record
        planned: Sequence[Delivery] = ()
        if record.state is not DELIVERED:
            if record.sequence > self._oldest(entry.key):
                # An attempt at a contact that is gone kept it here while older ones went to wait: they go first.
                if entry.lanes:
                    self._behind.setdefault(entry.key, {})[record.id] = entry
                else:
                    self._put_back(entry)
                return
            try:
                planned = self._plan(record)
            except NoContact:
                if record.offline and not entry.lanes:
                    self._put_back(entry)
                    return
            except DomainError as error:
                self._refuse(record, error)
        self._spread(entry, planned)

    def _put_back(self, entry: Open) -> None:
        entry.record.state = QUEUED
        del self._open[entry.record.id]
        self._wait(entry.record)
        self._leave_window(entry)

    def join(self, key: Key) -> None:
        """What stood behind messages that waited goes on, as far as none of them waits any more."""
        for message_id, entry in list(self._behind.get(key, {}).items()):
            if entry.record.sequence > self._oldest(key):
                continue
            behind = self._behind[key]
            del behind[message_id]
            if not behind:
                del self._behind[key]
            if self._open.get(message_id) is entry:
                self.reroute(entry)

    # ---- ending what has not begun

    def end_queued(self, message_id: str, state: MessageState) -> None:
        """What is still queued of an open message ends as ``state``; what is being sent ends by its answer."""
        entry = self._open[message_id]
        ended = [i for i, d in enumerate(entry.record.deliveries) if d.state is QUEUED]
        lanes = []
        for index in ended:
            known = entry.record.deliveries[index]
            known.state = state
            known.updated = self._clock.wall()
            if (lane := entry.lanes.pop(index, None)) is not None:
                lanes.append((entry.record.technology, lane))
            entry.plans.pop(index, None)
        self._changed(entry, ended)
        for left in lanes:
            self._lanes.nudge(left)


def _record_for(entry: Open, delivery: Delivery, taken: set[int]) -> int | None:
    """The record of a delivery's contact; for one that tries several contacts, of what is still queued."""
    several = delivery.lane not in ("", delivery.contact)
    for index, known in enumerate(entry.record.deliveries):
        if index in taken:
            continue
        if known.contact == delivery.contact or (several and known.state is QUEUED and index not in entry.lanes):
            return index
    return None


def _state(record: MessageRecord) -> MessageState:
    """What the states of its deliveries make of a message."""
    deliveries = record.deliveries
    if len(deliveries) == 1:
        return deliveries[0].state
    states = {delivery.state for delivery in deliveries}
    for state in (DELIVERED, SENDING, QUEUED, CANCELLED, EXPIRED):
        if state in states:
            return state
    return FAILED
