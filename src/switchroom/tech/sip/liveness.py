"""Calls that died without a BYE are noticed, told to those who are left, and forgotten.

* With a session timer (RFC 4028) the phones look after the call themselves: it is over when nothing passed for a whole
  session interval (section 8.2).
* Without one, a party that was silent for long is asked with OPTIONS inside the dialog. Any answer will do but 481 and
  408, which say that the dialog is no more, as silence does (RFC 3261 12.2.1.2).
* A party whose connection closed is asked so a little later: it may have come back on another one.

The OPTIONS goes in the name of the other party, whose numbers are its own: it repeats the number of that party's last
request, or is 0 before the first. So it is never above what the party sends next, which a higher number would have
refused (12.2.2); a phone that refuses the repeated number is alive, too.
"""

from __future__ import annotations

from functools import partial

import structlog

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.exchange import Exchange, Outcome
from switchroom.tech.sip.limits import (
    FLOW_GRACE,
    LONGEST_SESSION,
    PROBE_AFTER,
    PROBES_PER_LOOK,
    SHORTEST_SESSION,
    SILENT_SUBSCRIPTION,
    SUBSCRIPTION_LIFE,
    WATCH_EVERY,
)
from switchroom.tech.sip.proxy.calls import Call, Calls, CallState, Leg
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow

log = structlog.get_logger(__name__)


class Liveness:
    """Looks after all confirmed calls with one deadline."""

    def __init__(self, calls: Calls, schedule: Schedule, clock: Clock) -> None:
        self._calls = calls
        self._schedule = schedule
        self._clock = clock
        self._next: Deadline | None = None
        #: Those who have been asked and did not answer yet.
        self._asked: set[Leg] = set()
        calls.confirmed = self._watch

    def _watch(self) -> None:
        """A call was answered: looks now and then, as long as there are any."""
        if self._next is None:
            self._next = self._schedule.at(self._clock.monotonic() + WATCH_EVERY, self._look)

    def disconnected(self, flow: Flow) -> None:
        """A connection closed: who was on it is given a while to come back."""
        if self._calls.on_flow(flow):
            self._schedule.at(self._clock.monotonic() + FLOW_GRACE, partial(self._ask_those_on, flow))

    # ---- looking

    def _look(self, now: float) -> None:
        self._next = None
        room = PROBES_PER_LOOK
        for call in self._calls:
            if call.state is not CallState.CONFIRMED:
                continue
            allowed = self._allowed_silence(call)
            for leg in call.confirmed_legs:
                if allowed is not None:
                    if now - max(call.caller.heard, leg.heard) > allowed:
                        self._forget(call, leg, "its session expired")
                    continue
                for party, other in ((call.caller, leg), (leg, call.caller)):
                    if room and now - party.heard > PROBE_AFTER and party not in self._asked:
                        room -= 1
                        self._ask(call, leg, party, other)
        if len(self._calls):
            self._watch()

    def _allowed_silence(self, call: Call) -> float | None:
        """Seconds after which a call that nothing passed in is over; None: its parties are to be asked."""
        if call.method != "INVITE":
            return SUBSCRIPTION_LIFE if call.method == "REFER" else SILENT_SUBSCRIPTION
        if not 0 < call.session_expires <= LONGEST_SESSION:
            return None
        return max(call.session_expires, SHORTEST_SESSION)

    def _ask_those_on(self, flow: Flow, now: float) -> None:
        for call in self._calls.on_flow(flow):
            if call.state is not CallState.CONFIRMED:
                continue
            for leg in call.confirmed_legs:
                for party, other in ((call.caller, leg), (leg, call.caller)):
                    if party.flow == flow and party not in self._asked:
                        self._ask(call, leg, party, other)

    # ---- asking

    def _ask(self, call: Call, leg: Leg, party: Leg, other: Leg) -> None:
        """Asks one party of the dialog with ``leg`` whether it still knows it, in the name of the other one."""
        exchange = self._exchange("OPTIONS", call, party, other, other.cseq)
        if exchange is None:
            self._end(call, leg, party, "nothing leads to it any more")
            return
        self._asked.add(party)
        unnamed = bool(exchange.hop.addresses)
        party.office.exchanges.start(exchange, partial(self._answered, call, leg, party, unnamed))

    def _answered(self, call: Call, leg: Leg, party: Leg, unnamed: bool, outcome: Outcome) -> None:
        """``unnamed``: no name had to be resolved. When DNS fails nobody has been asked, and nothing is known."""
        self._asked.discard(party)
        heard = outcome.response is not None and outcome.status not in (408, 481)
        if heard or (outcome.status == 503 and not unnamed):
            party.heard = self._clock.monotonic()
        elif outcome.status == 481:
            self._end(call, leg, party, "it does not know the call any more")
        else:
            self._end(call, leg, party, "it does not answer")

    def _exchange(self, method: str, call: Call, party: Leg, other: Leg, cseq: int) -> Exchange | None:
        """A request to a party as if from the other one; None when there is no way to it."""
        try:
            hop = party.office.ways.to(party)
        except (InvalidParameter, SipError):
            return None
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", _named(other)),
            ("To", _named(party)),
            ("Call-ID", call.call_id),
            ("Max-Forwards", str(party.office.directory.general.max_forwards)),
        ]
        exchange = Exchange(method, _target(party), headers, b"", party.endpoint, hop)
        exchange.cseq = cseq
        return exchange

    # ---- ending

    def _end(self, call: Call, leg: Leg, lost: Leg, why: str) -> None:
        """One party of the dialog with ``leg`` is lost: both are told, should the lost one only have been away."""
        if call.state is not CallState.CONFIRMED or leg.tag not in call.legs:
            return
        kept = leg if lost is call.caller else call.caller
        self._forget(call, leg, why, lost=lost.endpoint.name)
        for party, other in ((kept, lost), (lost, kept)):
            bye = self._exchange("BYE", call, party, other, other.cseq + 1)
            if bye is not None:
                party.office.exchanges.start(bye, _whatever)

    def _forget(self, call: Call, leg: Leg, why: str, **more: str) -> None:
        log.info(
            "a call ended without BYE",
            caller=call.caller.endpoint.name,
            called=leg.endpoint.name,
            call_id=call.call_id,
            why=why,
            **more,
        )
        self._calls.hang_up(call, leg)


def _target(leg: Leg) -> str:
    """The Contact of a party, or an address of nobody when it gave none that is a SIP URI: it is reached without."""
    return leg.target if leg.target.startswith(("sip:", "sips:")) else "sip:anonymous@anonymous.invalid"


def _named(leg: Leg) -> str:
    """A party as From or To: by the tags alone a dialog is known (RFC 3261 12)."""
    return f"<{_target(leg)}>;tag={leg.tag}"


def _whatever(outcome: Outcome) -> None:
    """The call is over, whatever is answered to its BYE."""
