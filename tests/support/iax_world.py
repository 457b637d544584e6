"""An IAX2 technology on a virtual clock, and a network that carries datagrams to peers and loses what it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random

from support.iax_peer import IaxPeer
from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.bus import Bus
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import (
    ContactStatusChange,
    EndpointStateChange,
    Event,
    PeerStatusChange,
    TextMessageReceived,
)
from switchroom.model.iax2_settings import IaxPeerSettings, IaxSettings
from switchroom.model.message import Delivery, DeliveryReport, ReceivedText, TextMessage
from switchroom.model.settings import Source
from switchroom.store.memory import MemoryStore
from switchroom.tech.iax2.service import IaxTechnology
from switchroom.wire.iax2.address import Address

HERE = Source("iax.conf", 1)
SERVER = Address("192.0.2.1", 4569)
PHONE = Address("192.0.2.9", 4571)


def peer(name: str = "iaxphone", **more: object) -> IaxPeerSettings:
    """A peer that registers with ``iaxpw`` and is asked whether it is there, unless told otherwise."""
    values: dict[str, object] = {"source": HERE, "dynamic": True, "secrets": ("iaxpw",), "qualify": 2.0}
    return IaxPeerSettings(name=name, **(values | more))  # type: ignore[arg-type]


class Addresses:
    """A resolver that knows literal addresses and what it is told."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    async def resolve(self, host: str, port: int | None, transport: str) -> list[tuple[str, int]]:
        if host[:1].isdecimal() or ":" in host:
            return [(host, port or 4569)]
        if host not in self.known:
            raise OSError(f"{host} is not known")
        return [(self.known[host], port or 4569)]


class IaxWorld:
    """One technology under observation. ``loses`` says which datagrams never arrive."""

    def __init__(
        self,
        *peers: IaxPeerSettings,
        store: MemoryStore | None = None,
        clock: VirtualClock | None = None,
        **more: object,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.store = store or MemoryStore()
        self.bus = Bus()
        self.bus.attach(self)
        self.registry = Registry(self.clock)
        self.schedule = Schedule(self.clock, self.timers)
        self.addresses = Addresses()
        self.wants_texts = True
        self.statuses: list[str] = []
        self.states: list[str] = []
        self.texts: list[ReceivedText] = []
        self.contacts: list[tuple[str, str]] = []
        self.reports: list[tuple[int, str]] = []
        #: What was told, from where, by what name.
        self.offences: list[tuple[str, str, str]] = []
        self.loses: Callable[[bytes, Address], bool] = lambda data, to: False
        #: Every datagram that left the server, and every one that left a peer.
        self.sent: list[tuple[bytes, Address]] = []
        self.heard: list[tuple[bytes, Address]] = []
        self.peers: dict[Address, IaxPeer] = {}
        self._wire: deque[tuple[bytes, Address, Address]] = deque()
        self._carrying = False
        self.iax = IaxTechnology(
            IaxSettings(peers={p.name: p for p in peers}, **more),  # type: ignore[arg-type]
            registry=self.registry,
            bus=self.bus,
            clock=self.clock,
            schedule=self.schedule,
            resolver=self.addresses,
            contacts=self.store.contacts,
            contact_changed=self._contact_changed,
            secret=b"a secret of sixteen bytes",
            random=Random(1),
            tell=lambda offence, source, account: self.offences.append((offence.value, source, account)),
        )
        self.iax.attach("0", SERVER.host, lambda data, host, port: self._leave(data, SERVER, Address(host, port)))

    async def start(self) -> IaxWorld:
        await self.iax.start()
        self.states.clear()
        return self

    def add(self, address: Address = PHONE, name: str = "iaxphone", secret: str = "iaxpw") -> IaxPeer:
        """A peer on the network; it does nothing yet."""
        made = self.peers[address] = IaxPeer(SERVER, lambda data, to: self._leave(data, address, to), name, secret)
        return made

    # ---- the network

    def _leave(self, data: bytes, source: Address, to: Address) -> None:
        (self.sent if source == SERVER else self.heard).append((data, to if source == SERVER else source))
        if not self.loses(data, to):
            self._wire.append((data, source, to))
        self._carry()

    def _carry(self) -> None:
        if self._carrying:
            return
        self._carrying = True
        while self._wire:
            data, source, to = self._wire.popleft()
            if to == SERVER:
                self.iax.receive(data, source.host, source.port, "0")
            elif to in self.peers:
                self.peers[to].receive(data, source, self.clock.now)
        self._carrying = False

    def inject(self, data: bytes, source: Address = PHONE) -> list[bytes]:
        """A datagram of anybody; what left the server because of it."""
        before = len(self.sent)
        self.iax.receive(data, source.host, source.port, "0")
        return [data for data, _ in self.sent[before:]]

    async def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Time passes for the server and all peers."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            await self.timers.pass_time(min(step, end - self.clock.now))
            for made in self.peers.values():
                made.handle_timer(self.clock.now)

    # ---- what is told

    def takes(self, endpoint: EndpointId) -> bool:
        return self.wants_texts

    def hear(self, event: Event) -> None:
        if isinstance(event, PeerStatusChange):
            told = (event.peer_status, event.address, event.port, event.cause, event.time)
            self.statuses.append(" ".join(part for part in told if part is not None))
        elif isinstance(event, TextMessageReceived):
            self.texts.append(event.message)
        elif isinstance(event, EndpointStateChange):
            self.states.append(event.endpoint.state.value)

    def _contact_changed(self, event: ContactStatusChange) -> None:
        self.contacts.append((event.uri, event.contact_status.value))

    def state(self, name: str = "iaxphone") -> str:
        endpoint = self.registry.get("IAX2", name)
        assert endpoint is not None
        return endpoint.state.value

    # ---- texts out

    def send(self, body: str = "hello", to: str = "iaxphone", sender: str = "pjsip:alice") -> None:
        """Plans and delivers; the outcome comes into ``reports``."""
        for delivery in self.plan(body, to, sender):
            self.iax.deliver(delivery, self._ended)

    def plan(self, body: str = "hello", to: str = "iaxphone", sender: str = "pjsip:alice") -> Sequence[Delivery]:
        return self.iax.plan(TextMessage(id="m1", technology="IAX2", destination=to, sender=sender, body=body))

    def _ended(self, report: DeliveryReport) -> None:
        self.reports.append((report.status_code, report.reason))
