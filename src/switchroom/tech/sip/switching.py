"""Texts that phones send: shown to applications, and switched to whom they name, here or in another technology."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import structlog

from switchroom.core.addresses import Address
from switchroom.core.bus import Bus
from switchroom.core.messages import SendOptions
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import Conflict, EndpointNotFound, Full, InvalidParameter, Overloaded
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import Notification
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.answer import ALLOW, Answer
from switchroom.tech.sip.content import COMPOSING, NOTHING, PLAIN, Content, read_content, unwrapped
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import Driver
from switchroom.tech.sip.limits import COMPOSING_LIFE, MAX_ASKED, MAX_ASKED_NAME, MAX_TEXT
from switchroom.tech.sip.names import CONTROL
from switchroom.tech.sip.proxy.targets import Targets
from switchroom.tech.sip.transports import host_port
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.uri import Uri

log = structlog.get_logger(__name__)

#: What applications, and other technologies, understand.
_ACCEPT = [("Accept", "text/plain, message/cpim")]

_AS_USUAL = SendOptions()
#: Nobody wants to know later that somebody typed.
_FOR_A_MOMENT = SendOptions(offline=False, expires=COMPOSING_LIFE)


class Kept(Protocol):
    """A text that was taken on, as far as its name."""

    @property
    def id(self) -> str: ...


class Switch(Protocol):
    """Where a text between endpoints is handed to (``core.messages.Messages``)."""

    async def send_to(
        self,
        endpoint: EndpointId,
        sender: str,
        body: str,
        headers: dict[str, str],
        options: SendOptions,
        *,
        max_forwards: int | None,
        device: str,
    ) -> Kept: ...

    async def note(self, message_id: str, recipient: EndpointId, contact: str, notification: Notification) -> bool:
        """A device told what became of a text; False when it got none of that name."""
        ...

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
    ) -> Kept: ...


class Switching:
    """MESSAGE requests that come in (RFC 3428)."""

    def __init__(
        self,
        technology: str,
        driver: Driver,
        directory: Directory,
        targets: Targets,
        registry: Registry,
        bus: Bus,
        stack: Stack,
        clock: Clock,
        answer: Callable[[RequestReceived, Answer], None],
        flush: Callable[[], None],
    ) -> None:
        """``answer`` and ``flush`` send what becomes of a text that was handed on."""
        self._technology = technology
        self._driver = driver
        self._directory = directory
        self._targets = targets
        self._registry = registry
        self._bus = bus
        self._stack = stack
        self._clock = clock
        self._answer = answer
        self._flush = flush
        self._switch: Switch | None = None
        self._crossing: Crossing | None = None
        self._passing: set[asyncio.Task[None]] = set()
        #: Messages by their recipient and the name their sender gave them.
        self._asked: OrderedDict[tuple[EndpointId, str], str] = OrderedDict()

    def switch_to(self, switch: Switch, crossing: Crossing | None) -> None:
        """Texts between endpoints go through ``switch``, those to other technologies through ``crossing``."""
        self._switch = switch
        self._crossing = crossing

    def refreshed(self, contact: str) -> None:
        """A contact registered again: what waits for it may be tried."""
        if self._switch is not None:
            self._switch.refreshed(self._technology, contact)

    async def stop(self) -> None:
        """Ends what is being handed on."""
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def message(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        """A MESSAGE: shown to the apps that listen, switched to whom it names, here or in another technology."""
        request = incoming.request
        if not self._driver.accepts_texts:
            return Answer(405, [("Allow", ALLOW)])
        if len(request.body) > MAX_TEXT:
            return Answer(413)
        media = request.content_type
        if media is None:
            return Answer(415, _ACCEPT)
        if (request.first("content-encoding") or "identity").lower() != "identity":
            return Answer(415, [("Accept-Encoding", "identity")])
        content = None if media[0] == PLAIN else read_content(media[0], request.body)
        readable = content is None or content.text is not None
        proven = bool(endpoint.auth) and not self._driver.trusts(incoming, endpoint)
        target, to, device = self._destination(request.uri, readable=readable, proven=proven)
        if to is not None and request.max_forwards == 0:
            return Answer(483)
        sender = EndpointId(self._technology, endpoint.name)
        taken = readable and self._bus.takes(sender)
        told = content is not None and content.notification is not None
        if not (taken or told) and to is None:
            return _nobody(target, readable=readable)
        if taken:
            snapshot = self._registry.get(*sender)
            assert snapshot is not None
            text = self._driver.received(incoming, endpoint)
            if content is not None:
                text = unwrapped(text, content)
            self._bus.publish([TextMessageReceived(endpoint=snapshot, at=self._clock.wall(), message=text)])
        if to is None and not told:
            return Answer(202)
        self._stack.begin(incoming, incoming.received_at)
        if told:
            work = self._tell(incoming, endpoint, content or NOTHING, to, device, _nobody(target, readable=False))
        else:
            assert to is not None
            work = self._pass_on(incoming, sender, to, device, content)
        task = asyncio.get_running_loop().create_task(work)
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        return None

    def _destination(
        self, uri: Uri, *, readable: bool, proven: bool
    ) -> tuple[SipEndpointSettings | None, Address | None, str]:
        """The endpoint here that a URI names; whom the text goes to, None when nobody can take it now; and where there,
        if the URI names one of its devices (RFC 5627) or a number behind a trunk.

        Raises:
            SipError: 403: a trunk, and not for this sender.
        """
        user = uri.unescaped_user
        device = self._driver.names.device(uri) if uri.param("gr") is not None else None
        if device is not None:
            target, here = device.endpoint, device.contact is not None
        elif user and (found := self._directory.by_name(user, uri.host)) is not None:
            target, here = found, any(self._driver.names.contacts(found))
        elif user and self._targets.is_trunk(uri):
            (trunk,) = self._targets.find(uri, proven=proven)
            return trunk.endpoint, Address(EndpointId(self._technology, trunk.endpoint.name)), str(trunk.uri)
        else:
            return None, self._elsewhere(uri.host, user) if user and readable else None, ""
        to = Address(EndpointId(self._technology, target.name)) if here or self._keeps(target) else None
        return target, to, "" if device is None else str(uri)

    def _elsewhere(self, host: str, user: str) -> Address | None:
        """Whom a user part means in another technology: ``romeo%40example.org`` at us, or at its endpoint there."""
        if self._crossing is None:
            return None
        through = self._crossing.find(host, self._technology)
        found = self._crossing.find(f"{host}/{user}", self._technology) if through is not None else None
        return found or self._crossing.find(user, self._technology)

    def _keeps(self, endpoint: SipEndpointSettings) -> bool:
        return self._switch is not None and self._switch.keeps(EndpointId(self._technology, endpoint.name))

    async def _tell(
        self,
        incoming: RequestReceived,
        endpoint: SipEndpointSettings,
        content: Content,
        to: Address | None,
        device: str,
        otherwise: Answer,
    ) -> None:
        """What a device says about a text is kept with it, and passed on where a phone had sent the text."""
        assert content.disposition is not None
        assert content.notification is not None
        recipient = EndpointId(self._technology, endpoint.name)
        named = content.disposition.message_id
        asked = self._asked.get((recipient, named))
        try:
            known = self._switch is not None and await self._switch.note(
                asked or named, recipient, self._contact(incoming, endpoint), content.notification
            )
        except StoreUnavailable as error:
            log.warning("what became of a text is not kept", message=asked or named, error=str(error))
            known, otherwise = False, Answer(503)
        if to is not None and (asked is not None or not known):
            await self._pass_on(incoming, recipient, to, device, content)
            return
        self._answer(incoming, Answer(202) if known else otherwise)
        self._flush()

    def _contact(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> str:
        """The contact that a request comes from; empty when it comes from elsewhere."""
        source = host_port(incoming.flow.host, incoming.flow.port)
        contacts = self._driver.names.contacts(endpoint)
        return next((contact.uri for contact in contacts if contact.address == source), "")

    async def _pass_on(
        self, incoming: RequestReceived, sender: EndpointId, to: Address, device: str, content: Content | None
    ) -> None:
        """Hands a text to the message service; 202 once it is kept (RFC 3428 7). ``content``: of what is not plain."""
        request = incoming.request
        hops = None if request.max_forwards is None else request.max_forwards - 1
        written = request.first("content-type") or PLAIN
        try:
            if to.endpoint.technology == self._technology:
                assert self._switch is not None
                # Text is UTF-8; what else there is passes to the byte.
                body = request.body.decode("utf-8", "strict" if content is None else "surrogateescape")
                composing = content is not None and written.lower().startswith(COMPOSING)
                kept = await self._switch.send_to(
                    to.endpoint,
                    str(_identity(request)),
                    body,
                    {"Content-Type": written},
                    _FOR_A_MOMENT if composing else _AS_USUAL,
                    max_forwards=hops,
                    device=device,
                )
                if content is not None and content.asked:
                    self._remember(to.endpoint, content.asked, kept.id)
            else:
                assert self._crossing is not None
                plain = request.body.decode("utf-8") if content is None else content.text
                assert plain is not None
                kind = {"Content-Type": written if content is None else PLAIN}
                kept = await self._crossing.forward(Address(sender), to, plain, kind, max_forwards=hops)
            log.debug("a text is switched", message=kept.id, sender=str(sender), call_id=request.call_id)
            answer = Answer(202)
        except UnicodeDecodeError:
            answer = Answer(415, _ACCEPT, "Text Is Not UTF-8")
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

    def _remember(self, recipient: EndpointId, name: str, message_id: str) -> None:
        """By the name its sender gave a text, its recipient will speak of it."""
        if len(name) > MAX_ASKED_NAME:
            return
        self._asked[recipient, name] = message_id
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)


def _nobody(target: SipEndpointSettings | None, *, readable: bool) -> Answer:
    """Nobody is there to take a text: not now, not at all, or not such a one."""
    if target is not None:
        return Answer(480)
    return Answer(404) if readable else Answer(415, _ACCEPT)


def _identity(request: Request) -> NameAddr:
    """The From header's name and URI, without the phone's tag and with blanks for control characters."""
    return NameAddr(CONTROL.sub(" ", request.from_.display), request.from_.uri, {})
