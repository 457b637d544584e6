"""The message service: a text is planned, kept, delivered to each contact, and its end is known.

The order is the promise: nothing is answered 202 before the journal has the message, and nothing is forgotten
before its end is written. What is open is in ``core.dispatch``, what waits for its turn or for an endpoint to
return in ``core.waiting`` (its id) and the journal, what has ended in the journal alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import NamedTuple

import structlog

from switchroom.core.addresses import Addresses
from switchroom.core.bus import Bus
from switchroom.core.dispatch import Dispatch, key_of
from switchroom.core.expiry import Expiry
from switchroom.core.limits import MAX_LIFE, MAX_MESSAGE_ID, MAX_MESSAGES, PURGE_EVERY, READ_RETRY, RESTORED
from switchroom.core.ports import Clock, Technology
from switchroom.core.schedule import Schedule
from switchroom.core.storage import Journal, StoreUnavailable
from switchroom.core.technologies import Technologies, new_id
from switchroom.core.waiting import Key, Waiting
from switchroom.model.endpoint import ContactStatus, EndpointId, EndpointState
from switchroom.model.errors import Conflict, Full, InvalidParameter, MessageNotFound, NoContact
from switchroom.model.events import ContactStatusChange, EndpointStateChange, Event, TextMessageStatusChange
from switchroom.model.message import Delivery, Notification, TextMessage
from switchroom.model.record import DeliveryRecord, MessageRecord, MessageState

log = structlog.get_logger(__name__)

#: What a caller's id may be made of: it stands in a path, a header and a Call-ID (RFC 3261 25.1 word).
_MESSAGE_ID = re.compile(rf"[A-Za-z0-9._~+:-]{{1,{MAX_MESSAGE_ID}}}")

_BACK = (ContactStatus.NON_QUALIFIED, ContactStatus.REACHABLE)


class SendOptions(NamedTuple):
    """What a caller may ask beside the text (docs/ari.md). None: the settings decide."""

    #: The caller's own id: the same id with the same content again is the same message.
    message_id: str | None = None
    #: Keep it while the endpoint has no contact.
    offline: bool | None = None
    #: Seconds the message is worth delivering.
    expires: float | None = None


class MessageTerms(NamedTuple):
    """The settings of switchroom.conf on messages."""

    #: Default of ``SendOptions.offline``, and where an endpoint differs.
    offline: bool = False
    offline_of: Mapping[EndpointId, bool] = {}
    #: Default life in seconds: 7 days.
    life: float = 7 * 86_400.0
    #: Seconds a finished message is kept: 24 hours.
    retention: float = 86_400.0
    #: Whether the text of a finished message is kept.
    keep_body: bool = True
    #: Undelivered messages of one destination.
    max_waiting: int = 1_000


class _Accepting:
    """A caller's id on its way into the journal."""

    __slots__ = ("digest", "done")

    def __init__(self, digest: str) -> None:
        self.digest = digest
        #: None when it was not accepted after all.
        self.done: asyncio.Future[MessageRecord | None] = asyncio.get_running_loop().create_future()


_NO_OPTIONS = SendOptions()


