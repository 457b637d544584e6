"""The composition root: builds the parts of one configuration, starts them in order, and takes them down.

The only module that may import every ring.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import signal
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, NamedTuple

import structlog

from switchroom import __version__
from switchroom.ari.console import Console
from switchroom.ari.health import Health
from switchroom.ari.service import AriService
from switchroom.configuration import LiveConfiguration
from switchroom.core.addresses import Addresses
from switchroom.core.bus import Bus
from switchroom.core.channels import Channels
from switchroom.core.crossing import Crossing
from switchroom.core.messages import Messages, MessageTerms
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.core.security import Offence, SecurityLog
from switchroom.core.storage import ContactStore, StoreUnavailable
from switchroom.core.tally import LoopLag, Tally
from switchroom.core.technologies import Technologies
from switchroom.core.tokens import Ids, Tokens
from switchroom.core.trail import Trail
from switchroom.iax2 import open_socket
from switchroom.listeners import Listeners
from switchroom.logs import configure_logs
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import ConfigurationUnusable
from switchroom.model.events import TextMessageStatusChange
from switchroom.model.iax2_settings import IaxSettings
from switchroom.model.settings import (
    Configuration,
    HttpSettings,
    OutboundSettings,
    SipSettings,
    SwitchroomSettings,
    TransportSettings,
)
from switchroom.model.xmpp_settings import XmppSettings
from switchroom.net.admission import Admission, connections_allowed
from switchroom.net.certificates import client_context, server_context
from switchroom.net.dns import Resolver
from switchroom.store.memory import HeldJournal, MemoryStore, UnkeptContacts
from switchroom.store.sqlite import SqliteStore
from switchroom.tech.iax2.service import IaxTechnology
from switchroom.tech.sip.chan_sip import ChanSip
from switchroom.tech.sip.driver import MakeDriver, Pjsip
from switchroom.tech.sip.service import SipTechnology

if TYPE_CHECKING:
    from switchroom.metrics import Metrics
    from switchroom.tech.xmpp.service import XmppTechnology

log = structlog.get_logger(__name__)

#: Seconds that open requests of ours are given to end when the server stops; SIGTERM to exit is 5 s.
DRAIN = 2.0

#: Objects made between two looks of the garbage collector, and how much rarer it looks at older ones.
GC_THRESHOLDS = (100_000, 50, 100)


class StartError(Exception):
    """Why the server can not start; the text is for the administrator."""


class Running(NamedTuple):
    """Where a started server can be reached."""

    #: ``http://host:port`` without a path, or empty when HTTP is off.
    base: str
    #: Host and port of each SIP listener, by the name of its transport.
    sip: dict[str, tuple[str, int]]


class SystemClock:
    """The machine's time; see ``core.ports.Clock``."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class Server:
    """One configuration, served; ``directory`` is where it is read from again."""

    def __init__(self, configuration: Configuration, state: Path | None, directory: Path | None = None) -> None:
        self.configuration = configuration
        self._state = state
        self._directory = directory
        self._clock = SystemClock()
        self._tokens = Tokens()
        self._ids = Ids(self._tokens, self._clock)
        self._bus = Bus()
        self._tally = Tally(self._clock.wall())
        self._bus.attach(self._tally)
        if log.is_enabled_for(logging.INFO):
            trail = Trail(every_step=log.is_enabled_for(logging.DEBUG))
            self._bus.attach(trail, only=(TextMessageStatusChange,))
        self._registry = Registry(self._clock)
        self._channels = Channels(self._registry, self._bus, self._clock)
        self._technologies = Technologies()
        self._referrals = Referrals(self._technologies, self._clock, self._bus, self._ids)
        self._messages: Messages | None = None
        self._addresses = Addresses(self._registry)
        self._sip: list[SipTechnology] = []
        self._xmpp: XmppTechnology | None = None
        self._listeners: Listeners | None = None
        self._all_listeners: list[Listeners] = []
        self._metrics: Metrics | None = None
        self._stopping = False
        self._live: LiveConfiguration | None = None
        self._reloading: asyncio.Task[None] | None = None

    async def start(self, closing: AsyncExitStack) -> Running:
        """Starts everything; ``closing`` takes it down again, the last first.

        Raises:
            StartError: a port is taken, an address is not ours.
        """
        listeners: dict[str, tuple[str, int]] = {}
        self._security = security = SecurityLog(self._clock, asyncio.get_running_loop())
        self._admission = admission = Admission(
            connections_allowed(), tell=lambda host: security.tell(Offence.TOO_MANY_CONNECTIONS, host, "SIP")
        )
        self._lag = LoopLag(self._clock, asyncio.get_running_loop())
        self._lag.start()
        closing.callback(self._lag.stop)
        self._store = store = self._open_store(closing)
        self._schedule = Schedule(self._clock, asyncio.get_running_loop())
        closing.callback(self._schedule.stop)
        terms = message_terms(self.configuration.switchroom)
        messages = Messages(
            self._technologies,
            HeldJournal(store) if isinstance(store, MemoryStore) else store.journal,
            self._clock,
            self._schedule,
            self._bus,
            terms,
            self._ids,
            addresses=self._addresses,
        )
        crossing = Crossing(self._addresses, messages, self._clock)
        contacts = store.contacts if self._state is not None else UnkeptContacts()
        closing.push_async_callback(messages.stop)
        # It may send because of what it hears: applications hear the cause first.
        self._bus.attach(messages, last=True, only=messages.HEARS)
        live = LiveConfiguration(self.configuration, self._directory, store.objects)
        try:
            settings = await live.load()
            await messages.restore()
            if settings is not None:
                sip = self._make_sip("PJSIP", settings, messages, crossing, contacts)
                self._listeners = Listeners(sip, closing, admission)
                self._all_listeners.append(self._listeners)
                listeners |= await self._start_sip(sip, settings, self._listeners, closing)
                live.serve(sip=sip.apply)
            peers = self.configuration.chan_sip
            if peers is not None:
                driver = partial(ChanSip, live.chan_sip)
                sip = self._make_sip("SIP", peers.sip, messages, crossing, contacts, driver)
                self._all_listeners.append(Listeners(sip, closing, admission))
                listeners |= await self._start_sip(sip, peers.sip, self._all_listeners[-1], closing)
                live.serve(chan_sip=sip.apply)
            if self.configuration.iax is not None:
                iax = await self._start_iax(self.configuration.iax, messages, crossing, contacts, closing)
                live.serve(iax=iax.apply)
        except StoreUnavailable as error:
            raise StartError(str(error)) from error
        if self.configuration.xmpp is not None and self.configuration.xmpp.accounts:
            await self._make_xmpp(self.configuration.xmpp, messages, crossing, closing).start()
        live.serve(xmpp=partial(self._serve_xmpp, messages=messages, crossing=crossing, closing=closing))
        base = await self._start_ari(messages, live, closing)
        messages.start()
        self._messages = messages
        self._live = live
        _settle_memory()
        return Running(base, listeners)

    def _open_store(self, closing: AsyncExitStack) -> SqliteStore | MemoryStore:
        """Where messages, contacts and objects are kept: in the state folder, or else in memory."""
        if self._state is None:
            return MemoryStore()
        try:
            durability = self.configuration.switchroom.durability
            store = SqliteStore.open(self._state, durability, heard=_store_changed)
        except StoreUnavailable as error:
            raise StartError(str(error)) from error
        closing.push_async_callback(store.close)
        return store

    def _make_sip(
        self,
        name: str,
        settings: SipSettings,
        messages: Messages,
        crossing: Crossing,
        contacts: ContactStore,
        driver: MakeDriver = Pjsip,
    ) -> SipTechnology:
        sip = SipTechnology(
            name,
            settings,
            registry=self._registry,
            bus=self._bus,
            reports=self._referrals,
            clock=self._clock,
            timers=asyncio.get_running_loop(),
            schedule=self._schedule,
            contacts=contacts,
            resolver=Resolver(),
            token=self._tokens,
            secret=secrets.token_bytes(32),
            random=SystemRandom(),
            node=secrets.token_hex(2),
            fork=self.configuration.switchroom.fork,
            calls=self.configuration.switchroom.calls,
            channels=self._channels,
            service_route=self.configuration.switchroom.service_route,
            driver=driver,
            security=self._security,
            beside=self._sip[0] if self._sip else None,
        )
        sip.switch_to(messages, crossing)
        self._channels.attach(name, sip.busy_at)
        self._technologies.add(sip)
        self._addresses.add(name, sip)
        self._sip.append(sip)
        return sip

    async def _start_sip(
        self, sip: SipTechnology, settings: SipSettings, listeners: Listeners, closing: AsyncExitStack
    ) -> dict[str, tuple[str, int]]:
        addresses = {}
        for transport in settings.transports.values():
            address = await _listen(listeners, transport)
            if address is not None:
                addresses[transport.name] = address
        await sip.start()
        closing.push_async_callback(sip.stop)
        return addresses

    async def _start_iax(
        self,
        settings: IaxSettings,
        messages: Messages,
        crossing: Crossing,
        contacts: ContactStore,
        closing: AsyncExitStack,
    ) -> IaxTechnology:
        iax = IaxTechnology(
            settings,
            registry=self._registry,
            bus=self._bus,
            clock=self._clock,
            schedule=self._schedule,
            resolver=Resolver(),
            contacts=contacts,
            contact_changed=messages.hear,
            secret=secrets.token_bytes(32),
            random=SystemRandom(),
            tell=lambda offence, source, account: self._security.tell(offence, source, "IAX2", account),
        )
        iax.switch_to(crossing)
        self._technologies.add(iax)
        self._addresses.add(iax.name, iax)
        for host, port in settings.binds:
            try:
                await open_socket(iax, host, port, closing)
            except (OSError, ValueError) as error:
                where = f"udp {host}:{port}"
                raise StartError(f"iax.conf: can not listen on {where}: {_reason(error)}") from error
        await iax.start()
        closing.push_async_callback(iax.stop)
        return iax

    def _make_xmpp(
        self, settings: XmppSettings, messages: Messages, crossing: Crossing, closing: AsyncExitStack
    ) -> XmppTechnology:
        # Only here: who has no account does not pay for slixmpp (12 MB).
        from switchroom.tech.xmpp.service import XmppTechnology

        self._xmpp = xmpp = XmppTechnology(
            settings,
            registry=self._registry,
            bus=self._bus,
            clock=self._clock,
            schedule=self._schedule,
            random=SystemRandom(),
            crossing=crossing,
        )
        xmpp.note_to(messages)
        self._technologies.add(xmpp)
        self._addresses.add(xmpp.name, xmpp)
        closing.push_async_callback(xmpp.stop)
        return xmpp

    def _serve_xmpp(
        self, settings: XmppSettings, messages: Messages, crossing: Crossing, closing: AsyncExitStack
    ) -> None:
        """xmpp.conf was read again."""
        if self._xmpp is None and settings.accounts:
            self._make_xmpp(XmppSettings(), messages, crossing, closing)
        if self._xmpp is not None:
            self._xmpp.apply(settings)

    async def _start_ari(self, messages: Messages, live: LiveConfiguration, closing: AsyncExitStack) -> str:
        configuration = self.configuration
        if not configuration.http.enabled:
            log.warning("http.conf does not enable HTTP: there is no ARI, and no WebSocket for phones")
            return ""
        service = AriService(
            configuration.http,
            configuration.ari,
            configuration.switchroom,
            self._registry,
            messages,
            self._referrals,
            self._bus,
            configuration.switchroom.entity_id or _entity_id(),
            self._clock,
            live,
            tls=_tls(configuration.http),
            outbound_tls={
                name: _outbound_tls(outbound)
                for name, outbound in configuration.ari.outbound.items()
                if outbound.uri.startswith("wss:")
            },
            security=self._security,
        )
        live.serve(ari=service.reconfigure)
        servername = configuration.http.servername
        browsers = self._listeners.browsers(servername) if self._listeners is not None else None
        if browsers is not None:
            service.mount("/ws", browsers.serve)
        self._mount_health(service, messages)
        if configuration.switchroom.console and configuration.ari.enabled:
            service.mount("/", Console(configuration.http.prefix).serve)
        try:
            host, port = await service.start()
        except OSError as error:
            where = f"{configuration.http.bind_host}:{configuration.http.bind_port}"
            if configuration.http.tls_enabled:
                where += f" or {configuration.http.tls_bind_host or '*'}:{configuration.http.tls_bind_port}"
            raise StartError(f"http.conf: can not listen on tcp {where}: {_reason(error)}") from error
        if service.tls_address is not None:
            log.info("ari is served with TLS", host=service.tls_address[0], port=service.tls_address[1])
        closing.push_async_callback(service.stop)
        if browsers is not None:
            browsers.attach((host, port), service.tls_address)
            closing.callback(browsers.stop)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def _mount_health(self, service: AriService, messages: Messages) -> None:
        wanted = self.configuration.switchroom.metrics

        def metrics() -> bytes:
            if self._metrics is None:
                # Only here: who is never scraped does not pay for the client library.
                from switchroom.metrics import Metrics, Sources

                database = self._store.database if isinstance(self._store, SqliteStore) else None
                self._metrics = Metrics(
                    Sources(
                        registry=self._registry,
                        tally=self._tally,
                        lag=self._lag,
                        security=self._security,
                        admission=self._admission,
                        channels=self._channels,
                        messages=messages,
                        sip=self._sip,
                        listeners=self._all_listeners,
                        service=service,
                        database=database,
                    )
                )
            return self._metrics.text()

        health = Health(self._unready, metrics, None if wanted == "open" else service.login, self._clock)
        service.mount_at_root("/healthz", health.healthz)
        service.mount_at_root("/readyz", health.readyz)
        if wanted != "no":
            service.mount_at_root("/metrics", health.metrics)

    def _unready(self) -> list[str]:
        """Why nothing should be sent to this server now; everything listens once it has started."""
        reasons = []
        if self._messages is None:
            reasons.append("the server is starting")
        if self._stopping:
            reasons.append("the server is stopping")
        trouble = self._store.database.trouble if isinstance(self._store, SqliteStore) else self._store.trouble
        if trouble:
            reasons.append("the store can not be written")
        return reasons

    def reload(self) -> None:
        """Reads the configuration again, unless it is being read; what comes of it is in the log."""
        if self._live is not None and (self._reloading is None or self._reloading.done()):
            self._reloading = asyncio.get_running_loop().create_task(_reload(self._live))

    async def drain(self) -> None:
        """Begins nothing new, and gives requests of ours that are on their way a moment to be answered."""
        self._stopping = True
        if self._messages is not None:
            await self._messages.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(sip.drained() for sip in self._sip)), DRAIN)


