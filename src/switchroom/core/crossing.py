"""Texts that leave one technology for another: a phone's to an account of XMPP, and the answer back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

from switchroom.core.addresses import Address, Addresses
from switchroom.core.limits import ECHO_WINDOW, MAX_CONVERSATIONS, MAX_CROSSINGS, MAX_ECHOES, MAX_REMEMBERED_TEXTS
from switchroom.core.ports import Clock
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound
from switchroom.model.record import MessageRecord


class Outlet(Protocol):
    """Where texts go on from here (``core.messages.Messages``)."""

    async def send(
        self, to: str, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord: ...

    async def send_to(
        self, endpoint: EndpointId, sender: str, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> MessageRecord: ...


class Crossing:
    """Finds whom a technology means by a name that is not its own, and hands texts over."""

    def __init__(self, addresses: Addresses, outlet: Outlet, clock: Clock) -> None:
        self._addresses = addresses
        self._outlet = outlet
        self._echoes = Echoes(clock)
        self._conversations: OrderedDict[Address, Address] = OrderedDict()

    def find(self, alias: str, technology: str) -> Address | None:
        """Whom ``technology`` means by an alias, when that is somebody of another one."""
        found = self._addresses.find(alias, technology)
        return found if found is not None and found.endpoint.technology != technology else None

    def correspondent(self, address: Address) -> Address | None:
        """Who wrote last to somebody beyond an endpoint: gets the answers where the endpoint can speak for itself
        alone, so that an answer does not say whom it is for. Known while the process lives.
        """
        return self._conversations.get(address)

    async def forward(
        self,
        origin: Address,
        target: Address,
        body: str,
        headers: Mapping[str, str],
        *,
        max_forwards: int | None,
    ) -> MessageRecord:
        """Hands a text over; returns when it is kept. ``max_forwards``: servers it may still pass, this one counted
        already; None where the protocol it came by does not count them.

        Loops end: a text that came through an endpoint never leaves through the same one, it may pass fewer servers
        each time, and where those are not counted the same text to the same address is an echo after a while.

        Raises:
            EndpointNotFound: the target can not be reached now, or is where the text came from.
            Others as ``core.messages.Messages.send``.
        """
        hops = MAX_CROSSINGS if max_forwards is None else min(max_forwards, MAX_CROSSINGS)
        technology, resource = target.endpoint
        echo = max_forwards is None and self._echoes.heard(target, body)
        if target.endpoint == origin.endpoint or hops < 1 or echo:
            raise EndpointNotFound("Endpoint not found: the text goes round in a loop")
        sender = self._addresses.sender(origin, technology, resource)
        if target.beyond:
            to = f"{technology}:{resource}/{target.beyond}"
            kept = await self._outlet.send(to, sender, body, headers, max_forwards=hops)
            self._conversations.pop(target, None)
            self._conversations[target] = origin
            if len(self._conversations) > MAX_CONVERSATIONS:
                self._conversations.popitem(last=False)
            return kept
        return await self._outlet.send_to(target.endpoint, sender, body, headers, max_forwards=hops)


class Echoes:
    """Counts how often the same text goes to the same address in a short time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[Address, int], tuple[float, int]] = OrderedDict()

    def heard(self, target: Address, body: str) -> bool:
        """Whether this text came too often of late; it counts."""
        now = self._clock.monotonic()
        key = (target, hash(body))
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= ECHO_WINDOW:
            since, count = now, 0
        self._counts[key] = (since, count + 1)
        if len(self._counts) > MAX_REMEMBERED_TEXTS:
            self._counts.popitem(last=False)
        return count >= MAX_ECHOES
