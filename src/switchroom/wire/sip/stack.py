"""The SIP stack of one node: bytes and time in, bytes and events out (RFC 3261 17 and 18.2).

It does no input or output and knows no clock. Whoever drives it does the same after each call that takes ``now``:
send what ``to_send`` gives, work on what ``next_event`` gives, then arm one timer for ``next_timer``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from switchroom.wire.sip.client_transactions import ClientTransactions
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import Discarded, Event, KeepAlive, RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.grammar import TOKEN
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.outbox import Outbox
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.server_transactions import ServerTransactions
from switchroom.wire.sip.table_limits import MAX_DISCARDED_PREFIX
from switchroom.wire.sip.timers import Durations, Timers
from switchroom.wire.sip.transactions import ClientTransaction, Outgoing, ServerTransaction

__all__ = ["Outgoing", "Stack"]


class Stack:
    """All transactions of one node.

    ``node`` goes into each Via branch, so that nodes can tell whose answer it is: a token. ``token`` gives a text that
    is random and never the same, 64 bits or more, in characters of a token. ``t1``, ``t2``, ``t4`` are RFC 3261's
    timers, ``timeout`` that of a transaction (64*T1), all in seconds.
    """

    def __init__(
        self,
        *,
        node: str,
        token: Callable[[], str],
        t1: float = 0.5,
        t2: float = 4.0,
        t4: float = 5.0,
        timeout: float | None = None,
    ) -> None:
        if not TOKEN.fullmatch(node):
            raise ValueError("the name of a node must be a token")
        durations = Durations(t1, t2, t4, 64 * t1 if timeout is None else timeout)
        self._outbox = Outbox()
        self._timers = Timers(durations)
        self._clients = ClientTransactions(self._outbox, self._timers, durations, node, token)
        self._servers = ServerTransactions(self._outbox, self._timers, durations, token().encode())
        #: Seconds: a timer that starts now does not fire sooner.
        self.shortest_timer = min(durations.t1, durations.timeout, t4)

    # ---- from the network

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Takes a datagram, a frame, or a message cut out of a stream. Never raises, whatever it holds."""
        if data[:1] in b"\r\n" and not data.strip(b"\r\n"):
            self._receive_blank(data, flow)
            return
        try:
            message = parse(data)
        except SipError as error:
            self._reject(error, data, flow, now)
            return
        counters = self._outbox.counters
        try:
            if type(message) is Request:
                counters["requests_received"] += 1
                self._servers.receive(message, flow, len(data), now)
            elif type(message) is Response:
                counters["responses_received"] += 1
                if not self._clients.receive(message, flow, now):
                    self._discard("response to no request of ours", data, flow)
        except SipError as error:
            self._discard(error.reason, data, flow)

    def transport_failed(self, flow: Flow, now: float, reason: str = "flow failed") -> None:
        """Tells that nothing can be sent on a flow: its client transactions fail, as with a 503.

        Server transactions stay as they are (RFC 6026 7.1): a retransmission may find the peer again.
        """
        self._clients.fail(flow, reason, now)

    # ---- to the network and to the user

    def next_event(self) -> Event | None:
        """The oldest event that has not been taken yet."""
        events = self._outbox.events
        return events.popleft() if events else None

    def to_send(self) -> tuple[bytes, Flow] | None:
        """The oldest packet that has not been taken yet."""
        packets = self._outbox.packets
        return packets.popleft() if packets else None

    # ---- time

    def next_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called; None when nothing waits."""
        waiting = (self._timers.next(), self._clients.next(), self._servers.next())
        return min((when for when in waiting if when is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Lets all time up to ``now`` pass; harmless when called early or late."""
        for transaction, timer in self._timers.due(now):
            if isinstance(transaction, ClientTransaction):
                self._clients.fire(transaction, timer, now)
            elif isinstance(transaction, ServerTransaction):
                self._servers.fire(transaction, timer, now)
        self._clients.end_due(now)
        self._servers.end_due(now)

    # ---- requests of ours

    def request(self, outgoing: Outgoing, flow: Flow, now: float, context: object = None) -> int:
        """Sends a request and sees it through; its id, which comes back with ``context`` in each event about it.

        Exactly one of a final ResponseReceived, TransactionTimeout or TransportFailed follows, if it is not forgotten.
        An ACK (to a 2xx) has no transaction: it is sent once, and 0 returned.

        Raises:
            SipError: 503 when too many requests wait for an answer; 400 when it can not be written.
        """
        return self._clients.start(outgoing, flow, now, context)

    def cancel(self, transaction: int, now: float) -> None:
        """Sends CANCEL for an INVITE of ours, as soon as RFC 3261 9.1 allows; nothing after its final response.

        The INVITE still ends as any other does, mostly with 487. A server may take the CANCEL and not answer the
        INVITE: wait 64*T1, then ``forget`` it.
        """
        self._clients.cancel(transaction, now)

    def forget(self, transaction: int) -> None:
        """Ends a client transaction without any event; no more is sent of it."""
        self._clients.forget(transaction)

    def send(self, data: bytes, flow: Flow) -> None:
        """Sends bytes as they are, outside any transaction: keep-alives, and what a proxy forwards statelessly."""
        self._outbox.packets.append((data, flow))

    # ---- answers of ours

    def begin(self, incoming: RequestReceived, now: float) -> None:
        """Absorbs retransmissions of a request from now on, before its answer is known. For requests that passed
        authentication: it costs memory.

        An INVITE is answered 100 at once (17.2.1), another request when it has waited 3.5 s (RFC 4320 4.1).
        """
        self._servers.begin(incoming, now)

    def respond(
        self,
        incoming: RequestReceived,
        status: int,
        reason: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        now: float,
        stateless: bool = False,
        to_tag: str = "",
    ) -> None:
        """Answers a request, to where it came from (never to where its Via points).

        Remembered for retransmissions: a final answer to an INVITE is sent again until its ACK comes. ``stateless``
        remembers nothing and stays silent where the answer would be more than twice as large as the request (both
        because the source may be forged). An empty ``reason`` is the standard one; without ``to_tag`` the To gets the
        tag ``to_tag(incoming)``.

        What can not be sent any more is dropped: to a non-INVITE 408, 1xx other than 100, and anything 64*T1 after it
        came (RFC 4320); to any request a second final answer, except for further 2xx to an INVITE.

        Raises:
            SipError: 400 when the answer can not be written: CR, LF, NUL or a bad name in ``headers``.
        """
        self._servers.respond(incoming, status, reason, headers, body, now=now, stateless=stateless, to_tag=to_tag)

    def answer(self, incoming: RequestReceived, status: int, data: bytes, now: float) -> None:
        """As ``respond`` with an answer that is written already: a proxy passes on what it got."""
        self._servers.answer(incoming, status, data, now)

    def to_tag(self, incoming: RequestReceived) -> str:
        """The To tag that all our answers to this request have."""
        return self._servers.to_tag(incoming.transaction)

    # ---- what goes on

    @property
    def counters(self) -> dict[str, int]:
        """What has happened so far, see ``outbox.COUNTERS``."""
        return self._outbox.counters

    def counts(self) -> dict[str, int]:
        """Sizes of the tables now; walks them."""
        return self._clients.counts() | self._servers.counts() | {"timers": len(self._timers)}

    def idle(self) -> bool:
        """Whether nobody waits: no request of ours without its end, none of others without its answer, nothing to
        send and no event to take. Finished transactions may still linger.
        """
        counts = self.counts()
        return not (counts["client_waiting"] or counts["server_waiting"] or self._outbox.packets or self._outbox.events)

    def _receive_blank(self, data: bytes, flow: Flow) -> None:
        if data:
            self._outbox.events.append(KeepAlive(flow, ping=len(data) > 2))
        else:
            self._discard("empty packet", data, flow)

    def _reject(self, error: SipError, data: bytes, flow: Flow, now: float) -> None:
        """Answers a malformed request where that can be done, and tells of it in any case."""
        request = error.request
        if request is not None and error.status:
            # Silence where not even what an answer repeats can be understood.
            with suppress(SipError):
                self._servers.reject(request, error.status, flow, len(data), now)
        self._discard(error.reason, data, flow)

    def _discard(self, reason: str, data: bytes, flow: Flow) -> None:
        self._outbox.counters["discarded"] += 1
        self._outbox.events.append(Discarded(reason, flow, data[:MAX_DISCARDED_PREFIX]))
