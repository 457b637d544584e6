"""A SIP technology on a virtual clock and a network of lists: what it was sent, what it sends.

Texts are written as a telephone engineer reads them: one header a line, ``\\n`` for the line end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from random import Random

from switchroom.core.addresses import Addresses as AliasAddresses
from switchroom.core.bus import Bus
from switchroom.core.channels import Channels
from switchroom.core.crossing import Crossing
from switchroom.core.messages import Messages
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import EndpointId
from switchroom.model.events import EndpointEvent, Event
from switchroom.model.message import Delivery, DeliveryReport, ReferralReport
from switchroom.model.settings import (
    AorSettings,
    AuthSettings,
    IdentifySettings,
    SipEndpointSettings,
    SipSettings,
    Source,
    TransportSettings,
)
from switchroom.store.memory import MemoryStore
from switchroom.tech.sip.driver import MakeDriver, Pjsip
from switchroom.tech.sip.service import SipTechnology
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.parse import parse

HERE = Source("pjsip.conf", 1)
SERVER = "192.0.2.1"


class VirtualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        #: What the wall clock was set to beside the monotonic one.
        self.offset = 1_700_000_000.0

    def wall(self) -> float:
        return self.offset + self.now

    def monotonic(self) -> float:
        return self.now


class VirtualAlarm:
    def __init__(self, when: float, action: Callable[[], None]) -> None:
        self.when = when
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualTimers:
    """Alarms of a virtual clock; ``VirtualWorld.pass_time`` rings them."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.alarms: list[VirtualAlarm] = []

    def call_later(self, delay: float, action: Callable[[], None]) -> VirtualAlarm:
        alarm = VirtualAlarm(self._clock.now + delay, action)
        self.alarms.append(alarm)
        return alarm


