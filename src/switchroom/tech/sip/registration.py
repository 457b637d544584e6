"""Our own registrations at other servers (RFC 3261 10.2): made, refreshed before they end, tried again, taken back.

Each is one REGISTER at a time, with one Call-ID as long as we run, and one entry in the schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from random import Random

import structlog

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.change import SipChange
from switchroom.model.endpoint import Contact
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import RegistrationSettings, SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.limits import (
    KEEP_ALIVE,
    MAX_EXPIRATION,
    MAX_RETRY_PAUSE,
    MIN_REFRESH,
    REFRESH_LEAD,
    UNREGISTER_SECONDS,
)
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.framing import PING
from switchroom.wire.sip.headers import NameAddr, parse_number
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.uri import Uri, escape_user, parse_uri

log = structlog.get_logger(__name__)

#: Answers after which the next attempt may go better; 6xx too, as Asterisk has it.
_PASSING = frozenset({408, 500, 502, 503, 504})


class State(Enum):
    """How a registration stands."""

    TRYING = "trying"
    REGISTERED = "registered"
    #: An attempt failed, another follows.
    WAITING = "waiting"
    #: Nothing follows until the settings change.
    GIVEN_UP = "given up"
    ENDED = "ended"


class Registration:
    """One registration, from its section to the end of it."""

    def __init__(self, settings: RegistrationSettings, token: Callable[[], str]) -> None:
        self.settings = settings
        self.state = State.TRYING
        self.call_id = token()
        self.tag = token()
        self.line = token() if settings.line else ""
        self.cseq = 1
        #: Seconds asked for: more than configured when the server wants more.
        self.expiration = settings.expiration
        self.retries = 0
        self.next: Deadline | None = None
        self.exchange: Exchange | None = None
        #: The connection it was made over.
        self.connection: tuple[Listener, str, int] | None = None
        #: When it has to be refreshed, for one that is kept alive until then.
        self.refresh_at = 0.0
        #: Whether the server wanted more seconds since we were registered last: it may say so once.
        self.raised = False
        #: Whether the server has had our Contact.
        self.held = False
        self.client = parse_uri(settings.client_uri)
        self.server = parse_uri(settings.server_uri)
        #: Requests go to it by the settings of an endpoint, to a contact that the administrator wrote.
        self.endpoint = SipEndpointSettings(
            name=settings.name,
            source=settings.source,
            outbound_auth=settings.outbound_auth,
            outbound_proxy=settings.outbound_proxy,
            transport=settings.transport,
        )
        self.contact = Contact(aor=settings.name, uri=settings.server_uri, static=True)


class Registrations:
    """All registrations of one technology."""

    def __init__(
        self,
        directory: Directory,
        exchanges: Exchanges,
        schedule: Schedule,
        clock: Clock,
        token: Callable[[], str],
        random: Random,
    ) -> None:
        self._directory = directory
        self._exchanges = exchanges
        self._schedule = schedule
        self._clock = clock
        self._token = token
        self._random = random
        self._known: dict[str, Registration] = {}
        #: Names of those that are being taken back at their servers, and who waits for all of them.
        self._leaving: set[str] = set()
        self._left: asyncio.Event | None = None

    def start(self) -> None:
        """Begins with each, over some seconds, so that a restart makes no storm."""
        for settings in self._directory.settings.registrations.values():
            self._begin(settings, self._random.random() * settings.max_random_initial_delay)

    def apply(self, change: SipChange) -> None:
        """Ends what is gone or different, begins what is new, and tries again where the credentials are others."""
        for name in change.registrations:
            known = self._known.pop(name, None)
            # One after the other: both may have the same Contact.
            if known is not None:
                self._leave(known)
            elif name not in self._leaving:
                self._follow(name)
        for known in self._known.values():
            stands = known.state is State.REGISTERED
            if not stands and any(name in change.auths for name in known.settings.outbound_auth):
                known.retries = 0
                self._plan(known, 0.0, self._register)

    async def stop(self) -> None:
        """Takes all back at the servers; returns when they have answered, or after UNREGISTER_SECONDS."""
        known, self._known = self._known, {}
        self._left = asyncio.Event()
        for registration in known.values():
            self._leave(registration)
        if self._leaving:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), UNREGISTER_SECONDS)

    def states(self) -> dict[str, State]:
        """How each stands, by name."""
        return {name: registration.state for name, registration in self._known.items()}

    # ---- begin and end

    def _begin(self, settings: RegistrationSettings, delay: float) -> None:
        try:
            registration = Registration(settings, self._token)
        except SipError as error:
            log.error("a registration has no usable URI", at=str(settings.source), error=error.reason)  # noqa: TRY400
            return
        self._known[settings.name] = registration
        if registration.line:
            self._directory.lines[registration.line] = settings.endpoint
        self._plan(registration, delay, self._register)

    def _follow(self, name: str) -> None:
        """Begins with what the settings say now under a name that is free."""
        settings = self._directory.settings.registrations.get(name)
        if settings is not None and self._left is None:
            self._begin(settings, 0.0)

    def _leave(self, registration: Registration) -> None:
        """Nothing is heard of it any more, and at the server it ends; then its name is free."""
        if registration.next is not None:
            self._schedule.cancel(registration.next)
        if registration.exchange is not None:
            self._exchanges.abandon(registration.exchange)
            registration.cseq = registration.exchange.cseq + 1
        self._directory.lines.pop(registration.line, None)
        registration.state = State.ENDED
        name = registration.settings.name
        if not registration.held and registration.exchange is None:
            self._follow(name)
            return
        self._leaving.add(name)
        if not self._send(registration, 0, partial(self._gone, name)):
            self._gone(name, Outcome(503, "Not Sent"))

    def _gone(self, name: str, outcome: Outcome) -> None:
        log.info("unregistered", registration=name, status=outcome.status, reason=outcome.reason)
        self._leaving.discard(name)
        if self._left is not None and not self._leaving:
            self._left.set()
        self._follow(name)

    def _plan(self, registration: Registration, delay: float, action: Callable[[Registration, float], None]) -> None:
        """What is next; instead of what was."""
        if registration.next is not None:
            self._schedule.cancel(registration.next)
        registration.next = self._schedule.at(self._clock.monotonic() + delay, partial(action, registration))

    # ---- a REGISTER

    def _register(self, registration: Registration, now: float) -> None:
        if registration.exchange is None and not self._send(
            registration, registration.expiration, partial(self._answered, registration)
        ):
            self._failed(registration, Outcome(503, "No Way There"), registration.settings.fatal_retry_interval)

    def _send(self, registration: Registration, expires: int, done: Callable[[Outcome], None]) -> bool:
        """False when no transport leads there."""
        settings = registration.settings
        try:
            hop = self._exchanges.route(registration.endpoint, registration.server, registration.contact)
        except InvalidParameter as error:
            log.warning("a registration can not be sent", registration=settings.name, reason=str(error))
            return False
        options = [name for name in ("path", "outbound") if getattr(settings, f"support_{name}")]
        agent = self._directory.general.user_agent
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", str(NameAddr("", registration.client, {"tag": registration.tag}))),
            ("To", str(NameAddr("", registration.client, {}))),
            ("Call-ID", registration.call_id),
            ("Contact", f"<{self._contact(registration, hop.listener.reached_at(hop.host))}>"),
            ("Expires", str(expires)),
            ("Max-Forwards", str(self._directory.general.max_forwards)),
            *([("Supported", ", ".join(options))] if options else ()),
            *([("User-Agent", agent)] if agent else ()),
        ]
        exchange = Exchange("REGISTER", str(registration.server), headers, b"", registration.endpoint, hop)
        exchange.cseq = registration.cseq
        registration.exchange = exchange
        self._exchanges.start(exchange, done)
        return True

    def _contact(self, registration: Registration, address: str) -> str:
        """Where we are reached; the same each time, as long as our address is."""
        line = f";line={registration.line}" if registration.line else ""
        return f"sip:{escape_user(registration.settings.contact_user)}@{address}{line}"

    def _answered(self, registration: Registration, outcome: Outcome) -> None:
        exchange, registration.exchange = registration.exchange, None
        assert exchange is not None
        registration.cseq = exchange.cseq + 1
        settings, status = registration.settings, outcome.status
        if outcome.success and outcome.response is not None:
            registration.connection = next(iter(exchange.addresses), None)
            self._registered(registration, outcome.response, _sent_contact(exchange))
        elif (
            status == 423
            and not registration.raised
            and (least := _min_expires(outcome.response)) > registration.expiration
        ):
            registration.raised = True
            registration.expiration = least
            self._plan(registration, 0.0, self._register)
        elif status in (401, 407):
            interval = 0 if settings.auth_rejection_permanent else settings.retry_interval
            self._failed(registration, outcome, interval)
        elif status in _PASSING or status >= 600:
            self._failed(registration, outcome, settings.retry_interval)
        elif status == 403 and settings.forbidden_retry_interval:
            self._failed(registration, outcome, settings.forbidden_retry_interval)
        else:
            self._failed(registration, outcome, settings.fatal_retry_interval)

    def _registered(self, registration: Registration, response: Response, sent: Uri | None) -> None:
        granted = _granted(response, sent, registration.expiration)
        lead = max(REFRESH_LEAD, 0.1 * granted) * (1 + 0.5 * self._random.random())
        pause = max(MIN_REFRESH, granted - lead, 0.5 * granted)
        if registration.state is not State.REGISTERED:
            log.info("registered", registration=registration.settings.name, expires=granted)
        registration.state = State.REGISTERED
        registration.held = True
        registration.raised = False
        registration.retries = 0
        registration.refresh_at = self._clock.monotonic() + pause
        self._stay(registration, self._clock.monotonic())

    def _failed(self, registration: Registration, outcome: Outcome, interval: int) -> None:
        """Another attempt after ``interval``, or a multiple of it; none when that is 0."""
        settings = registration.settings
        again = interval > 0 and registration.retries < settings.max_retries
        said = {"registration": settings.name, "status": outcome.status, "reason": outcome.reason}
        if not again:
            registration.state = State.GIVEN_UP
            log.error("a registration was refused and is given up", **said)
            return
        registration.state = State.WAITING
        pause = max(interval, min(interval * 2**registration.retries, MAX_RETRY_PAUSE))
        pause = max(pause, min(_retry_after(outcome.response), MAX_RETRY_PAUSE)) * (1 + 0.1 * self._random.random())
        registration.retries += 1
        log.warning("a registration failed", **said, again=round(pause))
        self._plan(registration, pause, self._register)

    # ---- until it is refreshed

    def _stay(self, registration: Registration, now: float) -> None:
        """Keeps the connection open (RFC 5626 section 4.4.1); when it is gone, the server can not reach us by it."""
        over = registration.connection
        if over is None or over[0].connections is None:
            self._plan(registration, max(0.0, registration.refresh_at - now), self._register)
            return
        listener, host, port = over
        if not listener.connected(host, port):
            log.info("the connection of a registration is gone", registration=registration.settings.name)
            self._plan(registration, self._random.random(), self._register)
        elif now >= registration.refresh_at:
            self._register(registration, now)
        else:
            self._plan(registration, min(KEEP_ALIVE, registration.refresh_at - now), self._ping)

    def _ping(self, registration: Registration, now: float) -> None:
        assert registration.connection is not None
        listener, host, port = registration.connection
        listener.send(PING, host, port)
        self._stay(registration, now)


def _sent_contact(exchange: Exchange) -> Uri | None:
    written = next((value for name, value in exchange.headers if name == "Contact"), "")
    return parse_uri(written.strip("<>")) if written else None


def _granted(response: Response, sent: Uri | None, asked: int) -> int:
    """Seconds until it ends (RFC 3261 10.2.4): by our Contact in the answer, else by its Expires, else as asked."""
    with suppress(SipError):
        for contact in response.contacts:
            uri = contact.uri
            if sent is not None and (uri.user, uri.host, uri.port) == (sent.user, sent.host, sent.port):
                written = contact.params.get("expires")
                if written is not None:
                    return min(parse_number(written, "expires"), asked)
    with suppress(SipError):
        if response.expires is not None:
            return min(response.expires, asked)
    return asked


def _min_expires(response: Response | None) -> int:
    """What a 423 asks for; 0 when that is nothing, or more than anybody may want."""
    with suppress(SipError):
        if response is not None and (written := response.first("min-expires")):
            least = parse_number(written.strip(), "Min-Expires")
            return least if least <= MAX_EXPIRATION else 0
    return 0


def _retry_after(response: Response | None) -> int:
    """Seconds (RFC 3261 20.33), without the comment and the parameters behind them."""
    with suppress(SipError):
        if response is not None and (written := response.first("retry-after")):
            return parse_number(written.partition(";")[0].partition("(")[0].strip(), "Retry-After")
    return 0
