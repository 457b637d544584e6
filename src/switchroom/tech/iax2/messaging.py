"""Texts: out as a short call that carries one TEXT frame, in as TEXT frames of a peer's own call.

Asterisk has no texts outside calls over IAX2; this way works with every peer that takes calls from us, and the
peer's acknowledgement says that the text has come.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from switchroom.core.addresses import Address
from switchroom.core.bus import Bus
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import DomainError, EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, ReceivedText, TextMessage
from switchroom.tech.iax2.authentication import Authenticator
from switchroom.tech.iax2.limits import MAX_CROSSING, MAX_TEXT
from switchroom.tech.iax2.peers import Peer, Peers, host_port
from switchroom.wire.iax2.events import CallOffered, CallProven, TextDelivered, TextFailed, TextReceived
from switchroom.wire.iax2.numbers import Cause
from switchroom.wire.iax2.stack import Stack

log = structlog.get_logger(__name__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
#: ``"Name" <uri>``, ``Name <uri>`` or ``<uri>``.
_NAME_ADDR = re.compile(r'\s*"?([^"<>]*?)"?\s*<([^<>]+)>.*')
_TECHNOLOGY = re.compile(r"(?:iax2|pjsip|xmpp):(?=.)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:sips?|tel|xmpp):", re.IGNORECASE)

#: Q.850 to a status of SIP, by which all outcomes are told (RFC 3398 8.2.6.1, and the causes of Asterisk's refusals).
_STATUS = {
    0: 408,
    1: 404,
    3: 404,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    22: 410,
    27: 502,
    28: 484,
    29: 403,
    34: 503,
    38: 503,
    41: 503,
    42: 503,
    50: 403,
    58: 488,
    65: 488,
}
_DECLINED = 603


class Crossing(Protocol):
    """Where texts to others go on (``core.crossing.Crossing``)."""

    def find(self, alias: str, technology: str) -> Address | None: ...

    async def forward(
        self, origin: Address, target: Address, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> object: ...


class _Way(NamedTuple):
    peer: Peer
    called: str
    caller_number: str
    caller_name: str


class _Sending(NamedTuple):
    delivery: Delivery
    done: Callable[[DeliveryReport], None]

    def end(self, code: int, reason: str) -> None:
        state = DeliveryState.DELIVERED if code < 300 else DeliveryState.FAILED
        self.done(DeliveryReport(delivery=self.delivery, state=state, status_code=code, reason=reason))


class Messaging:
    """Texts of one technology, in both directions."""

    def __init__(
        self,
        technology: str,
        peers: Peers,
        stack: Stack,
        authenticator: Authenticator,
        registry: Registry,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._technology = technology
        self._peers = peers
        self._stack = stack
        self._authenticator = authenticator
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._crossing: Crossing | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def cross(self, crossing: Crossing) -> None:
        """Texts to a called number that is somebody here go through ``crossing``."""
        self._crossing = crossing

    async def stop(self) -> None:
        """Gives up what is being handed over."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- out

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        """See ``core.ports.Technology``. A destination is ``peer`` or ``peer/extension``."""
        name, slash, extension = message.destination.partition("/")
        if message.by_name:
            name, slash, extension = message.destination, "", ""
        peer = self._peers.get(name)
        if peer is None or (slash and not extension):
            raise EndpointNotFound
        if _CONTROL.search(extension):
            raise InvalidParameter("to has a control character")
        number, display = caller(message.sender)
        size = len(message.body.encode("utf-8", "replace"))
        if size > MAX_TEXT:
            raise InvalidParameter(f"body has {size} bytes, over IAX2 go {MAX_TEXT}")
        if "\0" in message.body:
            raise InvalidParameter("body has a NUL, where a text over IAX2 would end")
        if peer.address is None or peer.settings.encrypted:
            raise NoContact(peer.id)
        way = _Way(peer, extension or "s", number, display)
        return [Delivery(message=message, endpoint=peer.id, contact=peer.contact, route=way)]

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        way = delivery.route
        assert isinstance(way, _Way)
        sending = _Sending(delivery, done)
        address = way.peer.address
        if address is None:
            sending.end(480, "Contact Gone")
        elif not self._stack.send_text(
            address,
            delivery.message.body.encode("utf-8", "replace"),
            sending,
            self._clock.monotonic(),
            called=way.called,
            caller_number=way.caller_number,
            caller_name=way.caller_name,
            credentials=way.peer.credentials,
        ):
            sending.end(503, "Too Many Calls")

    def ended(self, event: TextDelivered | TextFailed) -> None:
        sending = event.context
        assert isinstance(sending, _Sending)
        if isinstance(event, TextDelivered):
            sending.end(200, "OK")
        else:
            sending.end(_STATUS.get(event.cause, _DECLINED), event.reason)

    # ---- in

    def offered(self, offer: CallOffered) -> None:
        """A peer calls: whoever must prove who it is gets a challenge, known or not."""
        host = offer.address.host
        peer = self._peers.get(offer.username)
        if not offer.proven and self._authenticator.needs_token(peer, host):
            self._stack.reject_call(offer, 0, "")
        elif peer is not None and peer.open and peer.permits(host):
            if self._taken(peer, offer.called):
                self._stack.accept_call(offer)
            else:
                self._stack.reject_call(offer, 0, "")
        else:
            self._stack.challenge_call(offer, self._authenticator.methods(peer))

    def proven(self, answer: CallProven) -> None:
        offer = answer.offer
        host = offer.address.host
        peer = self._peers.get(offer.username)
        shown = self._authenticator.proves(peer, offer.username, host, answer.proof, answer.received_at)
        if peer is None or not shown or not peer.permits(host):
            self._authenticator.refused("call", offer.username, host, answer.received_at)
            self._stack.reject_call(answer, Cause.NO_AUTHORITY, "No authority found")
        elif not self._taken(peer, offer.called):
            self._stack.reject_call(answer, Cause.NO_ROUTE, "No such context/extension")
        else:
            self._stack.accept_call(answer)

    def _taken(self, peer: Peer, called: str) -> bool:
        """Whether a text would reach anybody: a call that brings one is not accepted to lose it."""
        return not peer.settings.encrypted and (self._bus.takes(peer.id) or self._target(called) is not None)

    def _target(self, called: str) -> Address | None:
        """Whom a called number means, of this technology or another."""
        peer = self._peers.get(called)
        if peer is not None:
            return Address(peer.id)
        return self._crossing.find(called, self._technology) if self._crossing is not None else None

    def received(self, received: TextReceived) -> None:
        peer = self._peers.get(received.offer.username)
        endpoint = self._registry.get(*peer.id) if peer is not None else None
        if endpoint is None:
            return
        offer = received.offer
        variables = {"IAX2_RECVADDR": host_port(offer.address), "IAX2_PEERNAME": offer.username}
        if offer.caller_number:
            variables["IAX2_CALLERID_NUM"] = offer.caller_number
        if offer.caller_name:
            variables["IAX2_CALLERID_NAME"] = offer.caller_name
        body = received.text.decode("utf-8", "replace")
        text = ReceivedText(f"iax2:{offer.username}", f"iax2:{offer.called or 's'}", body, variables)
        self._bus.publish([TextMessageReceived(endpoint=endpoint, at=self._clock.wall(), message=text)])
        target = self._target(offer.called)
        if target is None or self._crossing is None:
            return
        if len(self._tasks) >= MAX_CROSSING:
            log.warning("a text was not switched: too many are", peer=offer.username, target=str(target.endpoint))
            return
        task = asyncio.get_running_loop().create_task(self._pass_on(endpoint.id, target, body, self._crossing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, origin: EndpointId, target: Address, body: str, crossing: Crossing) -> None:
        """Hands a text to the message service. The peer has its acknowledgement: IAX2 has no other answer."""
        try:
            await crossing.forward(Address(origin), target, body, {}, max_forwards=None)
        except DomainError as error:
            log.warning("a text was not switched", peer=origin.resource, target=str(target.endpoint), error=str(error))
        except Exception:
            log.exception("a text was not switched", peer=origin.resource, target=str(target.endpoint))


def caller(sender: str) -> tuple[str, str]:
    """Calling number and name for a sender: a name, ``pjsip:name``, a URI or ``"Name" <uri>``.

    Raises:
        InvalidParameter: empty, or with a control character.
    """
    if not sender.strip():
        raise InvalidParameter("from must be specified")
    if _CONTROL.search(sender):
        raise InvalidParameter("from has a control character")
    text = _TECHNOLOGY.sub("", sender, count=1) if _TECHNOLOGY.match(sender) else sender
    name = ""
    found = _NAME_ADDR.fullmatch(text)
    if found is not None:
        name, text = found[1], found[2]
    scheme = _SCHEME.match(text)
    if scheme is None:
        # An alias of somebody of another technology: whoever calls it back reaches them.
        return text, name or text
    address = text[scheme.end() :].partition(";")[0]
    return address.partition("@")[0] or address, name or address
