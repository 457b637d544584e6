"""The edge under test: a real service on a free port over the real core, with a technology that only remembers."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any, NamedTuple

import msgspec

from support.virtual import VirtualClock, VirtualTimers
from switchroom.ari.service import AriService
from switchroom.configuration import LiveConfiguration
from switchroom.core.bus import Bus
from switchroom.core.messages import Messages
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import Contact, EndpointId, EndpointState
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, Referral, TextMessage
from switchroom.model.settings import (
    AccessRule,
    AriSettings,
    AriUser,
    AuthSettings,
    Configuration,
    HttpSettings,
    SipEndpointSettings,
    SipSettings,
    Source,
    SwitchroomSettings,
)
from switchroom.store.memory import MemoryStore

ENTITY_ID = "02:fc:00:00:00:01"
#: sha512-crypt of "hashed" with few rounds.
HASHED = (
    "$6$rounds=1000$switchroom$zuwTftiDMGMbVieONbRuhsbJZ./u5NNas6YCbXhWbkcqKEGx4fd7DGDu.adz29sUtza12J8lKZk.AsKz8jd2P/"
)


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_795_409_254.508

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Remembering:
    """A technology that accepts what its endpoints can be sent, and remembers it."""

    def __init__(self, name: str, registry: Registry) -> None:
        self.name = name
        self.messages: list[TextMessage] = []
        self.referrals: list[Referral] = []
        self.silent = False
        self._registry = registry

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        endpoint = self._reachable(message.destination)
        if any("\n" in name for name in message.headers):
            raise InvalidParameter("a header name is no token")
        self.messages.append(message)
        return [Delivery(message=message, endpoint=endpoint, contact=f"sip:{message.destination}", route=None)]

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        """It has arrived, unless ``silent`` says that nobody answers."""
        if not self.silent:
            done(DeliveryReport(delivery=delivery, state=DeliveryState.DELIVERED, status_code=200, reason="OK"))

    def refer(self, referral: Referral) -> None:
        self._reachable(referral.destination)
        self.referrals.append(referral)

    def _reachable(self, resource: str) -> EndpointId:
        endpoint = self._registry.get(self.name, resource)
        if endpoint is None:
            raise EndpointNotFound
        if endpoint.state is not EndpointState.ONLINE:
            raise NoContact(endpoint.id)
        return endpoint.id

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Answer(NamedTuple):
    """A response as it came: status, header lines in order, body."""

    status: int
    lines: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.lines}

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body) if self.body else None

    @property
    def message(self) -> str:
        return str(self.json["message"])


def user(name: str, password: str, **more: Any) -> AriUser:
    return AriUser(name=name, source=Source("ari.conf", 1), password=password, **more)


USERS = {
    "asterisk": user("asterisk", "asterisk"),
    "reader": user("reader", "readpw", read_only=True),
    "far": user("far", "far", acl=(AccessRule(False, ip_network("0.0.0.0/0")),)),
}


#: What is in the files of the service's configuration.
FILES = SipSettings(
    endpoints={"filed": SipEndpointSettings(name="filed", source=Source("pjsip.conf", 2), aors=("filed",))},
    auths={"filed": AuthSettings(name="filed", source=Source("pjsip.conf", 4), username="filed", password="secret")},
)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


RW = basic("asterisk", "asterisk")
RO = basic("reader", "readpw")


class Edge:
    """A running service and what it stands on."""

    def __init__(
        self,
        *,
        http: dict[str, Any],
        ari: dict[str, Any],
        ours: dict[str, Any],
        tls: ssl.SSLContext | None,
        outbound_tls: dict[str, ssl.SSLContext],
        clock: FakeClock | None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.bus = Bus()
        self.registry = Registry(self.clock)
        technologies = Technologies()
        self.pjsip = Remembering("PJSIP", self.registry)
        technologies.add(self.pjsip)
        self.objects = LiveConfiguration(Configuration(sip=FILES), None, MemoryStore().objects)
        self.store = MemoryStore()
        schedule = Schedule(self.clock, VirtualTimers(VirtualClock()))
        self.messages = Messages(technologies, self.store.journal, self.clock, schedule, self.bus)
        self.bus.attach(self.messages)
        self.messages.start()
        self.referrals = Referrals(technologies, self.clock, self.bus)
        self.service = AriService(
            HttpSettings(**{"enabled": True, "bind_port": 0, **http}),
            AriSettings(**{"users": USERS, "allowed_origins": ("http://good.example",), **ari}),
            SwitchroomSettings(**ours),
            self.registry,
            self.messages,
            self.referrals,
            self.bus,
            ENTITY_ID,
            self.clock,
            self.objects,
            tls=tls,
            outbound_tls=outbound_tls,
        )
        self.host, self.port = "", 0
        for name in ("alice", "bob", "carol", "trunk", "50% off"):
            self.bus.publish(self.registry.add(EndpointId("PJSIP", name), aors=(name,)))
        self.bus.publish(self.registry.add(EndpointId("IAX2", "iaxphone"), state=EndpointState.UNKNOWN))
        for name in ("carol", "trunk", "alice"):
            self.register(name)

    def register(self, name: str) -> None:
        """A contact comes; the events go out."""
        aor = self.registry.declare("PJSIP", name)
        self.bus.publish(self.registry.bind(aor, Contact(aor=name, uri=f"sip:{name}@192.0.2.1")))

    def unregister(self, name: str) -> None:
        aor = self.registry.declare("PJSIP", name)
        self.bus.publish(self.registry.unbind(aor, f"sip:{name}@192.0.2.1"))

    async def open(self) -> Wire:
        """A bare connection to the service."""
        return Wire(*await asyncio.open_connection(self.host, self.port))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | str | None = None,
        auth: str | None = RW,
    ) -> Answer:
        """One exchange on a connection of its own, the path sent as it is. JSON is the type of a body."""
        async with asyncio.timeout(10):
            wire = await self.open()
            try:
                sent = dict(headers or {})
                if auth is not None:
                    sent["Authorization"] = auth
                data = body.encode() if isinstance(body, str) else body
                if data is not None:
                    sent.setdefault("Content-Type", "application/json")
                    sent["Content-Length"] = str(len(data))
                wire.send(request(method, path, sent) + (data or b""))
                return await wire.answer(method)
            finally:
                await wire.close()

    async def listen(self, path: str, *, auth: str | None = RW, headers: dict[str, str] | None = None) -> Wire:
        """An events WebSocket, opened; the handshake must succeed."""
        wire = await self.open()
        wire.send(handshake(path, auth, headers))
        answer = await wire.answer("GET")
        assert answer.status == 101, answer
        return wire


def request(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: ari.example", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def handshake(path: str, auth: str | None = RW, headers: dict[str, str] | None = None) -> bytes:
    sent = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    if auth is not None:
        sent["Authorization"] = auth
    return request("GET", path, sent)


class Wire:
    """A connection in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "GET") -> Answer:
        """The next response, whole."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = [(name, value) for name, _, value in (line.partition(": ") for line in head[1:-2])]
        length = int({name.lower(): value for name, value in lines}.get("content-length", 0))
        body = await self.reader.readexactly(length) if method != "HEAD" else b""
        return Answer(int(head[0].split(" ")[1]), lines, body)

    def frame(self, opcode: int, payload: bytes = b"", *, final: bool = True) -> None:
        """Sends a masked frame (RFC 6455 5.3); the mask of zeros is one too."""
        length = len(payload)
        if length < 126:
            size = bytes([0x80 | length])
        elif length < 65_536:
            size = b"\xfe" + length.to_bytes(2, "big")
        else:
            size = b"\xff" + length.to_bytes(8, "big")
        self.send(bytes([(0x80 if final else 0) | opcode]) + size + bytes(4) + payload)

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: first byte and payload."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first, await self.reader.readexactly(length)

    async def event(self) -> Any:
        """The next event: one unfragmented text frame with one JSON object."""
        first, payload = await self.receive()
        assert first == 0x81, (first, payload)
        return msgspec.json.decode(payload)

    async def close_code(self) -> int:
        """The code of the close frame that must come next."""
        first, payload = await self.receive()
        assert first == 0x88, (first, payload)
        return int.from_bytes(payload[:2], "big")

    async def ended(self) -> bool:
        """Whether the server ends the connection without another byte."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def running(
    *,
    http: dict[str, Any] | None = None,
    ari: dict[str, Any] | None = None,
    ours: dict[str, Any] | None = None,
    strict: bool = False,
    tls: ssl.SSLContext | None = None,
    outbound_tls: dict[str, ssl.SSLContext] | None = None,
    clock: FakeClock | None = None,
    before: Callable[[Edge], None] | None = None,
) -> AsyncIterator[Edge]:
    """A service with ``HttpSettings``, ``AriSettings`` and ``SwitchroomSettings`` changed as given; ``before`` it
    listens.
    """
    edge = Edge(
        http=http or {},
        ari=ari or {},
        ours={"strict": strict, **(ours or {})},
        tls=tls,
        outbound_tls=outbound_tls or {},
        clock=clock,
    )
    if before is not None:
        before(edge)
    await edge.objects.load()
    edge.host, edge.port = await edge.service.start()
    try:
        yield edge
    finally:
        await edge.service.stop()
