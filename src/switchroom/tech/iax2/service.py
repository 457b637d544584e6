"""IAX2: the technology as the core sees it, and the shell around the IAX2 kernel.

In: a datagram -> ``Stack.receive`` -> an event -> registrar, presence or messaging -> registry and bus.
Out: ``plan`` and ``deliver`` -> ``Stack.send_text`` -> the listener; the peer's acknowledgement ends the delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import structlog
from msgspec.structs import replace

from switchroom.core.bus import Bus
from switchroom.core.policy import forbidden
from switchroom.core.ports import Clock, Resolver
from switchroom.core.registry import Registry
from switchroom.core.schedule import Deadline, Schedule
from switchroom.core.storage import ContactStore
from switchroom.model.endpoint import Contact, EndpointState
from switchroom.model.errors import EndpointNotFound
from switchroom.model.events import ContactStatusChange
from switchroom.model.iax2_settings import IaxPeerSettings, IaxSettings
from switchroom.model.message import Delivery, DeliveryReport, Referral, TextMessage
from switchroom.tech.iax2.authentication import Authenticator, Tell, untold
from switchroom.tech.iax2.messaging import Crossing, Messaging
from switchroom.tech.iax2.outbound import Outbound
from switchroom.tech.iax2.peers import Peer, Peers
from switchroom.tech.iax2.presence import Presence, contact_of
from switchroom.tech.iax2.registrar import Registrar
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.events import (
    CallOffered,
    CallProven,
    NoPong,
    Pong,
    Registered,
    TextDelivered,
    TextFailed,
    TextReceived,
)
from switchroom.wire.iax2.registration import RegistrationRequested
from switchroom.wire.iax2.stack import Stack

log = structlog.get_logger(__name__)

Send = Callable[[bytes, str, int], None]


class IaxTechnology:
    """Serves the peers of ``IaxSettings``; see ``core.ports.Technology``."""

    name = "IAX2"

    def __init__(
        self,
        settings: IaxSettings,
        *,
        registry: Registry,
        bus: Bus,
        clock: Clock,
        schedule: Schedule,
        resolver: Resolver,
        contacts: ContactStore,
        contact_changed: Callable[[ContactStatusChange], None],
        secret: bytes,
        random: Random,
        tell: Tell = untold,
    ) -> None:
        """``contact_changed`` hears of ways to peers that come and go; ``secret`` signs tokens and challenges,
        ``random`` is one that nobody can guess, ``tell`` hears of offences.
        """
        self._settings = settings
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._schedule = schedule
        self._resolver = resolver
        self._stack = stack = Stack(
            secret=secret,
            number=lambda: random.getrandbits(62),
            token_lifetime=settings.call_token_expiration,
            max_calls_per_host=settings.max_call_numbers,
            max_unproven=settings.max_unproven,
        )
        #: How to send from each socket, and the family it speaks.
        self._sockets: dict[str, Send] = {}
        self._families: dict[bool, str] = {}
        self._alarm: Deadline | None = None
        self._seeking: set[asyncio.Task[None]] = set()
        self._peers = peers = Peers(self.name, settings)
        authenticator = Authenticator(settings, tell)
        self._presence = Presence(stack, registry, bus, clock, schedule, contacts, random, self._flush, contact_changed)
        self._registrar = Registrar(settings, peers, stack, authenticator, self._presence, clock)
        self._messaging = Messaging(self.name, peers, stack, authenticator, registry, bus, clock)
        self._outbound = Outbound(stack, resolver, clock, schedule, self._flush)

    # ---- life

    def attach(self, local: str, host: str, send: Send) -> None:
        """Adds a bound socket by a name of its own; its owner hands what it receives to ``receive``."""
        self._sockets[local] = send
        self._families.setdefault(":" in host, local)

    def switch_to(self, crossing: Crossing) -> None:
        """Texts of peers to others go through ``crossing``."""
        self._messaging.cross(crossing)

    async def start(self) -> None:
        """Makes the peers known, with those that are still registered, and begins to ask whether they are there.

        Raises:
            StoreUnavailable: the registrations can not be read.
        """
        self._registry.leave_contacts_to(self.name, self._contacts_of)
        for peer in self._peers:
            self._bus.publish(self._registry.add(peer.id, state=EndpointState.UNKNOWN))
        longest = float(self._settings.max_expire)
        await self._presence.restore(self.name, self._peers, frozenset(self._sockets), longest)
        await asyncio.gather(*(self._find(peer) for peer in self._peers if peer.settings.host))
        self._presence.watch(list(self._peers))
        await asyncio.gather(
            *(self._outbound.start(registration, self._local) for registration in self._settings.registrations)
        )
        self._flush()

    async def _find(self, peer: Peer) -> None:
        """The address of a peer that does not register, as it is when we start."""
        settings = peer.settings
        try:
            host, port = (await self._resolver.resolve(settings.host, settings.port, "udp"))[0]
        except OSError as error:
            log.warning("a peer's host has no address", peer=peer.name, host=settings.host, error=str(error))
            return
        local = self._local(host)
        reason = forbidden(host, loopback=True)
        if reason is not None:
            log.warning("a peer's host is an address nothing is sent to", peer=peer.name, host=host, reason=reason)
        elif local is None:
            log.warning("a peer can not be reached from where iax.conf binds", peer=peer.name, host=host)
        else:
            peer.address = Address(host, port, local)

    def _contacts_of(self, resource: str) -> list[Contact]:
        peer = self._peers.get(resource)
        return [contact_of(peer)] if peer is not None and peer.address is not None else []

    def _local(self, host: str) -> str | None:
        """The socket that speaks a host's address family."""
        return self._families.get(":" in host)

    # ---- the configuration changes

    def apply(self, settings: IaxSettings) -> None:
        """Serves these peers from now on. Who is registered stays so, unless it is gone or is found elsewhere now."""
        for peer in list(self._peers):
            if peer.name not in settings.peers:
                self._presence.forget(peer)
                self._peers.remove(peer)
                self._registry.remove(peer.id)
        sought: list[Peer] = []
        for wanted in settings.peers.values():
            known = self._peers.get(wanted.name)
            if known is None:
                known = self._peers.add(wanted)
                self._bus.publish(self._registry.add(known.id, state=EndpointState.UNKNOWN))
                sought.append(known)
            elif replace(known.settings, source=wanted.source) != wanted:
                if _place(known.settings) != _place(wanted):
                    self._presence.forget(known)
                known.settings = wanted
                sought.append(known)
        task = asyncio.get_running_loop().create_task(self._seek(sought))
        self._seeking.add(task)
        task.add_done_callback(self._seeking.discard)

    async def _seek(self, peers: list[Peer]) -> None:
        """Finds who is not found yet, and begins to ask."""
        await asyncio.gather(*(self._find(peer) for peer in peers if peer.settings.host and peer.address is None))
        self._presence.watch(peers)

    async def stop(self) -> None:
        """Calls are dropped: what they were to bring is sent again by whoever keeps it."""
        if self._alarm is not None:
            self._schedule.cancel(self._alarm)
            self._alarm = None
        self._sockets.clear()
        for task in list(self._seeking):
            task.cancel()
        await asyncio.gather(*self._seeking, return_exceptions=True)
        await self._messaging.stop()

    # ---- the walk in

    def receive(self, data: bytes, host: str, port: int, local: str) -> None:
        """Takes one datagram; everything it causes is done and sent when this returns."""
        self._stack.receive(data, Address(host, port, local), self._clock.monotonic())
        self._flush()

    def unreachable(self, host: str, port: int, local: str) -> None:
        """The network says that nobody is there (ICMP)."""
        self._stack.refused(Address(host, port, local), self._clock.monotonic())
        self._flush()

    def _drain(self) -> None:
        while (event := self._stack.next_event()) is not None:
            match event:
                case RegistrationRequested():
                    self._registrar.requested(event)
                case Pong():
                    self._presence.answered(event)
                case NoPong():
                    self._presence.not_answered(event)
                case CallOffered():
                    self._messaging.offered(event)
                case CallProven():
                    self._messaging.proven(event)
                case TextReceived():
                    self._messaging.received(event)
                case TextDelivered() | TextFailed():
                    self._messaging.ended(event)
                case Registered():
                    self._outbound.registered(event)
                case _:
                    self._outbound.failed(event)

    # ---- the walk out

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        return self._messaging.plan(message)

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        self._messaging.deliver(delivery, done)
        self._flush()

    def refer(self, referral: Referral) -> None:
        """IAX2 has nothing like it outside calls."""
        raise EndpointNotFound

    # ---- people of other technologies (``core.addresses.Dialect``)

    def sender(self, alias: str, through: str) -> str:
        """The alias is the calling number: whoever calls it back means them."""
        return alias

    def carrier(self, beyond: str) -> str | None:
        """Nobody: behind a peer are extensions, which are not known here."""
        return None

    # ---- sending and time

    def _flush(self) -> None:
        """Events are seen to, everything the stack wants sent leaves, the alarm is set for what it waits for."""
        self._drain()
        stack, sockets = self._stack, self._sockets
        while (out := stack.to_send()) is not None:
            data, to = out
            send = sockets.get(to.local)
            if send is not None:
                send(data, to.host, to.port)
        due = stack.next_timer()
        if due is None or (self._alarm is not None and self._alarm.when <= due):
            return
        if self._alarm is not None:
            self._schedule.cancel(self._alarm)
        self._alarm = self._schedule.at(due, self._ring)

    def _ring(self, now: float) -> None:
        self._alarm = None
        self._stack.handle_timer(now)
        self._flush()


def _place(settings: IaxPeerSettings) -> tuple[bool, str, int]:
    """What decides where a peer is."""
    return settings.dynamic, settings.host, settings.port
