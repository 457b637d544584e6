"""REFER (RFC 3515): asks a phone to contact somebody, and follows its NOTIFYs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from switchroom.core.ports import Clock, Reports
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.errors import Overloaded
from switchroom.model.message import Referral, ReferralReport, ReferralState
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.limits import MAX_SUBSCRIPTIONS, SUBSCRIPTION_LIFE
from switchroom.tech.sip.names import Names, latest, request_uri, to_header
from switchroom.tech.sip.variables import headers_from
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import escape_user

#: The status line of a sipfrag body (RFC 3420, RFC 3515 2.4.5).
_SIPFRAG = re.compile(rb"SIP/2\.0[ \t]+([1-6][0-9]{2})(?:[ \t]+([^\r\n]{0,100}))?")


#: How far each state is; ``failed`` and ``answered`` are ends, neither follows the other.
_ORDER = {
    ReferralState.SENT: 0,
    ReferralState.ACCEPTED: 1,
    ReferralState.TRYING: 2,
    ReferralState.RINGING: 3,
    ReferralState.ANSWERED: 4,
    ReferralState.FAILED: 4,
}


class Subscription:
    """The implicit subscription a REFER makes (RFC 3515 2.4.4), until a NOTIFY or time ends it."""

    __slots__ = ("call_id", "ends", "last", "local_tag", "referral")

    def __init__(self, referral: Referral, call_id: str, local_tag: str) -> None:
        self.referral = referral
        self.call_id = call_id
        self.local_tag = local_tag
        self.last: ReferralState | None = None
        self.ends: Deadline | None = None


class Referring:
    """Referrals out and their progress."""

    def __init__(
        self,
        directory: Directory,
        names: Names,
        exchanges: Exchanges,
        reports: Reports,
        schedule: Schedule,
        clock: Clock,
        token: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._names = names
        self._exchanges = exchanges
        self._reports = reports
        self._schedule = schedule
        self._clock = clock
        self._token = token
        self._subscriptions: dict[str, Subscription] = {}

    def refer(self, referral: Referral) -> None:
        """See ``core.ports.Technology.refer``. One contact is referred: the latest reachable (ruling 8)."""
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
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise Overloaded("too many referrals are under way")
        general = self._directory.general
        subscription = Subscription(referral, self._token(), self._token())
        contact_user = escape_user(endpoint.contact_user) or sender.uri.user or escape_user(general.default_from_user)
        given = {name.lower() for name, _ in extra}
        defaults = (
            ("Event", "refer"),
            ("Expires", str(int(SUBSCRIPTION_LIFE))),
            ("Supported", "norefersub"),
            ("Accept", "message/sipfrag;version=2.0"),
            ("Allow-Events", "refer"),
        )
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", f"{sender};tag={subscription.local_tag}"),
            ("To", str(to_header(target))),
            ("Contact", f"<sip:{contact_user}@{own}>"),
            ("Call-ID", subscription.call_id),
            *(default for default in defaults if default[0].lower() not in given),
            ("Refer-To", str(refer_to)),
            *extra,
            ("Max-Forwards", str(general.max_forwards)),
            ("User-Agent", general.user_agent),
        ]
        uri = request_uri(target.uri, endpoint)
        exchange = self._exchanges.fitted(Exchange("REFER", uri, headers, b"", endpoint, hop))
        self._subscriptions[subscription.call_id] = subscription
        subscription.ends = self._schedule.at(
            self._clock.monotonic() + SUBSCRIPTION_LIFE, partial(self._expire, subscription)
        )
        self._report(subscription, ReferralState.SENT, 0, "")
        self._exchanges.start(exchange, partial(self._answered, subscription))

    def _answered(self, subscription: Subscription, outcome: Outcome) -> None:
        """The final answer to the REFER. Without a subscription (RFC 4488) nothing more will come."""
        if outcome.success:
            self._report(subscription, ReferralState.ACCEPTED, outcome.status, outcome.reason)
            response = outcome.response
            if response is not None and (response.first("refer-sub") or "").strip().lower().startswith("false"):
                self._forget(subscription)
        else:
            self._report(subscription, ReferralState.FAILED, outcome.status, outcome.reason)
            self._forget(subscription)

    def find(self, request: Request) -> Subscription | None:
        """The subscription a NOTIFY belongs to: its Call-ID and our tag (RFC 6665 4.4.1)."""
        subscription = self._subscriptions.get(request.call_id)
        return subscription if subscription is not None and request.to.tag == subscription.local_tag else None

    def notified(self, subscription: Subscription, request: Request) -> Answer:
        """A NOTIFY of the subscription: its sipfrag tells how far the phone got."""
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
        return Answer(200)

    def _expire(self, subscription: Subscription, now: float) -> None:
        self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        if self._subscriptions.pop(subscription.call_id, None) is not None and subscription.ends is not None:
            self._schedule.cancel(subscription.ends)

    def _report(self, subscription: Subscription, state: ReferralState, status: int, reason: str) -> None:
        """Progress goes forward only: NOTIFYs overtake each other on UDP, and the answer to the REFER."""
        if subscription.last is not None and _ORDER[state] <= _ORDER[subscription.last]:
            return
        subscription.last = state
        self._reports.referral(
            ReferralReport(referral=subscription.referral, state=state, status_code=status, reason=reason)
        )


def _state(status: int) -> ReferralState:
    """What a sipfrag status says of the call the phone makes."""
    if status < 180:
        return ReferralState.TRYING
    if status < 200:
        return ReferralState.RINGING
    return ReferralState.ANSWERED if status < 300 else ReferralState.FAILED
