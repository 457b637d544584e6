"""PJSIP, or SIP: the technology as the core sees it, and the shell around the SIP kernel.

In: a datagram -> ``Stack.receive`` -> ``Steps.walk`` -> an answer and changes -> registry -> bus.
Out: ``plan`` and ``deliver`` -> ``Exchanges`` -> ``Stack.request`` -> the listener -> the final answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import structlog

from switchroom.core.bus import Bus
from switchroom.core.channels import Channels
from switchroom.core.ports import Alarm, Clock, Locator, Reports, Timers
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.core.schedule import Schedule
from switchroom.core.security import Offence, SecurityLog
from switchroom.core.storage import ContactStore
from switchroom.core.tally import Answers
from switchroom.model.change import SipChange
from switchroom.model.endpoint import Contact, EndpointId
from switchroom.model.message import Delivery, DeliveryReport, Referral, TextMessage
from switchroom.model.settings import AorSettings, IdentifySettings, SipEndpointSettings, SipSettings
from switchroom.tech.sip.answer import METHODS, Answer, Bind, Unbind
from switchroom.tech.sip.authentication import Authenticator
from switchroom.tech.sip.bindings import Bindings
from switchroom.tech.sip.calling import Calls as OwnCalls
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import MakeDriver, Pjsip
from switchroom.tech.sip.exchange import DEFAULT_PORT, Exchange, Exchanges
from switchroom.tech.sip.gruu import Gruus
from switchroom.tech.sip.lifetimes import Lifetimes
from switchroom.tech.sip.liveness import Liveness
from switchroom.tech.sip.messaging import Messaging
from switchroom.tech.sip.overload import Overload
from switchroom.tech.sip.proxy.branch import Branch
from switchroom.tech.sip.proxy.calls import Calls
from switchroom.tech.sip.proxy.marks import Marks
from switchroom.tech.sip.proxy.office import Office
from switchroom.tech.sip.proxy.proxy import Proxy
from switchroom.tech.sip.proxy.targets import Targets
from switchroom.tech.sip.qualification import Qualification
from switchroom.tech.sip.referral_policy import ReferralPolicy
from switchroom.tech.sip.referring import Referring
from switchroom.tech.sip.registrar import Registrar
from switchroom.tech.sip.registration import Registrations
from switchroom.tech.sip.steps import Steps
from switchroom.tech.sip.switching import Crossing, Switch, Switching
from switchroom.tech.sip.transports import Listener, Transports
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import (
    AckReceived,
    RequestReceived,
    ResponseReceived,
    TransactionTimeout,
    TransportFailed,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.nonces import Nonces
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.uri import parse_uri

log = structlog.get_logger(__name__)


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
        resolver: Locator,
        token: Callable[[], str],
        secret: bytes,
        random: Random,
        node: str,
        fork: str = "all",
        service_route: bool = False,
        calls: str = "endpoints",
        channels: Channels | None = None,
        driver: MakeDriver = Pjsip,
        security: SecurityLog | None = None,
        beside: SipTechnology | None = None,
    ) -> None:
        """``token`` makes unguessable text for tags and branches, ``secret`` signs nonces, ``node`` tells
        this server's Via branches from those of others, ``contacts`` keeps who registered,
        ``service_route`` tells phones to send through us, ``calls`` (``endpoints`` or ``none``) says who may call and
        ``channels`` shows it, ``driver`` makes what differs between PJSIP and SIP, ``security`` hears of offences.
        ``beside`` is another technology of this server: calls go from the endpoints of the one to those of the other.
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
        self._resolving: set[asyncio.Task[None]] = set()
        self._driver = driver(name, directory, registry, clock)
        self._names = names = self._driver.names
        #: Which device a URI means (RFC 5627).
        self.gruus = Gruus(name, directory, registry, secret, token)
        names.tell_devices_by(self.gruus)
        self._contacts = self._driver.contacts
        self._exchanges = exchanges = Exchanges(
            self._stack, self._transports, directory, resolver, clock, token, self._flush
        )
        self._messaging = Messaging(name, directory, names, exchanges, token, fork)
        channels = channels if channels is not None else Channels(registry, bus, clock)
        own_calls = OwnCalls(name, directory, exchanges, channels, schedule, clock, token, self._answer, self._flush)
        self._referring = Referring(directory, names, exchanges, own_calls, reports, schedule, clock, token)
        self._bindings = Bindings(name, contacts, clock)
        self._registrations = Registrations(directory, exchanges, schedule, clock, token, random)
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
        self._lifetimes = Lifetimes(name, registry, self._contacts, bus, schedule, self._qualification, self._bindings)
        targets = Targets(name, directory, names, registry)
        self._switching = Switching(
            name, self._driver, directory, targets, registry, bus, self._stack, clock, self._answer, self._flush
        )
        #: Answers to requests, ours and those that pass through; and final answers to ours (0: none came).
        self.answers = Answers(METHODS)
        self.outcomes = exchanges.outcomes
        self._offices: list[Office] = [] if beside is None else beside._offices
        self._proxy = Proxy(
            name,
            self._driver,
            directory,
            targets,
            exchanges,
            self._transports,
            self._stack,
            Calls(channels) if beside is None else beside.calls,
            self._offices,
            schedule,
            clock,
            Marks(secret),
            token,
            self._answer,
            self._flush,
            self.answers,
            serial=fork == "first",
        )
        self._liveness: Liveness = Liveness(self.calls, schedule, clock) if beside is None else beside._liveness
        security_log = security or SecurityLog(clock, timers)

        def tell(offence: Offence, source: str, account: str) -> None:
            security_log.tell(offence, source, name, account)

        self.overload = Overload(directory)
        self._steps = Steps(
            self._driver,
            directory,
            Authenticator(directory, Nonces(secret), token, tell),
            Registrar(name, directory, registry, self.gruus, self._service_route if service_route else None),
            self._referring,
            self._switching.message,
            self._proxy,
            ReferralPolicy(self._driver, self._proxy.office, self._offices, tell, self._proxy.forward).refer,
            self.overload,
            clock,
            tell,
            calls=calls == "endpoints",
        )
        self._server_header = (("Server", general.user_agent),) if general.user_agent else ()
        self._tells_refreshes = general.send_contact_status_on_update_registration

    # ---- life

    def attach(self, listener: Listener) -> None:
        """Adds a bound listener; its owner hands what it receives to ``receive``."""
        self._transports.add(listener)

    def _service_route(self, flow: Flow) -> str:
        """The Route by which requests of a phone come in where its registration did."""
        return f"<sip:{self._transports.listeners[flow.local].reached_at(flow.host)};lr>"

    def switch_to(self, switch: Switch, crossing: Crossing | None = None) -> None:
        """Texts between endpoints go through ``switch``, those to other technologies through ``crossing``."""
        self._switching.switch_to(switch, crossing)

    @property
    def calls(self) -> Calls:
        """The calls that pass through: of this technology and of those beside it."""
        return self._proxy.calls

    def busy_at(self, resource: str) -> int:
        """Calls at which the endpoint counts as busy; 0: never."""
        settings = self._directory.endpoints.get(resource)
        return settings.device_state_busy_at if settings is not None else 0

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
        self._registrations.start()
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
                self._lifetimes.untie(aor, uri)
                self._lifetimes.end_expiry(aor, uri)
                self._bindings.forget(aor.name, uri)
            self._bus.publish(self._contacts.bind(aor, contact))
            self._qualification.watch(contact)

    def _bind_again(self, contact: Contact) -> None:
        """A contact that registered before a restart, unless it has done so again by now."""
        aor = self._registry.declare(self.name, contact.aor)
        if contact.uri not in aor.contacts:
            self._bus.publish(self._contacts.restore(aor, contact))
            self._lifetimes.keep_until(aor, contact)
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
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)
        self._registrations.apply(change)
        self._arm()

    def _aors_of(self, endpoint: str) -> tuple[str, ...]:
        settings = self._directory.endpoints.get(endpoint)
        return settings.aors if settings is not None else ()

    def _change_aor(self, name: str, settings: AorSettings | None) -> None:
        aor = self._registry.declare(self.name, name)
        wanted = settings.contact if settings is not None else ()
        for contact in list(aor.contacts.values()):
            if settings is None or (contact.static and contact.uri not in wanted):
                self._lifetimes.take_away(aor, contact.uri)
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
        """Ends open work, and our registrations elsewhere; listeners are closed by their owner."""
        await self._registrations.stop()
        await self._bindings.stop()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for task in list(self._resolving):
            task.cancel()
        await asyncio.gather(*self._resolving, return_exceptions=True)
        self._referring.stop()
        await self._switching.stop()
        await self._exchanges.stop()

    async def drained(self) -> None:
        """Returns when no request of ours is open any more."""
        await self._exchanges.drained()

    @property
    def counters(self) -> dict[str, int]:
        """What the kernel has counted, see ``wire.sip.outbox.COUNTERS``."""
        return self._stack.counters

    # ---- the walk in

    def receive(self, data: bytes, flow: Flow) -> None:
        """Takes one datagram or message; everything it causes is done and sent when this returns."""
        stack = self._stack
        stack.receive(data, flow, self._clock.monotonic())
        while (event := stack.next_event()) is not None:
            if isinstance(event, RequestReceived):
                self._request(event)
            elif isinstance(event, ResponseReceived):
                if isinstance(event.context, Branch):
                    self._proxy.answered(event.context, event.response, event.flow)
                elif isinstance(event.context, Exchange):
                    self._exchanges.answered(event.context, event.response)
            else:
                self._other(event)
        self._flush()

    def sheds(self, data: bytes, host: str, port: int) -> bool:
        """Whether a datagram is to be left alone while more come than can be read; see ``overload``."""
        return self.overload.sheds(data, host, port)

    def unreachable(self, flow: Flow) -> None:
        """The network says that nobody is at the flow's far end (ICMP, a closed connection)."""
        self._stack.transport_failed(flow, self._clock.monotonic())
        self._drain()

    def disconnected(self, flow: Flow) -> None:
        """A connection is closed: contacts tied to it are gone at once, and requests on it fail."""
        self._lifetimes.disconnected(flow)
        self.unreachable(flow)
        self._referring.disconnected(flow)
        self._proxy.disconnected(flow)
        self._liveness.disconnected(flow)

    def _drain(self) -> None:
        while (event := self._stack.next_event()) is not None:
            self._other(event)
        self._flush()

    def _other(self, event: object) -> None:
        if isinstance(event, TransactionTimeout) and isinstance(event.context, Exchange):
            self._exchanges.failed(event.context, 408, "Request Timeout")
        elif isinstance(event, TransportFailed) and isinstance(event.context, Exchange):
            self._exchanges.failed(event.context, 503, event.reason)
        elif isinstance(event, AckReceived) and not self._referring.acknowledged(event.request):
            self._proxy.acknowledged(event.request, event.flow)

    def _request(self, incoming: RequestReceived) -> None:
        answer = self._steps.walk(incoming)
        if answer is not None:
            self._answer(incoming, answer)

    def _answer(self, incoming: RequestReceived, answer: Answer) -> None:
        if answer.changes and self._bindings.lasting:
            # Who is told to be registered is so after a crash too.
            self._stack.begin(incoming, incoming.received_at)
            self._change(answer.changes)
            self._bindings.confirm(partial(self._confirmed, incoming, answer))
        else:
            self._respond(incoming, answer, self._clock.monotonic())
            self._change(answer.changes)

    def _confirmed(self, incoming: RequestReceived, answer: Answer) -> None:
        self._respond(incoming, answer, self._clock.monotonic())
        self._flush()

    def _respond(self, incoming: RequestReceived, answer: Answer, now: float) -> None:
        self.answers.add(incoming.request.method, answer.status)
        self._stack.respond(
            incoming,
            answer.status,
            answer.reason,
            answer.headers if answer.stateless else (*answer.headers, *self._server_header),
            answer.body,
            now=now,
            stateless=answer.stateless,
        )

    def _change(self, changes: Sequence[Bind | Unbind]) -> None:
        for change in changes:
            if isinstance(change, Bind):
                new = change.contact.uri not in change.aor.contacts
                self._lifetimes.tie(change.aor, change.contact)
                self._bus.publish(self._contacts.bind(change.aor, change.contact, repeat=self._tells_refreshes))
                self._lifetimes.keep_until(change.aor, change.contact)
                self._bindings.keep(change.contact)
                if new:
                    self._qualification.watch(change.contact)
                else:
                    self._switching.refreshed(change.contact.uri)
            else:
                self._lifetimes.take_away(change.aor, change.uri)

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
        if self._alarm is not None and self._alarm_at <= self._clock.monotonic() + self._stack.shortest_timer:
            return  # nothing that has begun since can be due before
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
