"""The message service on a virtual clock, with phones that do what they are told and a journal of lists.

The journal keeps packed copies, as a disk would: what was not written is gone when the service is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from support.virtual import VirtualClock, VirtualTimers, settle
from switchroom.core.bus import Bus
from switchroom.core.messages import Messages, MessageTerms, SendOptions
from switchroom.core.schedule import Schedule
from switchroom.core.storage import StoreUnavailable
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import ContactStatus, Endpoint, EndpointId, EndpointState
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.events import ContactStatusChange, Event, TextMessageStatusChange
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, Referral, TextMessage
from switchroom.model.record import MessageRecord, MessageState

Done = Callable[[DeliveryReport], None]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(MessageRecord).decode


#: The terms of a server that was told nothing, and of one that keeps texts for whoever is offline.
DEFAULTS = MessageTerms()
STORE = MessageTerms(offline=True)

#: Where bob may be reached.
ONE = "sip:bob@192.0.2.1"
TWO = "sip:bob@192.0.2.2"


class ListJournal:
    """``core.storage.Journal`` that fails on command, and forgets what was owed when it is cut off."""

    def __init__(self) -> None:
        self.failing = False
        #: Accepts wait for this when it is set.
        self.gate: asyncio.Event | None = None
        self._kept: dict[str, bytes] = {}
        self._owed: dict[str, bytes] = {}
        self._sequence = 0
        #: When finished ones ended.
        self._over: dict[str, float] = {}
        self.finds = 0
        #: Hears of each message that is written.
        self.written: Callable[[MessageRecord], None] = lambda record: None

    def committed(self, message_id: str) -> MessageRecord | None:
        packed = self._kept.get(message_id)
        return _unpack(packed) if packed is not None else None

    def repair(self) -> None:
        """It works again: what was owed is written."""
        self.failing = False
        owed, self._owed = self._owed, {}
        for packed in owed.values():
            self._keep(_unpack(packed))

    def owed(self) -> set[str]:
        """Messages whose last change is not written."""
        return set(self._owed)

    def cut_off(self) -> None:
        """The process dies: only what is committed remains."""
        self.failing = False
        self.gate = None
        self._owed.clear()

    async def accept(self, record: MessageRecord) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise StoreUnavailable("the disk is full")
        assert record.id not in self._kept
        self._sequence += 1
        record.sequence = self._sequence
        self._kept[record.id] = _pack(record)

    def update(self, record: MessageRecord, changed: Sequence[int] = ()) -> None:
        assert all(0 <= index < len(record.deliveries) for index in changed)
        if self.failing:
            self._owed[record.id] = _pack(record)
        else:
            self._keep(record)

    async def confirm(self) -> None:
        if self.failing:
            raise StoreUnavailable("the disk is full")

    def _keep(self, record: MessageRecord) -> None:
        self._kept[record.id] = _pack(record)
        if record.over:
            self._over[record.id] = record.updated
        self.written(record)

    async def find(self, message_id: str) -> MessageRecord | None:
        self.finds += 1
        await asyncio.sleep(0)
        packed = self._owed.get(message_id) or self._kept.get(message_id)
        return _unpack(packed) if packed is not None else None

    async def search(
        self,
        *,
        technology: str = "",
        endpoint: str = "",
        state: MessageState | None = None,
        limit: int,
        after: str = "",
    ) -> list[MessageRecord]:
        records = sorted(map(_unpack, {**self._kept, **self._owed}.values()), key=lambda r: -r.sequence)
        last = next((r.sequence for r in records if r.id == after), self._sequence + 1)
        return [
            r
            for r in records
            if r.sequence < last
            and technology in ("", r.technology)
            and endpoint in ("", r.endpoint)
            and state in (None, r.state)
        ][:limit]

    async def unfinished(self, *, after: int = 0, limit: int | None = None) -> list[MessageRecord]:
        records = sorted(map(_unpack, self._kept.values()), key=lambda r: r.sequence)
        return [r for r in records if r.sequence > after and not r.over][:limit]

    async def purge(self, finished_before: float) -> int:
        over = [message_id for message_id, ended in self._over.items() if ended < finished_before]
        for message_id in over:
            del self._kept[message_id], self._over[message_id]
        return len(over)


class Phones:
    """A technology whose contacts come and go as told; what is sent is answered by whoever looks."""

    name = "PJSIP"

    def __init__(self, endpoints: Sequence[str], bus: Bus, clock: VirtualClock, *, first: bool = False) -> None:
        self._bus = bus
        self._clock = clock
        self._first = first
        self.contacts: dict[str, dict[str, ContactStatus]] = {name: {} for name in endpoints}
        #: Deliveries on the wire, and where their end is told.
        self.open: list[tuple[Delivery, Done]] = []
        #: When set, takes each delivery instead of ``open``.
        self.wire: Callable[[Delivery, Done], None] | None = None

    # ---- what contacts do

    def come(self, endpoint: str, uri: str, status: ContactStatus = ContactStatus.NON_QUALIFIED) -> None:
        """A contact registers, or is reachable again."""
        self.contacts[endpoint][uri] = status
        self._tell(endpoint, uri, status)

    def fall_silent(self, endpoint: str, uri: str) -> None:
        """Qualify finds that a contact does not answer."""
        self.come(endpoint, uri, ContactStatus.UNREACHABLE)

    def go(self, endpoint: str, uri: str) -> None:
        """A contact is removed."""
        del self.contacts[endpoint][uri]
        self._tell(endpoint, uri, ContactStatus.REMOVED)

    def _tell(self, endpoint: str, uri: str, status: ContactStatus) -> None:
        about = Endpoint(self.name, endpoint, EndpointState.ONLINE)
        self._bus.publish(
            [
                ContactStatusChange(
                    endpoint=about,
                    at=self._clock.wall(),
                    uri=uri,
                    aor=endpoint,
                    contact_status=status,
                    roundtrip_usec=0,
                )
            ]
        )

    # ---- core.ports.Technology

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        if "\n" in message.sender:
            raise InvalidParameter("from has a control character")
        if message.destination.startswith("sip:"):
            return [self._delivery(message, None, message.destination)]
        if message.destination not in self.contacts:
            raise EndpointNotFound
        endpoint = EndpointId(self.name, message.destination)
        contacts = self.contacts[message.destination]
        if not contacts:
            raise NoContact(endpoint)
        if self._first:
            return [self._delivery(message, endpoint, next(iter(contacts)), lane=str(endpoint))]
        silent = {uri for uri, status in contacts.items() if status is ContactStatus.UNREACHABLE}
        return [
            self._delivery(message, endpoint, uri, reachable=uri not in silent or len(silent) == len(contacts))
            for uri in contacts
        ]

    def _delivery(
        self, message: TextMessage, endpoint: EndpointId | None, uri: str, *, lane: str = "", reachable: bool = True
    ) -> Delivery:
        return Delivery(
            message=message,
            endpoint=endpoint,
            contact=uri,
            route=None,
            reachable=reachable,
            lane=lane,
        )

    def deliver(self, delivery: Delivery, done: Done) -> None:
        if self.wire is not None:
            self.wire(delivery, done)
        else:
            self.open.append((delivery, done))

    def refer(self, referral: Referral) -> None:
        raise NotImplementedError

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class MessagesWorld:
    """One service over its phones."""

    def __init__(
        self,
        *endpoints: str,
        terms: MessageTerms = DEFAULTS,
        journal: ListJournal | None = None,
        clock: VirtualClock | None = None,
        first: bool = False,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.journal = journal or ListJournal()
        self.bus = Bus()
        self.phones = Phones(endpoints, self.bus, self.clock, first=first)
        technologies = Technologies()
        technologies.add(self.phones)
        ids = count(len(self.journal._kept) + 1)
        self.schedule = Schedule(self.clock, self.timers)
        self.messages = Messages(
            technologies, self.journal, self.clock, self.schedule, self.bus, terms, lambda: f"m{next(ids)}"
        )
        #: Every change that was told: message id and state.
        self.told: list[tuple[str, str]] = []
        self.bus.attach(self)
        self.bus.attach(self.messages)

    def takes(self, endpoint: EndpointId) -> bool:
        return False

    def hear(self, event: Event) -> None:
        if isinstance(event, TextMessageStatusChange):
            self.told.append((event.message.id, event.message.state.value))

    async def start(self) -> MessagesWorld:
        await self.messages.restore()
        self.messages.start()
        await settle()
        return self

    async def send(self, to: str = "bob", body: str = "hello", **options: object) -> MessageRecord:
        """Sends from alice; ``options`` as ``SendOptions``."""
        return await self.messages.send(f"pjsip:{to}", "alice", body, {}, SendOptions(**options))  # type: ignore[arg-type]

    async def now(self, message_id: str) -> MessageRecord:
        await settle()
        return await self.messages.find(message_id)

    async def state(self, message_id: str) -> str:
        return (await self.now(message_id)).state.value

    def on_the_wire(self) -> list[tuple[str, str]]:
        """Body and contact of what was sent and is not answered."""
        return [(delivery.message.body, delivery.contact) for delivery, _ in self.phones.open]

    async def answer(self, status: int = 200, *, contact: str = "", times: int = 1) -> None:
        """Phones answer the oldest of what is on the wire (to ``contact``), so many times."""
        for _ in range(times):
            await settle()
            index = next(i for i, (d, _) in enumerate(self.phones.open) if contact in ("", d.contact))
            delivery, done = self.phones.open.pop(index)
            state = DeliveryState.DELIVERED if 200 <= status < 300 else DeliveryState.FAILED
            done(DeliveryReport(delivery=delivery, state=state, status_code=status, reason="Because"))
        await settle()

    async def pass_time(self, seconds: float) -> None:
        await self.timers.pass_time(seconds)


async def world(*contacts: str, terms: MessageTerms = DEFAULTS, first: bool = False) -> MessagesWorld:
    """Bob with these contacts, and carol with one."""
    w = await MessagesWorld("bob", "carol", terms=terms, first=first).start()
    for uri in contacts:
        w.phones.come("bob", uri)
    w.phones.come("carol", "sip:carol@192.0.2.9")
    return w
