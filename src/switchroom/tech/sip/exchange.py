"""Requests we send, each brought to its end: the right address, challenges answered, a final answer.

An ``Exchange`` is one request to one target. It goes to the first address that answers; 401 and 407 are
answered from ``outbound_auth`` for the configured realm alone, at most twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from switchroom.core.policy import NO_LITERAL, forbidden, is_loopback
from switchroom.core.ports import Clock, Resolver
from switchroom.model.endpoint import Contact
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import AuthSettings, SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.limits import LARGE_REQUEST, MAX_ADDRESSES, MAX_CHALLENGES, MAX_DATAGRAM
from switchroom.tech.sip.transports import Connections, Listener, Transports, host_port, next_host
from switchroom.wire.sip.digest import answer, hash_ha1, parse_challenge
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.stack import Outgoing, Stack
from switchroom.wire.sip.uri import Uri

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
        "done",
        "endpoint",
        "headers",
        "hop",
        "listener",
        "listeners",
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
        #: For a name, which listener reaches its IPv4 (False) and its IPv6 addresses (True).
        self.listeners: Mapping[bool, Listener] = {}
        self.loopback = hop.loopback
        self.hop = hop
        self.addresses: list[tuple[str, int]] = list(hop.addresses)
        self.cseq = 1
        self.rounds = 0
        self.transaction: int | None = None
        self.done: Callable[[Outcome], None] = _ignore


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

    @property
    def host(self) -> str:
        """The peer as far as it is known before resolving; for choosing our own address."""
        return self.addresses[0][0] if self.addresses else next_host(self.uri)


def _size(exchange: Exchange) -> int:
    """Bytes of its request, without what sending adds."""
    size = len(exchange.target) + len(exchange.body)
    for name, value in exchange.headers:
        size += len(name) + len(value if value.isascii() else value.encode("utf-8", "surrogateescape")) + 4
    return size


class Exchanges:
    """Starts exchanges on a stack and sees them through."""

    def __init__(
        self,
        stack: Stack,
        transports: Transports,
        directory: Directory,
        resolver: Resolver,
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
            return NextHop(listener, hop, routes, ((host, port),), loopback)
        if reason != NO_LITERAL:
            raise InvalidParameter(f"no packet goes to {host}: {reason}")
        return NextHop(listener, hop, routes, (), loopback)

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
        uri = exchange.hop.uri
        protocol = exchange.listener.protocol
        try:
            found = await self._resolver.resolve(next_host(uri), uri.port, protocol)
        except OSError as error:
            if exchange in self._open:
                self._end(exchange, Outcome(503, f"Name Not Resolved: {error}"))
            return
        if exchange not in self._open:
            return  # abandoned meanwhile
        families = self._transports.families(exchange.endpoint, exchange.listener)
        allowed = [
            (host, port)
            for host, port in found[:MAX_ADDRESSES]
            if (":" in host) in families
            and forbidden(host, loopback=exchange.loopback) is None
            and not self._transports.is_own(protocol, host, port)
        ]
        exchange.listeners = families
        if not allowed:
            self._end(exchange, Outcome(503, "No Address Allowed"))
            return
        exchange.addresses = allowed
        self._send(exchange)

    def _send(self, exchange: Exchange) -> None:
        host, port = exchange.addresses[0]
        listener = exchange.listeners.get(":" in host, exchange.listener)
        connections = listener.connections
        if connections is None or connections.connected(host, port):
            self._request(exchange, listener, host, port)
        elif exchange.hop.bound:
            self._end(exchange, Outcome(503, "Flow Failed"))
        else:
            task = asyncio.get_running_loop().create_task(self._connect(exchange, listener, connections))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _connect(self, exchange: Exchange, listener: Listener, connections: Connections) -> None:
        """Opens a connection first; the next address is tried when that fails (RFC 3263 4.3)."""
        host, port = exchange.addresses[0]
        try:
            await connections.connect(host, port, next_host(exchange.hop.uri))
        except OSError as error:
            if exchange not in self._open:
                return
            hop, exchange.otherwise = exchange.otherwise, None
            if hop is not None:
                exchange.hop, exchange.listener, exchange.listeners = hop, hop.listener, {}
                exchange.addresses = list(hop.addresses)
                self._begin(exchange)
            else:
                self.failed(exchange, 503, f"Not Connected: {error}")
            return
        if exchange in self._open:
            self._request(exchange, listener, host, port)

    def _request(self, exchange: Exchange, listener: Listener, host: str, port: int) -> None:
        headers = [*exchange.headers, ("CSeq", f"{exchange.cseq} {exchange.method}")]
        outgoing = Outgoing(exchange.method, exchange.target, headers, exchange.body, listener.sent_by(host))
        try:
            exchange.transaction = self._stack.request(
                outgoing, listener.flow(host, port), self._clock.monotonic(), exchange
            )
        except SipError as error:
            self._end(exchange, Outcome(error.status or 503, error.reason))
            return
        self._flush()

    # ---- what comes back

    def answered(self, exchange: Exchange, response: Response) -> None:
        """A response to the exchange's current request."""
        status = response.status
        if status < 200:
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
        self._send(exchange)
        return True

    def _prove(self, exchange: Exchange, response: Response) -> bool:
        """Answers a challenge (RFC 3261 22.2); False when we have, or may give, nothing for it."""
        if exchange.rounds >= MAX_CHALLENGES:
            return False
        auths = self._directory.outbound_auths(exchange.endpoint)
        if not auths:
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
                exchange.cseq += 1
                self._send(exchange)
                return True
        return False

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

    def abandon(self, exchange: Exchange) -> None:
        """Stops caring: no retransmission any more, and ``done`` is not called."""
        self._close(exchange)
        exchange.done = _ignore
        if exchange.transaction is not None:
            self._stack.forget(exchange.transaction)

    def _end(self, exchange: Exchange, outcome: Outcome) -> None:
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
