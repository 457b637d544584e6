"""Calls of the server's own, to one phone each and without media: so that it can be referred inside one.

INVITE, the ACK to its 2xx, what the phone asks inside the call, BYE (RFC 3261 13 to 15). Nobody ever hears anything in
such a call: the session is inactive in both directions from the first offer to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Protocol

from switchroom.core.channels import Channels, ChannelState
from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.acknowledgement import Acknowledgement
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, NextHop, Outcome
from switchroom.tech.sip.limits import CALL_LINGERS, MAX_FORKS, RING_LIFE
from switchroom.tech.sip.names import Target, request_uri, to_header
from switchroom.tech.sip.redirection import Redirection
from switchroom.wire.sip.dialog import Dialog
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.sdp import MEDIA_TYPE, Session
from switchroom.wire.sip.uri import Uri, escape_user, parse_uri

#: What a phone may send us inside a call.
_ALLOW = "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS, NOTIFY"

#: Answers to an INVITE by which a phone refuses what is offered, and not the call.
_OTHER_SESSION = (415, 488, 606)

_BROWSERS = ("ws", "wss")
_CREDENTIALS = ("Authorization", "Proxy-Authorization")

Headers = Sequence[tuple[str, str]]


class Caller(Protocol):
    """On whose behalf a phone is called."""

    def ringing(self, status: int, reason: str) -> None:
        """A provisional answer of the phone, above 100."""
        ...

    def answered(self) -> None:
        """The call is up. Comes once; then comes ``hung_up`` and never ``refused``."""
        ...

    def refused(self, status: int, reason: str) -> None:
        """The phone did not take the call; the last that is heard of it."""
        ...

    def notified(self, request: Request) -> Answer:
        """A NOTIFY inside the call's dialog, also after the call."""
        ...


class _State(Enum):
    CALLING = auto()
    UP = auto()
    OVER = auto()


class Calls:
    """All calls of ours, by Call-ID."""

    def __init__(
        self,
        technology: str,
        directory: Directory,
        exchanges: Exchanges,
        channels: Channels,
        schedule: Schedule,
        clock: Clock,
        token: Callable[[], str],
        answer: Callable[[RequestReceived, Answer], None],
        flush: Callable[[], None],
    ) -> None:
        """``answer`` and ``flush`` send a 2xx again that nobody has acknowledged yet."""
        self.technology = technology
        self.directory = directory
        self.exchanges = exchanges
        self.channels = channels
        self.token = token
        self._schedule = schedule
        self._clock = clock
        self._answer = answer
        self._flush = flush
        self._calls: dict[str, Call] = {}

    def start(self, target: Target, sender: NameAddr, contact: str, extra: Headers, caller: Caller) -> Call:
        """Calls one phone; ``contact`` is our Contact, ``extra`` further headers of the INVITE.

        Raises:
            InvalidParameter: no way leads there any more.
        """
        call = Call(self, target, sender, contact, caller)
        call.invite(extra)
        self._calls[call.call_id] = call
        return call

    def find(self, request: Request) -> Call | None:
        """The call a request with a To tag belongs to."""
        call = self._calls.get(request.call_id)
        return call if call is not None and request.to.tag == call.local_tag else None

    def release(self, call: Call) -> None:
        """Ends a call nobody needs any more; what is still under way from the phone finds it for a while."""
        call.hang_up()
        self.after(CALL_LINGERS, partial(self._forget, call))

    def _forget(self, call: Call, now: float) -> None:
        self._calls.pop(call.call_id, None)
        call.dissolve()

    def stop(self) -> None:
        """Ends all calls, as far as one packet does."""
        for call in list(self._calls.values()):
            call.hang_up()

    def after(self, seconds: float, action: Callable[[float], None]) -> Deadline:
        return self._schedule.at(self._clock.monotonic() + seconds, action)

    def cancel(self, deadline: Deadline | None) -> None:
        if deadline is not None:
            self._schedule.cancel(deadline)

    def acknowledgement(self, lost: Callable[[], None]) -> Acknowledgement:
        """What waits for the ACKs of one call."""
        return Acknowledgement(self._schedule, self._clock, self._repeat, lost)

    def _repeat(self, incoming: RequestReceived, answer: Answer) -> None:
        self._answer(incoming, answer)
        self._flush()


