"""Qualify: OPTIONS to contacts, so that it is known who can be reached (as Asterisk)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from switchroom.core.bus import Bus
from switchroom.core.peers import Contacts
from switchroom.core.ports import Clock
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import AorSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.names import Target, request_uri, to_header
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.uri import escape_user, parse_uri


class _Watch:
    """A contact that is asked, from its binding to its end."""

    __slots__ = ("asking", "next", "settings")

    def __init__(self, settings: AorSettings) -> None:
        self.settings = settings
        #: Whether a question is open.
        self.asking = False
        self.next: Deadline | None = None


class Qualification:
    """Asks each qualified contact at its frequency. One question per contact is open at a time."""

    def __init__(
        self,
        technology: str,
        directory: Directory,
        registry: Registry,
        contacts: Contacts,
        bus: Bus,
        exchanges: Exchanges,
        schedule: Schedule,
        clock: Clock,
        token: Callable[[], str],
        random: Random,
        changed: Callable[[Contact], None],
    ) -> None:
        """``changed`` hears of a contact whose status is another one."""
        self._technology = technology
        self._directory = directory
        self._registry = registry
        self._contacts = contacts
        self._bus = bus
        self._exchanges = exchanges
        self._schedule = schedule
        self._clock = clock
        self._token = token
        self._random = random
        self._changed = changed
        self._watched: dict[tuple[str, str], _Watch] = {}

    def watch(self, contact: Contact, *, later: bool = False) -> None:
        """Begins with a contact, when its address of record is qualified and an endpoint uses it.

        A contact that registers is asked at once; a static one, and one that registered before a restart
        (``later``), after a random part of its frequency, so that a restart makes no storm.
        """
        settings = self._directory.aors.get(contact.aor)
        key = (contact.aor, contact.uri)
        if settings is None or not settings.qualify_frequency or key in self._watched:
            return
        if not self._directory.users(contact.aor):
            return
        watch = self._watched[key] = _Watch(settings)
        delay = 0.0
        if contact.static or later:
            spread = self._directory.general.max_initial_qualify_time or settings.qualify_frequency
            delay = self._random.random() * min(settings.qualify_frequency, spread)
        watch.next = self._schedule.at(self._clock.monotonic() + delay, partial(self._ask, key, watch))

    def forget(self, aor: str, uri: str) -> None:
        """The contact is gone; what is still to come about it says nothing."""
        watch = self._watched.pop((aor, uri), None)
        if watch is not None and watch.next is not None:
            self._schedule.cancel(watch.next)

    def review(self, contact: Contact) -> None:
        """The contact's address of record or who uses it has changed: it is asked as they say now, or not at all."""
        settings = self._directory.aors.get(contact.aor)
        watch = self._watched.get((contact.aor, contact.uri))
        frequency = settings.qualify_frequency if settings and self._directory.users(contact.aor) else 0
        if watch is not None and settings is not None and watch.settings.qualify_frequency == frequency:
            watch.settings = settings
            return
        self.forget(contact.aor, contact.uri)
        self.watch(contact)

    def _ask(self, key: tuple[str, str], watch: _Watch, now: float) -> None:
        aor = self._registry.aor(self._technology, key[0])
        contact = aor.contacts.get(key[1]) if aor is not None else None
        if aor is None or contact is None:
            self.forget(*key)
            return
        if not watch.asking:
            self._question(aor, contact, watch, now)
        watch.next = self._schedule.at(now + watch.settings.qualify_frequency, partial(self._ask, key, watch))

    def _question(self, aor: AddressOfRecord, contact: Contact, watch: _Watch, now: float) -> None:
        watch.asking = True
        question = _Question(self, aor, contact, watch, now)
        try:
            exchange = self._exchange(contact, watch.settings)
        except (InvalidParameter, SipError):
            # No packet may go there, or a configured name or domain makes no header.
            question.conclude(ContactStatus.UNREACHABLE, now)
            return
        if watch.settings.qualify_timeout:
            question.timeout = self._schedule.at(
                now + watch.settings.qualify_timeout, partial(question.give_up, exchange)
            )
        self._exchanges.start(exchange, question.answered)

    def _exchange(self, contact: Contact, settings: AorSettings) -> Exchange:
        endpoint = self._directory.endpoints[self._directory.users(contact.aor)[0]]
        uri = parse_uri(contact.uri)
        hop = self._exchanges.route(endpoint, uri, contact, settings.outbound_proxy)
        own = hop.listener.own_host(hop.host)
        user = escape_user(endpoint.from_user or endpoint.name)
        sender = NameAddr("", parse_uri(f"sip:{user}@{endpoint.from_domain or own}"), {})
        general = self._directory.general
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", f"{sender};tag={self._token()}"),
            ("To", str(to_header(Target(endpoint, uri)))),
            ("Contact", f"<sip:{user}@{hop.listener.reached_at(hop.host)}>"),
            ("Call-ID", self._token()),
            ("Max-Forwards", str(general.max_forwards)),
            ("User-Agent", general.user_agent),
        ]
        return Exchange("OPTIONS", request_uri(uri, endpoint), headers, b"", endpoint, hop)

    def conclude(
        self, aor: AddressOfRecord, uri: str, watch: _Watch, status: ContactStatus, roundtrip_usec: int
    ) -> None:
        """Records an outcome, unless the contact is another one by now."""
        watch.asking = False
        if self._watched.get((aor.name, uri)) is watch:
            self._again_soon(aor, uri, watch, status, roundtrip_usec)
            events = self._contacts.qualify(aor, uri, status, roundtrip_usec)
            if events:
                self._changed(aor.contacts[uri])
                self._bus.publish(events)

    def _again_soon(
        self, aor: AddressOfRecord, uri: str, watch: _Watch, status: ContactStatus, roundtrip_usec: int
    ) -> None:
        """A late or missing answer is followed by another question earlier, where that is configured."""
        settings = watch.settings
        late = 0 < settings.qualify_limit < roundtrip_usec / 1_000_000
        if not settings.qualify_retry or (status is ContactStatus.REACHABLE and not late):
            return
        when = self._clock.monotonic() + settings.qualify_retry
        if watch.next is not None and watch.next.when > when:
            self._schedule.cancel(watch.next)
            watch.next = self._schedule.at(when, partial(self._ask, (aor.name, uri), watch))

    def stop_asking(self, exchange: Exchange) -> None:
        """Ends the retransmissions of a question whose time is up."""
        self._exchanges.abandon(exchange)

    def cancel(self, timeout: Deadline) -> None:
        """An answer came before its timeout."""
        self._schedule.cancel(timeout)

    def now(self) -> float:
        return self._clock.monotonic()


