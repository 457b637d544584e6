"""How long registered contacts stay: until they expire, are taken away, or their connection closes."""

from __future__ import annotations

from functools import partial

from switchroom.core.bus import Bus
from switchroom.core.peers import Contacts
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.endpoint import Contact
from switchroom.tech.sip.bindings import Bindings
from switchroom.tech.sip.qualification import Qualification
from switchroom.wire.sip.flow import Flow


class Lifetimes:
    """The ends of the contacts of one technology."""

    def __init__(
        self,
        technology: str,
        registry: Registry,
        contacts: Contacts,
        bus: Bus,
        schedule: Schedule,
        qualification: Qualification,
        bindings: Bindings,
    ) -> None:
        self._technology = technology
        self._registry = registry
        self._contacts = contacts
        self._bus = bus
        self._schedule = schedule
        self._qualification = qualification
        self._bindings = bindings
        self._due: dict[tuple[str, str], Deadline] = {}
        #: Address of record and URI of the contacts that go with a connection.
        self._tied: dict[Flow, set[tuple[str, str]]] = {}

    def disconnected(self, flow: Flow) -> None:
        """A connection is closed: contacts tied to it are gone at once."""
        for name, uri in self._tied.pop(flow, ()):
            aor = self._registry.aor(self._technology, name)
            contact = aor.contacts.get(uri) if aor is not None else None
            if aor is not None and contact is not None and contact.tied and contact.flow == flow:
                self.take_away(aor, uri)

    def keep_until(self, aor: AddressOfRecord, contact: Contact) -> None:
        """One look at a contact is due at a time: a refresh costs none, a shorter expiry an earlier one."""
        assert contact.expires is not None
        key = (aor.name, contact.uri)
        due = self._due.get(key)
        if due is not None:
            if due.when <= contact.expires:
                return
            self._schedule.cancel(due)
        self._due[key] = self._schedule.at(contact.expires, partial(self._expire, aor, contact.uri))

    def _expire(self, aor: AddressOfRecord, uri: str, now: float) -> None:
        """The contact's time has come, unless it was refreshed: then it is looked at again."""
        del self._due[aor.name, uri]
        contact = aor.contacts.get(uri)
        if contact is not None and contact.expires is not None and contact.expires > now:
            self.keep_until(aor, contact)
        else:
            self.take_away(aor, uri)

    def tie(self, aor: AddressOfRecord, contact: Contact) -> None:
        """Notes which connection a new or refreshed contact goes with, and forgets that of before."""
        self.untie(aor, contact.uri)
        if contact.tied and isinstance(contact.flow, Flow):
            self._tied.setdefault(contact.flow, set()).add((aor.name, contact.uri))

    def untie(self, aor: AddressOfRecord, uri: str) -> None:
        """The contact goes with no connection any more."""
        known = aor.contacts.get(uri)
        if known is not None and known.tied and isinstance(known.flow, Flow):
            on_flow = self._tied.get(known.flow, set())
            on_flow.discard((aor.name, uri))
            if not on_flow:
                self._tied.pop(known.flow, None)

    def take_away(self, aor: AddressOfRecord, uri: str) -> None:
        """A contact ends, and all that was still to happen to it."""
        self.untie(aor, uri)
        self.end_expiry(aor, uri)
        self._qualification.forget(aor.name, uri)
        self._bindings.forget(aor.name, uri)
        self._bus.publish(self._contacts.unbind(aor, uri))

    def end_expiry(self, aor: AddressOfRecord, uri: str) -> None:
        """No look at the contact is due any more."""
        due = self._due.pop((aor.name, uri), None)
        if due is not None:
            self._schedule.cancel(due)
