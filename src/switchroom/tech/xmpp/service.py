"""XMPP: the technology as the core sees it.

In: a stanza -> ``stream`` -> ``account`` -> a text -> bus, and ``core.crossing`` when it is for somebody elsewhere.
Out: ``plan`` finds account and JID -> ``deliver`` -> ``account`` -> ``stream``; receipt, error or the server's word
end the delivery (``outcomes``), and a receipt that comes later is noted on the message (``receipts``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import structlog
from msgspec.structs import replace

from switchroom.core.addresses import Address
from switchroom.core.bus import Bus
from switchroom.core.crossing import Crossing
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.core.schedule import Schedule
from switchroom.model.endpoint import Contact, EndpointId, EndpointState
from switchroom.model.errors import DomainError, EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import Delivery, DeliveryReport, ReceivedText, Referral, TextMessage
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings
from switchroom.tech.xmpp.account import Account, OpenStream
from switchroom.tech.xmpp.addressing import Addressing, Way, unescape
from switchroom.tech.xmpp.limits import MAX_SWITCHING, MAX_TEXT, START_SPREAD
from switchroom.tech.xmpp.receipts import LateReceipts, Notes
from switchroom.tech.xmpp.stanza import Text
from switchroom.tech.xmpp.stream import open_stream

log = structlog.get_logger(__name__)


class XmppTechnology:
    """Serves the accounts of ``XmppSettings``; see ``core.ports.Technology``."""

    name = "XMPP"

    def __init__(
        self,
        settings: XmppSettings,
        *,
        registry: Registry,
        bus: Bus,
        clock: Clock,
        schedule: Schedule,
        random: Random,
        crossing: Crossing,
        open_stream: OpenStream = open_stream,
    ) -> None:
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._random = random
        self._crossing = crossing
        self._schedule = schedule
        self._open_stream = open_stream
        self._switching: set[asyncio.Task[None]] = set()
        #: Accounts that close their connections.
        self._closing: set[asyncio.Task[None]] = set()
        self._late_receipts = LateReceipts(self.name, clock)
        self._stopped = False
        self._first = settings
        #: What is served now.
        self._settings = XmppSettings()
        self._accounts: dict[str, Account] = {}
        self._addressing = Addressing(self._accounts)
        registry.leave_contacts_to(self.name, self._contacts_of)

    def _make(self, settings: XmppAccountSettings) -> Account | None:
        try:
            account = Account(
                settings, self, self._open_stream, self._schedule, self._clock, self._random, self._late_receipts
            )
        except ValueError:
            log.error(  # noqa: TRY400 - the text says what and where
                "an XMPP account has no valid JID",
                account=settings.name,
                username=settings.username,
                at=str(settings.source),
            )
            return None
        self._accounts[settings.name] = account
        return account

    # ---- life

    def note_to(self, notes: Notes) -> None:
        """Receipts that come when a delivery has ended are noted there."""
        self._late_receipts.note_to(notes)

    async def start(self) -> None:
        """Makes the accounts known, and begins to connect them; a server that is down delays nothing."""
        self.apply(self._first)

    def _connect(self, accounts: list[Account]) -> None:
        spread = START_SPREAD * len(accounts)
        for account in accounts:
            account.start(self._random.uniform(0.0, spread))

    async def stop(self) -> None:
        """Closes all connections in order."""
        for task in list(self._switching):
            task.cancel()
        self._stopped = True
        stopping = [account.stop() for account in self._accounts.values()]
        await asyncio.gather(*self._switching, *self._closing, *stopping, return_exceptions=True)
        await self._late_receipts.stop()

    # ---- the configuration changes

    def apply(self, settings: XmppSettings) -> None:
        """Serves these accounts from now on; those that are as before do not notice."""
        before, self._settings = self._settings.accounts, settings
        for name in before:
            if name not in settings.accounts:
                self._registry.remove(EndpointId(self.name, name))
                self._close(self._accounts.pop(name, None))
        come: list[Account] = []
        for name, wanted in settings.accounts.items():
            known = before.get(name)
            account = self._accounts.get(name)
            if known is None:
                self._bus.publish(self._registry.add(EndpointId(self.name, name), state=EndpointState.OFFLINE))
            elif replace(known, source=wanted.source) == wanted:
                continue
            elif account is not None and _connection(known) == _connection(wanted):
                account.adopt(wanted)
                continue
            self._accounts.pop(name, None)
            made = self._make(wanted)
            if account is not None:
                # Two connections of one name would throw each other out.
                self._close(account, then=made)
            elif made is not None:
                come.append(made)
        self._connect(come)
        # Who is asked first where several could do is decided by the order of the file.
        order = [self._accounts[name] for name in settings.accounts if name in self._accounts]
        self._accounts.clear()
        self._accounts.update((account.name, account) for account in order)

    def _close(self, account: Account | None, *, then: Account | None = None) -> None:
        if account is not None:
            task = asyncio.get_running_loop().create_task(self._replace(account, then))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _replace(self, account: Account, then: Account | None) -> None:
        await account.stop()
        if then is not None and not self._stopped and self._accounts.get(then.name) is then:
            then.start(0.0)

    # ---- states

    def _contacts_of(self, resource: str) -> list[Contact]:
        account = self._accounts.get(resource)
        contact = account.contact() if account is not None else None
        return [contact] if contact is not None else []

    def state_changed(self, account: Account) -> None:
        state = EndpointState.ONLINE if account.online else EndpointState.OFFLINE
        self._bus.publish(self._registry.turn(EndpointId(self.name, account.name), state))

    # ---- the walk out

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        if len(message.body.encode("utf-8", "replace")) > MAX_TEXT:
            raise InvalidParameter(f"body is longer than {MAX_TEXT} bytes")
        way = self._addressing.way(message)
        endpoint = EndpointId(self.name, way.account.name)
        if not way.account.usable:
            raise NoContact(endpoint)
        to = way.to.full
        return [
            Delivery(
                message=message,
                endpoint=endpoint,
                contact=to,
                route=way,
                lane=f"{way.account.name} {to}",
            )
        ]

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        way = delivery.route
        assert isinstance(way, Way)
        way.account.deliver(delivery, way.to, way.sender, done)

    def refer(self, referral: Referral) -> None:
        """XMPP has nothing like it."""
        raise EndpointNotFound

    def sender(self, alias: str, through: str) -> str:
        """See ``core.addresses.Dialect``."""
        return self._addressing.sender(alias, through)

    def carrier(self, beyond: str) -> str | None:
        """See ``core.addresses.Dialect``."""
        return self._addressing.carrier(beyond)

    # ---- the walk in

    def text_received(self, account: Account, text: Text) -> None:
        """A text: shown to the apps that listen, switched to the endpoint it names (docs/ari.md)."""
        endpoint = EndpointId(self.name, account.name)
        taken = account.settings.receive_texts and self._bus.takes(endpoint)
        origin = Address(endpoint, text.sender.bare)
        if account.settings.component:
            target = self._crossing.find(unescape(text.to.user), self.name)
        else:
            target = self._crossing.correspondent(origin)
        if taken:
            snapshot = self._registry.get(*endpoint)
            assert snapshot is not None
            received = received_text(account, text)
            self._bus.publish([TextMessageReceived(endpoint=snapshot, at=self._clock.wall(), message=received)])
        if target is None:
            if taken:
                account.acknowledge(text)
            else:
                account.refuse(text, "service-unavailable", "cancel")
        elif len(self._switching) >= MAX_SWITCHING:
            account.refuse(text, "resource-constraint", "wait")
        else:
            task = asyncio.get_running_loop().create_task(self._pass_on(account, text, origin, target))
            self._switching.add(task)
            task.add_done_callback(self._switching.discard)

    async def _pass_on(self, account: Account, text: Text, origin: Address, target: Address) -> None:
        """Hands a text over, and tells its sender what became of that."""
        try:
            await self._crossing.forward(origin, target, text.body, {}, max_forwards=None)
        except DomainError as error:
            log.info("a text was not switched", account=account.name, target=str(target.endpoint), error=str(error))
            missing = isinstance(error, EndpointNotFound)
            account.refuse(text, "recipient-unavailable" if missing else "resource-constraint", "wait")
        except Exception:
            log.exception("a text was not switched", account=account.name, target=str(target.endpoint))
            account.refuse(text, "internal-server-error", "wait")
        else:
            account.acknowledge(text)


def received_text(account: Account, text: Text) -> ReceivedText:
    """What apps see of a text (docs/events.md): as in Asterisk, ``to`` is the name the account was given; a
    component has many.
    """
    to = text.to.bare if account.settings.component else account.settings.username
    buddy = {"XMPP_BUDDY": text.sender.bare} if text.sender.bare in account.settings.buddies else {}
    return ReceivedText(f"xmpp:{text.sender.full}", f"xmpp:{to}", text.body, buddy)


def _connection(settings: XmppAccountSettings) -> XmppAccountSettings:
    """What of an account's settings its connection is made with."""
    plain = XmppAccountSettings(name=settings.name, source=settings.source)
    free = ("buddies", "autoregister", "receive_texts", "priority", "show", "status_message")
    return replace(settings, source=plain.source, **{field: getattr(plain, field) for field in free})
