"""PJSIP, or SIP: the technology as the core sees it, and the shell around the SIP kernel.

In: a datagram -> ``Stack.receive`` -> ``Steps.walk`` -> an answer and changes -> registry -> bus.
Out: ``plan`` and ``deliver`` -> ``Exchanges`` -> ``Stack.request`` -> the listener -> the final answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Protocol

import structlog

from switchroom.core.addresses import Address
from switchroom.core.bus import Bus
from switchroom.core.ports import Alarm, Clock, Reports, Resolver, Timers
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.core.schedule import Deadline, Schedule
from switchroom.core.storage import ContactStore, StoreUnavailable
from switchroom.model.change import SipChange
from switchroom.model.endpoint import Contact, EndpointId
from switchroom.model.errors import Conflict, EndpointNotFound, Full, InvalidParameter, Overloaded
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import Delivery, DeliveryReport, Referral, TextMessage
from switchroom.model.settings import AorSettings, IdentifySettings, SipEndpointSettings, SipSettings
from switchroom.tech.sip.answer import Answer, Bind
from switchroom.tech.sip.authentication import Authenticator
from switchroom.tech.sip.bindings import Bindings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import MakeDriver, Pjsip
from switchroom.tech.sip.exchange import DEFAULT_PORT, Exchange, Exchanges
from switchroom.tech.sip.limits import MAX_TEXT
from switchroom.tech.sip.messaging import Messaging
from switchroom.tech.sip.names import CONTROL
from switchroom.tech.sip.qualification import Qualification
from switchroom.tech.sip.referring import Referring
from switchroom.tech.sip.registrar import Registrar
from switchroom.tech.sip.steps import ALLOW, Steps
from switchroom.tech.sip.transports import Listener, Transports
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived, ResponseReceived, TransactionTimeout, TransportFailed
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.nonces import Nonces
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.uri import parse_uri

log = structlog.get_logger(__name__)


class Switch(Protocol):
    """Where a text between endpoints is handed to (``core.messages.Messages``)."""

    async def send_to(
        self,
        endpoint: EndpointId,
        sender: str,
        body: str,
        headers: dict[str, str],
        *,
        max_forwards: int | None,
    ) -> object: ...

    def keeps(self, endpoint: EndpointId) -> bool:
        """Whether it takes texts to an endpoint without a contact."""
        ...

    def refreshed(self, technology: str, contact: str) -> None:
        """A contact registered again."""
        ...


class Crossing(Protocol):
    """The way to other technologies (``core.crossing.Crossing``)."""

    def find(self, alias: str, technology: str) -> Address | None: ...

    async def forward(
        self, origin: Address, target: Address, body: str, headers: dict[str, str], *, max_forwards: int | None
    ) -> object: ...


class SipTechnology:
    """Serves the endpoints of one ``SipSettings``; see ``core.ports.Technology``."""

    def __init__(
        self,
        name: str,
        settings: SipSettings,
        *,
        registry: Registry,
        bus: Bus,
        reports: Reports,
        clock: Clock,
        timers: Timers,
        schedule: Schedule,
        contacts: ContactStore,
        resolver: Resolver,
        token: Callable[[], str],
        secret: bytes,
        random: Random,
        node: str,
        fork: str = "all",
        driver: MakeDriver = Pjsip,
    ) -> None:
        """``token`` makes unguessable text for tags and branches, ``secret`` signs nonces, ``node`` tells
        this server's Via branches from those of others, ``contacts`` keeps who registered,
        ``driver`` makes what differs between PJSIP and SIP.
        """
        self.name = name
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._timers = timers
        self._resolver = resolver
        self._directory = directory = Directory(settings)
        general = settings.general
        self._stack = Stack(node=node, token=token, t1=general.timer_t1, timeout=general.timer_b)
        self._schedule = schedule
        self._transports = Transports()
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        self._switch: Switch | None = None
        self._crossing: Crossing | None = None
        self._switching: set[asyncio.Task[None]] = set()
        self._due: dict[tuple[str, str], Deadline] = {}
        #: Address of record and URI of the contacts that go with a connection.
        self._tied: dict[Flow, set[tuple[str, str]]] = {}
        self._driver = driver(name, directory, registry, clock)
        self._names = names = self._driver.names
        self._contacts = self._driver.contacts
        self._exchanges = exchanges = Exchanges(
            self._stack, self._transports, directory, resolver, clock, token, self._flush
        )
        self._messaging = Messaging(name, directory, names, exchanges, token, fork)
        self._referring = Referring(directory, names, exchanges, reports, schedule, clock, token)
        self._bindings = Bindings(name, contacts, clock)
        self._qualification = Qualification(
            name,
            directory,
            registry,
            self._contacts,
            bus,
            exchanges,
            schedule,
            clock,
            token,
            random,
            self._bindings.keep,
        )
        self._steps = Steps(
            self._driver,
            directory,
            Authenticator(directory, Nonces(secret), token),
            Registrar(name, directory, registry),
            self._referring,
            self._message,
            clock,
        )
        self._server_header = (("Server", general.user_agent),) if general.user_agent else ()
        self._tells_refreshes = general.send_contact_status_on_update_registration

    # ---- life

    def attach(self, listener: Listener) -> None:
        """Adds a bound listener; its owner hands what it receives to ``receive``."""
        self._transports.add(listener)

    def switch_to(self, switch: Switch, crossing: Crossing | None = None) -> None:
        """Texts between endpoints go through ``switch``, those to other technologies through ``crossing``."""
        self._switch = switch
        self._crossing = crossing

    async def start(self) -> None:
        """Makes the endpoints and contacts known, those registered before a restart too, and begins to qualify.

        Raises:
            StoreUnavailable: the contacts can not be read.
        """
        for settings in self._directory.aors.values():
            self._registry.declare(self.name, settings.name, qualified=settings.qualify_frequency > 0)
        for endpoint in self._directory.endpoints.values():
            known = self._known_aors(endpoint)
            state = self._driver.state(endpoint)
            self._bus.publish(self._registry.add(EndpointId(self.name, endpoint.name), known, state))
        for settings in self._directory.aors.values():
            self._bind_static(self._registry.declare(self.name, settings.name), settings)
        for contact in await self._bindings.load(self._directory.aors, self._transports.listeners):
            self._bind_again(contact)
        await asyncio.gather(*(self._identify_host(*named) for named in self._directory.unresolved))
        self._arm()

    async def _identify_host(self, text: str, identify: IdentifySettings) -> None:
        """A name in ``identify.match`` (``host`` or ``host:port``) stands for the addresses it has when we start."""
        host, _, digits = text.partition(":")
        port = int(digits) if digits.isdecimal() else 0
        wanted = port or (None if identify.srv_lookups else DEFAULT_PORT["udp"])
        try:
            for address, _ in await self._resolver.resolve(host, wanted, "udp"):
                self._directory.match_address(address, port, identify)
        except OSError as error:
            log.warning("identify: a host has no address", host=text, endpoint=identify.endpoint, error=str(error))

    def _known_aors(self, endpoint: SipEndpointSettings) -> list[str]:
        return [aor for aor in endpoint.aors if aor in self._directory.aors]

    def _bind_static(self, aor: AddressOfRecord, settings: AorSettings) -> None:
        for uri in settings.contact:
            known = aor.contacts.get(uri)
            if known is not None and known.static:
                continue
            try:
                parse_uri(uri)
            except SipError as error:
                log.warning("a contact is no URI", aor=settings.name, at=str(settings.source), error=error.reason)
                continue
            contact = Contact(aor=settings.name, uri=uri, static=True)
            if known is not None:
                # It had registered, and stays now however long it is silent.
                self._untie(aor, uri)
                self._end_expiry(aor, uri)
                self._bindings.forget(aor.name, uri)
            self._bus.publish(self._contacts.bind(aor, contact))
            self._qualification.watch(contact)

    def _bind_again(self, contact: Contact) -> None:
        """A contact that registered before a restart, unless it has done so again by now."""
        aor = self._registry.declare(self.name, contact.aor)
        if contact.uri not in aor.contacts:
            self._bus.publish(self._contacts.restore(aor, contact))
            self._keep_until(aor, contact)
            self._qualification.watch(contact, later=True)

    # ---- the configuration changes

    def apply(self, change: SipChange) -> None:
        """Serves the changed settings from now on. What is registered stays, unless its address of record goes."""
        affected = {aor for name in change.endpoints for aor in self._aors_of(name)}
        self._directory.apply(change)
        for name, settings in change.aors.items():
            self._change_aor(name, settings)
        for name, endpoint in change.endpoints.items():
            affected.update(self._aors_of(name))
            self._change_endpoint(EndpointId(self.name, name), endpoint)
        for name in affected.union(change.aors):
            for contact in self._registry.contacts(self.name, name):
                self._qualification.review(contact)
        for named in self._directory.unresolved:
            task = asyncio.get_running_loop().create_task(self._identify_host(*named))
            self._switching.add(task)
            task.add_done_callback(self._switching.discard)
        self._arm()

    def _aors_of(self, endpoint: str) -> tuple[str, ...]:
        settings = self._directory.endpoints.get(endpoint)
        return settings.aors if settings is not None else ()

    def _change_aor(self, name: str, settings: AorSettings | None) -> None:
        aor = self._registry.declare(self.name, name)
        wanted = settings.contact if settings is not None else ()
        for contact in list(aor.contacts.values()):
            if settings is None or (contact.static and contact.uri not in wanted):
                self._take_away(aor, contact.uri)
        if settings is None:
            self._bus.publish(self._registry.drop(self.name, name))
            return
        for user in self._directory.users(name):
            known = self._known_aors(self._directory.endpoints[user])
            self._relink(EndpointId(self.name, user), known)
        self._bus.publish(self._registry.require(aor, qualified=settings.qualify_frequency > 0))
        self._bind_static(aor, settings)

    def _change_endpoint(self, endpoint: EndpointId, settings: SipEndpointSettings | None) -> None:
        if settings is None:
            self._registry.remove(endpoint)
        elif not self._relink(endpoint, self._known_aors(settings)):
            known = self._known_aors(settings)
            self._bus.publish(self._registry.add(endpoint, known, self._driver.state(settings)))

    def _relink(self, endpoint: EndpointId, aors: Sequence[str]) -> bool:
        """Whether the endpoint was known before."""
        if self._registry.get(*endpoint) is None:
            return False
        self._bus.publish(self._registry.relink(endpoint, aors))
        return True

    async def stop(self) -> None:
        """Ends open work; listeners are closed by their owner."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for task in list(self._switching):
            task.cancel()
        await asyncio.gather(*self._switching, return_exceptions=True)
        await self._exchanges.stop()

    async def drained(self) -> None:
        """Returns when no request of ours is open any more."""
        await self._exchanges.drained()

    # ---- the walk in

    def receive(self, data: bytes, flow: Flow) -> None:
        """Takes one datagram or message; everything it causes is done and sent when this returns."""
        stack = self._stack
        stack.receive(data, flow, self._clock.monotonic())
        while (event := stack.next_event()) is not None:
            if isinstance(event, RequestReceived):
                self._request(event)
            elif isinstance(event, ResponseReceived):
                if isinstance(event.context, Exchange):
                    self._exchanges.answered(event.context, event.response)
            else:
                self._other(event)
        self._flush()

    def unreachable(self, flow: Flow) -> None:
        """The network says that nobody is at the flow's far end (ICMP, a closed connection)."""
        self._stack.transport_failed(flow, self._clock.monotonic())
        self._drain()

    def disconnected(self, flow: Flow) -> None:
        """A connection is closed: contacts tied to it are gone at once, and requests on it fail."""
        for name, uri in self._tied.pop(flow, ()):
            aor = self._registry.aor(self.name, name)
            contact = aor.contacts.get(uri) if aor is not None else None
            if aor is not None and contact is not None and contact.tied and contact.flow == flow:
                self._take_away(aor, uri)
        self.unreachable(flow)

    def _drain(self) -> None:
        while (event := self._stack.next_event()) is not None:
            self._other(event)
        self._flush()

    def _other(self, event: object) -> None:
        if isinstance(event, TransactionTimeout) and isinstance(event.context, Exchange):
            self._exchanges.failed(event.context, 408, "Request Timeout")
        elif isinstance(event, TransportFailed) and isinstance(event.context, Exchange):
            self._exchanges.failed(event.context, 503, event.reason)

    def _request(self, incoming: RequestReceived) -> None:
        answer = self._steps.walk(incoming)
        if answer is not None:
            self._answer(incoming, answer)

    def _answer(self, incoming: RequestReceived, answer: Answer) -> None:
        self._stack.respond(
            incoming,
            answer.status,
            answer.reason,
            answer.headers if answer.stateless else (*answer.headers, *self._server_header),
            answer.body,
            now=incoming.received_at,
            stateless=answer.stateless,
        )
        for change in answer.changes:
            if isinstance(change, Bind):
                new = change.contact.uri not in change.aor.contacts
                self._tie(change.aor, change.contact)
                self._bus.publish(self._contacts.bind(change.aor, change.contact, repeat=self._tells_refreshes))
                self._keep_until(change.aor, change.contact)
                self._bindings.keep(change.contact)
                if new:
                    self._qualification.watch(change.contact)
                elif self._switch is not None:
                    self._switch.refreshed(self.name, change.contact.uri)
            else:
                self._take_away(change.aor, change.uri)

    # ---- contacts come and go

    def _keep_until(self, aor: AddressOfRecord, contact: Contact) -> None:
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
            self._keep_until(aor, contact)
        else:
            self._take_away(aor, uri)

    def _tie(self, aor: AddressOfRecord, contact: Contact) -> None:
        """Notes which connection a new or refreshed contact goes with, and forgets that of before."""
        self._untie(aor, contact.uri)
        if contact.tied and isinstance(contact.flow, Flow):
            self._tied.setdefault(contact.flow, set()).add((aor.name, contact.uri))

    def _untie(self, aor: AddressOfRecord, uri: str) -> None:
        known = aor.contacts.get(uri)
        if known is not None and known.tied and isinstance(known.flow, Flow):
            on_flow = self._tied.get(known.flow, set())
            on_flow.discard((aor.name, uri))
            if not on_flow:
                self._tied.pop(known.flow, None)

    def _take_away(self, aor: AddressOfRecord, uri: str) -> None:
        """A contact ends, and all that was still to happen to it."""
        self._untie(aor, uri)
        self._end_expiry(aor, uri)
        self._qualification.forget(aor.name, uri)
        self._bindings.forget(aor.name, uri)
        self._bus.publish(self._contacts.unbind(aor, uri))

    def _end_expiry(self, aor: AddressOfRecord, uri: str) -> None:
        due = self._due.pop((aor.name, uri), None)
        if due is not None:
            self._schedule.cancel(due)

    # ---- texts in

    def _message(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        """A MESSAGE: shown to the apps that listen, switched to whom it names, here or in another technology."""
        request = incoming.request
        if not self._driver.accepts_texts:
            return Answer(405, [("Allow", ALLOW)])
        if len(request.body) > MAX_TEXT:
            return Answer(413)
        media = request.content_type
        plain = media is not None and media[0] == "text/plain"
        user = request.uri.unescaped_user
        target = self._directory.by_name(user, request.uri.host) if user else None
        here = target is not None and (any(self._names.contacts(target)) or self._keeps(target))
        to = Address(EndpointId(self.name, target.name)) if target is not None and here else None
        if media is None or not (plain or here):
            return Answer(415, [("Accept", "text/plain")])
        if (request.first("content-encoding") or "identity").lower() != "identity":
            return Answer(415, [("Accept-Encoding", "identity")])
        if target is None and user:
            to = self._elsewhere(request.uri.host, user)
        if to is not None and request.max_forwards == 0:
            return Answer(483)
        sender = EndpointId(self.name, endpoint.name)
        taken = plain and self._bus.takes(sender)
        if not taken and to is None:
            return Answer(404 if target is None else 480)
        if taken:
            snapshot = self._registry.get(*sender)
            assert snapshot is not None
            text = self._driver.received(incoming, endpoint)
            self._bus.publish([TextMessageReceived(endpoint=snapshot, at=self._clock.wall(), message=text)])
        if to is None:
            return Answer(202)
        self._stack.begin(incoming, incoming.received_at)
        task = asyncio.get_running_loop().create_task(self._pass_on(incoming, sender, to))
        self._switching.add(task)
        task.add_done_callback(self._switching.discard)
        return None

    def _elsewhere(self, host: str, user: str) -> Address | None:
        """Whom a user part means in another technology: ``romeo%40example.org`` at us, or at its endpoint there."""
        if self._crossing is None:
            return None
        through = self._crossing.find(host, self.name)
        found = self._crossing.find(f"{host}/{user}", self.name) if through is not None else None
        return found or self._crossing.find(user, self.name)

    def _keeps(self, endpoint: SipEndpointSettings) -> bool:
        return self._switch is not None and self._switch.keeps(EndpointId(self.name, endpoint.name))

    async def _pass_on(self, incoming: RequestReceived, sender: EndpointId, to: Address) -> None:
        """Hands a text to the message service; 202 once it is kept (RFC 3428 7)."""
        request = incoming.request
        hops = None if request.max_forwards is None else request.max_forwards - 1
        headers = {"Content-Type": request.first("content-type") or "text/plain"}
        try:
            body = request.body.decode("utf-8")
            if to.endpoint.technology == self.name:
                assert self._switch is not None
                await self._switch.send_to(to.endpoint, str(_identity(request)), body, headers, max_forwards=hops)
            else:
                assert self._crossing is not None
                await self._crossing.forward(Address(sender), to, body, headers, max_forwards=hops)
            answer = Answer(202)
        except UnicodeDecodeError:
            answer = Answer(415, [("Accept", "text/plain")], "Text Is Not UTF-8")
        except EndpointNotFound:
            answer = Answer(480)
        except (Overloaded, Conflict, Full, StoreUnavailable) as error:
            # The phone is told at once and may try again.
            answer = Answer(503)
            log.warning("a text was not switched", target=str(to.endpoint), error=str(error))
        except InvalidParameter as error:
            answer = Answer(400)
            log.info("a text was not switched", target=str(to.endpoint), error=str(error))
        except Exception:
            answer = Answer(500)
            log.exception("a text was not switched", target=str(to.endpoint))
        self._answer(incoming, answer)
        self._flush()

    # ---- the walk out

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        return self._messaging.plan(message)

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        self._messaging.deliver(delivery, done)

    def refer(self, referral: Referral) -> None:
        self._referring.refer(referral)

    # ---- people of other technologies (``core.addresses.Dialect``)

    def sender(self, alias: str, through: str) -> str:
        """The alias is the user of a URI of ours: an answer comes here, and says it again."""
        return f'"{alias}"'

    def carrier(self, beyond: str) -> str | None:
        """Nobody: who is no endpoint here is not sent to for others (SECURITY.md S13)."""
        return None

    # ---- sending and time

    def _flush(self) -> None:
        """Everything the stack wants sent leaves now; the alarm is set for what it waits for."""
        stack = self._stack
        listeners = self._transports.listeners
        while (out := stack.to_send()) is not None:
            data, flow = out
            listener = listeners.get(flow.local)
            if listener is not None:
                listener.send(data, flow.host, flow.port)
        self._arm()

    def _arm(self) -> None:
        """One alarm for all of the stack's timers."""
        due = self._stack.next_timer()
        if due is None or (self._alarm is not None and self._alarm_at <= due):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._timers.call_later(max(0.0, due - self._clock.monotonic()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._stack.handle_timer(self._clock.monotonic())
        self._drain()


def _identity(request: Request) -> NameAddr:
    """The From header's name and URI, without the phone's tag and with blanks for control characters."""
    return NameAddr(CONTROL.sub(" ", request.from_.display), request.from_.uri, {})