class Call:
    """One of them."""

    __slots__ = (
        "_acknowledgement",
        "_caller",
        "_calls",
        "_channel",
        "_contact",
        "_dialog",
        "_extra",
        "_forks",
        "_invite",
        "_offers",
        "_place",
        "_redirection",
        "_reply",
        "_rings_until",
        "_sender",
        "_session",
        "_state",
        "_target",
        "call_id",
        "local_tag",
    )

    def __init__(self, calls: Calls, target: Target, sender: NameAddr, contact: str, caller: Caller) -> None:
        self._calls = calls
        self._target = target
        #: Where the call is now: at its target, or where a 3xx of that led to.
        self._place = target
        self._sender = sender
        self._contact = contact
        self._caller = caller
        self.call_id = calls.token()
        self.local_tag = calls.token()
        self._state = _State.CALLING
        #: The phone's, from its first provisional answer to the end.
        self._channel = ""
        self._session: Session | None = None
        self._extra: Headers = ()
        self._invite: Exchange | None = None
        #: Follows 3xx, where ``follow_redirect_methods`` has ``invite``.
        self._redirection: Redirection | None = None
        #: Whether the INVITE offers a session; otherwise the 2xx does, and ``_reply`` is what the ACK says to that.
        self._offers = True
        self._reply = b""
        self._dialog: Dialog | None = None
        #: 2xx that came from more than one phone behind the contact, or after we had given up: by their tag.
        self._forks: dict[str | None, Dialog] = {}
        self._rings_until: Deadline | None = None
        #: Of our 2xx to INVITEs of the phone's; made when the first comes.
        self._acknowledgement: Acknowledgement | None = None

    @property
    def up(self) -> bool:
        return self._state is _State.UP

    @property
    def moved(self) -> bool:
        """Whether a 3xx led it away from the contact it was to."""
        return self._place is not self._target

    # ---- the INVITE

    def invite(self, extra: Headers) -> None:
        """See ``Calls.start``."""
        self._extra = extra
        self._ask(1)
        if self._state is _State.CALLING:
            self._rings_until = self._calls.after(RING_LIFE, self._give_up)

    def _ask(self, number: int) -> None:
        """Sends the INVITE under this number (InvalidParameter: no way leads there)."""
        calls, endpoint = self._calls, self._target.endpoint
        hop = calls.exchanges.route(endpoint, self._target.uri, self._target.contact)
        own = hop.listener.own_host(hop.host)
        session = self._session = self._session or Session(own, calls.token)
        body = session.offer(browser=_is_browser(self._target, hop)) if self._offers else b""
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", f"{self._sender};tag={self.local_tag}"),
            ("To", str(_callee(self._target, own))),
            ("Contact", self._contact),
            ("Call-ID", self.call_id),
            ("Allow", _ALLOW),
            ("Accept", MEDIA_TYPE),
            *self._common(),
            *self._extra,
            *_described(body),
        ]
        uri = request_uri(self._target.uri, endpoint)
        exchange = calls.exchanges.fitted(Exchange("INVITE", uri, headers, body, endpoint, hop))
        exchange.cseq = number
        exchange.heard = self._heard
        self._invite, self._place = exchange, self._target
        if "invite" in endpoint.follow_redirect_methods:
            self._redirection = Redirection(calls.exchanges, exchange, self._ended, self._moved)
            self._redirection.start()
        else:
            calls.exchanges.start(exchange, self._ended)

    def _moved(self, exchange: Exchange, uri: Uri) -> None:
        """The INVITE goes on to where a 3xx leads, which is no binding of the endpoint's."""
        exchange.heard = self._heard
        self._invite, self._place = exchange, self._target._replace(uri=uri, contact=None)

    def _heard(self, response: Response) -> None:
        """A provisional answer, or a 2xx: the first, one of another fork, one that comes again."""
        if response.status < 200:
            if self._state is _State.CALLING and response.status > 100:
                self._show(ChannelState.RINGING)
                self._caller.ringing(response.status, response.reason)
            return
        try:
            tag = response.to.tag
            if self._dialog is not None and self._dialog.remote.tag == tag:
                self._acknowledge(self._dialog, response)
            elif self._state is _State.CALLING:
                self._dialog = Dialog.from_response(response)
                self._take(self._dialog, response)
            else:
                self._dismiss(tag, response)
        except SipError as error:
            # Without a Contact not even the ACK has a place to go: the phone gives up by itself.
            self._refuse(502, f"Bad Answer: {error.reason}")

    def _take(self, dialog: Dialog, response: Response) -> None:
        """The first 2xx. Where it offers the session, the ACK answers; a call that can not be answered is ended."""
        assert self._session is not None
        reply = b"" if self._offers else self._session.answer(response.body)
        self._reply = reply or b""
        self._acknowledge(dialog, response)
        self._state = _State.UP
        self._calls.cancel(self._rings_until)
        if reply is None:
            self.hang_up()
            self._caller.refused(488, "No Session Was Offered")
            return
        self._show(ChannelState.UP)
        self._caller.answered()

    def _ended(self, outcome: Outcome) -> None:
        if outcome.success:
            return
        if outcome.status in _OTHER_SESSION and self._offers and self._state is _State.CALLING:
            # The phone wants other media than we offer (encrypted, mostly): now it may say which.
            self._offers = False
            assert self._invite is not None
            try:
                self._ask(self._invite.cseq + 1)
            except InvalidParameter as error:
                self._refuse(503, str(error))
        else:
            self._refuse(outcome.status, outcome.reason)

    def _refuse(self, status: int, reason: str) -> None:
        if self._state is _State.CALLING:
            self._end()
            self._caller.refused(status, reason)

    def _end(self) -> None:
        self._state = _State.OVER
        self._calls.cancel(self._rings_until)
        if self._acknowledgement is not None:
            self._acknowledgement.stop()
        self._calls.channels.close(self._channel)

    def _show(self, state: ChannelState) -> None:
        """What the phone is in this call, for those who look at its endpoint."""
        channels = self._calls.channels
        if self._channel:
            channels.turn(self._channel, state)
        else:
            self._channel = channels.open(EndpointId(self._calls.technology, self._target.endpoint.name), state)

    def _give_up(self, now: float) -> None:
        """The phone rings and nobody takes it."""
        self._cancel()
        self._refuse(487, "Not Answered")

    def _cancel(self) -> None:
        invite = self._invite
        if self._redirection is not None:
            self._redirection.stop()
        if invite is not None:
            self._calls.exchanges.cancel(invite)
            # RFC 3261 9.1: a server may take the CANCEL and answer the INVITE never.
            self._calls.after(CALL_LINGERS, partial(self._abandon, invite))

    def _abandon(self, invite: Exchange, now: float) -> None:
        self._calls.exchanges.abandon(invite)

    def _dismiss(self, tag: str | None, response: Response) -> None:
        """Takes a call that nobody wants, as it must be, and ends it (RFC 3261 13.2.2.4)."""
        known = self._forks.get(tag)
        if known is not None:
            self._acknowledge(known, response)
        elif len(self._forks) < MAX_FORKS:
            dialog = self._forks[tag] = Dialog.from_response(response)
            self._acknowledge(dialog, response)
            self._send(dialog, "BYE", ())

    def _acknowledge(self, dialog: Dialog, response: Response) -> None:
        """The ACK has the number and the credentials of its INVITE (RFC 3261 13.2.2.4)."""
        assert self._invite is not None
        proof = [(name, value) for name, value in self._invite.headers if name in _CREDENTIALS]
        reply = self._reply if dialog is self._dialog else b""
        self._send(dialog, "ACK", [*proof, *_described(reply)], body=reply, number=response.cseq.number)

    # ---- requests inside the call

    def request(self, method: str, extra: Headers, done: Callable[[Outcome], None]) -> None:
        """Sends a request inside the call, which is up or was; ``done`` is called once."""
        assert self._dialog is not None
        self._send(self._dialog, method, (("Contact", self._contact), *extra), done)

    def hang_up(self) -> None:
        """Ends the call, or the attempt at it; nothing of it is told to the caller any more."""
        state = self._state
        self._end()
        if state is _State.CALLING:
            self._cancel()
        elif state is _State.UP and self._dialog is not None:
            self._send(self._dialog, "BYE", ())

    def _send(
        self,
        dialog: Dialog,
        method: str,
        extra: Headers,
        done: Callable[[Outcome], None] | None = None,
        body: bytes = b"",
        number: int = 0,
    ) -> None:
        exchanges, target = self._calls.exchanges, self._place
        contact = target.contact
        # Behind NAT the phone's own word of where it is leads nowhere; its registration was corrected for that.
        corrected = contact is not None and contact.original_uri and not dialog.routes
        try:
            hop = exchanges.route_within(target.endpoint, target.uri if corrected else dialog.hop, contact)
            uri, headers = dialog.addressed()
            headers += [*self._common(), *extra]
            exchange = Exchange(method, uri, headers, body, target.endpoint, hop)
            exchange.dialog = dialog
            exchange.cseq = number or dialog.next_cseq()
            exchanges.start(exchanges.fitted(exchange), done or _ignore)
        except InvalidParameter as error:
            if done is not None:
                done(Outcome(503, str(error)))

    def dissolve(self) -> None:
        """Nothing comes any more: what holds each other lets go, so that nobody has to collect it."""
        if self._invite is not None:
            self._invite.heard = None
            self._invite = None
        self._redirection = None
        self._acknowledgement = None

    def _common(self) -> list[tuple[str, str]]:
        general = self._calls.directory.general
        return [("Max-Forwards", str(general.max_forwards)), ("User-Agent", general.user_agent)]

    # ---- requests of the phone

    def receive(self, incoming: RequestReceived) -> Answer:
        """A request of the phone inside the call (RFC 3261 12.2.2)."""
        request, dialog = incoming.request, self._dialog
        if dialog is None or not dialog.owns(request):
            return Answer(481)
        try:
            dialog.admit(request)
            if request.method == "NOTIFY":
                return self._caller.notified(request)
            if request.method == "BYE":
                self._end()
                return Answer(200)
            if self._state is not _State.UP:
                return Answer(481)
            required = [tag for tag in request.all("require") if tag]
            if required:
                return Answer(420, [("Unsupported", ", ".join(required))])
            handler = _HANDLERS.get(request.method)
            return handler(self, incoming) if handler is not None else _NOT_ALLOWED
        except SipError as error:
            return Answer(error.status or 400, (), error.reason)

    def _reinvited(self, incoming: RequestReceived) -> Answer:
        """The session as the phone wants it now, as far as it is inactive (RFC 3261 14.2)."""
        answer = self._agreed(incoming.request, offers=True)
        if answer.status == 200:
            if self._acknowledgement is None:
                self._acknowledgement = self._calls.acknowledgement(self.hang_up)
            self._acknowledgement.expect(incoming, answer)
        return answer

    def _updated(self, incoming: RequestReceived) -> Answer:
        """RFC 3311; also how a phone refreshes its session timer (RFC 4028)."""
        return self._agreed(incoming.request, offers=False)

    def _agreed(self, request: Request, *, offers: bool) -> Answer:
        """200 with our side of the session; where there is no offer, ``offers`` has us make one (RFC 3261 13.2.1)."""
        assert self._session is not None
        headers = [("Contact", self._contact), ("Allow", _ALLOW)]
        body: bytes | None = b""
        if request.body:
            media = request.content_type
            if media is None or media[0] != MEDIA_TYPE:
                return Answer(415, [("Accept", MEDIA_TYPE)])
            body = self._session.answer(request.body)
        elif offers:
            body = self._session.offer(browser=_is_browser(self._place, None))
        if body is None:
            return Answer(488)
        return Answer(200, [*headers, *_described(body)], body=body)

    def _informed(self, incoming: RequestReceived) -> Answer:
        """RFC 6086: we take part in no info package; what older phones send (key presses) is taken, for nothing."""
        return Answer(469, [("Recv-Info", "")]) if incoming.request.first("info-package") else Answer(200)

    def _asked(self, incoming: RequestReceived) -> Answer:
        return Answer(200, [("Contact", self._contact), ("Allow", _ALLOW), ("Accept", MEDIA_TYPE)])

    def _prack(self, incoming: RequestReceived) -> Answer:
        return Answer(481)

    def acknowledged(self, request: Request) -> None:
        """The phone's ACK to a 2xx of ours."""
        if self._acknowledgement is not None:
            self._acknowledgement.came(request.cseq.number)


