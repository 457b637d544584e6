"""IAX2 and XMPP beside each other on a virtual clock, with the message service and the crossing between them."""

from __future__ import annotations

from random import Random
from typing import cast

from support.iax_world import IaxWorld, peer
from support.virtual import settle
from support.xmpp_world import FakeStream, component
from switchroom.core.addresses import Addresses
from switchroom.core.crossing import Crossing
from switchroom.core.messages import Messages
from switchroom.core.technologies import Technologies
from switchroom.model.iax2_settings import IaxPeerSettings
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings
from switchroom.tech.xmpp.service import XmppTechnology
from switchroom.tech.xmpp.stream import Stream, Watcher


class BetweenWorld(IaxWorld):
    """Peers of IAX2, and accounts of XMPP whose servers are there at once."""

    def __init__(self, *accounts: XmppAccountSettings, peers: tuple[IaxPeerSettings, ...] = (peer(),)) -> None:
        super().__init__(*peers)
        self.streams: dict[str, FakeStream] = {}
        technologies = Technologies()
        addresses = Addresses(self.registry)
        self.messages = Messages(
            technologies, self.store.journal, self.clock, self.schedule, self.bus, addresses=addresses
        )
        self.bus.attach(self.messages, last=True)
        self.crossing = Crossing(addresses, self.messages, self.clock)
        self.xmpp = XmppTechnology(
            XmppSettings(accounts={account.name: account for account in accounts or (component(),)}),
            registry=self.registry,
            bus=self.bus,
            clock=self.clock,
            schedule=self.schedule,
            random=Random(1),
            crossing=self.crossing,
            open_stream=self._open,
        )
        self.iax.switch_to(self.crossing)
        for technology in (self.iax, self.xmpp):
            technologies.add(technology)
            addresses.add(technology.name, technology)

    def _open(self, settings: XmppAccountSettings, watcher: Watcher) -> Stream:
        stream = self.streams[settings.name] = FakeStream(settings, watcher)
        return cast(Stream, stream)

    async def start(self) -> BetweenWorld:
        await super().start()
        await self.xmpp.start()
        await self.pass_time(0.1)
        for stream in self.streams.values():
            stream.bind()
        self.messages.start()
        await settle()
        return self

    def stream(self, name: str = "sip") -> FakeStream:
        return self.streams[name]

    def written(self, name: str = "sip") -> list[tuple[str | None, str | None, str | None]]:
        """From, to and body of the texts that left through an account."""
        stream = self.streams[name]
        body = f"{{{stream.namespace}}}body"
        return [(e.get("from"), e.get("to"), e.findtext(body)) for e in stream.posted if e.find(body) is not None]
