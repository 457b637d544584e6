"""The stateful proxy (RFC 3261 16): what is passed on, to whom, and what is written into it.

Three ways in: a request outside any dialog from an endpoint that proved who it is (``call``, ``forward``), a request
inside a dialog that is in the table of calls (``find``, ``pass_on``, ``acknowledged``), and CANCEL. Answers come back
by ``answered``. What bodies and other headers hold is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from switchroom.core.ports import Clock
from switchroom.core.schedule import Schedule
from switchroom.core.tally import Answers
from switchroom.model.endpoint import Contact, EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import Driver
from switchroom.tech.sip.exchange import Exchanges, NextHop, Outcome
from switchroom.tech.sip.limits import MAX_LEG_TEXT, MAX_REDIRECT_CONTACTS, RETRY_AFTER
from switchroom.tech.sip.names import Target, qvalue, request_uri
from switchroom.tech.sip.outbound import is_direct
from switchroom.tech.sip.proxy.branch import Branch, Header, Record
from switchroom.tech.sip.proxy.calls import Call, Calls, CallState, Leg
from switchroom.tech.sip.proxy.context import Means, ResponseContext
from switchroom.tech.sip.proxy.dialogs import CallContext, DialogContext, contact_of
from switchroom.tech.sip.proxy.identity import asserted, withheld
from switchroom.tech.sip.proxy.marks import Marks
from switchroom.tech.sip.proxy.office import Office, in_turn
from switchroom.tech.sip.proxy.passing import Passing, breadth_of, hops, same, strange_routes
from switchroom.tech.sip.proxy.targets import Targets
from switchroom.tech.sip.proxy.ways import Ways
from switchroom.tech.sip.transports import Transports, route_to
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.sanity import check
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.uri import Uri
from switchroom.wire.sip.write import received_vias

#: Requests that make a dialog (RFC 3261 12.1, RFC 6665 4.1.2.4, RFC 3515 2.4.4).
_MAKE_DIALOGS = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


Found = tuple[Call, Leg, Leg]


class Proxy:
    """Passes requests on, and answers back."""

    def __init__(
        self,
        technology: str,
        driver: Driver,
        directory: Directory,
        targets: Targets,
        exchanges: Exchanges,
        transports: Transports,
        stack: Stack,
        calls: Calls,
        offices: list[Office],
        schedule: Schedule,
        clock: Clock,
        marks: Marks,
        token: Callable[[], str],
        answer: Callable[[RequestReceived, Answer], None],
        flush: Callable[[], None],
        answers: Answers,
        *,
        serial: bool,
    ) -> None:
        """``calls`` and ``offices`` are shared by all SIP technologies of the server; ours is added to them.
        ``token`` makes the secret that is our Route in a call, in place of the flow token of RFC 5626 5.3: the flows
        are in the table of calls. ``answer`` and ``flush`` send answers of our own, ``answers`` counts what goes back.
        ``serial``: contacts are called one after another, the preferred first, and not at once.
        """
        self._driver = driver
        self._transports = transports
        self._stack = stack
        self._schedule = schedule
        self._clock = clock
        self._marks = marks
        self._token = token
        self._serial = serial
        self._passing = Passing(directory, transports)
        ways = Ways(exchanges, transports)
        #: Our technology, as calls see it.
        self.office = Office(technology, directory, targets, transports, exchanges, ways, self._passing)
        self._offices = offices
        offices.append(self.office)
        self._means = Means(stack, schedule, clock, answer, flush, answers, directory.general.timer_b)
        self.calls = calls
        #: INVITEs that wait for an answer, by their server transaction.
        self._contexts: dict[str, ResponseContext] = {}

    # ---- outside dialogs

    def call(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        """An INVITE of an endpoint to another one, or to a number behind a trunk."""
        proven = bool(endpoint.auth) and not self._driver.trusts(incoming, endpoint)
        try:
            office, targets = self._find_targets(incoming.request.uri, self.office, proven=proven)
        except NoContact:
            return Answer(480)
        except EndpointNotFound:
            return Answer(404)
        return self.forward(incoming, endpoint, office, targets)

    def _find_targets(self, uri: Uri, nearest: Office, *, proven: bool) -> tuple[Office, list[Target]]:
        """Whom a URI means, and of which technology: of the nearest one, unless nobody there has the name, or it is the
        GRUU of a device elsewhere.

        Raises:
            As ``Targets.find``.
        """
        for office in in_turn(self._offices, nearest, uri):
            try:
                return office, office.targets.find(uri, proven=proven)
            except NoContact:
                raise
            except EndpointNotFound:
                continue
        raise EndpointNotFound

    def forward(
        self, incoming: RequestReceived, endpoint: SipEndpointSettings, office: Office, targets: Sequence[Target]
    ) -> Answer | None:
        """Passes a request outside any dialog on to all targets, which are of the technology ``office``; None: its
        answer comes from there.

        Raises:
            SipError: a header that decides where it goes can not be understood.
        """
        request = incoming.request
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if strange_routes(self._passing.routes_left(request, "", home=True)):
            return Answer(403, (), "No Route There From Here")
        mark = self._marks.loop(request)
        if self._marks.has_looped(request, mark):
            return Answer(482)
        breadth = breadth_of(request)
        if breadth < (1 if self._serial else len(targets)):
            return Answer(440)
        if self.calls.full(EndpointId(self.office.technology, endpoint.name)):
            return Answer(503, [("Retry-After", str(RETRY_AFTER))], stateless=True)
        ways = [(target, hop) for target in targets if (hop := _way_to(target, office)) is not None]
        if not ways:
            return Answer(480)
        self._stack.begin(incoming, incoming.received_at)
        context = self._context(incoming, endpoint)
        context.withheld = withheld(endpoint, (target.endpoint for target, _ in ways))
        share = breadth if self._serial else breadth // len(ways)
        headers = [*hops(request, share), *self._passing.carried(request, endpoint)]
        record = self._record(incoming, context)
        branches = []
        for target, hop in self._ordered(ways):
            identity = asserted(request, endpoint, target.endpoint, hop)
            branch = _branch(context, office, target, hop, [*headers, *identity])
            branch.mark, branch.record = mark, record
            branches.append(branch)
        if request.method == "INVITE":
            self._contexts[incoming.transaction] = context
            context.released = self._release
        context.begin(branches, serial=self._serial)
        return None

    def _refusal(self, request: Request) -> Answer | None:
        """RFC 3261 16.3 steps 3 and 5."""
        if request.max_forwards == 0:
            return Answer(483)
        required = request.all("proxy-require")
        return Answer(420, [("Unsupported", ", ".join(required))]) if required else None

    def _ordered(self, ways: list[tuple[Target, NextHop]]) -> list[tuple[Target, NextHop]]:
        """One after another: the preferred first, of equals the latest (docs/rulings.md 8)."""
        if not self._serial:
            return ways
        return sorted(ways, key=lambda way: _preference(way[0].contact))

    def _context(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> ResponseContext:
        request, flow = incoming.request, incoming.flow
        vias = received_vias(request, flow.host, flow.port)
        if request.method not in _MAKE_DIALOGS:
            return ResponseContext(self._means, incoming, vias)
        caller = Leg(self.office, endpoint, request.from_.tag or "", flow, incoming.received_at)
        caller.contact = contact_of(request)
        caller.routes = tuple(request.all("record-route"))
        if sum(map(len, caller.routes)) > MAX_LEG_TEXT:
            raise SipError(400, "Record-Route Too Long")
        caller.direct = is_direct(incoming)
        caller.follows_contact = self.office.directory.by_source(flow.host, flow.port) == endpoint.name
        caller.cseq = request.cseq.number
        call = Call(request.method, request.call_id, caller, self._token(), incoming.received_at)
        self.calls.open(call)
        return CallContext(self._means, incoming, vias, self.calls, call, partial(self._redirected, set()))

    def _record(self, incoming: RequestReceived, context: ResponseContext) -> Record | None:
        if not isinstance(context, CallContext):
            return None
        scheme = "sips" if incoming.request.uri.scheme == "sips" else "sip"
        arrived = self._transports.listeners.get(incoming.flow.local)
        if arrived is None:
            return None
        token = context.call.token
        return token, scheme, route_to(token, scheme, arrived, incoming.flow.host)

    def _redirected(self, seen: set[str], context: CallContext, branch: Branch, response: Response) -> list[Branch]:
        """Branches to the contacts of a 3xx (16.7 step 4), where the endpoint's settings allow it: endpoints and trunks
        of ours alone, each once.
        """
        request = context.incoming.request
        if request.method != "INVITE" or "invite" not in branch.endpoint.follow_redirect_methods:
            return []
        seen.add(branch.target)
        found = []
        try:
            contacts = sorted(response.contacts, key=qvalue, reverse=True)
            caller = context.call.caller.endpoint
            headers = [*hops(request, 1), *self._passing.carried(request, caller)]
            for contact in contacts[:MAX_REDIRECT_CONTACTS]:
                office, targets = self._find_targets(contact.uri, branch.office, proven=True)
                for target in targets:
                    hop = _way_to(target, office)
                    if hop is None or len(seen) >= MAX_REDIRECT_CONTACTS:
                        continue
                    identity = asserted(request, caller, target.endpoint, hop)
                    further = _branch(context, office, target, hop, [*headers, *identity])
                    if further.target not in seen:
                        seen.add(further.target)
                        further.mark, further.record = branch.mark, branch.record
                        found.append(further)
        except (SipError, EndpointNotFound):
            return found
        return found

    def _release(self, context: ResponseContext) -> None:
        self._contexts.pop(context.incoming.transaction, None)

    # ---- inside dialogs

    def find(self, request: Request, flow: Flow) -> Found | None:
        """The dialog a request is in, when it comes from a party of it: from where that party speaks, or with the Route
        we gave it (SECURITY.md S14).
        """
        candidates = list(self.calls.find(request))
        for found in candidates:
            if found[1].flow == flow:
                return found
        for found in candidates:
            sender = found[1].flow
            if not (flow.reliable or sender.reliable) and sender.host == flow.host:
                return found
        if candidates:
            shown = _top_route_user(request)
            for found in candidates:
                if same(shown, found[0].token):
                    return found
        return None

    def pass_on(self, found: Found, incoming: RequestReceived) -> Answer | None:
        """A request inside a dialog goes to the other party, wherever its Request-URI says; None: the answer comes from
        there.
        """
        request = incoming.request
        try:
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
            if request.method == "REFER" and not _talk(found):
                # Judged only where it makes the dialog, by ``referral_policy`` (SECURITY.md S15).
                return Answer(403, (), "Nobody Has Answered Yet")
            branch = self._within(found, request, incoming.flow)
        except SipError as error:
            return Answer(error.status or 400, (), error.reason)
        except InvalidParameter:
            return Answer(430)
        self._stack.begin(incoming, incoming.received_at)
        context = DialogContext(self._means, incoming, branch.vias, self.calls, found)
        context.withheld = withheld(found[1].endpoint, [found[2].endpoint])
        branch.context = context
        if request.method == "INVITE":
            self._contexts[incoming.transaction] = context
            context.released = self._release
        context.begin([branch])
        return None

    def acknowledged(self, request: Request, flow: Flow) -> None:
        """The ACK to a 2xx goes the way of its dialog, and nobody answers it."""
        if check(request) is not None or request.max_forwards == 0:
            return
        found = self.find(request, flow)
        if found is None:
            return
        try:
            branch = self._within(found, request, flow)
        except (SipError, InvalidParameter):
            return
        branch.office.exchanges.start(branch, _ignore)

    def _within(self, found: Found, request: Request, flow: Flow) -> Branch:
        """The request as it goes on to the other party.

        Raises:
            SipError: 403: a Route that is not of this dialog; 400: one that can not be understood.
            InvalidParameter: the other party can not be reached any more.
        """
        call, sender, receiver = found
        routes = self._passing.routes_left(request, call.token)
        if strange_routes(routes, receiver.routes):
            raise SipError(403, "A Route Outside The Dialog")
        office = receiver.office
        hop = office.ways.to(receiver)
        sender.heard = self._clock.monotonic()
        sender.cseq = max(sender.cseq, request.cseq.number)
        if sender.flow != flow and call.state is CallState.CONFIRMED and sender.office is self.office:
            # Not while phones ring: whoever of them does not answer knows as much as who does. And not to another
            # technology, whose settings are not meant for it.
            self.calls.move(call, sender, flow)
        target = request.target
        if target not in receiver.contact and receiver.uri is not None and self._transports.names_us(request.uri):
            target = receiver.target
        vias = received_vias(request, flow.host, flow.port)
        headers = [*hops(request, 0), *sender.office.passing.carried(request, sender.endpoint)]
        return Branch(request.method, target, vias, headers, request.body, office, receiver.endpoint, hop, None)

    # ---- ends

    def cancel(self, incoming: RequestReceived) -> Answer:
        """CANCEL is answered at once, and sent to all that still ring (RFC 3261 16.10)."""
        if not incoming.cancels:
            return Answer(481, stateless=True)
        context = self._contexts.get(incoming.cancels)
        if context is not None:
            if context.incoming.flow.host != incoming.flow.host:
                return Answer(481, stateless=True)
            context.cancel()
        return Answer(200)

    def answered(self, branch: Branch, response: Response, flow: Flow) -> None:
        """An answer to a request that was passed on."""
        context = branch.context
        if context is None:
            return
        if response.status < 200:
            context.provisional(branch, response, flow)
        else:
            if response.status < 300:
                context.success(branch, response, flow)
            branch.office.exchanges.answered(branch, response)
        context.flush_after(self._means)

    def disconnected(self, flow: Flow) -> None:
        """A connection is closed: who waited on it for the answer to an INVITE can not be given it any more, so nobody
        needs to ring. Calls that were answered are looked after by ``liveness``.
        """
        for context in [context for context in self._contexts.values() if context.incoming.flow == flow]:
            context.cancel()


def _ignore(outcome: Outcome) -> None:
    """Nobody waits for what becomes of an ACK."""


def _way_to(target: Target, office: Office) -> NextHop | None:
    try:
        return office.exchanges.route(target.endpoint, target.uri, target.contact)
    except InvalidParameter:
        return None


def _branch(
    context: ResponseContext, office: Office, target: Target, hop: NextHop, headers: Sequence[Header]
) -> Branch:
    request, endpoint = context.incoming.request, target.endpoint
    uri = request_uri(target.uri, endpoint)
    branch = Branch(request.method, uri, context.vias, headers, request.body, office, endpoint, hop, context)
    branch.contact = target.contact
    return branch


def _talk(found: Found) -> bool:
    """Whether two people talk in this dialog: somebody was called, and took the call."""
    call, sender, receiver = found
    return call.method == "INVITE" and (receiver if sender is call.caller else sender).confirmed


def _top_route_user(request: Request) -> str:
    try:
        routes = request.all("route")
        return parse_name_addr(routes[0]).uri.user or "" if routes else ""
    except SipError:
        return ""


def _preference(contact: Contact | None) -> tuple[float, float]:
    return (-contact.q, -contact.registered) if contact is not None else (0.0, 0.0)
