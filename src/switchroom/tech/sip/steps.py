"""What happens to a request that came in, step by step; the order is the security model.

sanity, acl, dialog, identify, authenticate, dispatch: each step either answers or lets the next one see
the request. A stranger gets no further than ``authenticate`` and learns nothing there.
"""

from __future__ import annotations

from collections.abc import Callable

from switchroom.core.access import permits
from switchroom.core.ports import Clock
from switchroom.core.security import Offence
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.answer import ALLOW, ALLOW_CALLS, Answer
from switchroom.tech.sip.authentication import Authenticator, Proof, Tell
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.driver import Driver
from switchroom.tech.sip.overload import Overload
from switchroom.tech.sip.proxy.proxy import Proxy
from switchroom.tech.sip.referring import Referring
from switchroom.tech.sip.registrar import Registrar
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.sanity import check

#: What we know but do not do. 489 as there is no event package (RFC 6665), 481 as there is no dialog.
_REFUSALS = {
    "SUBSCRIBE": Answer(489, [("Allow-Events", "refer")]),
    "PUBLISH": Answer(489, [("Allow-Events", "refer")]),
    "BYE": Answer(481),
    "CANCEL": Answer(481),
    "UPDATE": Answer(481),
    "PRACK": Answer(481),
    "NOTIFY": Answer(481),
}
_UNDERSTOOD_OPTIONS = frozenset({"path", "outbound", "gruu"})

Handler = Callable[[RequestReceived, SipEndpointSettings], Answer | None]


class Steps:
    """The walk of one request to its answer; None means that the answer comes later, or never (ACK)."""

    def __init__(
        self,
        driver: Driver,
        directory: Directory,
        authenticator: Authenticator,
        registrar: Registrar,
        referring: Referring,
        message: Handler,
        proxy: Proxy,
        refer: Handler,
        overload: Overload,
        clock: Clock,
        tell: Tell,
        *,
        calls: bool,
    ) -> None:
        """``calls``: whether they pass between endpoints."""
        self._driver = driver
        self._directory = directory
        self._authenticator = authenticator
        self._registrar = registrar
        self._referring = referring
        self._overload = overload
        self._clock = clock
        self._tell = tell
        self._proxy = proxy
        self._allow = ("Allow", ALLOW_CALLS if calls else ALLOW)
        #: What is passed on, so that others decide on what it requires, and a proxy asks who sends it (RFC 3261 22.3).
        self._passing = frozenset({"INVITE"}) if calls else frozenset()
        self._handlers: dict[str, Handler] = {
            "REGISTER": self._register,
            "MESSAGE": message,
            "OPTIONS": self._options,
            "INVITE": proxy.call if calls else self._no_calls,
            "REFER": refer if calls else self._no_calls,
        }

    def walk(self, incoming: RequestReceived) -> Answer | None:
        """The answer to a request; never raises for anything that came from the network."""
        request = incoming.request
        fault = check(request)
        if fault is not None:
            return None if request.method == "ACK" else Answer(fault.status, (), fault.reason, stateless=True)
        if request.method == "ACK":
            return None
        if not permits(self._directory.source_rules, incoming.flow.host):
            self._tell(Offence.SOURCE_REFUSED, incoming.flow.host, "")
            return Answer(403, stateless=True)
        if request.method == "CANCEL":
            # RFC 3261 22.1: it can not be challenged.
            return self._proxy.cancel(incoming)
        if request.to.tag:
            # Inside a dialog of ours its tags are proof enough: both are beyond guessing.
            found = self._referring.find(request)
            if found is not None:
                return self._referring.receive(found, incoming)
            dialog = self._proxy.find(request, incoming.flow)
            if dialog is not None:
                return self._proxy.pass_on(dialog, incoming)
        endpoint = self._driver.identify(incoming)
        answer = self._authenticate(incoming, endpoint)
        if answer is not None or endpoint is None:
            return answer
        flow = incoming.flow
        if not flow.reliable:
            self._overload.proven.add(flow.host, flow.port, incoming.received_at)
        return self._dispatch(incoming, endpoint)

    def _authenticate(self, incoming: RequestReceived, endpoint: SipEndpointSettings | None) -> Answer | None:
        if endpoint is not None and self._driver.trusts(incoming, endpoint):
            return None
        proof = self._authenticator.prove(incoming, endpoint, incoming.received_at)
        if proof is Proof.PROVEN:
            return None
        status, header = (401, "WWW-Authenticate")
        if incoming.request.method in self._passing:
            status, header = (407, "Proxy-Authenticate")
        headers = self._authenticator.challenges(
            endpoint, incoming, incoming.received_at, stale=proof is Proof.STALE, header=header
        )
        return Answer(status, headers, stateless=True)

    def _dispatch(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer | None:
        request = incoming.request
        try:
            unsupported = [tag for tag in request.all("require") if tag and tag.lower() not in _UNDERSTOOD_OPTIONS]
            if unsupported and request.method not in self._passing:
                return Answer(420, [("Unsupported", ", ".join(unsupported))])
            if request.to.tag:
                return Answer(481)
            handler = self._handlers.get(request.method)
            if handler is None:
                return _REFUSALS.get(request.method) or Answer(501, [self._allow])
            return handler(incoming, endpoint)
        except SipError as error:
            # A header that nobody had to look at before can not be understood.
            return Answer(error.status or 400, (), error.reason)

    def _no_calls(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer:
        return Answer(405, [self._allow])

    def _register(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer:
        return self._registrar.register(incoming, endpoint, incoming.received_at, self._clock.wall())

    def _options(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> Answer:
        """RFC 3261 11.2, for us and for every name: who may ask has been proven already."""
        uri = incoming.request.uri
        if uri.user is not None and self._directory.by_name(uri.unescaped_user, uri.host) is None:
            return Answer(404)
        return Answer(
            200,
            [
                ("Accept", "text/plain"),
                self._allow,
                ("Supported", "path, outbound, gruu, norefersub"),
                ("Accept-Encoding", "identity"),
                ("Accept-Language", "en"),
            ],
        )