class _Question:
    """One OPTIONS and its one conclusion: an answer, or the timeout, whichever is first."""

    __slots__ = ("_aor", "_asked", "_concluded", "_owner", "_uri", "_watch", "timeout")

    def __init__(
        self,
        owner: Qualification,
        aor: AddressOfRecord,
        contact: Contact,
        watch: _Watch,
        now: float,
    ) -> None:
        self._owner = owner
        self._aor = aor
        self._uri = contact.uri
        self._watch = watch
        self.timeout: Deadline | None = None
        self._asked = now
        self._concluded = False

    def answered(self, outcome: Outcome) -> None:
        """Any answer means reachable, unless only a 2xx will do; our own 408 and 503 are no answers."""
        heard = outcome.response is not None
        good = outcome.success if self._watch.settings.qualify_2xx_only else heard
        self.conclude(ContactStatus.REACHABLE if good else ContactStatus.UNREACHABLE, self._owner.now())

    def give_up(self, exchange: Exchange, now: float) -> None:
        """``qualify_timeout`` has passed."""
        if not self._concluded:
            self._owner.stop_asking(exchange)
            self.conclude(ContactStatus.UNREACHABLE, now)

    def conclude(self, status: ContactStatus, now: float) -> None:
        if self._concluded:
            return
        self._concluded = True
        if self.timeout is not None:
            self._owner.cancel(self.timeout)
        took = int((now - self._asked) * 1_000_000) if status is ContactStatus.REACHABLE else 0
        self._owner.conclude(self._aor, self._uri, self._watch, status, took)
