"""Where peers are and whether they are there: registrations, POKE and PONG, and what is told of them.

States and events are Asterisk's (spec/sip-xmpp-iax2.md C.2), but a peer that answers is online, also at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

import structlog

from switchroom.core.bus import Bus
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.core.storage import ContactStore
from switchroom.model.endpoint import Contact, ContactStatus, EndpointState
from switchroom.model.events import ContactStatusChange, PeerStatusChange
from switchroom.tech.iax2.limits import FIRST_POKE_SECONDS, GRACE
from switchroom.tech.iax2.peers import Peer, Peers, Verdict, host_port
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.events import NoPong, Pong
from switchroom.wire.iax2.stack import Stack

log = structlog.get_logger(__name__)


class Question:
    """One POKE that is out."""

    __slots__ = ("peer",)

    def __init__(self, peer: Peer) -> None:
        self.peer = peer


class Presence:
    """All that changes where a peer is or what state it has.

    ``flush`` sends what the stack has; ``contact_changed`` hears of ways to peers that come and go. Applications do
    not: there are no contacts of IAX2 peers in Asterisk.
    """

    def __init__(
        self,
        stack: Stack,
        registry: Registry,
        bus: Bus,
        clock: Clock,
        schedule: Schedule,
        contacts: ContactStore,
        random: Random,
        flush: Callable[[], None],
        contact_changed: Callable[[ContactStatusChange], None],
    ) -> None:
        self._stack = stack
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._schedule = schedule
        self._contacts = contacts
        self._random = random
        self._flush = flush
        self._contact_changed = contact_changed

    # ---- at the start

    async def restore(self, technology: str, peers: Peers, listeners: frozenset[str], longest: float) -> None:
        """Takes in who was registered when the server ended. Raises StoreUnavailable."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        for contact, expires in await self._contacts.load(technology):
            peer = peers.get(contact.aor)
            host, _, port = contact.address.rpartition(":")
            usable = peer is not None and peer.settings.dynamic and contact.listener in listeners
            if peer is None or not usable or expires <= wall:
                self._contacts.forget(technology, contact.aor, contact.uri)
                continue
            peer.address = Address(host.strip("[]"), int(port), contact.listener)
            peer.registered = contact.registered
            self._expire_at(peer, now + min(expires - wall, longest + GRACE))
            self._bus.publish(self._registry.turn(peer.id, EndpointState.ONLINE))
            self._tell_contact(peer, ContactStatus.NON_QUALIFIED)

    def watch(self, peers: Collection[Peer]) -> None:
        """Asks those who are to be asked and whose address is known, one after the other."""
        spread = FIRST_POKE_SECONDS * len(peers)
        for peer in peers:
            before = peer.verdict
            self._start_over(peer)
            if peer.address is None:
                continue
            if peer.settings.qualify:
                self._poke_in(peer, self._random.uniform(0.0, spread))
            elif before is Verdict.UNREACHABLE:
                # Nobody asks any more, so nobody knows better than that it is registered.
                state = EndpointState.ONLINE if peer.settings.dynamic else EndpointState.UNKNOWN
                self._bus.publish(self._registry.turn(peer.id, state))
                self._tell_contact(peer, ContactStatus.NON_QUALIFIED)

    def forget(self, peer: Peer) -> None:
        """It is no longer where it was, or no longer at all; no event, as in Asterisk."""
        if peer.address is not None:
            self._forget_contact(peer)
        self._start_over(peer)
        peer.address = None
        if peer.expiry is not None:
            self._schedule.cancel(peer.expiry)
            peer.expiry = None

    # ---- registrations

    def register(self, peer: Peer, address: Address, refresh: int) -> None:
        """A registration was accepted; a refresh from the same place is no event."""
        now = self._clock.monotonic()
        new = peer.address != address
        if new and peer.address is not None:
            self._forget_contact(peer)
        peer.address = address
        peer.registered = self._clock.wall()
        self._expire_at(peer, now + refresh + GRACE)
        self._keep(peer)
        if not new:
            return
        log.debug("a peer is registered", peer=peer.name, address=host_port(address))
        self._bus.publish(self._registry.turn(peer.id, EndpointState.ONLINE))
        self._tell(peer, "Registered", address=address.host, port=str(address.port))
        self._tell_contact(peer, ContactStatus.NON_QUALIFIED)
        self._start_over(peer)
        if peer.settings.qualify:
            self._ask(peer)

    def unregister(self, peer: Peer, cause: str | None = None) -> None:
        """A registration ends; nothing happens when there is none."""
        if peer.address is None:
            return
        self.forget(peer)
        self._bus.publish(self._registry.turn(peer.id, EndpointState.OFFLINE))
        self._tell(peer, "Unregistered", cause=cause)

    def _expire_at(self, peer: Peer, expires: float) -> None:
        """One look at a time: a refresh costs none."""
        peer.expires = expires
        if peer.expiry is not None:
            if peer.expiry.when <= expires:
                return
            self._schedule.cancel(peer.expiry)
        peer.expiry = self._schedule.at(expires, lambda now: self._expire(peer, now))

    def _expire(self, peer: Peer, now: float) -> None:
        peer.expiry = None
        if peer.expires > now:
            self._expire_at(peer, peer.expires)
        else:
            self.unregister(peer, "Expired")

    def _keep(self, peer: Peer) -> None:
        expires = self._clock.wall() + peer.expires - self._clock.monotonic()
        self._contacts.save(peer.id.technology, contact_of(peer), expires)

    def _forget_contact(self, peer: Peer) -> None:
        self._contacts.forget(peer.id.technology, peer.name, peer.contact)
        self._tell_contact(peer, ContactStatus.REMOVED)

    # ---- questions

    def _start_over(self, peer: Peer) -> None:
        """What was known of its answers is of another place."""
        peer.verdict = Verdict.NONE
        peer.roundtrip = peer.mean = 0.0
        peer.poke = None
        if peer.next_poke is not None:
            self._schedule.cancel(peer.next_poke)
            peer.next_poke = None

    def _poke_in(self, peer: Peer, delay: float) -> None:
        peer.next_poke = self._schedule.at(self._clock.monotonic() + delay, lambda now: self._ask_again(peer))

    def _ask_again(self, peer: Peer) -> None:
        peer.next_poke = None
        self._ask(peer)
        self._flush()

    def _ask(self, peer: Peer) -> None:
        assert peer.address is not None
        settings = peer.settings
        if peer.verdict is Verdict.UNREACHABLE:
            timeout = settings.qualify_not_ok * 5 / 6
        else:
            timeout = min(20.0 + settings.qualify, settings.qualify_ok * 5 / 6)
        question = peer.poke = Question(peer)
        if not self._stack.poke(peer.address, question, timeout, self._clock.monotonic()):
            # No room: it says nothing about the peer.
            self._poke_in(peer, settings.qualify_ok)

    def answered(self, pong: Pong) -> None:
        question = pong.context
        assert isinstance(question, Question)
        peer = question.peer
        if peer.poke is not question:
            return
        peer.poke = None
        # As in Asterisk at least a millisecond, for 0 means no answer yet.
        peer.roundtrip = max(pong.roundtrip, 0.001)
        smooth = peer.settings.qualify_smoothing and peer.mean
        peer.mean = (peer.mean + peer.roundtrip) / 2 if smooth else peer.roundtrip
        verdict = Verdict.REACHABLE if peer.mean <= peer.settings.qualify else Verdict.LAGGED
        self._poke_in(peer, peer.settings.qualify_ok if verdict is Verdict.REACHABLE else peer.settings.qualify_not_ok)
        before, peer.verdict = peer.verdict, verdict
        if before is verdict:
            return
        events = self._registry.turn(peer.id, EndpointState.ONLINE)
        self._bus.publish(events)
        if before is Verdict.NONE and not events:
            return
        self._tell(peer, verdict.value, time=str(round(peer.roundtrip * 1000)))
        if before in (Verdict.NONE, Verdict.UNREACHABLE):
            self._tell_contact(peer, ContactStatus.REACHABLE)

    def not_answered(self, silence: NoPong) -> None:
        question = silence.context
        assert isinstance(question, Question)
        peer = question.peer
        if peer.poke is not question:
            return
        peer.poke = None
        before, peer.verdict = peer.verdict, Verdict.UNREACHABLE
        self._poke_in(peer, peer.settings.qualify_not_ok)
        if before is Verdict.UNREACHABLE:
            return
        log.info("a peer does not answer", peer=peer.name)
        self._bus.publish(self._registry.turn(peer.id, EndpointState.OFFLINE))
        self._tell(peer, "Unreachable", time=str(round(peer.roundtrip * 1000)))
        peer.mean = 0.0
        self._tell_contact(peer, ContactStatus.UNREACHABLE)

    # ---- telling

    def _tell(
        self,
        peer: Peer,
        status: str,
        *,
        address: str | None = None,
        port: str | None = None,
        cause: str | None = None,
        time: str | None = None,
    ) -> None:
        endpoint = self._registry.get(*peer.id)
        if endpoint is not None:
            self._bus.publish(
                [
                    PeerStatusChange(
                        endpoint=endpoint,
                        at=self._clock.wall(),
                        peer_status=status,
                        address=address,
                        port=port,
                        cause=cause,
                        time=time,
                    )
                ]
            )

    def _tell_contact(self, peer: Peer, status: ContactStatus) -> None:
        endpoint = self._registry.get(*peer.id)
        if endpoint is not None:
            self._contact_changed(
                ContactStatusChange(
                    endpoint=endpoint,
                    at=self._clock.wall(),
                    uri=peer.contact,
                    aor=peer.name,
                    contact_status=status,
                    roundtrip_usec=round(peer.roundtrip * 1_000_000),
                )
            )


_STATUS = {
    Verdict.NONE: ContactStatus.NON_QUALIFIED,
    Verdict.REACHABLE: ContactStatus.REACHABLE,
    Verdict.LAGGED: ContactStatus.REACHABLE,
    Verdict.UNREACHABLE: ContactStatus.UNREACHABLE,
}


def contact_of(peer: Peer) -> Contact:
    """Where a peer is and what is known of it; its address must be known."""
    assert peer.address is not None
    dynamic = peer.settings.dynamic
    return Contact(
        aor=peer.name,
        uri=peer.contact,
        status=_STATUS[peer.verdict],
        roundtrip_usec=round(peer.roundtrip * 1_000_000),
        static=not dynamic,
        registered=peer.registered if dynamic else 0.0,
        # What was granted; it holds a little longer.
        expires=peer.expires - GRACE if dynamic else None,
        transport="udp",
        address=host_port(peer.address),
        listener=peer.address.local,
    )