class Addresses:
    """A resolver that knows what it is told."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        #: What NAPTR and SRV records say of a name: transport, address and port.
        self.located: dict[str, list[tuple[str, str, int]]] = {}

    async def resolve(self, host: str, port: int | None, transport: str) -> list[tuple[str, int]]:
        if host not in self.known:
            raise OSError(f"{host} is not known")
        return [(address, port or 5060) for address in self.known[host]]

    async def locate(self, host: str, port: int | None, transports: Sequence[str]) -> list[tuple[str, str, int]]:
        located = self.located.get(host)
        if located is not None and port is None:
            return [found for found in located if found[0] in transports]
        return [(transports[0], *found) for found in await self.resolve(host, port, transports[0])]


class Ear:
    """A listener that remembers events; ``wants`` tells whether it takes texts."""

    def __init__(self) -> None:
        self.wants = False
        self.heard: list[EndpointEvent] = []

    def takes(self, endpoint: EndpointId) -> bool:
        return self.wants

    def hear(self, event: Event) -> None:
        if isinstance(event, EndpointEvent):
            self.heard.append(event)

    def take(self) -> list[EndpointEvent]:
        heard, self.heard = self.heard, []
        return heard

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.take()]


class Sent:
    """A message that left, parsed, and where it went."""

    def __init__(self, data: bytes, host: str, port: int) -> None:
        self.data = data
        self.to = (host, port)
        self.message = parse(data)

    @property
    def request(self) -> Request:
        assert isinstance(self.message, Request), self.data
        return self.message

    @property
    def response(self) -> Response:
        assert isinstance(self.message, Response), self.data
        return self.message


class SipWorld:
    """One technology under observation."""

    def __init__(
        self,
        settings: SipSettings,
        *,
        fork: str = "all",
        service_route: bool = False,
        calls: str = "endpoints",
        bind: str = SERVER,
        port: int = 5060,
        store: MemoryStore | None = None,
        name: str = "PJSIP",
        driver: MakeDriver = Pjsip,
        beside: SipWorld | None = None,
    ) -> None:
        """``beside``: another technology of the same server."""
        self.clock: VirtualClock = beside.clock if beside else VirtualClock()
        self.timers: VirtualTimers = beside.timers if beside else VirtualTimers(self.clock)
        self.addresses = Addresses()
        self.ear: Ear = beside.ear if beside else Ear()
        self.bus: Bus = beside.bus if beside else Bus()
        self.registry: Registry = beside.registry if beside else Registry(self.clock)
        self.deliveries: list[DeliveryReport] = []
        self.progress: list[ReferralReport] = []
        self._sent: list[Sent] = []
        tokens = count(1)
        world = self

        class Reports:
            def referral(self, report: ReferralReport) -> None:
                world.progress.append(report)

        class Reporting(SipTechnology):
            def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
                def ended(report: DeliveryReport) -> None:
                    world.deliveries.append(report)
                    done(report)

                super().deliver(delivery, ended)

        self.store = store or MemoryStore()
        self.schedule: Schedule = beside.schedule if beside else Schedule(self.clock, self.timers)
        self.channels: Channels = beside.channels if beside else Channels(self.registry, self.bus, self.clock)
        self.sip: SipTechnology = Reporting(
            name,
            settings,
            registry=self.registry,
            bus=self.bus,
            reports=Reports(),
            clock=self.clock,
            timers=self.timers,
            schedule=self.schedule,
            contacts=self.store.contacts,
            resolver=self.addresses,
            token=lambda: hashlib.md5(str(next(tokens)).encode()).hexdigest()[:16],
            secret=b"a secret of sixteen bytes",
            random=Random(1),
            node="n1",
            fork=fork,
            service_route=service_route,
            calls=calls,
            channels=self.channels,
            driver=driver,
            beside=beside.sip if beside else None,
        )
        self.technologies: Technologies = beside.technologies if beside else Technologies()
        self.technologies.add(self.sip)
        self.aliases: AliasAddresses = beside.aliases if beside else AliasAddresses(self.registry)
        self.aliases.add(name, self.sip)
        self.messages: Messages
        self.referrals: Referrals
        self.crossing: Crossing
        if beside:
            self.messages, self.referrals, self.crossing = beside.messages, beside.referrals, beside.crossing
        else:
            self.bus.attach(self.ear)
            # Nothing rings here: a text is sent once, and what the technology makes of it is all there is.
            apart = Schedule(self.clock, VirtualTimers(self.clock))
            self.messages = Messages(
                self.technologies, self.store.journal, self.clock, apart, self.bus, addresses=self.aliases
            )
            self.bus.attach(self.messages)
            self.referrals = Referrals(self.technologies, self.clock, self.bus)
            self.crossing = Crossing(self.aliases, self.messages, self.clock)
        self.sip.switch_to(self.messages, self.crossing)
        transport = TransportSettings(name="udp", source=HERE, bind_host=bind, bind_port=port)
        self.sip.attach(Listener(transport, bind, port, self._leave, lambda peer: SERVER))

    def _leave(self, data: bytes, host: str, port: int) -> None:
        self._sent.append(Sent(data, host, port))

    async def start(self) -> SipWorld:
        await self.messages.restore()
        await self.sip.start()
        self.messages.start()
        self.ear.take()
        return self

    def receive(self, text: str, source: str = "192.0.2.9:5090") -> list[Sent]:
        """A datagram comes in; what leaves because of it."""
        host, _, port = source.rpartition(":")
        self.sip.receive(wire(text), Flow("udp", "udp", host.strip("[]"), int(port)))
        return self.sent()

    def sent(self) -> list[Sent]:
        """What has left since it was asked last."""
        sent, self._sent = self._sent, []
        return sent

    def pass_time(self, seconds: float) -> list[Sent]:
        """Time passes, alarms ring when they are due; what leaves meanwhile."""
        end = self.clock.now + seconds
        while True:
            due = [a for a in self.timers.alarms if not a.cancelled and a.when <= end]
            if not due:
                break
            alarm = min(due, key=lambda a: a.when)
            self.timers.alarms.remove(alarm)
            self.clock.now = max(self.clock.now, alarm.when)
            alarm.action()
        self.timers.alarms = [a for a in self.timers.alarms if not a.cancelled]
        self.clock.now = end
        return self.sent()

    def register(
        self, user: str, contact: str, *, expires: str = "3600", source: str = "192.0.2.9:5090", extra: str = ""
    ) -> Response:
        """Registers with password ``{user}pw``, challenge and answer; the final response."""
        text = request("REGISTER", user, extra=f"Contact: {contact}\nExpires: {expires}\n{extra}")
        (first,) = self.receive(text, source)
        assert first.response.status == 401
        answered = self.receive(authorized(text, first.response, user), source)
        return next(s for s in answered if isinstance(s.message, Response)).response


_serial = count(1)


def request(
    method: str,
    user: str,
    *,
    target: str = f"sip:{SERVER}",
    to: str = "",
    extra: str = "",
    body: str = "",
    call_id: str = "",
    cseq: int = 1,
) -> str:
    """A request from ``user`` with a branch and Call-ID of its own."""
    n = next(_serial)
    return (
        f"{method} {target} SIP/2.0\n"
        f"Via: SIP/2.0/UDP 192.0.2.9:5090;rport;branch=z9hG4bK-{n}\n"
        f"Max-Forwards: 70\n"
        f"From: <sip:{user}@{SERVER}>;tag=f{n}\n"
        f"To: {to or f'<sip:{user}@{SERVER}>'}\n"
        f"Call-ID: {call_id or f'call-{n}'}\n"
        f"CSeq: {cseq} {method}\n"
        f"{extra}"
        f"Content-Length: {len(body.encode())}\n\n{body}"
    )


def wire(text: str) -> bytes:
    """Line ends of the head as they are on the wire; the body stays as it is."""
    head, _, body = text.partition("\n\n")
    return (head.replace("\n", "\r\n") + "\r\n\r\n").encode(errors="surrogateescape") + body.encode()


def authorized(text: str, challenge: Response, user: str, password: str = "") -> str:
    """The request again with the challenge answered: next CSeq, a new branch."""
    proxy = challenge.first("proxy-authenticate")
    value = proxy or challenge.first("www-authenticate") or ""
    params = dict(re.findall(r'(\w+)="?([^",]+)"?', value))
    method, uri = text.split(" ", 2)[:2]
    ha1 = _md5(f"{user}:{params['realm']}:{password or user + 'pw'}")
    response = _md5(f"{ha1}:{params['nonce']}:00000001:abc:auth:{_md5(f'{method}:{uri}')}")
    header = (
        f'{"Proxy-" if proxy else ""}Authorization: Digest username="{user}", realm="{params["realm"]}", '
        f'nonce="{params["nonce"]}", '
        f'uri="{uri}", response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="abc", '
        f'opaque="{params.get("opaque", "")}"'
    )
    text = re.sub(r"branch=z9hG4bK-(\d+)", r"branch=z9hG4bK-a\1", text)
    text = re.sub(r"CSeq: (\d+)", lambda m: f"CSeq: {int(m[1]) + 1}", text)
    return text.replace("\nContent-Length:", f"\n{header}\nContent-Length:", 1)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def reply(sent: Sent, status: int = 200, extra: str = "", body: str = "") -> str:
    """A phone's answer to a request of ours."""
    r = sent.request
    vias = "".join(f"Via: {via}\n" for via in r.lines("via"))
    to = r.first("to") or ""
    return (
        f"SIP/2.0 {status} Because\n{vias}From: {r.first('from')}\n"
        f"To: {to if ';tag=' in to else to + ';tag=phone'}\nCall-ID: {r.first('call-id')}\nCSeq: {r.first('cseq')}\n"
        f"{extra}Content-Length: {len(body.encode())}\n\n{body}"
    )


def settings(
    *endpoints: SipEndpointSettings,
    aors: Iterable[AorSettings] = (),
    auths: Iterable[AuthSettings] = (),
    identifies: Iterable[IdentifySettings] = (),
    **more: object,
) -> SipSettings:
    """A configuration from its sections."""
    return SipSettings(
        endpoints={e.name: e for e in endpoints},
        aors={a.name: a for a in aors},
        auths={a.name: a for a in auths},
        identifies={i.name: i for i in identifies},
        **more,  # type: ignore[arg-type]
    )


def phone(name: str, **more: object) -> SipEndpointSettings:
    """An endpoint with an address of record and an auth of its own name."""
    return SipEndpointSettings(**{"name": name, "source": HERE, "aors": (name,), "auth": (name,), **more})  # type: ignore[arg-type]


def aor(name: str, **more: object) -> AorSettings:
    return AorSettings(**{"name": name, "source": HERE, "max_contacts": 5, **more})  # type: ignore[arg-type]


def auth(name: str, **more: object) -> AuthSettings:
    return AuthSettings(**{"name": name, "source": HERE, "username": name, "password": f"{name}pw", **more})  # type: ignore[arg-type]
