"""Who exists and where they are reached: endpoints, addresses of record, contacts.

Every change returns the events it causes, in the order Asterisk publishes them (docs/events.md);
the caller publishes them. An endpoint is online while any of its addresses of record is available:
one with a contact when it is not qualified, one with a reachable contact when it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from switchroom.core.ports import Clock
from switchroom.model.endpoint import Contact, ContactStatus, DeviceUse, Endpoint, EndpointId, EndpointState
from switchroom.model.events import (
    ContactStatusChange,
    DeviceUseChange,
    EndpointEvent,
    EndpointStateChange,
    PeerStatusChange,
)

_encode = msgspec.json.Encoder().encode


class AddressOfRecord:
    """The contacts of one address of record, by URI, and the endpoints that use it."""

    __slots__ = ("contacts", "endpoints", "name", "qualified", "technology")

    def __init__(self, technology: str, name: str) -> None:
        self.technology = technology
        self.name = name
        self.qualified = False
        self.contacts: dict[str, Contact] = {}
        self.endpoints: list[_Record] = []

    @property
    def users(self) -> list[str]:
        """Resources of the endpoints that use it."""
        return [record.snapshot.resource for record in self.endpoints]

    @property
    def available(self) -> bool:
        if not self.qualified:
            return bool(self.contacts)
        return any(c.status is ContactStatus.REACHABLE for c in self.contacts.values())


class _Record:
    """An endpoint as it is now, with its JSON beside it."""

    __slots__ = ("aors", "fragment", "revision", "snapshot")

    def __init__(self, snapshot: Endpoint) -> None:
        self.snapshot = snapshot
        self.fragment = _encode(snapshot)
        #: The registry's when it last changed.
        self.revision = 0
        self.aors: list[AddressOfRecord] = []


class Registry:
    """All endpoints of all technologies. Not bounded here: only configuration adds endpoints and
    addresses of record, and ``max_contacts`` bounds the contacts of each.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[EndpointId, _Record] = {}
        self._aors: dict[tuple[str, str], AddressOfRecord] = {}
        self._technologies: dict[str, str] = {}
        #: Endpoints that have channels, and what these make of them.
        self._uses: dict[EndpointId, DeviceUse] = {}
        #: Technologies that tell the states of their endpoints themselves.
        self._told: set[str] = set()
        #: Where endpoints of technologies without addresses of record are reached, by resource.
        self._reached: dict[str, Callable[[str], list[Contact]]] = {}
        self._lists: dict[str, bytes] = {}
        self._sorted: list[EndpointId] | None = None
        #: Grows with every change that a list of endpoints shows.
        self.revision = 0

    def leave_states_to(self, technology: str) -> None:
        """Endpoints of this technology are in the state that ``set_state`` says, whatever becomes of their contacts;
        applications are told of the endpoints alone.
        """
        self._told.add(technology)

    def leave_contacts_to(self, technology: str, reached: Callable[[str], list[Contact]]) -> None:
        """``reached`` tells where an endpoint of this technology is reached, by its resource."""
        self._reached[technology] = reached

    # ---- asking

    def technology(self, name: str) -> str | None:
        """A technology's own spelling for any spelling of it, None when no endpoint has it."""
        return self._technologies.get(name.upper())

    def get(self, technology: str, resource: str) -> Endpoint | None:
        """An endpoint; the technology in any case, the resource exactly (docs/rulings.md 4)."""
        record = self._records.get(EndpointId(technology.upper(), resource))
        return record.snapshot if record else None

    def fragment(self, technology: str, resource: str) -> tuple[bytes, int] | None:
        """The endpoint's JSON, as ``get``, and the revision it last changed in."""
        record = self._records.get(EndpointId(technology.upper(), resource))
        return (record.fragment, record.revision) if record else None

    def use(self, endpoint: EndpointId) -> DeviceUse | None:
        """What an endpoint's channels make of it as a device; None when it has none, or is none (own spelling)."""
        return self._uses.get(endpoint)

    def endpoints(self, technology: str | None = None) -> Iterator[Endpoint]:
        """All endpoints, or one technology's (own spelling), sorted by technology and resource."""
        for key in self._order():
            if technology is None or key.technology == technology:
                yield self._records[key].snapshot

    def listing(self, technology: str | None = None) -> bytes:
        """The JSON array of ``endpoints``, kept until something changes."""
        key = technology or ""
        cached = self._lists.get(key)
        if cached is None:
            records = self._records
            cached = b"[%b]" % b",".join(
                records[i].fragment for i in self._order() if technology is None or i.technology == technology
            )
            self._lists[key] = cached
        return cached

    def page(
        self,
        technology: str | None,
        state: EndpointState | None,
        after: EndpointId | None,
        limit: int | None,
    ) -> tuple[bytes, EndpointId | None]:
        """A part of ``listing``: endpoints of this state that come ``after`` (which need not exist any more), at most
        ``limit``; and the last of them when there are more.

        Whoever goes on after the last misses none that stays and sees none twice, whatever comes and goes meanwhile.
        """
        order = self._order()
        found: list[bytes] = []
        last: EndpointId | None = None
        for index in range(bisect_right(order, after) if after is not None else 0, len(order)):
            key = order[index]
            if technology is not None and key.technology != technology:
                continue
            record = self._records[key]
            if state is not None and record.snapshot.state is not state:
                continue
            if len(found) == limit:
                return b"[%b]" % b",".join(found), last
            found.append(record.fragment)
            last = key
        return b"[%b]" % b",".join(found), None

    def aor(self, technology: str, name: str) -> AddressOfRecord | None:
        return self._aors.get((technology, name))

    def contacts(self, technology: str, aor: str) -> list[Contact]:
        found = self._aors.get((technology, aor))
        return list(found.contacts.values()) if found else []

    def contacts_of(self, technology: str, resource: str) -> list[Contact] | None:
        """Where an endpoint is reached, by its addresses of record; None when there is no such endpoint."""
        record = self._records.get(EndpointId(technology.upper(), resource))
        if record is None:
            return None
        reached = self._reached.get(record.snapshot.technology)
        if reached is not None:
            return reached(resource)
        return [contact for aor in record.aors for contact in aor.contacts.values()]

    def _order(self) -> list[EndpointId]:
        if self._sorted is None:
            self._sorted = sorted(self._records)
        return self._sorted

    def census(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """How many endpoints there are by technology and state, and contacts by technology and status; walks all."""
        endpoints = Counter((key.technology, r.snapshot.state.value) for key, r in self._records.items())
        contacts = Counter(
            (technology, contact.status.value)
            for (technology, _), aor in self._aors.items()
            for contact in aor.contacts.values()
        )
        return endpoints, contacts

    # ---- changing endpoints

    def add(
        self, endpoint: EndpointId, aors: Iterable[str] = (), state: EndpointState = EndpointState.OFFLINE
    ) -> list[EndpointEvent]:
        """Makes an endpoint known, in place of one of the same name. Addresses of record come to exist as
        they are named.
        """
        self.remove(endpoint)
        record = _Record(Endpoint(endpoint.technology, endpoint.resource, EndpointState.UNKNOWN))
        self._records[endpoint] = record
        self._technologies.setdefault(endpoint.technology.upper(), endpoint.technology)
        self._sorted = None
        events: list[EndpointEvent] = [EndpointStateChange(endpoint=record.snapshot, at=self._clock.wall())]
        for name in dict.fromkeys(aors):
            aor = self.declare(endpoint.technology, name)
            record.aors.append(aor)
            aor.endpoints.append(record)
        self._revise(record)
        if state is not EndpointState.UNKNOWN:
            self._set_state(record, state, events)
        self._settle(record.aors, events)
        return events

    def set_state(self, endpoint: EndpointId, state: EndpointState) -> list[EndpointEvent]:
        """The state of an endpoint whose technology tells it; an event each time it is said."""
        events: list[EndpointEvent] = []
        self._set_state(self._records[endpoint], state, events)
        return events

    def relink(self, endpoint: EndpointId, aors: Iterable[str]) -> list[EndpointEvent]:
        """Gives an endpoint that is known other addresses of record; nothing happens when they are the same."""
        record = self._records[endpoint]
        wanted = list(dict.fromkeys(aors))
        if wanted == [aor.name for aor in record.aors]:
            return []
        for aor in record.aors:
            aor.endpoints.remove(record)
        record.aors = [self.declare(endpoint.technology, name) for name in wanted]
        for aor in record.aors:
            aor.endpoints.append(record)
        events: list[EndpointEvent] = []
        self._settle_record(record, events)
        return events

    def turn(self, endpoint: EndpointId, state: EndpointState) -> list[EndpointEvent]:
        """Sets the state of an endpoint that has no addresses of record; nothing happens when it is that already,
        or there is no such endpoint.
        """
        record = self._records.get(endpoint)
        events: list[EndpointEvent] = []
        if record is not None and record.snapshot.state is not state:
            self._set_state(record, state, events)
        return events

    def occupy(self, endpoint: EndpointId, channel_ids: tuple[str, ...], use: DeviceUse | None) -> list[EndpointEvent]:
        """The channels an endpoint has from now on, and what they make of it; None, and only then, without any.
        Nothing happens when there is no such endpoint.
        """
        record = self._records.get(endpoint)
        if record is None:
            return []
        before, used = record.snapshot, self._uses.get(endpoint)
        if use is None:
            self._uses.pop(endpoint, None)
        else:
            self._uses[endpoint] = use
        events: list[EndpointEvent] = []
        if before.channel_ids != channel_ids:
            self._show(record, Endpoint(before.technology, before.resource, before.state, channel_ids), events)
        elif use is not None and use is not used:
            events.append(DeviceUseChange(endpoint=before, at=self._clock.wall(), use=use))
        return events

    def remove(self, endpoint: EndpointId) -> None:
        """Forgets an endpoint; no event, as in Asterisk. Its technology stays known."""
        record = self._records.pop(endpoint, None)
        if record is None:
            return
        self._uses.pop(endpoint, None)
        for aor in record.aors:
            aor.endpoints.remove(record)
        self._sorted = None
        self._revise(record)

    def declare(self, technology: str, aor: str, *, qualified: bool | None = None) -> AddressOfRecord:
        """The address of record, made if it is new."""
        key = (technology, aor)
        found = self._aors.get(key)
        if found is None:
            found = self._aors[key] = AddressOfRecord(technology, aor)
        if qualified is not None:
            found.qualified = qualified
        return found

    def drop(self, technology: str, name: str) -> list[EndpointEvent]:
        """Takes an address of record away with its contacts; those who know it must ask for it anew."""
        aor = self._aors.pop((technology, name), None)
        if aor is None:
            return []
        events: list[EndpointEvent] = []
        for uri in list(aor.contacts):
            events += self.unbind(aor, uri)
        for record in aor.endpoints:
            record.aors.remove(aor)
        return events

    def require(self, aor: AddressOfRecord, *, qualified: bool) -> list[EndpointEvent]:
        """Whether contacts must answer to count from now on. As in Asterisk, none has answered at first, and
        without the need to, each counts.
        """
        if aor.qualified is qualified:
            return []
        aor.qualified = qualified
        events: list[EndpointEvent] = []
        changed = [c for c in aor.contacts.values() if c.status is not ContactStatus.NON_QUALIFIED]
        for contact in changed:
            aor.contacts[contact.uri] = msgspec.structs.replace(
                contact, status=ContactStatus.NON_QUALIFIED, roundtrip_usec=0
            )
        self._settle((aor,), events)
        for contact in changed:
            self._contact_events(aor, aor.contacts[contact.uri], ContactStatus.NON_QUALIFIED, events)
        return events

    # ---- changing contacts

    def bind(self, aor: AddressOfRecord, contact: Contact, *, repeat: bool = False) -> list[EndpointEvent]:
        """Adds a contact, or refreshes the one of the same URI: its status is kept, and told again to those
        who asked for it (``repeat``).
        """
        events: list[EndpointEvent] = []
        known = aor.contacts.get(contact.uri)
        if known is not None:
            if known.status is not contact.status or known.roundtrip_usec != contact.roundtrip_usec:
                contact = msgspec.structs.replace(contact, status=known.status, roundtrip_usec=known.roundtrip_usec)
            aor.contacts[contact.uri] = contact
            if repeat:
                self._contact_events(aor, contact, contact.status, events)
            return events
        aor.contacts[contact.uri] = contact
        self._settle((aor,), events)
        self._contact_events(aor, contact, contact.status, events)
        return events

    def restore(self, aor: AddressOfRecord, contact: Contact) -> list[EndpointEvent]:
        """Adds a contact that was there before a restart."""
        return self.bind(aor, contact)

    def unbind(self, aor: AddressOfRecord, uri: str) -> list[EndpointEvent]:
        """Takes a contact away; nothing happens when there is none."""
        contact = aor.contacts.pop(uri, None)
        if contact is None:
            return []
        events: list[EndpointEvent] = []
        self._settle((aor,), events)
        self._contact_events(aor, contact, ContactStatus.REMOVED, events)
        return events

    def qualify(
        self, aor: AddressOfRecord, uri: str, status: ContactStatus, roundtrip_usec: int
    ) -> list[EndpointEvent]:
        """Records the outcome of a qualify; an unchanged status is no event."""
        contact = aor.contacts.get(uri)
        if contact is None:
            return []
        changed = contact.status is not status
        contact = msgspec.structs.replace(contact, status=status, roundtrip_usec=roundtrip_usec)
        aor.contacts[uri] = contact
        if not changed:
            return []
        events: list[EndpointEvent] = []
        self._settle((aor,), events)
        self._contact_events(aor, contact, status, events)
        return events

    # ---- consequences

    def _revise(self, record: _Record) -> None:
        """Lists show something else from now on."""
        self.revision += 1
        record.revision = self.revision
        self._lists.clear()

    def _settle(self, aors: Iterable[AddressOfRecord], events: list[EndpointEvent]) -> None:
        """Brings the endpoints of these addresses of record to the state they should have."""
        for aor in aors:
            for record in aor.endpoints:
                self._settle_record(record, events)

    def _settle_record(self, record: _Record, events: list[EndpointEvent]) -> None:
        if record.snapshot.technology in self._told:
            return
        online = any(aor.available for aor in record.aors)
        wanted = EndpointState.ONLINE if online else EndpointState.OFFLINE
        if record.snapshot.state is wanted:
            return
        self._set_state(record, wanted, events)
        events.append(
            PeerStatusChange(
                endpoint=record.snapshot,
                at=self._clock.wall(),
                peer_status="Reachable" if online else "Unreachable",
            )
        )

    def _set_state(self, record: _Record, state: EndpointState, events: list[EndpointEvent]) -> None:
        before = record.snapshot
        self._show(record, Endpoint(before.technology, before.resource, state, before.channel_ids), events)

    def _show(self, record: _Record, snapshot: Endpoint, events: list[EndpointEvent]) -> None:
        """The endpoint is from now on as in the snapshot."""
        record.snapshot = snapshot
        record.fragment = _encode(snapshot)
        self._revise(record)
        events.append(EndpointStateChange(endpoint=snapshot, at=self._clock.wall(), use=self._uses.get(snapshot.id)))

    def _contact_events(
        self, aor: AddressOfRecord, contact: Contact, status: ContactStatus, events: list[EndpointEvent]
    ) -> None:
        events.extend(
            ContactStatusChange(
                endpoint=record.snapshot,
                at=self._clock.wall(),
                uri=contact.uri,
                aor=aor.name,
                contact_status=status,
                roundtrip_usec=contact.roundtrip_usec,
                shown=aor.technology not in self._told,
            )
            for record in aor.endpoints
        )
