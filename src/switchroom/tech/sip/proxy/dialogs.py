"""What answers mean for calls: those to the request that makes a dialog, and those to requests inside one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from switchroom.tech.sip.exchange import Outcome
from switchroom.tech.sip.limits import MAX_LEG_TEXT
from switchroom.tech.sip.proxy.branch import Branch
from switchroom.tech.sip.proxy.calls import Call, Calls, CallState, Leg
from switchroom.tech.sip.proxy.context import Means, ResponseContext
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_delta_seconds
from switchroom.wire.sip.message import Message, Response

#: Requests whose Contact is where the dialog goes from now on (RFC 3261 12.2, RFC 3311, RFC 6665 4.4.1).
REFRESHES = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY"})


class CallContext(ResponseContext):
    """The request that makes a call, or another dialog (RFC 3261 12.1)."""

    __slots__ = ("_calls", "_redirect", "call")

    def __init__(
        self,
        means: Means,
        incoming: RequestReceived,
        vias: Sequence[str],
        calls: Calls,
        call: Call,
        redirect: Callable[[CallContext, Branch, Response], Sequence[Branch]],
    ) -> None:
        """``redirect`` gives the branches that a 3xx leads to."""
        super().__init__(means, incoming, vias)
        self._calls = calls
        self.call = call
        self._redirect = redirect

    def heard(self, branch: Branch, response: Response, flow: Flow) -> None:
        call, calls = self.call, self._calls
        if response.status < 200 and call.state is not CallState.ENDED:
            calls.ring(call, branch.callee)
        tag = _tag(response)
        if tag is None or tag in call.hung_up or (response.status < 200 and not tag):
            return
        now = self._means.clock.monotonic()
        leg = calls.leg(call, branch.office, branch.endpoint, tag, branch.flow or flow, now)
        if leg is None:
            return
        if not leg.contact:
            contact = branch.contact
            leg.direct = not branch.hop.routes
            leg.follows_contact = contact is None or contact.static
            leg.routes = _beyond(response, call.token)
        leg.contact = contact_of(response) or leg.contact
        if response.status >= 200:
            note_session(call, response)
            calls.confirm(call, leg)

    def failed(self, branch: Branch, outcome: Outcome) -> None:
        if not any(other.endpoint is branch.endpoint for other in self.open):
            self._calls.silence(self.call, branch.callee)

    def more(self, branch: Branch, outcome: Outcome) -> Sequence[Branch]:
        if outcome.response is not None and 300 <= outcome.status < 400:
            return self._redirect(self, branch, outcome.response)
        return ()

    def over(self) -> None:
        self.call.pending = False
        self._calls.settle(self.call)


class DialogContext(ResponseContext):
    """A request inside a dialog."""

    __slots__ = ("_call", "_calls", "_receiver", "_sender")

    def __init__(
        self,
        means: Means,
        incoming: RequestReceived,
        vias: Sequence[str],
        calls: Calls,
        found: tuple[Call, Leg, Leg],
    ) -> None:
        """``found`` is the call, the leg of who sent it and that of who is to get it."""
        super().__init__(means, incoming, vias)
        self._calls = calls
        self._call, self._sender, self._receiver = found

    @property
    def _called(self) -> Leg:
        return self._receiver if self._sender is self._call.caller else self._sender

    def heard(self, branch: Branch, response: Response, flow: Flow) -> None:
        now = self._means.clock.monotonic()
        self._receiver.heard = now
        request = self.incoming.request
        if response.status >= 200 and request.method in REFRESHES:
            self._sender.contact = contact_of(request) or self._sender.contact
            self._receiver.contact = contact_of(response) or self._receiver.contact
            if request.method in ("INVITE", "UPDATE"):
                note_session(self._call, response)
        if response.status >= 200 and (request.method == "BYE" or _ends_subscription(self._call, request)):
            self._calls.hang_up(self._call, self._called)

    def failed(self, branch: Branch, outcome: Outcome) -> None:
        """A BYE ends the dialog whatever is answered, unless it has to be proven (RFC 3261 15.1.1); a 481 says that
        there is none any more (RFC 5057 5.1).
        """
        request = self.incoming.request
        if outcome.response is not None:
            self._receiver.heard = self._means.clock.monotonic()
        ended = outcome.status not in (401, 407) if request.method == "BYE" else outcome.status == 481
        if ended and (request.method in ("BYE", "INVITE", "UPDATE") or self._call.method != "INVITE"):
            self._calls.hang_up(self._call, self._called)


def contact_of(message: Message) -> str:
    """Its Contact as written; empty when there is none, or one too long to keep: then the party is where it speaks
    from. One that makes a dialog has one alone (RFC 3261 8.1.1.8).
    """
    written = message.first("contact") or ""
    return written if len(written) <= MAX_LEG_TEXT else ""


def note_session(call: Call, response: Response) -> None:
    """What a 2xx says about the session timer (RFC 4028 4)."""
    text = response.first("session-expires")
    if text is None:
        call.session_expires = 0
        return
    with suppress(SipError):
        call.session_expires = parse_delta_seconds(text.partition(";")[0].strip())


def _tag(response: Response) -> str | None:
    """Its To tag, empty when there is none; None when its To can not be understood."""
    try:
        return response.to.tag or ""
    except SipError:
        return None


def _beyond(response: Response, token: str) -> tuple[str, ...]:
    """The route set towards a called party that lies behind us: what stands before our own Record-Route, turned round
    (RFC 3261 12.1.2).
    """
    try:
        routes = response.all("record-route")
    except SipError:
        return ()
    # Not parsed: each is another, and would push out of the caches what comes again.
    ours = next((at for at, value in enumerate(routes) if f":{token}@" in value), 0)
    beyond = tuple(reversed(routes[:ours]))
    return beyond if sum(map(len, beyond)) <= MAX_LEG_TEXT else ()


def _ends_subscription(call: Call, request: Message) -> bool:
    if call.method == "INVITE":
        return False
    return (request.first("subscription-state") or "").strip().lower().startswith("terminated")
