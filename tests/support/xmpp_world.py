"""XMPP accounts on a virtual clock, with streams that do what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, cast
from urllib.parse import quote
from xml.etree.ElementTree import Element, fromstring

from slixmpp.jid import JID

from support.virtual import VirtualClock, VirtualTimers, settle
from switchroom.core.addresses import Addresses
from switchroom.core.bus import Bus
from switchroom.core.crossing import Crossing
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.model.endpoint import EndpointId, EndpointState
from switchroom.model.events import EndpointStateChange, Event, TextMessageReceived
from switchroom.model.message import Delivery, DeliveryReport, TextMessage
from switchroom.model.record import MessageRecord
from switchroom.model.settings import Source
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings
from switchroom.tech.xmpp.service import XmppTechnology
from switchroom.tech.xmpp.stream import Stream, Watcher

SOURCE = Source("xmpp.conf", 1)
QUESTION = "question"


def client(name: str = "gateway", **options: Any) -> XmppAccountSettings:
    return XmppAccountSettings(
        name=name,
        **{
            "source": SOURCE,
            "username": f"{name}@localhost",
            "secret": "pw",
            "server_host": "127.0.0.1",
            **options,
        },
    )


def component(name: str = "sip", domain: str = "sip.localhost", **options: Any) -> XmppAccountSettings:
    return client(name, component=True, username=domain, **options)


class FakeStream:
    """See ``tech.xmpp.stream.Stream``; what it is given to send is kept in ``posted``."""

    def __init__(self, settings: XmppAccountSettings, watcher: Watcher) -> None:
        self.settings = settings
        self.watcher = watcher
        name = settings.username
        self.boundjid = JID(name if settings.component or "/" in name else f"{name}/asterisk-xmpp")
        self.namespace = "jabber:component:accept" if settings.component else "jabber:client"
        self.resumable = False
        self.far_end = ("127.0.0.1:5222", "tcp")
        self.opened = 0
        self.greeted = 0
        self.posted: list[Element] = []
        self.fault = ""
        self.discarded = False
        #: Whether the server answers questions at once.
        self.answers = True

    def open(self) -> None:
        self.opened += 1

    def greet(self) -> None:
        self.greeted += 1

    def post(self, stanza: str) -> None:
        (element,) = fromstring(f"<stream xmlns='{self.namespace}'>{stanza}</stream>")
        self.posted.append(element)

    def ask(self, question: str) -> None:
        self.posted.append(Element(QUESTION, {"id": question}))
        if self.answers:
            self.answer()

    def refuse(self, reason: str, *, refused: bool = False) -> None:
        self.fault = reason
        self.watcher.lost(self._stream, reason, refused=refused)

    def discard(self) -> None:
        self.discarded = True

    async def close(self, wait: float) -> None:
        self.discarded = True

    # ---- what the server does

    @property
    def _stream(self) -> Stream:
        return cast(Stream, self)

    def bind(self, *, resumed: bool = False) -> None:
        self.watcher.bound(self._stream, resumed=resumed)

    def lose(self, reason: str = "gone", *, refused: bool = False) -> None:
        self.watcher.lost(self._stream, reason, refused=refused)

    def answer(self) -> None:
        """The server answers the last question."""
        question = next(e for e in reversed(self.posted) if e.tag == QUESTION)
        self.watcher.answered(self._stream, question.get("id", ""))

    def say(self, xml: str) -> None:
        """A stanza comes, in the stream's namespace."""
        name, rest = xml[1:].split(" ", 1)
        element = fromstring(f"<{name} xmlns='{self.namespace}' {rest}")
        if name == "message":
            self.watcher.message(self._stream, element)
        else:
            self.watcher.presence(self._stream, element)

    def texts(self) -> list[str]:
        """Bodies that were sent."""
        bodies = (e.findtext(f"{{{self.namespace}}}body") for e in self.posted)
        return [body for body in bodies if body is not None]

    def others(self) -> list[Element]:
        """What was sent and is neither a text nor a question."""
        body = f"{{{self.namespace}}}body"
        return [e for e in self.posted if e.find(body) is None and e.tag != QUESTION]