class Messages:
    """Takes texts in and sees them through. A listener of the bus, to know which contacts are there."""

    #: What it has to hear.
    HEARS = (EndpointStateChange, ContactStatusChange)

    def __init__(
        self,
        technologies: Technologies,
        journal: Journal,
        clock: Clock,
        schedule: Schedule,
        bus: Bus,
        terms: MessageTerms = MessageTerms(),  # noqa: B008 - immutable
        make_id: Callable[[], str] = new_id,
        addresses: Addresses | None = None,
    ) -> None:
        """``addresses`` tells what an endpoint of one technology is called in another."""
        self._technologies = technologies
        self._journal = journal
        self._clock = clock
        self._schedule = schedule
        self._bus = bus
        self._terms = terms
        self._make_id = make_id
        self._addresses = addresses
        self._dispatch = Dispatch(
            technologies, clock, schedule, self._write, self._wait_again, self._flush, self._oldest_waiting
        )
        self._waiting = Waiting(
            journal, schedule, clock, self._dispatch.has_room, self._dispatch.reopen, self._dispatch.join
        )
        self._expiry = Expiry(schedule, clock, self._expire, self._lives, self._unfinished)
        self._accepting: dict[str, _Accepting] = {}
        self._noting = asyncio.Lock()
        #: Contacts that came so far: whether one came while a message was being kept.
        self._arrivals = 0
        self._started = False
        #: Destinations to look at once everything is started.
        self._due_at_start: dict[Key, None] = {}
        #: Expired while they waited, and not written so yet.
        self._lapsed: deque[str] = deque()
        self._lapsing = False
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- life

    async def restore(self) -> None:
        """Takes up what an earlier run left unfinished; before technologies start and contacts are known.

        Raises:
            StoreUnavailable: the journal can not be read.
        """
        wall, now = self._clock.wall(), self._clock.monotonic()
        shared: dict[Key, Key] = {}
        after = 0
        while page := await self._journal.unfinished(after=after, limit=RESTORED):
            for record in page:
                key = key_of(record)
                key = shared.setdefault(key, key)
                self._waiting.add(key, record.id, record.sequence)
                self._expiry.add(now + record.expires - wall, record.id, key)
                if not (record.offline and record.endpoint):
                    # Whatever contacts there are: it goes now, or it has failed.
                    self._due_at_start[key] = None
            after = page[-1].sequence

    def start(self) -> None:
        """Begins to deliver; once technologies are started."""
        self._started = True
        for key in self._due_at_start:
            self._waiting.flush(key)
        self._due_at_start.clear()
        self._schedule.at(self._clock.monotonic() + PURGE_EVERY, self._purge)

    async def stop(self) -> None:
        """Begins no delivery any more; those on their way still end."""
        self._dispatch.stop()
        await self._waiting.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- taking in

    async def send(
        self,
        to: str,
        sender: str,
        body: str,
        headers: Mapping[str, str],
        options: SendOptions = _NO_OPTIONS,
        *,
        max_forwards: int | None = None,
    ) -> MessageRecord:
        """Accepts a text for ``to`` (``pjsip:carol``); returns when it is kept and on its way.

        ``max_forwards``: servers a text that came from one may still pass; None for a new text.

        Raises:
            InvalidParameter: sender, destination, a header or an option can not be used as asked.
            EndpointNotFound: unknown technology or endpoint, or no contact and not to be kept.
            Conflict: the message id is another message's, or too many wait for this endpoint.
            Full: too many messages in all.
            StoreUnavailable: it can not be kept now.
        """
        technology, destination = self._technologies.split(to)
        message = self._text(technology, destination, sender, body, headers, max_forwards=max_forwards)
        return await self._accept(technology, message, options)

    async def send_to(
        self,
        endpoint: EndpointId,
        sender: str,
        body: str,
        headers: Mapping[str, str],
        options: SendOptions = _NO_OPTIONS,
        *,
        max_forwards: int | None = None,
        device: str = "",
    ) -> MessageRecord:
        """As ``send``, to an endpoint by its name, whatever characters the name has; or to one ``device`` of it, as its
        technology writes that behind a slash.
        """
        technology = self._technologies.find(endpoint.technology)
        destination = f"{endpoint.resource}/{device}" if device else endpoint.resource
        message = self._text(
            technology, destination, sender, body, headers, by_name=not device, max_forwards=max_forwards
        )
        return await self._accept(technology, message, options)

    def keeps(self, endpoint: EndpointId) -> bool:
        """Whether texts to an endpoint without a contact are kept by default."""
        return self._terms.offline_of.get(endpoint, self._terms.offline)

    def _text(
        self,
        technology: Technology,
        destination: str,
        sender: str,
        body: str,
        headers: Mapping[str, str],
        *,
        by_name: bool = False,
        max_forwards: int | None = None,
    ) -> TextMessage:
        return TextMessage(
            id=self._make_id(),
            technology=technology.name,
            destination=destination,
            by_name=by_name,
            sender=self._addresses.named(sender, technology.name) if self._addresses is not None else sender,
            body=body,
            headers=headers,
            max_forwards=max_forwards,
            created=self._clock.wall(),
        )

    async def _accept(self, technology: Technology, message: TextMessage, options: SendOptions) -> MessageRecord:
        life = self._terms.life if options.expires is None else options.expires
        if not 0 < life <= MAX_LIFE:
            raise InvalidParameter(f"expires must be between 1 and {MAX_LIFE:.0f} seconds")
        if options.message_id is None:
            return await self._keep(technology, message, "", life, options.offline)
        if not _MESSAGE_ID.fullmatch(options.message_id):
            raise InvalidParameter("message_id must be 1 to 128 letters, digits or any of . _ ~ + : -")
        return await self._accept_once(technology, message, life, options)

    async def _accept_once(
        self, technology: Technology, message: TextMessage, life: float, options: SendOptions
    ) -> MessageRecord:
        """Accepts a text under the caller's own id, or finds that it was accepted before."""
        message_id = options.message_id
        assert message_id is not None
        digest = _digest(message)
        while (other := self._accepting.get(message_id)) is not None:
            _same(other.digest, digest)
            accepted = await asyncio.shield(other.done)
            if accepted is not None:
                return accepted
        mine = self._accepting[message_id] = _Accepting(digest)
        record = None
        try:
            record = self._dispatch.get(message_id) or await self._journal.find(message_id)
            if record is not None:
                _same(record.digest, digest)
                record = self._dispatch.get(message_id) or record
            else:
                message = TextMessage(
                    id=message_id,
                    technology=message.technology,
                    destination=message.destination,
                    by_name=message.by_name,
                    sender=message.sender,
                    body=message.body,
                    headers=message.headers,
                    max_forwards=message.max_forwards,
                    created=message.created,
                )
                record = await self._keep(technology, message, digest, life, options.offline)
            return record
        finally:
            del self._accepting[message_id]
            mine.done.set_result(record)

    async def _keep(
        self, technology: Technology, message: TextMessage, digest: str, life: float, offline: bool | None
    ) -> MessageRecord:
        planned: Sequence[Delivery] = ()
        try:
            planned = technology.plan(message)
            endpoint = planned[0].endpoint
        except NoContact as absent:
            endpoint = absent.endpoint
            if not (self.keeps(endpoint) if offline is None else offline):
                raise
        kept = endpoint is not None and (self.keeps(endpoint) if offline is None else offline)
        created = message.created
        record = MessageRecord(
            id=message.id,
            technology=message.technology,
            destination=message.destination,
            by_name=message.by_name,
            endpoint=endpoint.resource if endpoint is not None else "",
            sender=message.sender,
            body=message.body,
            headers=dict(message.headers),
            digest=digest,
            max_forwards=message.max_forwards,
            offline=kept,
            created=created,
            updated=created,
            expires=created + life,
            deliveries=[DeliveryRecord(contact=d.contact, updated=created) for d in planned],
        )
        key = key_of(record)
        self._make_room(key)
        arrivals = self._arrivals
        await self._journal.accept(record)
        self._expiry.add(self._clock.monotonic() + record.expires - self._clock.wall(), record.id, key)
        self._bus.publish((TextMessageStatusChange(message=record, at=created),))
        if planned and not self._waiting.count(key) and self._dispatch.has_room(key):
            self._dispatch.enter(record, planned)
        else:
            self._waiting.add(key, record.id, record.sequence)
            if planned or self._arrivals != arrivals:
                self._waiting.flush(key)
        return record

    def _make_room(self, key: Key) -> None:
        if self._waiting.count(key) + self._dispatch.undelivered(key) >= self._terms.max_waiting:
            raise Conflict(f"{self._terms.max_waiting} messages wait for this endpoint already")
        if self._unfinished() >= MAX_MESSAGES:
            raise Full(f"{MAX_MESSAGES} messages wait already")

    def _unfinished(self) -> int:
        return len(self._waiting) + len(self._dispatch)

    def unfinished(self) -> tuple[int, int]:
        """How many messages wait for their turn or their endpoint, and how many are on their way."""
        return len(self._waiting), len(self._dispatch)

    # ---- asking

    async def find(self, message_id: str) -> MessageRecord:
        """A message as it is now. Raises MessageNotFound, StoreUnavailable."""
        record = self._dispatch.get(message_id) or await self._journal.find(message_id)
        if record is None:
            raise MessageNotFound
        return self._dispatch.get(message_id) or record

    async def search(
        self,
        *,
        endpoint: EndpointId | None = None,
        state: MessageState | None = None,
        limit: int,
        after: str = "",
    ) -> list[MessageRecord]:
        """The newest first, at most ``limit``, those after the one of id ``after``. Raises StoreUnavailable."""
        if state is MessageState.SENDING:
            return await self._search_sending(endpoint, limit, after)
        found: list[MessageRecord] = []
        while True:
            page = await self._journal.search(
                technology=endpoint.technology if endpoint is not None else "",
                endpoint=endpoint.resource if endpoint is not None else "",
                state=state,
                limit=limit,
                after=after,
            )
            # The journal does not hear of attempts that began; what is open is truer here.
            current = [self._dispatch.get(record.id) or record for record in page]
            found += [record for record in current if state is None or record.state is state]
            if len(page) < limit or len(found) >= limit:
                return found[:limit]
            after = page[-1].id

    async def _search_sending(self, endpoint: EndpointId | None, limit: int, after: str) -> list[MessageRecord]:
        last = (self._dispatch.get(after) or await self._journal.find(after)) if after else None
        found = [
            record
            for record in self._dispatch.records()
            if record.state is MessageState.SENDING
            and (endpoint is None or (record.technology, record.endpoint) == endpoint)
            and (last is None or record.sequence < last.sequence)
        ]
        return found[:limit]

    async def cancel(self, message_id: str) -> MessageRecord:
        """Takes back what is still queued; returns when that is kept.

        Raises:
            MessageNotFound: there is no such message.
            Conflict: something of it was sent, or it has ended.
            StoreUnavailable: the journal can not be read; or it is taken back, and a crash now would send it after all.
        """
        record = await self.find(message_id)
        if self._dispatch.get(message_id) is record:
            begun = (MessageState.SENDING, MessageState.DELIVERED)
            if record.state.final or any(d.state in begun for d in record.deliveries):
                raise Conflict(f"The message is {record.state.value}")
            self._dispatch.end_queued(message_id, MessageState.CANCELLED)
        elif record.over or not self._waiting.remove(key_of(record), message_id):
            raise Conflict(f"The message is {record.state.value}")
        elif record.state.final:
            # Delivered, but not everywhere: an earlier run left it so.
            self._waiting.add(key_of(record), message_id, record.sequence)
            raise Conflict(f"The message is {record.state.value}")
        else:
            self._end_waiting(record, MessageState.CANCELLED)
            self._dispatch.join(key_of(record))
        await self._journal.confirm()
        return record

    async def note(self, message_id: str, recipient: EndpointId, contact: str, notification: Notification) -> bool:
        """Keeps what a device tells of a message it got. ``contact``: where it is, empty when nobody knows.

        False when no such message was sent to this recipient. Raises StoreUnavailable.
        """
        async with self._noting:  # of two about one message the second has to see what the first wrote
            record = self._dispatch.get(message_id) or await self._journal.find(message_id)
            record = self._dispatch.get(message_id) or record
            if record is None or (record.technology, record.endpoint) != recipient:
                return False
            index = _spoken_of(record, contact)
            if index is None:
                return False
            known = record.deliveries[index]
            # What was displayed was delivered, whichever is told first.
            if known.notification not in (Notification.DISPLAYED, notification):
                known.notification = notification
                record.updated = known.notified = self._clock.wall()
                self._journal.update(record, (index,))
                self._bus.publish((TextMessageStatusChange(message=record, at=known.notified, notified=True),))
            return True

    # ---- what changes

    def _write(self, record: MessageRecord, changed: Sequence[int] | None) -> None:
        at = self._clock.wall()
        record.updated = at
        if changed is not None:
            if not self._terms.keep_body and record.over:
                record.body = ""
            self._journal.update(record, changed)
        self._bus.publish((TextMessageStatusChange(message=record, at=at),))

    def _wait_again(self, record: MessageRecord) -> None:
        self._waiting.add(key_of(record), record.id, record.sequence)
        self._write(record, range(len(record.deliveries)))

    def _oldest_waiting(self, key: Key) -> float:
        return self._waiting.oldest(key)

    def _flush(self, key: Key) -> None:
        if self._started:
            self._waiting.flush(key)

    def _end_waiting(self, record: MessageRecord, state: MessageState) -> None:
        """A message that waited in the journal ends."""
        changed = []
        for index, delivery in enumerate(record.deliveries):
            if delivery.state in (MessageState.QUEUED, MessageState.SENDING):
                delivery.state = state
                delivery.updated = self._clock.wall()
                changed.append(index)
        if not record.state.final:
            record.state = state
        self._write(record, changed)

    # ---- listening

    def takes(self, endpoint: EndpointId) -> bool:
        """Texts of endpoints have no taker here."""
        return False

    def hear(self, event: Event) -> None:
        """Contacts come, go, and are reachable or not."""
        if type(event) is EndpointStateChange:
            if event.endpoint.state is EndpointState.ONLINE:
                self._returned((event.endpoint.technology, event.endpoint.resource))
            return
        if type(event) is not ContactStatusChange:
            return
        endpoint = event.endpoint
        key = (endpoint.technology, endpoint.resource)
        lane = (endpoint.technology, event.uri)
        if event.contact_status in _BACK:
            self._dispatch.back(key, lane)
            self._returned(key)
        elif event.contact_status is ContactStatus.UNREACHABLE:
            self._dispatch.unreachable(lane)
        elif event.contact_status is ContactStatus.REMOVED:
            self._dispatch.gone(lane)

    def _returned(self, key: Key) -> None:
        """What waits for an endpoint goes on; an endpoint of some technologies has no contacts, only a state."""
        self._arrivals += 1
        if self._started:
            self._waiting.flush(key)
        elif self._waiting.count(key):
            self._due_at_start[key] = None

    def refreshed(self, technology: str, contact: str) -> None:
        """A contact registered again: it is there, whatever the last attempt said."""
        self._dispatch.refreshed((technology, contact))

    # ---- time

    def _lives(self, message_id: str, key: Key) -> bool:
        return self._dispatch.get(message_id) is not None or self._waiting.has(key, message_id)

    def _expire(self, message_id: str, key: Key) -> None:
        if self._dispatch.get(message_id) is not None:
            self._dispatch.end_queued(message_id, MessageState.EXPIRED)
        elif self._waiting.remove(key, message_id):
            self._dispatch.join(key)
            self._lapsed.append(message_id)
            if not self._lapsing:
                self._lapsing = True
                self._spawn(self._end_lapsed())

    async def _end_lapsed(self) -> None:
        """Writes the end of what expired while it waited; one task at a time, however many there are."""
        try:
            while self._lapsed:
                message_id = self._lapsed[0]
                record = await self._journal.find(message_id)
                self._lapsed.popleft()
                if record is not None and not record.over:
                    self._end_waiting(record, MessageState.EXPIRED)
        except StoreUnavailable as error:
            log.warning("expired messages can not be ended now", count=len(self._lapsed), reason=str(error))
            self._schedule.at(self._clock.monotonic() + READ_RETRY, lambda _: self._spawn(self._end_lapsed()))
        else:
            self._lapsing = False

    def _purge(self, now: float) -> None:
        self._schedule.at(now + PURGE_EVERY, self._purge)
        self._spawn(self._forget_old())

    async def _forget_old(self) -> None:
        try:
            await self._journal.purge(self._clock.wall() - self._terms.retention)
        except StoreUnavailable as error:
            log.warning("finished messages can not be forgotten now", reason=str(error))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _digest(message: TextMessage) -> str:
    """What makes two messages the same (``MessageRecord.digest``)."""
    parts = [message.technology, message.destination, message.by_name, message.sender, message.body]
    text = json.dumps([*parts, sorted(message.headers.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _spoken_of(record: MessageRecord, contact: str) -> int | None:
    """The delivery that a device at a contact speaks of: its own; else, as it may send from anywhere, the one that was
    spoken of before, or the first that got the text.
    """
    begun = [index for index, known in enumerate(record.deliveries) if known.attempts]
    deliveries = record.deliveries
    return min(
        begun,
        key=lambda i: (
            deliveries[i].contact != contact,
            deliveries[i].notification is None,
            deliveries[i].state is not MessageState.DELIVERED,
        ),
        default=None,
    )


def _same(known: str, digest: str) -> None:
    if known != digest:
        raise Conflict("This message_id is another message's")
