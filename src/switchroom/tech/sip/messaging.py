"""MESSAGE (RFC 3428): texts to phones, and texts from phones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from switchroom.core.ports import Reports
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, ReceivedText, TextMessage
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.limits import MAX_DATAGRAM
from switchroom.tech.sip.names import Names, Target
from switchroom.tech.sip.transports import host_port
from switchroom.tech.sip.variables import headers_from
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import CANONICAL, NameAddr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import Uri

#: Left out of what apps see (charter ruling 14).
_CREDENTIALS = ("authorization", "proxy-authorization")


class Messaging:
    """Texts out: planned, then delivered to each contact."""

    def __init__(
        self,
        technology: str,
        directory: Directory,
        names: Names,
        exchanges: Exchanges,
        reports: Reports,
        token: Callable[[], str],
        fork: str,
    ) -> None:
        """``fork``: ``all`` contacts at once, or ``first``: the best, the next when it fails."""
        self._technology = technology
        self._directory = directory
        self._names = names
        self._exchanges = exchanges
        self._reports = reports
        self._token = token
        self._fork = fork

    def plan(self, message: TextMessage) -> list[Delivery]:
        """One delivery for each contact (ruling 8); see ``core.ports.Technology.plan``."""
        extra, media_type = headers_from(message.headers)
        targets = self._names.destination(message.destination, by_name=message.by_name)
        body = message.body.encode("utf-8", "replace")
        planned = []
        refused: InvalidParameter | None = None
        for target in targets:
            try:
                planned.append((target, self._exchange(message, target, extra, media_type, body)))
            except InvalidParameter as error:
                if target.contact is None or len(targets) == 1:
                    raise
                refused = error
        if not planned:
            raise EndpointNotFound(f"Endpoint not found: {refused}")
        if self._fork == "first":
            planned.sort(key=lambda p: (-p[0].contact.q, -p[0].contact.registered) if p[0].contact else (0.0, 0.0))
            return [self._delivery(message, planned[0][0], 0, [exchange for _, exchange in planned])]
        return [self._delivery(message, target, i, [exchange]) for i, (target, exchange) in enumerate(planned)]

    def _exchange(
        self,
        message: TextMessage,
        target: Target,
        extra: Sequence[tuple[str, str]],
        media_type: str | None,
        body: bytes,
    ) -> Exchange:
        endpoint = target.endpoint
        hop = self._exchanges.route(endpoint, target.uri, target.contact)
        sender = self._names.sender(message.sender, endpoint, hop.listener.own_host(hop.host))
        general = self._directory.general
        uri = request_uri(target.uri, endpoint)
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", f"{sender};tag={self._token()}"),
            ("To", str(to_header(target))),
            ("Call-ID", self._token()),
            *extra,
            ("Max-Forwards", str(general.max_forwards)),
            ("User-Agent", general.user_agent),
            ("Content-Type", media_type or "text/plain"),
        ]
        size = len(body) + len(uri) + sum(len(name) + len(value) * 4 + 4 for name, value in headers)
        if size > MAX_DATAGRAM and hop.listener.protocol == "udp":
            raise InvalidParameter("the message does not fit a UDP datagram")
        return Exchange("MESSAGE", uri, headers, body, endpoint, hop)

    def _delivery(self, message: TextMessage, target: Target, index: int, exchanges: list[Exchange]) -> Delivery:
        known = target.endpoint.name if target.contact is not None else None
        return Delivery(
            id=f"{message.id}.{index}",
            message=message,
            endpoint=EndpointId(self._technology, known) if known else None,
            contact=exchanges[0].target,
            route=exchanges,
        )

    def deliver(self, delivery: Delivery) -> None:
        """Sends to the first exchange of the route; the rest are tried when it fails (``fork = first``)."""
        exchanges = delivery.route
        assert isinstance(exchanges, list)
        self._exchanges.start(exchanges[0], partial(self._ended, delivery, exchanges, 0))

    def _ended(self, delivery: Delivery, exchanges: list[Exchange], index: int, outcome: Outcome) -> None:
        following = index + 1
        if not outcome.success and following < len(exchanges):
            self._exchanges.start(exchanges[following], partial(self._ended, delivery, exchanges, following))
            return
        self._reports.delivery(
            DeliveryReport(
                delivery=delivery,
                state=DeliveryState.DELIVERED if outcome.success else DeliveryState.FAILED,
                status_code=outcome.status,
                reason=outcome.reason,
            )
        )


def request_uri(uri: Uri, endpoint: SipEndpointSettings) -> str:
    """The Request-URI for a target: its own parameters stay, embedded headers do not (RFC 3261 19.1.5)."""
    if uri.headers:
        uri = uri.replace(headers="")
    if endpoint.user_eq_phone and uri.user and uri.user.removeprefix("+").isdigit() and uri.param("user") is None:
        uri = uri.replace(params=(*uri.params, ("user", "phone")))
    return str(uri)


def to_header(target: Target) -> NameAddr:
    """The To header of a request to ``target``: no port, no parameters (spec/sip.md 1.5)."""
    uri = target.uri
    return NameAddr(target.display, Uri("sip", uri.user, None, uri.host, None), {})


# ---- texts that come in


def received_text(incoming: RequestReceived, endpoint: SipEndpointSettings) -> ReceivedText:
    """What apps see of a text (spec/ari-http.md 3.4, with charter rulings 13 and 14)."""
    request = incoming.request
    flow = incoming.flow
    variables = {"PJSIP_RECVADDR": host_port(flow.host, flow.port), "PJSIP_TRANSPORT": flow.transport}
    if endpoint.callerid_name:
        variables["PJSIP_ENDPOINT"] = endpoint.callerid_name
    names: dict[str, str] = {}
    for key, name, value in request.fields:
        if key in _CREDENTIALS or not value:
            continue
        shown = names.setdefault(key, CANONICAL.get(key, name))
        variables[shown] = printable(value)
    variables["Via"] = printable(_via_as_received(request.vias_raw[0], flow.host, flow.port))
    body = request.body.decode("utf-8", "replace").rstrip("\r\n")
    return ReceivedText(_sender(request.from_), _destination(request), body, variables)


def _via_as_received(value: str, host: str, port: int) -> str:
    """The topmost Via with what the packet's source adds to it (RFC 3581 4)."""
    first, _, rest = value.partition(";")
    kept = [p for p in rest.split(";") if p and p.partition("=")[0].strip().lower() not in ("rport", "received")]
    return ";".join([first, f"rport={port}", f"received={host}", *kept])


def _sender(sender: NameAddr) -> str:
    uri = sender.uri
    display = "".join(" " if ch < " " else ch for ch in sender.display)
    if uri.scheme == "tel":
        address = str(uri)
    else:
        user = f"{uri.user}@" if uri.user is not None else ""
        address = f"{uri.scheme}:{user}{uri.host}"
    quoted = '"{}" '.format(display.replace("\\", "\\\\").replace('"', '\\"')) if display else ""
    return printable(f"{quoted}<{address}>")


def _destination(request: Request) -> str:
    """The To header as a message URI: ``pjsip:user@host``, without port and header parameters."""
    to = request.to
    uri = to.uri
    if uri.scheme == "tel":
        return printable(f"pjsip:{uri}")
    bare = str(uri.replace(port=None))
    if to.display:
        return printable(f"pjsip:{NameAddr(to.display, uri.replace(port=None), {})}")
    scheme, _, rest = bare.partition(":")
    return printable(f"{'pjsips' if scheme == 'sips' else 'pjsip'}:{rest}")


def printable(text: str) -> str:
    """Text fit for JSON: bytes that were no UTF-8 are replaced."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
