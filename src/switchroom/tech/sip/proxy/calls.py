"""Calls that pass through us: who is in each, where they are, and how far it got.

A ``Call`` is what one request that makes a dialog leads to: one caller, and a ``Leg`` for every answer with a tag of
its own (forks make several). A request inside a dialog is looked up by Call-ID and both tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache

from switchroom.core.channels import Channels, ChannelState
from switchroom.model.endpoint import EndpointId
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.limits import CONTACTS_OF_CALLS, MAX_CALLS, MAX_CALLS_OF_ONE, MAX_LEGS
from switchroom.tech.sip.proxy.office import Office
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import Uri


class CallState(Enum):
    """How far a call is."""

    #: No 2xx yet: what there are of dialogs are early.
    EARLY = "early"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Leg:
    """One party of a dialog: who it is and how it is reached."""

    __slots__ = (
        "confirmed",
        "contact",
        "cseq",
        "direct",
        "endpoint",
        "flow",
        "follows_contact",
        "heard",
        "office",
        "routes",
        "tag",
    )

    def __init__(self, office: Office, endpoint: SipEndpointSettings, tag: str, flow: Flow, heard: float) -> None:
        #: The technology it speaks to.
        self.office = office
        self.endpoint = endpoint
        self.tag = tag
        #: Where it spoke from, or was spoken to.
        self.flow = flow
        #: When something of the dialog came from it last, monotonic seconds.
        self.heard = heard
        #: Its Contact, as written; empty: not known.
        self.contact = ""
        #: The route set towards it that lies behind us, the nearest first.
        self.routes: tuple[str, ...] = ()
        #: The number of the last request from it; 0: none came.
        self.cseq = 0
        #: Nobody stands between us and the phone.
        self.direct = True
        #: It is where its Contact says (a trunk), and not where it speaks from.
        self.follows_contact = False
        #: Of a called one: it answered with 2xx.
        self.confirmed = False

    @property
    def party(self) -> EndpointId:
        """Whose leg it is."""
        return EndpointId(self.office.technology, self.endpoint.name)

    @property
    def uri(self) -> Uri | None:
        """The remote target of the other side: the URI of its Contact; None when it is none that can be used."""
        return _contact_uri(self.contact)

    @property
    def target(self) -> str:
        """The same as text, empty for none."""
        return str(self.uri or "")


@lru_cache(maxsize=CONTACTS_OF_CALLS)
def _contact_uri(contact: str) -> Uri | None:
    try:
        return parse_name_addr(contact).uri if contact else None
    except SipError:
        return None


class Call:
    """One call, until nothing is left of it."""

    __slots__ = (
        "call_id",
        "caller",
        "channel",
        "channels",
        "hung_up",
        "legs",
        "method",
        "pending",
        "session_expires",
        "started",
        "state",
        "token",
    )

    def __init__(self, method: str, call_id: str, caller: Leg, token: str, started: float) -> None:
        """``token`` is the user part of our Record-Route in it."""
        self.method = method
        self.call_id = call_id
        self.caller = caller
        self.token = token
        self.started = started
        self.state = CallState.EARLY
        #: Called parties by their tag.
        self.legs: dict[str, Leg] = {}
        #: Tags of dialogs that were ended: a 2xx that comes again makes none of them anew.
        self.hung_up: set[str] = set()
        #: The caller's channel, and those of the called endpoints.
        self.channel = ""
        self.channels: dict[EndpointId, str] = {}
        #: Whether its first request still has no final answer.
        self.pending = True
        #: Seconds of Session-Expires in the last 2xx (RFC 4028), 0: none.
        self.session_expires = 0

    @property
    def confirmed_legs(self) -> list[Leg]:
        """The called parties that answered; usually one."""
        return [leg for leg in self.legs.values() if leg.confirmed]


class Calls:
    """All calls, of all SIP technologies, and their channels."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        #: By Call-ID and the caller's tag. More than one where a call passes through us several times (a spiral).
        self._calls: dict[tuple[str, str], list[Call]] = {}
        self._by_flow: dict[Flow, set[Call]] = {}
        self._count = 0
        #: Calls by who makes them.
        self._of: Counter[EndpointId] = Counter()
        #: Told of every call that is answered, and of every one that ends.
        self.confirmed: Callable[[], None] = lambda: None
        self.ended: Callable[[Call], None] = lambda call: None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Call]:
        for calls in list(self._calls.values()):
            yield from list(calls)

    def full(self, caller: EndpointId) -> bool:
        """Whether the endpoint can not make another call now."""
        return self._count >= MAX_CALLS or self._of[caller] >= MAX_CALLS_OF_ONE

    def open(self, call: Call) -> None:
        self._calls.setdefault((call.call_id, call.caller.tag), []).append(call)
        self._count += 1
        self._of[call.caller.party] += 1
        self._tie(call, call.caller.flow)

    def find(self, request: Request) -> Iterator[tuple[Call, Leg, Leg]]:
        """The calls whose dialog a request is in (RFC 3261 12.2.2), with the sender's leg and the receiver's."""
        call_id, from_tag, to_tag = request.call_id, request.from_.tag or "", request.to.tag or ""
        for call in self._calls.get((call_id, from_tag), ()):
            leg = call.legs.get(to_tag)
            if leg is not None:
                yield call, call.caller, leg
        for call in self._calls.get((call_id, to_tag), ()):
            leg = call.legs.get(from_tag)
            if leg is not None:
                yield call, leg, call.caller

    # ---- how a call goes on

    def leg(
        self, call: Call, office: Office, endpoint: SipEndpointSettings, tag: str, flow: Flow, now: float
    ) -> Leg | None:
        """The leg of a called party that answered with this tag, made when it is new. Of too many the oldest that did
        not answer with 2xx is forgotten; None when all did.
        """
        leg = call.legs.get(tag)
        if leg is not None:
            return leg
        if len(call.legs) >= MAX_LEGS:
            early = next((leg for leg in call.legs.values() if not leg.confirmed), None)
            if early is None:
                return None
            self._drop(call, early)
        leg = call.legs[tag] = Leg(office, endpoint, tag, flow, now)
        self._tie(call, flow)
        return leg

    def ring(self, call: Call, endpoint: EndpointId) -> None:
        """A called endpoint gave its first provisional answer: both sides have a channel now."""
        if call.state is CallState.ENDED or call.method != "INVITE":
            return
        if not call.channel:
            call.channel = self._channels.open(call.caller.party, ChannelState.CALLING)
        if endpoint not in call.channels:
            call.channels[endpoint] = self._channels.open(endpoint, ChannelState.RINGING)

    def confirm(self, call: Call, leg: Leg) -> None:
        """A called party answered with 2xx. A call that seemed over is one again: the 2xx crossed a CANCEL."""
        if leg.confirmed or leg.tag in call.hung_up or len(call.hung_up) >= MAX_LEGS:
            return
        if call.state is CallState.ENDED:
            call.state = CallState.EARLY
            self.open(call)
            self._tie(call, leg.flow)
        leg.confirmed = True
        call.state = CallState.CONFIRMED
        self.confirmed()
        if call.method == "INVITE":
            self.ring(call, leg.party)
            self._channels.turn(call.channel, ChannelState.UP)
            self._channels.turn(call.channels[leg.party], ChannelState.UP)

    def silence(self, call: Call, endpoint: EndpointId) -> None:
        """A called endpoint rings no longer, and did not answer."""
        if not any(leg.confirmed and leg.party == endpoint for leg in call.legs.values()):
            channel = call.channels.pop(endpoint, "")
            if channel:
                self._channels.close(channel)

    def hang_up(self, call: Call, leg: Leg) -> None:
        """The dialog with one called party is over; the call, when it was the last one."""
        if leg.tag not in call.legs:
            return
        self._drop(call, leg)
        if len(call.hung_up) < MAX_LEGS:
            call.hung_up.add(leg.tag)
        self.silence(call, leg.party)
        self.settle(call)

    def settle(self, call: Call) -> None:
        """The call is over when nobody is asked any more and nobody has answered. When nobody is asked any more, early
        dialogs are over in any case (RFC 3261 12.3).
        """
        if call.pending:
            return
        for leg in [leg for leg in call.legs.values() if not leg.confirmed]:
            self._drop(call, leg)
        if not call.legs:
            self.end(call)

    def end(self, call: Call) -> None:
        """Nothing is left of the call; harmless when repeated."""
        if call.state is CallState.ENDED:
            return
        call.state = CallState.ENDED
        key = (call.call_id, call.caller.tag)
        self._calls[key].remove(call)
        if not self._calls[key]:
            del self._calls[key]
        self._count -= 1
        caller = call.caller.party
        self._of[caller] -= 1
        if not self._of[caller]:
            del self._of[caller]
        for leg in (call.caller, *call.legs.values()):
            self._untie(call, leg.flow)
        for channel in (call.channel, *call.channels.values()):
            if channel:
                self._channels.close(channel)
        call.channel = ""
        call.channels.clear()
        self.ended(call)

    # ---- connections

    def move(self, call: Call, leg: Leg, flow: Flow) -> None:
        """A party speaks from elsewhere now."""
        before, leg.flow = leg.flow, flow
        if all(other.flow != before for other in (call.caller, *call.legs.values())):
            self._untie(call, before)
        self._tie(call, flow)

    def on_flow(self, flow: Flow) -> list[Call]:
        """The calls of which a party is on this connection."""
        return list(self._by_flow.get(flow, ()))

    def _drop(self, call: Call, leg: Leg) -> None:
        """A called party is none any more; others may be on the same connection."""
        del call.legs[leg.tag]
        if all(other.flow != leg.flow for other in (call.caller, *call.legs.values())):
            self._untie(call, leg.flow)

    def _tie(self, call: Call, flow: Flow) -> None:
        if flow.reliable and call.state is not CallState.ENDED:
            self._by_flow.setdefault(flow, set()).add(call)

    def _untie(self, call: Call, flow: Flow) -> None:
        calls = self._by_flow.get(flow)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._by_flow[flow]