async def serve(
    configuration: Configuration,
    state: Path | None = None,
    *,
    directory: Path | None = None,
    ready: Callable[[Running], None] | None = None,
    log_format: str | None = None,
    log_level: str | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT; the exit status. ``ready`` is called once everything listens.

    SIGHUP reads the configuration again from ``directory``. ``log_format`` and ``log_level`` stand above it.

    Raises:
        StartError: it can not start.
    """
    ours = configuration.switchroom
    configure_logs(log_format or ours.log_format, log_level or ours.log_level)
    if state is not None:
        _prepare_state(state)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as closing:
        server = Server(configuration, state, directory)
        if directory is not None:
            loop.add_signal_handler(signal.SIGHUP, server.reload)
        running = await server.start(closing)
        log.info("switchroom is ready", version=__version__, ari=running.base, sip=running.sip)
        if ready is not None:
            ready(running)
        await stopping.wait()
        log.info("switchroom stops")
        await server.drain()
    return 0


async def _listen(listeners: Listeners, transport: TransportSettings) -> tuple[str, int] | None:
    try:
        return await listeners.open(transport)
    except (OSError, ValueError) as error:
        where = f"{transport.protocol} {transport.bind_host}:{transport.bind_port}"
        raise StartError(f"{transport.source}: can not listen on {where}: {_reason(error)}") from error


async def _reload(live: LiveConfiguration) -> None:
    try:
        for problem in (await live.reload()).problems:
            log.warning(problem)
    except ConfigurationUnusable as error:
        log.error(str(error))  # noqa: TRY400 - the text says what and where


def message_terms(settings: SwitchroomSettings) -> MessageTerms:
    """What switchroom.conf says of messages."""
    return MessageTerms(
        offline=settings.offline == "store",
        offline_of={
            EndpointId(*name.split("/", 1)): keeping == "store" for name, keeping in settings.offline_of.items()
        },
        life=settings.message_life,
        retention=settings.message_retention,
        keep_body=settings.keep_body,
        max_waiting=settings.max_waiting,
    )


def _store_changed(trouble: str) -> None:
    if trouble:
        log.error("the store can not be written", reason=trouble)
    else:
        log.info("the store can be written again")


def _tls(settings: HttpSettings) -> ssl.SSLContext | None:
    """For the HTTP listener with TLS, None when there is to be none."""
    if not settings.tls_enabled:
        return None
    try:
        return server_context(settings.tls_cert_file, settings.tls_key_file)
    except ValueError as error:
        raise StartError(f"http.conf: {error}") from error


def _outbound_tls(settings: OutboundSettings) -> ssl.SSLContext:
    try:
        context = client_context(
            settings.cert_file, settings.key_file, ca_file=settings.ca_file, verify_server=settings.verify_server
        )
        if settings.ca_path:
            context.load_verify_locations(capath=settings.ca_path)
    except (OSError, ValueError) as error:
        raise StartError(f"{settings.source}: {error}") from error
    context.check_hostname = settings.verify_server and settings.verify_hostname
    return context


def _prepare_state(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"state folder {state}: {_reason(error)}") from error


def _settle_memory() -> None:
    """What was built so far lives as long as the process: the collector need not look at it again.

    A request leaves no cycles behind, so the collector may come seldom; with Python's own thresholds it took
    a quarter of the time of a registration.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _entity_id() -> str:
    """Six octets in hex, from the network card as Asterisk's."""
    return ":".join(f"{octet:02x}" for octet in uuid.getnode().to_bytes(6, "big"))


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
