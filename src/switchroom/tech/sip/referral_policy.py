"""Who may refer whom to whom (SECURITY.md S15): a REFER outside a dialog that one endpoint sends to another.

A referral makes somebody else's phone call at that phone's expense, so nothing passes that is not plainly allowed: who
refers has shown a password, is referred to is an endpoint or a trunk of ours by nothing but its name, and no more often
than people do it. Inside a dialog a REFER passes with its dialog: there two parties talk, and each may refuse.

Referrals go where calls go, from the endpoints of one SIP technology to those of another, too. Whom a name means then
depends on whose phone calls it: it has to be the same for both.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog

from switchroom.core.security import Offence
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, NoContact
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.authentication import Tell
from switchroom.tech.sip.driver import Driver
from switchroom.tech.sip.limits import MAX_REFERRERS, REFERRAL_WINDOW, REFERRALS_PER_WINDOW
from switchroom.tech.sip.names import Target, latest
from switchroom.tech.sip.proxy.office import Office, in_turn
from switchroom.tech.sip.transports import host_port
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import SIP_SCHEMES, Uri

log = structlog.get_logger(__name__)

#: Passes a request on to targets of one technology; None: its answer comes from there.
Forward = Callable[[RequestReceived, SipEndpointSettings, Office, Sequence[Target]], Answer | None]

#: What a Refer-To may not say of the request it leads to: another method than INVITE, or another way than ours.
_FORBIDDEN_PARAMETERS = ("method", "maddr", "ttl", "lr")


class Refused(Exception):
    """A referral that is not passed on; the text is for the log, ``answer`` for the phone."""

    def __init__(self, reason: str, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.answer = answer or Answer(403)


class Party(NamedTuple):
    """Whom a URI means."""

    office: Office
    endpoint: SipEndpointSettings
    #: A number behind this endpoint is meant, and not the endpoint.
    behind: bool = False

    @property
    def endpoint_id(self) -> EndpointId:
        return EndpointId(self.office.technology, self.endpoint.name)

    def is_same(self, other: Party | None) -> bool:
        return other is not None and (self.endpoint_id, self.behind) == (other.endpoint_id, other.behind)


class Rates:
    """How often each account referred somebody lately."""

    def __init__(self) -> None:
        #: Account to the begin of its window and how many there were in it; the oldest window first.
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, account: str, now: float) -> bool:
        """Counts one; False when there were enough already."""
        began, count = self._windows.get(account, (now, 0))
        if now - began >= REFERRAL_WINDOW:
            del self._windows[account]
            began, count = now, 0
        if count >= REFERRALS_PER_WINDOW:
            return False
        self._windows[account] = (began, count + 1)
        if len(self._windows) > MAX_REFERRERS:
            self._windows.popitem(last=False)
        return True


class ReferralPolicy:
    """Judges each REFER that comes outside a dialog, and has it passed on."""

    def __init__(
        self,
        driver: Driver,
        office: Office,
        offices: Iterable[Office],
        tell: Tell,
        forward: Forward,
    ) -> None:
        """``office`` is the technology that REFERs come in at, one of all ``offices`` of the server."""
        self._driver = driver
        self._office = office
        self._offices = offices
        self._tell = tell
        self._forward = forward
        self._rates = Rates()

    def refer(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        """A REFER of ``endpoint`` outside a dialog: refused, or passed on to one contact (docs/rulings.md 8)."""
        request = incoming.request
        try:
            referred, target = self._judge(incoming, endpoint)
        except Refused as refused:
            self._tell(Offence.REFUSED_REFER_TO, incoming.flow.host, endpoint.name)
            log.info("a referral was refused", endpoint=endpoint.name, reason=str(refused))
            return refused.answer
        answer = self._forward(incoming, endpoint, referred.office, [target])
        if answer is None:
            log.info(
                "a referral is passed on",
                endpoint=endpoint.name,
                target=str(referred.endpoint_id),
                refer_to=str(_refer_to(request)),
            )
        return answer

    def _judge(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> tuple[Party, Target]:
        """Whom it goes to, and to which one contact.

        Raises:
            Refused: it may not pass, or nobody is there.
        """
        request = incoming.request
        if not endpoint.auth or self._driver.trusts(incoming, endpoint):
            raise Refused("no password was shown")
        if not self._rates.take(endpoint.name, incoming.received_at):
            raise Refused("too often", Answer(503, [("Retry-After", str(int(REFERRAL_WINDOW)))], stateless=True))
        referred = self._find(request.uri, self._office)
        if referred is None or referred.behind:
            raise Refused("nobody here is asked", Answer(404))
        self._check_identity(request, endpoint)
        refer_to = _refer_to(request)
        meant = self._meant(refer_to)
        if meant.is_same(referred):
            raise Refused("a phone would call itself")
        if not all(meant.is_same(self._find(refer_to, office)) for office in self._entrances(refer_to, referred)):
            raise Refused("a Refer-To of somebody else for who is referred")
        return referred, self._contact(incoming, referred, loops=referred.endpoint is endpoint)

    def _check_identity(self, request: Request, endpoint: SipEndpointSettings) -> None:
        """Nobody refers in the name of somebody else here (RFC 3892: nothing but our word vouches for it)."""
        for line in request.lines("referred-by"):
            uri = _understood(line)
            if uri.scheme not in SIP_SCHEMES or not uri.user:
                raise Refused("a Referred-By of somebody else")
            named = self._office.directory.by_name(uri.unescaped_user, uri.host)
            if named is not endpoint:
                raise Refused("a Referred-By of somebody else")

    def _meant(self, uri: Uri) -> Party:
        """Whom who refers would reach at a Refer-To: an endpoint, or a number behind a trunk.

        Raises:
            Refused: neither of both, or by more than its name.
        """
        if uri.scheme not in SIP_SCHEMES:
            raise Refused(f"a Refer-To of the scheme {uri.scheme}")
        if uri.headers or uri.password is not None:
            raise Refused("a Refer-To with headers or a password")
        if any(uri.param(name) is not None for name in _FORBIDDEN_PARAMETERS):
            raise Refused("a Refer-To with a parameter that steers")
        ours = any(_is_at(office, uri) for office in self._offices)
        if not ours and not any(office.targets.is_trunk(uri) for office in self._offices):
            raise Refused("a Refer-To outside")
        meant = self._find(uri, self._office)
        if meant is None or (ours and meant.behind):
            raise Refused("a Refer-To of nobody here", Answer(404))
        return meant

    def _entrances(self, uri: Uri, referred: Party) -> list[Office]:
        """Where the call of who is referred may come in: at its own technology, or at the one whose address it has."""
        at = [office for office in self._offices if _is_at(office, uri)]
        return [referred.office] if self._office in at else [referred.office, *at]

    def _find(self, uri: Uri, nearest: Office) -> Party | None:
        """Whom a call to ``uri`` goes to, as ``Proxy.call`` finds it, when it comes in at the ``nearest`` office."""
        for office in in_turn(self._offices, nearest, uri):
            endpoint = office.targets.named(uri)
            if endpoint is not None:
                return Party(office, endpoint)
            if office.targets.is_trunk(uri):
                (trunk,) = office.targets.find(uri, proven=True)
                return Party(office, trunk.endpoint, behind=True)
        return None

    def _contact(self, incoming: RequestReceived, referred: Party, *, loops: bool) -> Target:
        """The latest reachable contact, who refers not among them: one's own other phone may be referred."""
        try:
            targets = referred.office.targets.find(incoming.request.uri, proven=True)
        except NoContact:
            raise Refused("nobody is there", Answer(480)) from None
        except EndpointNotFound:
            raise Refused("nobody here is asked", Answer(404)) from None
        if loops:
            source = host_port(incoming.flow.host, incoming.flow.port)
            targets = [target for target in targets if target.contact is not None and target.contact.address != source]
            if not targets:
                raise Refused("it would come back to who sent it")
        return latest(targets)


def _is_at(office: Office, uri: Uri) -> bool:
    """Whether the host of a URI is this server, by an address or a domain of one of its technologies."""
    return office.transports.names_us(uri) or uri.host in office.directory.settings.domain_aliases


def _refer_to(request: Request) -> Uri:
    """The one Refer-To (RFC 3515 2.1: none or several are 400)."""
    lines = request.lines("refer-to")
    if len(lines) != 1:
        raise Refused("not one Refer-To", Answer(400, (), "One Refer-To Is Needed"))
    return _understood(lines[0])


def _understood(text: str) -> Uri:
    try:
        return parse_name_addr(text).uri
    except SipError as error:
        raise Refused(error.reason, Answer(error.status or 400, (), error.reason)) from error