class XmppWorld:
    """The technology, its bus, and whoever listens."""

    def __init__(self, *accounts: XmppAccountSettings) -> None:
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.bus = Bus()
        self.registry = Registry(self.clock)
        #: The streams of each account, the newest last.
        self.streams: dict[str, list[FakeStream]] = {account.name: [] for account in accounts}
        self.listening = True
        self.heard: list[Event] = []
        self.reports: list[DeliveryReport] = []
        self.bus.attach(self)
        self.schedule = Schedule(self.clock, self.timers)
        self.outlet = FakeOutlet()
        self.addresses = Addresses(self.registry)
        self.addresses.add("PJSIP", Phones())
        self.crossing = Crossing(self.addresses, self.outlet, self.clock)
        self.technology = XmppTechnology(
            XmppSettings(accounts={account.name: account for account in accounts}),
            registry=self.registry,
            bus=self.bus,
            clock=self.clock,
            schedule=self.schedule,
            random=Random(1),
            crossing=self.crossing,
            open_stream=self._open,
        )
        self.addresses.add("XMPP", self.technology)

    def _open(self, settings: XmppAccountSettings, watcher: Watcher) -> Stream:
        stream = FakeStream(settings, watcher)
        self.streams.setdefault(settings.name, []).append(stream)
        return cast(Stream, stream)

    def takes(self, endpoint: EndpointId) -> bool:
        return self.listening

    def hear(self, event: Event) -> None:
        self.heard.append(event)

    async def start(self, *, online: bool = True) -> XmppWorld:
        """Starts; ``online``: every server is there."""
        await self.technology.start()
        await self.pass_time(0.1)
        if online:
            for streams in self.streams.values():
                for stream in streams:
                    stream.bind()
        self.heard.clear()
        return self

    async def pass_time(self, seconds: float) -> None:
        await self.timers.pass_time(seconds)

    async def settle(self) -> None:
        await settle()

    def stream(self, name: str = "gateway") -> FakeStream:
        return self.streams[name][-1]

    def state(self, name: str = "gateway") -> EndpointState:
        endpoint = self.registry.get("XMPP", name)
        assert endpoint is not None
        return endpoint.state

    def states(self) -> list[str]:
        """The states that were told, with their endpoints."""
        return [
            f"{event.endpoint.resource} {event.endpoint.state}"
            for event in self.heard
            if isinstance(event, EndpointStateChange)
        ]

    def received(self) -> list[tuple[str, str, str]]:
        """From, to and body of the texts that applications saw."""
        return [
            (event.message.sender, event.message.to, event.message.body)
            for event in self.heard
            if isinstance(event, TextMessageReceived)
        ]

    def plan(self, to: str, sender: str = "gateway", body: str = "hi", *, by_name: bool = False) -> Delivery:
        number = next(_IDS)
        message = TextMessage(
            id=f"m{number}", technology="XMPP", destination=to, sender=sender, body=body, by_name=by_name
        )
        (delivery,) = self.technology.plan(message)
        return delivery

    def send(self, to: str = "romeo@localhost", sender: str = "gateway", body: str = "hi") -> str:
        """Sends a text; the id of its stanza."""
        delivery = self.plan(to, sender, body)
        self.technology.deliver(delivery, self.reports.append)
        return delivery.message.id

    def outcomes(self) -> list[tuple[str, str, int]]:
        """Body, state and status of what has ended."""
        return [(r.delivery.message.body, r.state.value, r.status_code) for r in self.reports]


class FakeOutlet:
    """See ``core.crossing.Outlet``: keeps where a text went, as whom, and what it was."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(
        self, to: str, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent.append((to, sender, body))
        return MessageRecord(id="1", technology="", destination=to, sender=sender, body=body, created=0.0, expires=1.0)

    async def send_to(
        self, endpoint: EndpointId, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord:
        return await self.send(str(endpoint), sender, body, headers, max_forwards=max_forwards)


class Phones:
    """How phones see others; see ``core.addresses.Dialect``."""

    def sender(self, alias: str, through: str) -> str:
        return f"sip:{quote(alias, safe='')}@pbx"

    def carrier(self, beyond: str) -> str | None:
        return None


_IDS = iter(range(1, 1_000_000))
