"""One account: it connects, stays connected, and carries texts. Whatever befalls it, other accounts do not notice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Protocol
from xml.etree.ElementTree import Element

import structlog
from slixmpp.jid import JID

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.model.message import Delivery
from switchroom.model.xmpp_settings import XmppAccountSettings
from switchroom.tech.xmpp.limits import (
    ASK_AFTER,
    BIND_WAIT,
    CLOSE_WAIT,
    KEEPALIVE,
    RECONNECT_FIRST,
    RECONNECT_LONGEST,
    RECONNECT_REFUSED,
    STABLE,
)
from switchroom.tech.xmpp.outcomes import NO_ANSWER, NOT_CONNECTED, Done, Outcome, Outcomes, Sent, report
from switchroom.tech.xmpp.receipts import LateReceipts
from switchroom.tech.xmpp.stanza import (
    Kind,
    Text,
    jid,
    presence_stanza,
    read_message,
    receipt_stanza,
    refusal_stanza,
    text_stanza,
)
from switchroom.tech.xmpp.stream import Stream, Watcher

log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Who an account belongs to."""

    def state_changed(self, account: Account) -> None:
        """``account.online`` is something else now."""
        ...

    def text_received(self, account: Account, text: Text) -> None: ...


OpenStream = Callable[[XmppAccountSettings, Watcher], Stream]


