"""Peers: endpoints of the older drivers, whose state is what was last heard of them, and told in their words.

One contact each at a time. ``PeerStatusChange`` says ``Registered`` (at each refresh too), ``Unregistered``,
``Reachable``, ``Lagged`` (answered, but late) and ``Unreachable``; nobody heard of yet is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from switchroom.core.ports import Clock
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.model.endpoint import Contact, ContactStatus, EndpointId, EndpointState
from switchroom.model.events import EndpointEvent, PeerStatusChange


class Contacts(Protocol):
    """Contacts come, go, and answer: the events each change causes. ``Registry`` is one, ``Peers`` another."""

    def bind(self, aor: AddressOfRecord, contact: Contact, *, repeat: bool = False) -> list[EndpointEvent]: ...

    def restore(self, aor: AddressOfRecord, contact: Contact) -> list[EndpointEvent]: ...

    def unbind(self, aor: AddressOfRecord, uri: str) -> list[EndpointEvent]: ...

    def qualify(
        self, aor: AddressOfRecord, uri: str, status: ContactStatus, roundtrip_usec: int
    ) -> list[EndpointEvent]: ...


class Peers:
    """The contacts of one technology's peers."""

    def __init__(self, technology: str, registry: Registry, clock: Clock, limit: Callable[[str], float]) -> None:
        """``limit`` gives the seconds after which an answer of an address of record is late; 0: none is."""
        registry.leave_states_to(technology)
        self._technology = technology
        self._registry = registry
        self._clock = clock
        self._limit = limit

    def bind(self, aor: AddressOfRecord, contact: Contact, *, repeat: bool = False) -> list[EndpointEvent]:
        """A peer registers, again or anew; a static contact says nothing of its peer."""
        events = self._registry.bind(aor, contact)
        if contact.static:
            return events
        return events + self._tell(aor, EndpointState.ONLINE, "Registered", address=contact.address)

    def restore(self, aor: AddressOfRecord, contact: Contact) -> list[EndpointEvent]:
        """A peer that registered before a restart is there still; nobody is told that it registers."""
        events = self._registry.restore(aor, contact)
        state = EndpointState.OFFLINE if contact.status is ContactStatus.UNREACHABLE else EndpointState.ONLINE
        for name in aor.users:
            events += self._registry.set_state(EndpointId(self._technology, name), state)
        return events

    def unbind(self, aor: AddressOfRecord, uri: str) -> list[EndpointEvent]:
        """A registration ends, by itself or for another one, which is not told."""
        known = aor.contacts.get(uri)
        events = self._registry.unbind(aor, uri)
        if known is None or known.static or aor.contacts:
            return events
        return events + self._tell(aor, EndpointState.OFFLINE, "Unregistered", cause="Expired")

    def qualify(
        self, aor: AddressOfRecord, uri: str, status: ContactStatus, roundtrip_usec: int
    ) -> list[EndpointEvent]:
        """An OPTIONS was answered, or not."""
        before = aor.contacts.get(uri)
        if before is None:
            return []
        events = self._registry.qualify(aor, uri, status, roundtrip_usec)
        gone = before.status is ContactStatus.UNREACHABLE
        if status is ContactStatus.UNREACHABLE:
            return events if gone else events + self._tell(aor, EndpointState.OFFLINE, "Unreachable", time="-1")
        late = self._late(aor, roundtrip_usec)
        measured = before.status is ContactStatus.REACHABLE
        if measured and late is self._late(aor, before.roundtrip_usec):
            return events
        time = str(max(1, roundtrip_usec // 1000))
        return events + self._tell(aor, EndpointState.ONLINE, "Lagged" if late else "Reachable", time=time)

    def _late(self, aor: AddressOfRecord, roundtrip_usec: int) -> bool:
        limit = self._limit(aor.name)
        return 0 < limit < roundtrip_usec / 1_000_000

    def _tell(
        self,
        aor: AddressOfRecord,
        state: EndpointState,
        peer_status: str,
        *,
        address: str | None = None,
        cause: str | None = None,
        time: str | None = None,
    ) -> list[EndpointEvent]:
        events: list[EndpointEvent] = []
        for name in aor.users:
            changed = self._registry.set_state(EndpointId(self._technology, name), state)
            events += changed
            events.append(
                PeerStatusChange(
                    endpoint=changed[0].endpoint,
                    at=self._clock.wall(),
                    peer_status=peer_status,
                    address=address,
                    cause=cause,
                    time=time,
                )
            )
        return events
