"""Who may refer whom to whom (SECURITY.md S15): a REFER outside a dialog that one endpoint sends to another.

A referral makes somebody else's phone call at that phone's expense, so nothing passes that is not plainly allowed: who
refers has shown a password, is referred to is an endpoint or a trunk of ours by nothing but its name, and no more often
than people do it. Inside a dialog a REFER passes with its dialog: there two parties talk, and each may refuse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from switchroom.core.security import Offence
from switchroom.model.errors import EndpointNotFound, NoContact
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.authentication import Tell
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import Driver
from switchroom.tech.sip.limits import MAX_REFERRERS, REFERRAL_WINDOW, REFERRALS_PER_WINDOW
from switchroom.tech.sip.names import Target, latest
from switchroom.tech.sip.proxy.targets import Targets
from switchroom.tech.sip.transports import Transports, host_port
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import SIP_SCHEMES, Uri

log = structlog.get_logger(__name__)

#: Passes a request on to targets; None: its answer comes from there.
Forward = Callable[[RequestReceived, SipEndpointSettings, Sequence[Target]], Answer | None]

#: What a Refer-To may not say of the request it leads to: another method than INVITE, or another way than ours.
_FORBIDDEN_PARAMETERS = ("method", "maddr", "ttl", "lr")


class Refused(Exception):
    """A referral that is not passed on; the text is for the log, ``answer`` for the phone."""

    def __init__(self, reason: str, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.answer = answer or Answer(403)


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
        directory: Directory,
        targets: Targets,
        transports: Transports,
        tell: Tell,
        forward: Forward,
    ) -> None:
        self._driver = driver
        self._directory = directory
        self._targets = targets
        self._transports = transports
        self._tell = tell
        self._forward = forward
        self._rates = Rates()

    def refer(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        """A REFER of ``endpoint`` outside a dialog: refused, or passed on to one contact (docs/rulings.md 8)."""
        request = incoming.request
        try:
            target = self._judge(incoming, endpoint)
        except Refused as refused:
            self._tell(Offence.REFUSED_REFER_TO, incoming.flow.host, endpoint.name)
            log.info("a referral was refused", endpoint=endpoint.name, reason=str(refused))
            return refused.answer
        answer = self._forward(incoming, endpoint, [target])
        if answer is None:
            log.info(
                "a referral is passed on",
                endpoint=endpoint.name,
                target=target.endpoint.name,
                refer_to=str(_refer_to(request)),
            )
        return answer

    def _judge(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Target:
        """The one contact it goes to.

        Raises:
            Refused: it may not pass, or nobody is there.
        """
        request = incoming.request
        if not endpoint.auth or self._driver.trusts(incoming, endpoint):
            raise Refused("no password was shown")
        if not self._rates.take(endpoint.name, incoming.received_at):
            raise Refused("too often", Answer(503, [("Retry-After", str(int(REFERRAL_WINDOW)))], stateless=True))
        referred = self._named(request.uri)
        if referred is None:
            raise Refused("nobody here is asked", Answer(404))
        self._check_identity(request, endpoint)
        refer_to = _refer_to(request)
        if self._meant(refer_to) is referred:
            raise Refused("a phone would call itself")
        return self._contact(incoming, loops=referred is endpoint)

    def _check_identity(self, request: Request, endpoint: SipEndpointSettings) -> None:
        """Nobody refers in the name of somebody else here (RFC 3892: nothing but our word vouches for it)."""
        for line in request.lines("referred-by"):
            uri = _understood(line)
            if uri.scheme not in SIP_SCHEMES or not uri.user:
                raise Refused("a Referred-By of somebody else")
            named = self._directory.by_name(uri.unescaped_user, uri.host)
            if named is not endpoint:
                raise Refused("a Referred-By of somebody else")

    def _meant(self, uri: Uri) -> SipEndpointSettings | None:
        """The endpoint a Refer-To leads to; None for a number behind a trunk.

        Raises:
            Refused: neither of both, or by more than its name.
        """
        if uri.scheme not in SIP_SCHEMES:
            raise Refused(f"a Refer-To of the scheme {uri.scheme}")
        if uri.headers or uri.password is not None:
            raise Refused("a Refer-To with headers or a password")
        if any(uri.param(name) is not None for name in _FORBIDDEN_PARAMETERS):
            raise Refused("a Refer-To with a parameter that steers")
        if self._transports.names_us(uri) or uri.host in self._directory.settings.domain_aliases:
            named = self._named(uri)
            if named is None:
                raise Refused("a Refer-To of nobody here", Answer(404))
            return named
        if not self._targets.is_trunk(uri):
            raise Refused("a Refer-To outside")
        return None

    def _named(self, uri: Uri) -> SipEndpointSettings | None:
        """The endpoint a URI at this server names, or one of its devices (RFC 5627)."""
        device = self._driver.names.device(uri)
        if device is not None:
            return device.endpoint
        return self._directory.by_name(uri.unescaped_user, uri.host) if uri.user else None

    def _contact(self, incoming: RequestReceived, *, loops: bool) -> Target:
        """The latest reachable contact, who refers not among them: one's own other phone may be referred."""
        try:
            targets = self._targets.find(incoming.request.uri, proven=True)
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