class Account:
    """A connection that is made again whenever it is lost (see ``stream.Watcher``)."""

    def __init__(
        self,
        settings: XmppAccountSettings,
        owner: Owner,
        open_stream: OpenStream,
        schedule: Schedule,
        clock: Clock,
        random: Random,
        late: LateReceipts,
    ) -> None:
        self.settings = settings
        self.jid = JID(settings.username)
        self.online = False
        self._owner = owner
        self._open_stream = open_stream
        self._schedule = schedule
        self._clock = clock
        self._random = random
        self._stream: Stream | None = None
        #: While a connection is being made: when to give up.
        self._giving_up: Deadline | None = None
        self._next: Deadline | None = None
        self._attempts = 0
        self._tried = False
        self._online_since = 0.0
        self._told = ""
        self._outcomes = Outcomes(settings.name, schedule, clock, late, self._overdue)
        self._numbers = count(1)
        #: The question whose answer tells that the server has what was sent before; empty: none is open.
        self._probe = ""
        self._looked_at = ""
        self._covered: list[Sent] = []
        self._uncovered: list[Sent] = []
        #: Whether the question after those is due at once, or else a look at them.
        self._pressing = False
        self._look_due = False

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def usable(self) -> bool:
        """Whether texts are taken: while it is online, and before the first attempt to be so has ended."""
        return self.online or (self.settings.complete and not self._tried)

    # ---- life

    def start(self, delay: float) -> None:
        """Connects after ``delay`` seconds, and stays connected."""
        if self.settings.complete:
            self._next = self._schedule.at(self._clock.monotonic() + delay, self._connect)
        else:
            self._tried = True

    async def stop(self) -> None:
        """Closes the connection; what is on its way has failed for now."""
        for deadline in (self._next, self._giving_up):
            if deadline is not None:
                self._schedule.cancel(deadline)
        self._next = self._giving_up = None
        self._tried = True
        self._go_offline()
        self._outcomes.fail_all(NOT_CONNECTED)
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close(CLOSE_WAIT)

    def _connect(self, now: float) -> None:
        self._next = None
        try:
            stream = self._stream = self._stream or self._open_stream(self.settings, self)
            self._giving_up = self._schedule.at(now + BIND_WAIT, lambda _: self._give_up(stream))
            stream.open()
        except OSError as error:
            self._end_attempt()
            self._failed(f"tls_ca_file {self.settings.tls_ca_file}: {error}", refused=True)
        except Exception as error:
            # The schedule serves all: what is wrong with one account must not end its round.
            log.exception("an XMPP account can not connect", account=self.name)
            self._end_attempt()
            self._abandon()
            self._failed(repr(error), refused=True)

    def _give_up(self, stream: Stream) -> None:
        self._giving_up = None
        self._abandon()
        self._failed(f"there was no session within {BIND_WAIT:.0f} seconds", refused=False)

    def _abandon(self) -> None:
        """The next attempt is made with a new stream, which knows nothing of what went wrong with this one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.discard()

    def bound(self, stream: Stream, *, resumed: bool) -> None:
        if stream is not self._stream:
            return
        self._end_attempt()
        self._tried = True
        self._told = ""
        self.online = True
        self._online_since = self._clock.monotonic()
        log.info("an XMPP account is online", account=self.name, jid=stream.boundjid.full, resumed=resumed)
        if not resumed:
            stream.greet()
        self._probe = ""
        self._covered = []
        self._uncovered = []
        for sent in self._outcomes.untaken():
            # A session that goes on sends again what got lost by itself.
            if not resumed:
                stream.post(sent.stanza)
            self._uncovered.append(sent)
        self._pressing = bool(self._uncovered)
        self._ask()
        if self.settings.keepalive:
            self._schedule.at(self._online_since + KEEPALIVE, lambda _: self._look(stream, self._online_since))
        self._owner.state_changed(self)

    def lost(self, stream: Stream, reason: str, *, refused: bool) -> None:
        if stream is not self._stream or not (self.online or self._giving_up is not None):
            return
        self._end_attempt()
        if not stream.resumable or refused:
            self._abandon()
        self._failed(reason, refused=refused)

    def _end_attempt(self) -> None:
        if self._giving_up is not None:
            self._schedule.cancel(self._giving_up)
            self._giving_up = None

    def _failed(self, reason: str, *, refused: bool) -> None:
        """There is no connection; the next attempt is later each time, and never at the same time as others'."""
        first_attempt = not self._tried
        self._tried = True
        now = self._clock.monotonic()
        if self.online and now - self._online_since >= STABLE:
            self._attempts = 0
        longest = RECONNECT_REFUSED if refused else min(RECONNECT_LONGEST, RECONNECT_FIRST * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 16)
        delay = longest * self._random.uniform(0.5, 1.0)
        self._next = self._schedule.at(now + delay, self._connect)
        if reason != self._told:
            # Said once, not at every attempt.
            self._told = reason
            log.warning("an XMPP account is offline", account=self.name, why=reason, next_attempt=round(delay, 1))
        self._go_offline()
        if first_attempt:
            self._outcomes.fail_all(NOT_CONNECTED)

    def _go_offline(self) -> None:
        if self.online:
            self.online = False
            self._owner.state_changed(self)

    def adopt(self, settings: XmppAccountSettings) -> None:
        """Goes on with other settings, which ask for no other connection."""
        shown = (self.settings.show, self.settings.status_message, self.settings.priority)
        self.settings = settings
        if self._stream is not None:
            self._stream.settings = settings
            if self.online and shown != (settings.show, settings.status_message, settings.priority):
                self._stream.greet()

    def contact(self) -> Contact | None:
        """Where it is reached while it is online."""
        if not self.online or self._stream is None:
            return None
        address, transport = self._stream.far_end
        return Contact(
            aor=self.name,
            uri=f"xmpp:{self._stream.boundjid.full}",
            status=ContactStatus.REACHABLE,
            registered=self._clock.wall() - (self._clock.monotonic() - self._online_since),
            transport=transport,
            address=address,
        )

    # ---- texts out

    def deliver(self, delivery: Delivery, to: JID, sender: str, done: Done) -> None:
        """Sends a text; ``sender`` is empty for the account itself. ``done`` is called once, possibly at once."""
        if not self.usable:
            done(report(delivery, NOT_CONNECTED))
            return
        message = delivery.message
        stanza = text_stanza(message.id, sender, to.full, message.body)
        sent = Sent(message.id, to, stanza, delivery, done)
        self._outcomes.add(sent)
        if self.online:
            assert self._stream is not None
            self._stream.post(stanza)
            self._cover(sent)

    def _overdue(self, sent: Sent) -> Outcome:
        if not self.online:
            return NOT_CONNECTED
        assert self._stream is not None
        self._stream.refuse("the server does not answer")
        return NO_ANSWER

    # ---- whether the server has what was sent, and is there at all

    def _cover(self, sent: Sent) -> None:
        """Sees to it that the server is asked whether it has a text. Of one whose recipient sends receipts, only when
        there is none after a while: that costs nothing, and where the server sends its answer first, a receipt is
        held up on its way until our system confirms that (Nagle's algorithm, 40 ms).
        """
        self._uncovered.append(sent)
        if not self._outcomes.expects_receipt(sent):
            self._pressing = True
            self._ask()
        elif not self._look_due:
            self._look_due = True
            self._schedule.at(self._clock.monotonic() + ASK_AFTER, self._look_at_uncovered)

    def _look_at_uncovered(self, now: float) -> None:
        self._look_due = False
        self._uncovered = [sent for sent in self._uncovered if self._outcomes.waits(sent)]
        if self.online and self._uncovered:
            self._pressing = True
            self._ask()

    def _ask(self) -> None:
        """Asks the server for a word after what was sent; one question is open at a time, and covers many texts."""
        if self._probe or not self._pressing:
            return
        self._pressing = False
        self._covered, self._uncovered = self._uncovered, []
        self._question()

    def _question(self) -> None:
        assert self._stream is not None
        self._probe = f"sr-{next(self._numbers)}"
        self._stream.ask(self._probe)

    def answered(self, stream: Stream, question: str) -> None:
        if stream is not self._stream or not self._probe or question != self._probe:
            return
        self._probe = ""
        covered, self._covered = self._covered, []
        for sent in covered:
            self._outcomes.take(sent)
        if self.online:
            self._ask()

    def _look(self, stream: Stream, since: float) -> None:
        """The question of the last look must be answered by this one (a half-open connection is none)."""
        if stream is not self._stream or not self.online or since != self._online_since:
            return
        if self._probe and self._probe == self._looked_at:
            stream.refuse("the server does not answer")
            return
        if not self._probe:
            self._question()
        self._looked_at = self._probe
        self._schedule.at(self._clock.monotonic() + KEEPALIVE, lambda _: self._look(stream, since))

    # ---- what comes in

    def message(self, stream: Stream, element: Element) -> None:
        text = read_message(element, stream.namespace, stream.boundjid)
        if stream is not self._stream or not self.online or text is None or not self._concerns_us(stream, text):
            return
        if text.kind is Kind.TEXT:
            self._owner.text_received(self, text)
        elif text.kind is not Kind.OTHER:
            self._outcomes.hear(text)

    def _concerns_us(self, stream: Stream, text: Text) -> bool:
        """Whether it is for this account, and no echo of what it sent itself."""
        if self.settings.component:
            return text.to.domain == self.jid.domain and (
                text.sender.domain != self.jid.domain or text.kind is not Kind.TEXT
            )
        return text.to.bare == stream.boundjid.bare and text.sender != stream.boundjid

    def acknowledge(self, text: Text) -> None:
        """Sends the receipt that a text asks for."""
        if self.online and text.receipt_wanted:
            assert self._stream is not None
            sender = text.to.bare if self.settings.component else ""
            self._stream.post(receipt_stanza(text.id, sender, text.sender.full, text.type))

    def refuse(self, text: Text, condition: str, kind: str) -> None:
        """Tells a sender that a text was not taken; only a component says so, a client's server does it itself."""
        if self.online and self.settings.component:
            assert self._stream is not None
            self._stream.post(refusal_stanza(text, condition, kind))

    def presence(self, stream: Stream, element: Element) -> None:
        """Answers who asks to see our presence (RFC 6121 3.1), and as a component who looks at it (4.3)."""
        sender, to = jid(element.get("from")), jid(element.get("to", stream.boundjid.bare))
        if stream is not self._stream or not self.online or sender is None or to is None:
            return
        component = self.settings.component
        if component and (to.domain != self.jid.domain or sender.domain == self.jid.domain):
            return
        own = to.bare if component else ""
        kind = element.get("type", "")
        if kind == "subscribe" and self.settings.autoregister:
            stream.post(presence_stanza("subscribed", own, sender.bare))
        if component and (kind == "probe" or (kind == "subscribe" and self.settings.autoregister)):
            stream.post(presence_stanza("", own, sender.full))
