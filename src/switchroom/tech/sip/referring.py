"""REFER (RFC 3515): asks a phone to contact somebody, and follows its NOTIFYs.

With ``fallback = invite`` a phone that refuses a REFER outside a dialog, or ignores it, is called (``calling``), and
referred inside that call: most phones know only that. It is let go when the referral ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from switchroom.core.ports import Clock, Reports
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.errors import InvalidParameter, Overloaded
from switchroom.model.message import Fallback, Referral, ReferralReport, ReferralState
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.calling import Call, Calls
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.limits import FALLBACK_PATIENCE, MAX_SUBSCRIPTIONS, SUBSCRIPTION_LIFE
from switchroom.tech.sip.names import Names, Target, latest, request_uri, to_header
from switchroom.tech.sip.variables import headers_from
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.uri import escape_user

#: The status line of a sipfrag body (RFC 3420, RFC 3515 2.4.5).
_SIPFRAG = re.compile(rb"SIP/2\.0[ \t]+([1-6][0-9]{2})(?:[ \t]+([^\r\n]{0,100}))?")

#: Answers to a REFER outside a dialog that are about it being one, and not about the phone or who asks: those seen
#: from phones (405, 501, 603, silence), and those of others that want a dialog (403, 481) or know no such event (489).
_REFUSALS = frozenset({403, 405, 408, 481, 489, 501, 603})

#: Of the caller's own headers those that tell a phone how to ring go into the call, too; and all of no standard.
_OF_RINGING = frozenset({"alert-info", "answer-mode", "call-info", "priority", "priv-answer-mode", "subject"})

#: How far each state is; ``failed`` and ``answered`` are ends, neither follows the other.
_ORDER = {
    ReferralState.SENT: 0,
    ReferralState.ACCEPTED: 1,
    ReferralState.TRYING: 2,
    ReferralState.RINGING: 3,
    ReferralState.ANSWERED: 4,
    ReferralState.FAILED: 4,
}


class Plan(NamedTuple):
    """A referral, understood."""

    referral: Referral
    target: Target
    sender: NameAddr
    #: Our Contact.
    contact: str
    #: What makes it a REFER, and the caller's own headers.
    headers: list[tuple[str, str]]
    #: The caller's own headers that go into a call as well.
    ringing: list[tuple[str, str]]


class Subscription:
    """The implicit subscription a REFER makes (RFC 3515 2.4.4), until a NOTIFY or time ends it.

    It is the caller of the phone, too, where it comes to that (``calling.Caller``).
    """

    __slots__ = ("_referring", "call", "call_id", "ends", "exchange", "last", "local_tag", "patience", "plan")

    def __init__(self, referring: Referring, plan: Plan, call_id: str, local_tag: str) -> None:
        self._referring = referring
        self.plan = plan
        self.call_id = call_id
        self.local_tag = local_tag
        self.last: ReferralState | None = None
        self.ends: Deadline | None = None
        #: The REFER outside a dialog, until its answer came or is not waited for.
        self.exchange: Exchange | None = None
        #: When a REFER that is not answered becomes a call.
        self.patience: Deadline | None = None
        self.call: Call | None = None

    @property
    def over(self) -> bool:
        return self.last is not None and _ORDER[self.last] == _ORDER[ReferralState.FAILED]

    def ringing(self, status: int, reason: str) -> None:
        self._referring.calling(self, status, reason)

    def answered(self) -> None:
        self._referring.refer_inside(self)

    def refused(self, status: int, reason: str) -> None:
        self._referring.failed(self, status, reason)

    def notified(self, request: Request) -> Answer:
        return self._referring.notified(self, request)


class Referring:
    """Referrals out and their progress."""

    def __init__(
        self,
        directory: Directory,
        names: Names,
        exchanges: Exchanges,
        calls: Calls,
        reports: Reports,
        schedule: Schedule,
        clock: Clock,
        token: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._names = names
        self._exchanges = exchanges
        self._calls = calls
        self._reports = reports
        self._schedule = schedule
        self._clock = clock
        self._token = token
        self._subscriptions: dict[str, Subscription] = {}
        #: Those of phones that are reached over one connection alone.
        self._tied: dict[object, set[Subscription]] = {}

    def refer(self, referral: Referral) -> None:
        """See ``core.ports.Technology.refer``. One contact is referred: the latest reachable (docs/rulings.md 8)."""
        plan, exchange = self._plan(referral)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise Overloaded("too many referrals are under way")
        subscription = Subscription(self, plan, self._token(), self._token())
        exchange.headers = [
            *exchange.headers,
            ("From", f"{plan.sender};tag={subscription.local_tag}"),
            ("To", str(to_header(plan.target))),
            ("Contact", plan.contact),
            ("Call-ID", subscription.call_id),
            *plan.headers,
            ("Max-Forwards", str(self._directory.general.max_forwards)),
            ("User-Agent", self._directory.general.user_agent),
        ]
        subscription.exchange = exchange = self._exchanges.fitted(exchange)
        self._follow(subscription)
        self._report(subscription, ReferralState.SENT, 0, "")
        if referral.fallback is Fallback.INVITE:
            subscription.patience = self._calls.after(FALLBACK_PATIENCE, partial(self._call, subscription))
        self._exchanges.start(exchange, partial(self._answered, subscription))

    def _plan(self, referral: Referral) -> tuple[Plan, Exchange]:
        """What a referral means, and its REFER as far as that is known; InvalidParameter, EndpointNotFound."""
        variables = dict(referral.headers)
        inner = variables.pop("display_name", None)
        display = inner if referral.display_name is None else referral.display_name
        extra, _ = headers_from(variables, refer=True)
        target = latest(self._names.destination(referral.destination, by_name=referral.by_name))
        endpoint = target.endpoint
        hop = self._exchanges.route(endpoint, target.uri, target.contact)
        own = hop.listener.reached_at(hop.host)
        sender = self._names.sender(referral.sender, endpoint, hop.listener.own_host(hop.host))
        refer_to = self._names.referred(referral.refer_to, to_self=referral.to_self, own=own, display=display)
        default_user = escape_user(self._directory.general.default_from_user)
        contact_user = escape_user(endpoint.contact_user) or sender.uri.user or default_user
        given = {name.lower() for name, _ in extra}
        defaults = (
            ("Event", "refer"),
            ("Expires", str(int(SUBSCRIPTION_LIFE))),
            ("Supported", "norefersub"),
            ("Accept", "message/sipfrag;version=2.0"),
            ("Allow-Events", "refer"),
        )
        headers = [
            *(default for default in defaults if default[0].lower() not in given),
            ("Refer-To", str(refer_to)),
            *extra,
        ]
        ringing = [item for item in extra if (name := item[0].lower()) in _OF_RINGING or name.startswith(("x-", "p-"))]
        routes = [("Route", route) for route in hop.routes]
        exchange = Exchange("REFER", request_uri(target.uri, endpoint), routes, b"", endpoint, hop)
        return Plan(referral, target, sender, f"<sip:{contact_user}@{own}>", headers, ringing), exchange

    def _answered(self, subscription: Subscription, outcome: Outcome) -> None:
        """The final answer to the REFER outside a dialog."""
        subscription.exchange = None
        self._calls.cancel(subscription.patience)
        if outcome.success:
            self._taken(subscription)
            self._accepted(subscription, outcome)
        elif subscription.call is None and not _answer_was_lost(subscription, outcome):
            if subscription.plan.referral.fallback is Fallback.INVITE and outcome.status in _REFUSALS:
                self._call(subscription, 0.0)
            else:
                self.failed(subscription, outcome.status, outcome.reason)

    def _taken(self, subscription: Subscription) -> None:
        """The phone did take the REFER outside a dialog, maybe later than we waited: it need not take our call too."""
        self._calls.cancel(subscription.patience)
        call = subscription.call
        if call is not None and not call.up:
            subscription.call = None
            self._calls.release(call)

    def _accepted(self, subscription: Subscription, outcome: Outcome) -> None:
        """Without a subscription (RFC 4488) nothing more will come."""
        self._report(subscription, ReferralState.ACCEPTED, outcome.status, outcome.reason)
        if outcome.response is not None and _declines_subscription(outcome.response):
            self._forget(subscription)

    def failed(self, subscription: Subscription, status: int, reason: str) -> None:
        """Nothing will come of it."""
        self._report(subscription, ReferralState.FAILED, status, reason)
        self._forget(subscription)

    # ---- the phone is called, and referred inside the call

    def _call(self, subscription: Subscription, now: float) -> None:
        plan = subscription.plan
        try:
            call = self._calls.start(plan.target, plan.sender, plan.contact, plan.ringing, subscription)
        except InvalidParameter as error:
            self.failed(subscription, 503, str(error))
            return
        subscription.call = call
        if subscription.over:
            self._calls.release(call)  # it could not even be sent

    def calling(self, subscription: Subscription, status: int, reason: str) -> None:
        """The phone itself rings, or was answered: no progress of the referral yet, which is ``sent`` again."""
        if subscription.last is ReferralState.SENT:
            self._tell(subscription, ReferralState.SENT, status, reason)

    def refer_inside(self, subscription: Subscription) -> None:
        """The phone was answered: the same REFER, in the dialog of the call (RFC 3515 2.4.1)."""
        call = subscription.call
        assert call is not None
        if subscription.exchange is not None:
            # Were it taken now, the phone would be referred twice.
            self._exchanges.abandon(subscription.exchange)
            subscription.exchange = None
        self.calling(subscription, 200, "OK")
        self._follow(subscription)
        call.request("REFER", subscription.plan.headers, partial(self._answered_inside, subscription))

    def _answered_inside(self, subscription: Subscription, outcome: Outcome) -> None:
        if outcome.success:
            self._accepted(subscription, outcome)
        elif not _answer_was_lost(subscription, outcome):
            self.failed(subscription, outcome.status, outcome.reason)

    # ---- what the phone tells

    def find(self, request: Request) -> Subscription | Call | None:
        """What a request with a To tag belongs to: a call of ours, or the subscription of a NOTIFY (RFC 6665 4.4.1)."""
        subscription = self._subscriptions.get(request.call_id) if request.method == "NOTIFY" else None
        if subscription is not None and request.to.tag == subscription.local_tag:
            return subscription
        return self._calls.find(request)

    def receive(self, found: Subscription | Call, incoming: RequestReceived) -> Answer:
        """Works on a request of what ``find`` found."""
        if isinstance(found, Call):
            return found.receive(incoming)
        self._taken(found)
        return self.notified(found, incoming.request)

    def acknowledged(self, request: Request) -> bool:
        """An ACK to a 2xx; whether it belongs to a call of ours."""
        call = self._calls.find(request)
        if call is None:
            return False
        call.acknowledged(request)
        return True

    def notified(self, subscription: Subscription, request: Request) -> Answer:
        """A NOTIFY of the subscription: its sipfrag tells how far the phone got."""
        if self._subscriptions.get(subscription.call_id) is not subscription:
            return Answer(481)
        event = (request.first("event") or "").partition(";")[0].strip().lower()
        if event != "refer":
            return Answer(489, [("Allow-Events", "refer")])
        fragment = _SIPFRAG.match(request.body.lstrip())
        if fragment is not None:
            status = int(fragment[1])
            reason = (fragment[2] or b"").decode("utf-8", "replace").strip()
            self._report(subscription, _state(status), status, reason)
        if (request.first("subscription-state") or "").strip().lower().startswith("terminated"):
            self._forget(subscription)
        elif subscription.over and subscription.call is not None:
            # The answer to this NOTIFY goes first.
            self._calls.after(0.0, partial(self._let_go, subscription.call))
        return Answer(200)

    def disconnected(self, flow: Flow) -> None:
        """A connection is closed: who was reached over it alone tells nothing any more."""
        for subscription in self._tied.pop(flow, ()):
            if subscription.call is None or not subscription.call.moved:
                self.failed(subscription, 503, "Flow Failed")

    def stop(self) -> None:
        """Lets go of the phones that were called."""
        self._calls.stop()

    # ---- the table

    def _follow(self, subscription: Subscription) -> None:
        """For as long as a subscription lives, from now on."""
        self._calls.cancel(subscription.ends)
        subscription.ends = self._schedule.at(
            self._clock.monotonic() + SUBSCRIPTION_LIFE, partial(self._expire, subscription)
        )
        self._subscriptions[subscription.call_id] = subscription
        contact = subscription.plan.target.contact
        if contact is not None and contact.tied and contact.flow is not None:
            self._tied.setdefault(contact.flow, set()).add(subscription)

    def _expire(self, subscription: Subscription, now: float) -> None:
        self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        if self._subscriptions.pop(subscription.call_id, None) is None:
            return
        self._calls.cancel(subscription.ends)
        self._calls.cancel(subscription.patience)
        contact = subscription.plan.target.contact
        tied = self._tied.get(contact.flow) if contact is not None else None
        if tied is not None:
            tied.discard(subscription)
            if not tied and contact is not None:
                del self._tied[contact.flow]
        call, subscription.call = subscription.call, None
        if call is not None:
            # After the answer to what the phone has just told.
            self._calls.after(0.0, partial(self._release, call))

    def _let_go(self, call: Call, now: float) -> None:
        call.hang_up()

    def _release(self, call: Call, now: float) -> None:
        self._calls.release(call)

    def _report(self, subscription: Subscription, state: ReferralState, status: int, reason: str) -> None:
        """Progress goes forward only: NOTIFYs overtake each other on UDP, and the answer to the REFER."""
        if subscription.last is None or _ORDER[state] > _ORDER[subscription.last]:
            self._tell(subscription, state, status, reason)

    def _tell(self, subscription: Subscription, state: ReferralState, status: int, reason: str) -> None:
        subscription.last = state
        self._reports.referral(
            ReferralReport(referral=subscription.plan.referral, state=state, status_code=status, reason=reason)
        )


def _answer_was_lost(subscription: Subscription, outcome: Outcome) -> bool:
    """Whether nobody answered the REFER, and NOTIFYs that came all the same say that the phone took it."""
    return outcome.response is None and subscription.last is not ReferralState.SENT


def _declines_subscription(response: Response) -> bool:
    return (response.first("refer-sub") or "").strip().lower().startswith("false")


def _state(status: int) -> ReferralState:
    """What a sipfrag status says of the call the phone makes."""
    if status < 180:
        return ReferralState.TRYING
    if status < 200:
        return ReferralState.RINGING
    return ReferralState.ANSWERED if status < 300 else ReferralState.FAILED
