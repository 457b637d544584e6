"""A dialog as one of its two ends sees it (RFC 3261 12): who the ends are, how requests get there, in which order.

No timers, no transactions: whoever owns a dialog sends the requests it numbers and answers those it lets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import NameAddr, parse_name_addr
from switchroom.wire.sip.limits import MAX_CSEQ, MAX_ROUTES
from switchroom.wire.sip.message import Message, Request, Response
from switchroom.wire.sip.uri import SIP_SCHEMES, Uri

#: Methods that change where the other end is reached (RFC 3261 12.2, RFC 3311 5.1; RFC 6665 4.4.1 for subscriptions).
TARGET_REFRESHES: Final = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})


class Dialog:
    """One dialog. ``local`` and ``remote`` are the From and To of requests that leave here, tags included."""

    __slots__ = ("call_id", "local", "local_cseq", "remote", "remote_cseq", "routes", "target")

    def __init__(
        self,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        target: Uri,
        routes: Sequence[str] = (),
        local_cseq: int = 0,
    ) -> None:
        """``routes``: the Route values in the order they are passed. ``local_cseq``: of the last request sent."""
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.target = target
        self.routes = tuple(routes)
        self.local_cseq = local_cseq
        self.remote_cseq = 0

    @classmethod
    def from_response(cls, response: Response) -> Self:
        """The dialog a 101 to 299 to a request of ours makes (12.1.2); an RFC 2543 peer may have no tag.

        Raises:
            SipError: 400: the answer has no usable Contact, From, To or Record-Route.
        """
        routes = tuple(reversed(_record_route(response)))
        return cls(
            response.call_id, response.from_, response.to, _target(response), routes, local_cseq=response.cseq.number
        )

    # ---- requests that leave

    def next_cseq(self) -> int:
        """The number of the next request (12.2.1.1); an ACK has that of its INVITE."""
        self.local_cseq += 1
        return self.local_cseq

    @property
    def hop(self) -> Uri:
        """Where a request goes first: the first of the route set, or the other end."""
        return parse_name_addr(self.routes[0]).uri if self.routes else self.target

    def addressed(self) -> tuple[str, list[tuple[str, str]]]:
        """Request-URI, and Route, From, To and Call-ID of a request. What is a strict router in front gets the request
        in its own name, with the other end as the last Route (12.2.1.1).
        """
        target, routes = self.target, list(self.routes)
        if routes and parse_name_addr(routes[0]).uri.param("lr") is None:
            strict = parse_name_addr(routes.pop(0)).uri
            routes.append(f"<{target}>")
            # 19.1.1: a Request-URI has neither a method nor headers.
            target = strict.without_params("method").replace(headers="")
        headers = [("Route", route) for route in routes]
        headers += [("From", str(self.local)), ("To", str(self.remote)), ("Call-ID", self.call_id)]
        return str(target), headers

    # ---- requests that come

    def owns(self, request: Request) -> bool:
        """Whether a request belongs here: Call-ID and both tags (12.2.2)."""
        return (
            request.call_id == self.call_id
            and request.to.tag == self.local.tag
            and request.from_.tag == self.remote.tag
        )

    def admit(self, request: Request) -> None:
        """Lets in a request that ``owns`` said yes to: its number and, where its method says so, its Contact count.

        Raises:
            SipError: 500: it was overtaken by a later one (12.2.2); 400: its Contact or CSeq can not be used.
        """
        number = request.cseq.number
        if number > MAX_CSEQ:
            raise SipError(400, "The number of a CSeq is too large")
        if number < self.remote_cseq:
            raise SipError(500, "Out Of Order")
        self.remote_cseq = number
        if request.method in TARGET_REFRESHES:
            self.refresh(request)

    def refresh(self, message: Message) -> None:
        """Takes the Contact of a target refresh request, or of the 2xx to one of ours; without one all stays.

        Raises:
            SipError: 400: there is a Contact, and no request can go to it.
        """
        if message.first("contact") is not None:
            self.target = _target(message)


def _record_route(message: Message) -> list[str]:
    """Record-Route values as they stand, each of them usable."""
    values = message.all("record-route")
    if len(values) > MAX_ROUTES:
        raise SipError(400, "There are too many Record-Route values")
    for value in values:
        if parse_name_addr(value).uri.scheme not in SIP_SCHEMES:
            raise SipError(400, "A Record-Route is no SIP URI")
    return values


def _target(message: Message) -> Uri:
    contacts = message.contacts
    if len(contacts) != 1 or contacts[0].uri.scheme not in SIP_SCHEMES:
        raise SipError(400, "A dialog needs one Contact that is a SIP URI")
    # What a URI in a header may carry beyond a Request-URI (19.1.1).
    return contacts[0].uri.without_params("method").replace(headers="")
