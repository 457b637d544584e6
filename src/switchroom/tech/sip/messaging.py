"""MESSAGE (RFC 3428): texts to phones, and texts from phones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from zlib import crc32

from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, ReceivedText, TextMessage
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.content import ASKING, PLAIN, asking, enveloped
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchange, Exchanges, NextHop, Outcome
from switchroom.tech.sip.names import Names, Target, request_uri
from switchroom.tech.sip.redirection import Redirection
from switchroom.tech.sip.transports import host_port
from switchroom.tech.sip.variables import headers_from
from switchroom.wire.sip import cpim
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import CANONICAL, NameAddr
from switchroom.wire.sip.message import Request

#: Left out of what apps see (docs/rulings.md 14).
_CREDENTIALS = ("authorization", "proxy-authorization")


Done = Callable[[DeliveryReport], None]


class Messaging:
    """Texts out: planned, then delivered to each contact."""

    def __init__(
        self,
        technology: str,
        directory: Directory,
        names: Names,
        exchanges: Exchanges,
        token: Callable[[], str],
        fork: str,
    ) -> None:
        """``fork``: ``all`` contacts at once, or ``first``: the best, the next when it fails."""
        self._technology = technology
        general = directory.general
        self._max_forwards = str(general.max_forwards)
        self._user_agent = (("User-Agent", general.user_agent),) if general.user_agent else ()
        self._names = names
        self._exchanges = exchanges
        self._token = token
        self._fork = fork

    def plan(self, message: TextMessage) -> list[Delivery]:
        """One delivery for each contact (docs/rulings.md 8); see ``core.ports.Technology.plan``."""
        extra, media_type = headers_from(message.headers)
        targets = self._names.destination(message.destination, by_name=message.by_name)
        asked = asking(extra, media_type) if extra else ""
        if asked:
            extra = [(name, value) for name, value in extra if name.lower() != ASKING.lower()]
        body = encoded(message.body)
        planned = []
        refused: InvalidParameter | None = None
        for target in targets:
            try:
                hop = self._exchanges.route(target.endpoint, target.uri, target.contact)
            except InvalidParameter as error:
                # Of several contacts one that can not be reached is no reason to refuse.
                if len(targets) == 1:
                    raise
                refused = error
                continue
            planned.append((target, self._exchange(message, target, hop, extra, media_type, body, asked)))
        if not planned:
            raise EndpointNotFound(f"Endpoint not found: {refused}")
        if self._fork == "first":
            planned = [p for p in planned if p[0].reachable] or planned
            planned.sort(key=lambda p: (-p[0].contact.q, -p[0].contact.registered) if p[0].contact else (0.0, 0.0))
            return [self._delivery(message, planned)]
        return [self._delivery(message, [one]) for one in planned]

    def _exchange(
        self,
        message: TextMessage,
        target: Target,
        hop: NextHop,
        extra: Sequence[tuple[str, str]],
        media_type: str | None,
        body: bytes,
        asked: str,
    ) -> Exchange:
        endpoint = target.endpoint
        own = hop.listener.own_host(hop.host)
        sender = self._names.sender(message.sender, endpoint, self._names.own(hop.listener, hop.host))
        to = self._names.to_header(target)
        if asked:
            body, media_type = enveloped(message, sender, to, asked, media_type, body), cpim.MEDIA_TYPE
        uri = request_uri(target.uri, endpoint)
        has_id = any(name.lower() == "message-id" for name, _ in extra)
        hops = self._max_forwards if message.max_forwards is None else str(message.max_forwards)
        headers = [
            *(("Route", route) for route in hop.routes),
            ("From", f"{sender};tag={self._token()}"),
            ("To", str(to)),
            # The same at each attempt, and so is the id: a phone can tell a repeat. One for each contact.
            ("Call-ID", f"{message.id}.{crc32(uri.encode('utf-8', 'replace')):08x}@{own}"),
            *(() if has_id else (("Message-ID", message.id),)),
            *extra,
            ("Max-Forwards", hops),
            *self._user_agent,
            ("Content-Type", media_type or PLAIN),
        ]
        return self._exchanges.fitted(Exchange("MESSAGE", uri, headers, body, endpoint, hop))

    def _delivery(self, message: TextMessage, tries: list[tuple[Target, Exchange]]) -> Delivery:
        target = tries[0][0]
        endpoint = EndpointId(self._technology, target.endpoint.name) if target.contact is not None else None
        return Delivery(
            message=message,
            endpoint=endpoint,
            contact=_shown(*tries[0]),
            route=tries,
            reachable=target.reachable,
            # Contacts that are tried in turn have their turn together.
            lane=str(endpoint) if self._fork == "first" and endpoint is not None else "",
        )

    def deliver(self, delivery: Delivery, done: Done) -> None:
        """Sends to the first target of the route; the rest are tried when it fails (``fork = first``)."""
        self._start(delivery, done, 0)

    def _start(self, delivery: Delivery, report: Done, index: int) -> None:
        tries = delivery.route
        assert isinstance(tries, list)
        exchange: Exchange = tries[index][1]
        done = partial(self._ended, delivery, report, index)
        if "message" in exchange.endpoint.follow_redirect_methods:
            Redirection(self._exchanges, exchange, done).start()
        else:
            self._exchanges.start(exchange, done)

    def _ended(self, delivery: Delivery, report: Done, index: int, outcome: Outcome) -> None:
        tries = delivery.route
        assert isinstance(tries, list)
        if not outcome.success and index + 1 < len(tries):
            self._start(delivery, report, index + 1)
            return
        report(
            DeliveryReport(
                delivery=delivery,
                state=DeliveryState.DELIVERED if outcome.success else DeliveryState.FAILED,
                status_code=outcome.status,
                reason=outcome.reason,
                contact=_shown(*tries[index]),
            )
        )


def encoded(body: str) -> bytes:
    """A body as it is sent: to the byte as it came, where it came from a phone and is no UTF-8."""
    try:
        return body.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return body.encode("utf-8", "replace")


def _shown(target: Target, exchange: Exchange) -> str:
    """The contact's URI as the registry has it, or where else it goes."""
    return target.contact.uri if target.contact is not None else exchange.target


# ---- texts that come in


def received_text(incoming: RequestReceived, endpoint: SipEndpointSettings) -> ReceivedText:
    """What apps see of a text (docs/events.md, with docs/rulings.md 13 and 14)."""
    request = incoming.request
    flow = incoming.flow
    variables = {"PJSIP_RECVADDR": host_port(flow.host, flow.port), "PJSIP_TRANSPORT": flow.transport}
    if endpoint.callerid_name:
        variables["PJSIP_ENDPOINT"] = endpoint.callerid_name
    variables |= shown_headers(request)
    variables["Via"] = printable(_via_as_received(request.vias_raw[0], flow.host, flow.port))
    body = request.body.decode("utf-8", "replace").rstrip("\r\n")
    return ReceivedText(_sender(request.from_), _destination(request), body, variables)


def shown_headers(request: Request) -> dict[str, str]:
    """Each header of a request by its full name, the last of those that repeat, without credentials."""
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, name, value in request.fields:
        if key in _CREDENTIALS or not value:
            continue
        shown = names.setdefault(key, CANONICAL.get(key, name))
        found[shown] = printable(value)
    return found


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
