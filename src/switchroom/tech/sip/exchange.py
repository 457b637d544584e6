"""Requests we send, each brought to its end: the right address, challenges answered, a final answer.

An ``Exchange`` is one request to one target. It goes to the first address that answers; 401 and 407 are
answered from ``outbound_auth`` for the configured realm alone, at most twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from switchroom.core.policy import NO_LITERAL, forbidden, is_loopback
from switchroom.core.ports import Clock, Locator
from switchroom.core.tally import Answers
from switchroom.model.endpoint import Contact
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import AuthSettings, SipEndpointSettings
from switchroom.tech.sip.answer import METHODS
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.limits import LARGE_REQUEST, MAX_ADDRESSES, MAX_CHALLENGES, MAX_DATAGRAM
from switchroom.tech.sip.transports import Connections, Listener, Transports, host_port, next_host
from switchroom.wire.sip.dialog import Dialog
from switchroom.wire.sip.digest import answer, hash_ha1, parse_challenge
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.stack import Outgoing, Stack
from switchroom.wire.sip.uri import Uri, parse_uri

DEFAULT_PORT = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}


class Outcome(NamedTuple):
    """How an exchange ended. ``status`` 408 with no response: nobody answered; 503: it could not be sent."""

    status: int
    reason: str
    response: Response | None = None

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


class Exchange:
    """One request, until its end is known."""

    __slots__ = (
        "addresses",
        "body",
        "cseq",
        "dialog",
        "done",
        "endpoint",
        "headers",
        "heard",
        "hop",
        "listener",
        "loopback",
        "method",
        "otherwise",
        "rounds",
        "target",
        "transaction",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        endpoint: SipEndpointSettings,
        hop: NextHop,
    ) -> None:
        """``headers`` are all but Via, CSeq and Content-Length, in order."""
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.endpoint = endpoint
        self.listener = hop.listener
        #: Taken when no connection can be opened for it: the datagram it would have been but for its size.
        self.otherwise: NextHop | None = None
        self.loopback = hop.loopback
        self.hop = hop
        #: Where to try still, in this order, and which listener gets there; nothing before a name is resolved.
        self.addresses: list[tuple[Listener, str, int]] = [(hop.listener, *address) for address in hop.addresses]
        self.cseq = 1
        #: Where it belongs to one, a challenge is answered under the next number of the dialog.
        self.dialog: Dialog | None = None
        #: Told of each provisional answer, and of each 2xx to an INVITE: those of other forks, and those that are
        #: repeated for want of an ACK, come after the end.
        self.heard: Callable[[Response], None] | None = None
        self.rounds = 0
        self.transaction: int | None = None
        self.done: Callable[[Outcome], None] = _ignore

    def compose(self, listener: Listener, host: str, port: int) -> Outgoing:
        """The request as it goes to one address."""
        headers = [*self.headers, ("CSeq", f"{self.cseq} {self.method}")]
        return Outgoing(self.method, self.target, headers, self.body, listener.sent_by(host))


def _ignore(outcome: Outcome) -> None:
    """The end nobody asked to know."""


class NextHop(NamedTuple):
    """Where a request goes first (RFC 3261 8.1.2): literal addresses, or a name still to be resolved."""

    listener: Listener
    uri: Uri
    routes: tuple[str, ...]
    addresses: tuple[tuple[str, int], ...]
    loopback: bool
    #: Over the connection that is there, or not at all.
    bound: bool = False
    #: Whom it is to.
    contact: Contact | None = None
    #: It is the configured proxy, or the one the contact registered through.
    proxied: bool = False

    @property
    def host(self) -> str:
        """The peer as far as it is known before resolving; for choosing our own address."""
        return self.addresses[0][0] if self.addresses else next_host(self.uri)


def _size(exchange: Exchange) -> int:
    """Bytes of its request, without what sending adds."""
    text = "".join(chain.from_iterable(exchange.headers))
    written = len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
    return len(exchange.target) + written + 4 * len(exchange.headers) + len(exchange.body)


class Exchanges:
    """Starts exchanges on a stack and sees them through."""

    def __init__(
        self,
        stack: Stack,
        transports: Transports,
        directory: Directory,
        resolver: Locator,
        clock: Clock,
        token: Callable[[], str],
        flush: Callable[[], None],
    ) -> None:
        self._stack = stack
        self._transports = transports
        self._directory = directory
        self._resolver = resolver
        self._clock = clock
        self._token = token
        self._flush = flush
        self._resolving: set[asyncio.Task[None]] = set()
        self._open: set[Exchange] = set()
        #: Final answers to requests of ours; 0 where there was none.
        self.outcomes = Answers(METHODS)
        self._idle: asyncio.Event | None = None

    async def drained(self) -> None:
        """Returns when the end of every exchange is known."""
        if self._open:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def route(self, endpoint: SipEndpointSettings, uri: Uri, contact: Contact | None, proxy: str = "") -> NextHop:
        """The way to ``uri``: the endpoint's outbound proxy, the contact's stored Path, the connection the contact
        registered over, the URI itself.

        Raises:
            InvalidParameter: no transport goes there, no packet may (docs/rulings.md 7), or the connection is closed.
        """
        proxy = endpoint.outbound_proxy or proxy
        routes: tuple[str, ...] = contact.path if contact is not None else ()
        if proxy:
            routes = (proxy if proxy.startswith("<") else f"<{proxy}>", *routes)
        hop = uri
        if routes:
            try:
                hop = parse_name_addr(routes[0]).uri
            except SipError as error:
                raise InvalidParameter(f"no usable route: {routes[0]}") from error
        elif contact is not None and (open_flow := self._open_flow(uri, contact)) is not None:
            return open_flow
        preferred = getattr(contact.flow, "local", "") if contact is not None and not routes else ""
        listener = self._transports.choose(endpoint, hop, preferred)
        if listener is None:
            raise InvalidParameter(f"no transport goes to {hop}")
        # What the administrator wrote may name this machine; what a caller or a phone wrote may not,
        # unless we are bound there or the phone itself is there.
        loopback = (
            listener.loopback
            or bool(proxy)
            or (contact is not None and (contact.static or is_loopback(contact.address.rpartition(":")[0])))
        )
        host = next_host(hop)
        reason = forbidden(host, loopback=loopback)
        if reason is None:
            port = hop.port or DEFAULT_PORT[listener.protocol]
            if self._transports.is_own(listener.protocol, host, port):
                raise InvalidParameter(f"no packet goes to {host_port(host, port)}: it is this server")
            return NextHop(listener, hop, routes, ((host, port),), loopback, contact=contact, proxied=bool(routes))
        if reason != NO_LITERAL:
            raise InvalidParameter(f"no packet goes to {host}: {reason}")
        return NextHop(listener, hop, routes, (), loopback, contact=contact, proxied=bool(routes))

    def route_within(self, endpoint: SipEndpointSettings, uri: Uri, contact: Contact | None) -> NextHop:
        """The way of a request inside a dialog to ``uri``, the first of the route set or the other end itself: over the
        connection ``contact`` registered over where there is no route set; see ``route``.
        """
        direct = msgspec.structs.replace(contact, path=()) if contact is not None and contact.path else contact
        plain = msgspec.structs.replace(endpoint, outbound_proxy="") if endpoint.outbound_proxy else endpoint
        return self.route(plain, uri, direct)

    def _open_flow(self, uri: Uri, contact: Contact) -> NextHop | None:
        """The connection a contact registered over, while it is open (RFC 5626 section 5.3, RFC 5923)."""
        flow = contact.flow
        if not isinstance(flow, Flow) or not flow.reliable:
            return None
        if uri.scheme == "sips" and flow.transport not in ("tls", "wss"):
            return None
        listener = self._transports.listeners.get(flow.local)
        if listener is not None and listener.connected(flow.host, flow.port):
            return NextHop(listener, uri, (), ((flow.host, flow.port),), True, bound=True)
        if contact.tied:
            raise InvalidParameter("the connection of the contact is closed")
        return None

    def fitted(self, exchange: Exchange) -> Exchange:
        """The exchange, on TCP where it is large for a datagram, that is wanted (``disable_tcp_switch = no``), and
        neither the URI nor the endpoint insists on UDP (RFC 3261 18.1.1).

        Raises:
            InvalidParameter: it does not fit a datagram, and nothing else can take it.
        """
        hop = exchange.hop
        if hop.listener.protocol != "udp":
            return exchange
        size = _size(exchange)
        if size <= LARGE_REQUEST:
            return exchange
        listener = None
        if not (self._directory.general.disable_tcp_switch or exchange.endpoint.transport):
            listener = self._transports.instead_of_udp(hop.uri, hop.listener)
        if listener is not None:
            exchange.otherwise = hop if size <= MAX_DATAGRAM else None
            exchange.hop, exchange.listener = hop._replace(listener=listener), listener
            exchange.addresses = [(listener, *address) for address in hop.addresses]
        elif size > MAX_DATAGRAM:
            raise InvalidParameter("the request does not fit a UDP datagram")
        return exchange

    def start(self, exchange: Exchange, done: Callable[[Outcome], None]) -> None:
        """Sends; ``done(outcome)`` is called once, never before this returns unless sending fails at once."""
        exchange.done = done
        self._open.add(exchange)
        self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        if exchange.addresses:
            self._send(exchange)
        else:
            task = asyncio.get_running_loop().create_task(self._resolve(exchange))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _resolve(self, exchange: Exchange) -> None:
        uri, protocol = exchange.hop.uri, exchange.listener.protocol
        listeners = self._transports.choices(exchange.endpoint, uri, exchange.listener)
        try:
            if uri.param("transport") is None:
                found = await self._resolver.locate(next_host(uri), uri.port, tuple(listeners))
            else:
                resolved = await self._resolver.resolve(next_host(uri), uri.port, protocol)
                found = [(protocol, *address) for address in resolved]
        except OSError as error:
            if exchange in self._open:
                self._end(exchange, Outcome(503, f"Name Not Resolved: {error}"))
            return
        if exchange not in self._open:
            return  # abandoned meanwhile
        allowed = [
            (listeners[by][":" in host], host, port)
            for by, host, port in found[:MAX_ADDRESSES]
            if (":" in host) in listeners[by]
            and forbidden(host, loopback=exchange.loopback) is None
            and not self._transports.is_own(by, host, port)
        ]
        if not allowed:
            self._end(exchange, Outcome(503, "No Address Allowed"))
            return
        exchange.addresses = allowed
        self._send(exchange)

    def _send(self, exchange: Exchange) -> None:
        listener, host, port = exchange.addresses[0]
        connections = listener.connections
        if connections is None or connections.connected(host, port):
            self._request(exchange, listener, host, port)
        elif exchange.hop.bound:
            self._end(exchange, Outcome(503, "Flow Failed"))
        else:
            task = asyncio.get_running_loop().create_task(self._connect(exchange, connections))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _connect(self, exchange: Exchange, connections: Connections) -> None:
        """Opens a connection first; the next address is tried when that fails (RFC 3263 4.3)."""
        listener, host, port = exchange.addresses[0]
        try:
            await connections.connect(host, port, next_host(exchange.hop.uri))
        except OSError as error:
            if exchange not in self._open:
                return
            hop, exchange.otherwise = exchange.otherwise, None
            if hop is not None:
                exchange.hop, exchange.listener = hop, hop.listener
                exchange.addresses = [(hop.listener, *address) for address in hop.addresses]
                self._begin(exchange)
            else:
                self.failed(exchange, 503, f"Not Connected: {error}")
            return
        if exchange in self._open:
            self._request(exchange, listener, host, port)

    def _request(self, exchange: Exchange, listener: Listener, host: str, port: int) -> None:
        try:
            exchange.transaction = self._stack.request(
                exchange.compose(listener, host, port), listener.flow(host, port), self._clock.monotonic(), exchange
            )
        except SipError as error:
            self._end(exchange, Outcome(error.status or 503, error.reason))
            return
        self._flush()
        if exchange.method == "ACK":
            self._end(exchange, Outcome(200, "Sent"))

    # ---- what comes back

    def answered(self, exchange: Exchange, response: Response) -> None:
        """A response to the exchange's current request."""
        status = response.status
        if exchange.heard is not None and (status < 200 or (status < 300 and exchange.method == "INVITE")):
            exchange.heard(response)
        if status < 200 or exchange not in self._open:
            return
        if status in (401, 407) and self._prove(exchange, response):
            return
        if status in (408, 503) and self._next_address(exchange):
            return
        self._end(exchange, Outcome(status, response.reason, response))

    def failed(self, exchange: Exchange, status: int, reason: str) -> None:
        """Nobody answered (408), or it could not be sent (503): RFC 3263 4.3, the next address."""
        if not self._next_address(exchange):
            self._end(exchange, Outcome(status, reason))

    def _next_address(self, exchange: Exchange) -> bool:
        if len(exchange.addresses) < 2:
            return False
        exchange.addresses = exchange.addresses[1:]
        exchange.transaction = None  # not sent there yet
        self._send(exchange)
        return True

    def _prove(self, exchange: Exchange, response: Response) -> bool:
        """Answers a challenge (RFC 3261 22.2); False when we have, or may give, nothing for it."""
        if exchange.rounds >= MAX_CHALLENGES:
            return False
        auths = self._directory.outbound_auths(exchange.endpoint)
        if not auths or not self._may_prove(exchange):
            return False
        kind, header = (
            ("www-authenticate", "Authorization")
            if response.status == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        for line in response.lines(kind):
            value = self._credentials(line, auths, exchange)
            if value is not None:
                kept = [(name, text) for name, text in exchange.headers if name != header]
                exchange.headers = [*kept, (header, value)]
                exchange.rounds += 1
                exchange.cseq = exchange.cseq + 1 if exchange.dialog is None else exchange.dialog.next_cseq()
                self._send(exchange)
                return True
        return False

    def _may_prove(self, exchange: Exchange) -> bool:
        """Whether the other end is one that credentials are for: a configured proxy, the contact itself, a host that
        the endpoint's settings name. A caller's URI, a 3xx or a new target inside a dialog may lead to anybody, who
        could ask for the digest of the right realm (SECURITY.md S37).
        """
        hop = exchange.hop
        if hop.bound or hop.proxied:
            return True
        host, contact = next_host(hop.uri), hop.contact
        if contact is not None:
            registered = contact.address.rpartition(":")[0].strip("[]")
            if host in (next_host(parse_uri(contact.uri)), registered):
                return True
        return self._directory.leads_to(exchange.endpoint, host)

    def _credentials(self, line: str, auths: list[AuthSettings], exchange: Exchange) -> str | None:
        """The answer to one challenge header, None when its realm or algorithm is not configured."""
        try:
            challenge = parse_challenge(line)
        except SipError:
            return None
        defaults = self._directory.general.default_auth_algorithms_uac
        for auth in auths:
            # An empty or "*" realm is the administrator's word that any realm may ask (as Asterisk).
            if auth.realm not in ("", "*") and auth.realm.lower() != challenge.realm.lower():
                continue
            if challenge.algorithm not in (auth.algorithms_uac or defaults):
                continue
            ha1 = auth.digests.get(challenge.algorithm)
            if ha1 is None:
                if not auth.password:
                    continue
                ha1 = hash_ha1(challenge.algorithm, auth.username, challenge.realm, auth.password)
            return answer(
                challenge,
                method=exchange.method,
                uri=exchange.target,
                username=auth.username,
                ha1=ha1,
                cnonce=self._token(),
                body=exchange.body,
            )
        return None

    def cancel(self, exchange: Exchange) -> None:
        """Asks the other end to give an INVITE up, as soon as RFC 3261 9.1 allows. It ends as it would have: mostly
        with 487, with a 2xx when that was under way. One that was not sent yet ends at once; ``done`` is not called.
        """
        if exchange.transaction is None:
            self.abandon(exchange)
            return
        self._stack.cancel(exchange.transaction, self._clock.monotonic())
        self._flush()

    def abandon(self, exchange: Exchange) -> None:
        """Stops caring: no retransmission any more, and ``done`` is not called."""
        self._close(exchange)
        exchange.done = _ignore
        if exchange.transaction is not None:
            self._stack.forget(exchange.transaction)

    def _end(self, exchange: Exchange, outcome: Outcome) -> None:
        self.outcomes.add(exchange.method, outcome.status if outcome.response is not None else 0)
        self._close(exchange)
        # Who is told holds the exchange in turn: let go of, it needs no garbage collector.
        done, exchange.done = exchange.done, _ignore
        done(outcome)

    def _close(self, exchange: Exchange) -> None:
        self._open.discard(exchange)
        if self._idle is not None and not self._open:
            self._idle.set()

    async def stop(self) -> None:
        """Ends what still waits for a name."""
        for task in list(self._resolving):
            task.cancel()
        await asyncio.gather(*self._resolving, return_exceptions=True)