_NOT_ALLOWED = Answer(405, [("Allow", _ALLOW)])
_HANDLERS: dict[str, Callable[[Call, RequestReceived], Answer]] = {
    "INVITE": Call._reinvited,
    "UPDATE": Call._updated,
    "INFO": Call._informed,
    "OPTIONS": Call._asked,
    "PRACK": Call._prack,
}


def _described(body: bytes) -> Headers:
    """The header of a session description, where there is one."""
    return [("Content-Type", MEDIA_TYPE)] if body else []


def _is_browser(target: Target, hop: NextHop | None) -> bool:
    """Whether a phone is reached by WebSocket, by us or by an edge proxy: then it is a browser (RFC 7118)."""
    if hop is not None and hop.listener.protocol in _BROWSERS:
        return True
    contact = target.contact
    return (contact is not None and contact.transport in _BROWSERS) or (
        (target.uri.param("transport") or "").lower() in _BROWSERS
    )


def _callee(target: Target, own: str) -> NameAddr:
    """The To of a call: the name a phone registered by, as if a proxy had passed the call on. baresip calls whom it is
    referred to from there, and has no password for the user of its Contact.
    """
    contact = target.contact
    if contact is None or contact.static:
        return to_header(target)
    user, _, domain = contact.aor.partition("@")
    try:
        return NameAddr(target.display, parse_uri(f"sip:{escape_user(user)}@{domain or own}"), {})
    except SipError:
        return to_header(target)


def _ignore(outcome: Outcome) -> None:
    """Nobody waits for the end of an ACK or BYE."""
