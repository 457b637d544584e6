"""3xx answers followed (RFC 3261 8.1.3.4), where ``follow_redirect_methods`` allows it.

The contacts of an answer are tried one after another, the preferred first; an answer that sends on again
goes before those that are left. No URI is tried twice, and each has to pass the same policy as any target.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.exchange import Exchange, Exchanges, Outcome
from switchroom.tech.sip.limits import MAX_CONTACT_URI, MAX_REDIRECT_CONTACTS, MAX_REDIRECTS
from switchroom.tech.sip.names import qvalue, request_uri
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.uri import SIP_SCHEMES, Uri


class Redirection:
    """One request, and where it is sent on to. ``done`` is called once, with the outcome that counts."""

    def __init__(
        self,
        exchanges: Exchanges,
        exchange: Exchange,
        done: Callable[[Outcome], None],
        moved: Callable[[Exchange, Uri], None] | None = None,
    ) -> None:
        """``moved`` is told of each request that is sent on, and to where, before it leaves."""
        self._exchanges = exchanges
        self._done = done
        self._moved = moved
        self._stopped = False
        self._original = exchange
        #: Without the route to the first target, and before any challenge was answered for it.
        self._headers = [(name, value) for name, value in exchange.headers if name != "Route"]
        self._seen = {exchange.target}
        #: Still to be tried, the next one last; with how often it was sent on.
        self._waiting: list[tuple[Uri, int]] = []

    def start(self) -> None:
        self._exchanges.start(self._original, partial(self._ended, self._original, 0))

    def stop(self) -> None:
        """Goes nowhere else any more: how the request under way ends is the outcome."""
        self._stopped = True

    def _ended(self, exchange: Exchange, redirects: int, outcome: Outcome) -> None:
        if 300 <= outcome.status < 400 and outcome.response is not None and redirects < MAX_REDIRECTS:
            self._take(outcome.response, redirects + 1)
        while not (outcome.success or self._stopped) and self._waiting:
            uri, redirects = self._waiting.pop()
            following = self._follow(uri, exchange.cseq)
            if following is not None:
                if self._moved is not None:
                    self._moved(following, uri)
                self._exchanges.start(following, partial(self._ended, following, redirects))
                return
        self._done(outcome)

    def _take(self, response: Response, redirects: int) -> None:
        """Keeps the contacts of a 3xx that are new, by q (RFC 3261 20.10), the first written of equals first."""
        try:
            contacts = sorted(response.contacts, key=qvalue, reverse=True)
        except SipError:
            return
        found = []
        for contact in contacts:
            target = request_uri(contact.uri, self._original.endpoint)
            if contact.uri.scheme not in SIP_SCHEMES or len(target) > MAX_CONTACT_URI or target in self._seen:
                continue
            # The first target is in there too.
            if len(self._seen) > MAX_REDIRECT_CONTACTS:
                break
            self._seen.add(target)
            found.append((contact.uri, redirects))
        self._waiting += reversed(found)

    def _follow(self, uri: Uri, cseq: int) -> Exchange | None:
        """The same request to another target: same From, To and Call-ID, the next CSeq. None when no packet
        may go there, or none can hold it.
        """
        original = self._original
        target = request_uri(uri, original.endpoint)
        try:
            hop = self._exchanges.route(original.endpoint, uri, None)
            headers = [*(("Route", route) for route in hop.routes), *self._headers]
            exchange = Exchange(original.method, target, headers, original.body, original.endpoint, hop)
            exchange.cseq = cseq + 1
            return self._exchanges.fitted(exchange)
        except InvalidParameter:
            return None
