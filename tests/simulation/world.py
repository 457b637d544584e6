"""A world from a seed: a random life of some phones and a server, then calm, then the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from simulation.history import History
from simulation.model import Model, Sent
from simulation.network import CLEAR, SERVER, Address, Network, Phone, Receipt, Weather
from support.messages_world import ListJournal
from support.sip_world import HERE, Addresses, aor, phone, settings
from support.virtual import VirtualClock, VirtualTimers, settle
from switchroom.core.bus import Bus
from switchroom.core.messages import Messages, MessageTerms, SendOptions
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.core.storage import StoreUnavailable
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import Contact, ContactStatus, EndpointId
from switchroom.model.errors import DomainError
from switchroom.model.events import ContactStatusChange, Event
from switchroom.model.message import ReferralReport
from switchroom.model.record import MessageRecord
from switchroom.model.settings import TransportSettings
from switchroom.tech.sip.service import SipTechnology
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.flow import Flow

#: Virtual seconds of disorder, and of calm afterwards: every pause between attempts is shorter than that.
DISORDER = 600.0
CALM = 4_000.0


class KeptContacts:
    """``core.storage.ContactStore`` in a dictionary that outlives the server."""

    lasting = True

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Contact, float]] = {}

    def save(self, technology: str, contact: Contact, expires: float) -> None:
        self._kept[(contact.aor, contact.uri)] = (contact, expires)

    def forget(self, technology: str, aor: str, uri: str) -> None:
        self._kept.pop((aor, uri), None)

    async def confirm(self) -> None:
        """It is kept at once."""

    async def load(self, technology: str) -> list[tuple[Contact, float]]:
        return list(self._kept.values())


class World:
    """What a seed makes of the world. ``play`` returns the faults of the run."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.journal = ListJournal()
        self.journal.written = lambda record: self.model.note_committed(record, self.clock.now)
        self.contacts = KeptContacts()
        self.model = Model()
        self.network = self._network(random)
        self.first = random.random() < 0.2
        self.offline = random.random() < 0.5
        self.phones: list[Phone] = []
        for number in range(random.randint(1, 4)):
            for device in range(random.choice((1, 1, 2))):
                address = (f"192.0.2.{10 * (number + 1) + device}", 5060)
                made = Phone(f"u{number}", address, self.network, random, self.clock.monotonic)
                made.refusals = random.choice((0.0, 0.0, 0.3))
                self.phones.append(made)
        self._tokens = 0
        self._texts = 0

    def _network(self, random: Random) -> Network:
        weather = Weather(random.choice((0.0, 0.1, 0.4)), random.choice((0.0, 0.2)), random.choice((0.05, 1.5)))
        return Network(self.timers, random, weather, self.clock.monotonic)

    # ---- the server

    async def boot(self) -> None:
        """A new process on what the old one left."""
        names = sorted({p.name for p in self.phones})
        bus = Bus()
        registry = Registry(self.clock)
        schedule = Schedule(self.clock, self.timers)
        technologies = Technologies()
        terms = MessageTerms(offline=self.offline, retention=1e9)
        self.messages = Messages(technologies, self.journal, self.clock, schedule, bus, terms, self._message_id)
        self.sip = SipTechnology(
            "PJSIP",
            settings(
                *(phone(name, auth=()) for name in names),
                aors=[aor(name, max_contacts=2, minimum_expiration=1, qualify_frequency=60) for name in names],
            ),
            registry=registry,
            bus=bus,
            reports=self,
            clock=self.clock,
            timers=self.timers,
            schedule=schedule,
            contacts=self.contacts,
            resolver=Addresses(),
            token=self._token,
            secret=b"a secret of sixteen bytes",
            random=self.random,
            node="n1",
            fork="first" if self.first else "all",
        )
        self.sip.switch_to(self.messages)
        technologies.add(self.sip)
        transport = TransportSettings(name="udp", source=HERE, bind_host=SERVER[0])
        self.sip.attach(Listener(transport, *SERVER, self._leave, lambda peer: SERVER[0]))
        self.network.doors[SERVER] = self._enter
        self.history = History()
        bus.attach(self)
        bus.attach(self.messages)
        await self.messages.restore()
        await self.sip.start()
        self.registry = registry
        self.model.gone_at_some_time |= {n for n in names if not registry.contacts("PJSIP", n)}
        self.messages.start()

    async def die(self) -> None:
        """The process is killed: alarms, packets in its hands and what was not committed are gone."""
        self.network.doors.pop(SERVER)
        # Bound methods are the server's; what the network carries are functions of its own.
        self.timers.keep(lambda alarm: not hasattr(alarm.action, "__self__"))
        self.journal.cut_off()
        await self.messages.stop()
        await self.sip.stop()
        self.journal.cut_off()

    def referral(self, report: ReferralReport) -> None:
        raise AssertionError("nobody was referred")

    def takes(self, endpoint: EndpointId) -> bool:
        return False

    def hear(self, event: Event) -> None:
        self.history.hear(event)
        if isinstance(event, ContactStatusChange) and event.contact_status is ContactStatus.REMOVED:
            self.model.gone_at_some_time.add(event.endpoint.resource)

    def _leave(self, data: bytes, host: str, port: int) -> None:
        self.network.send(data, SERVER, (host, port))

    def _enter(self, data: bytes, source: Address, left: float) -> None:
        self.sip.receive(data, Flow("udp", "udp", *source))

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:016x}"

    def _message_id(self) -> str:
        self._texts += 1
        return f"m{self._texts}"

    # ---- a life

    async def play(self) -> list[str]:
        """A random life, then calm; what does not fit together."""
        await self.boot()
        acts: list[tuple[float, Callable[[], object]]] = [
            (6.0, self._send),
            (2.0, self._repeat),
            (1.0, self._cancel),
            (3.0, self._register),
            (0.5, self._unregister),
            (1.0, self._switch_phone),
            (0.5, self._break_or_repair_store),
            (0.3, self._crash),
        ]
        for made in self.phones:
            made.register()
        end = self.clock.now + DISORDER
        acts = acts[: self.random.choice((4, 6, 8, 8))]
        while self.clock.now < end:
            await self.timers.pass_time(self.random.expovariate(0.1))
            act = self.random.choices([a for _, a in acts], [w for w, _ in acts])[0]
            outcome = act()
            if asyncio.iscoroutine(outcome):
                await outcome
            await settle()
            if untold := self.history.faults(self.registry, self.messages):
                return untold
        await self._calm_down()
        untold = self.history.faults(self.registry, self.messages)
        return untold + self.model.faults(await self._records(), self._receipts())

    async def _calm_down(self) -> None:
        self.network.weather = CLEAR
        self.journal.repair()
        for made in self.phones:
            made.on = True
            made.refusals = 0.0
        passed = 0.0
        while passed < CALM:
            for made in self.phones:
                made.register()
            await self.timers.pass_time(500.0)
            passed += 500.0

    async def _records(self) -> dict[str, MessageRecord]:
        records = {}
        for sent in self.model.sent:
            if sent.accepted and (record := self.journal.committed(sent.message_id)) is not None:
                records[sent.message_id] = record
        return records

    def _receipts(self) -> dict[tuple[str, str], list[Receipt]]:
        return {(p.name, p.contact): p.receipts for p in self.phones}

    # ---- what may happen

    async def _send(self) -> None:
        random = self.random
        for _ in range(random.choice((1, 1, 1, 4, 20))):
            offline = random.choice((None, None, True, False))
            to = random.choice(self.phones).name
            sent = Sent(to, f"text {len(self.model.sent)}", self.offline if offline is None else offline)
            own_id = f"own-{len(self.model.sent)}" if random.random() < 0.3 else None
            self.model.sent.append(sent)
            await self._ask(sent, SendOptions(own_id, offline, random.choice((None, None, 30.0, 300.0))))

    async def _ask(self, sent: Sent, options: SendOptions) -> None:
        try:
            record = await self.messages.send(f"pjsip:{sent.to}", "alice", sent.body, {}, options)
        except DomainError:
            return
        assert sent.message_id in ("", record.id), "a repeat made another message"
        sent.accepted, sent.message_id, sent.sequence = True, record.id, record.sequence

    async def _repeat(self) -> None:
        """A client that did not see its 202 asks again."""
        own = [sent for sent in self.model.sent if sent.message_id.startswith("own-")]
        if own:
            sent = self.random.choice(own)
            await self._ask(sent, SendOptions(sent.message_id))

    async def _cancel(self) -> None:
        accepted = [sent for sent in self.model.sent if sent.accepted]
        if accepted:
            sent = self.random.choice(accepted[-10:])
            try:
                await self.messages.cancel(sent.message_id)
            except StoreUnavailable:
                # Perhaps it is taken back; a client has to ask again to know.
                sent.cancel_unsure = True
            except DomainError:
                return
            else:
                sent.cancelled = True

    def _register(self) -> None:
        self.random.choice(self.phones).register(self.random.choice((20, 120, 3600)))

    def _unregister(self) -> None:
        self.random.choice(self.phones).register(0)

    def _switch_phone(self) -> None:
        made = self.random.choice(self.phones)
        made.on = not made.on

    def _break_or_repair_store(self) -> None:
        if self.journal.failing:
            self.journal.repair()
        else:
            self.journal.failing = True

    async def _crash(self) -> None:
        self.model.taken_back |= self.journal.owed()
        await self.die()
        await self.timers.pass_time(self.random.choice((0.1, 5.0, 100.0)))
        await self.boot()


async def faults_of(seed: int) -> list[str]:
    """Plays one seed."""
    world = World(seed)
    try:
        return await world.play()
    finally:
        await world.messages.stop()
        await world.sip.stop()
