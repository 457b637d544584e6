"""Requests of others, from their first packet until nobody repeats them any more (RFC 3261 17.2)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s
from typing import Final

from switchroom.wire.sip.events import AckReceived, RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.limits import MAX_SERVER_TRANSACTIONS
from switchroom.wire.sip.machines import INVITE_SERVER, NON_INVITE_SERVER, Action, Input, State
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.outbox import Outbox
from switchroom.wire.sip.table_limits import (
    MAX_AMPLIFICATION,
    MAX_ANSWERED_BYTES,
    MAX_OPEN_BYTES,
    MAX_OPEN_TRANSACTIONS,
    RETRY_AFTER_SECONDS,
)
from switchroom.wire.sip.timers import Durations, Lingering, Timers
from switchroom.wire.sip.transactions import ServerTransaction, invite_key, server_key
from switchroom.wire.sip.write import write_response

_TAG_BYTES: Final = 6
_BUSY: Final = frozenset({State.TRYING, State.PROCEEDING})


class _Answer:
    """A final response to a non-INVITE, as long as it may be asked for again: 20,000 of these cost 16 MB.

    Without data it stands for an INVITE that is over: no answer that comes late may bring it back to life.
    """

    __slots__ = ("data", "flow")

    def __init__(self, data: bytes, flow: Flow) -> None:
        self.data = data
        self.flow = flow


class ServerTransactions:
    """The INVITE and non-INVITE server transactions, found by ``server_key``."""

    def __init__(self, outbox: Outbox, timers: Timers, durations: Durations, secret: bytes) -> None:
        self._outbox = outbox
        self._timers = timers
        self._timeout = durations.timeout
        self._secret = blake2s(secret).digest()
        self._serial = 0
        self._open: dict[str, ServerTransaction] = {}
        #: Bytes of the requests in it.
        self._open_bytes = 0
        #: Completed, non-INVITE: answers that are repeated for Timer J. And for as long, INVITEs that are over.
        self._answered: Lingering[_Answer] = Lingering(durations.lives[Input.TIMER_J], MAX_SERVER_TRANSACTIONS)
        self._answered_bytes = 0

    def receive(self, request: Request, flow: Flow, size: int, now: float) -> None:
        """Takes a request that came in ``size`` bytes: an event for a new one, the last answer for an old one.

        Raises:
            SipError: 400: Via, From, To, Call-ID or CSeq missing or malformed.
        """
        key = server_key(request)
        # What an answer repeats must be understood before anybody works on the request (8.2.6.2).
        _ = request.from_, request.to, request.call_id, request.cseq
        method = request.method
        if method == "ACK":
            self._receive_ack(request, key, flow, now)
            return
        answer = self._answered.get(key)
        if answer is not None:
            self._outbox.counters["retransmissions_absorbed"] += 1
            if answer.data:
                self._outbox.resend(answer.data, answer.flow)
            return
        transaction = self._open.get(key)
        if transaction is not None:
            self._outbox.counters["retransmissions_absorbed"] += 1
            if self._timers.advance(transaction, Input.REQUEST, now) is Action.RESEND and transaction.data:
                self._outbox.resend(transaction.data, transaction.flow)
            return
        cancels = ""
        if method == "CANCEL":
            cancels = invite_key(request, key)
            if cancels not in self._open:
                cancels = ""
        incoming = RequestReceived(request, flow, key, now, cancels, size)
        if (len(self._open) >= MAX_OPEN_TRANSACTIONS or self._open_bytes >= MAX_OPEN_BYTES) and not cancels:
            self._outbox.counters["shed"] += 1
            self.respond(
                incoming, 503, "", [("Retry-After", str(RETRY_AFTER_SECONDS))], b"", now=now, stateless=True, to_tag=""
            )
            return
        self._outbox.events.append(incoming)

    def reject(self, request: Request, status: int, flow: Flow, size: int, now: float) -> None:
        """Answers a malformed request if it is no ACK, and remembers nothing.

        Raises:
            SipError: 400: it can not be answered.
        """
        if request.method == "ACK":
            return
        incoming = RequestReceived(request, flow, server_key(request), now, "", size)
        _ = request.from_, request.call_id, request.cseq
        self.respond(incoming, status, "", (), b"", now=now, stateless=True, to_tag="")
        self._outbox.counters["rejected"] += 1

    def begin(self, incoming: RequestReceived, now: float) -> None:
        """Opens the transaction of a request that will be answered later; an INVITE gets its 100 at once."""
        if incoming.transaction in self._open or incoming.transaction in self._answered:
            return
        if incoming.request.method == "INVITE":
            self.respond(incoming, 100, "", (), b"", now=now, stateless=False, to_tag="")
        else:
            self._begin(incoming, now)

    def respond(
        self,
        incoming: RequestReceived,
        status: int,
        reason: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        *,
        now: float,
        stateless: bool,
        to_tag: str,
    ) -> None:
        """Writes an answer and sends it, see ``Stack.respond``.

        Raises:
            SipError: 400 when it can not be written.
        """
        if not stateless and not self._may_answer(incoming, status, now):
            self._outbox.counters["refused"] += 1
            return
        flow = incoming.flow
        data = write_response(
            incoming.request,
            status,
            reason,
            headers,
            body,
            to_tag="" if status == 100 else to_tag or self.to_tag(incoming.transaction),
            received=(flow.host, flow.port),
        )
        if not stateless:
            self.answer(incoming, status, data, now)
        elif flow.reliable or not incoming.size or len(data) <= MAX_AMPLIFICATION * incoming.size:
            self._send(data, flow)
        else:
            self._outbox.counters["silenced"] += 1

    def answer(self, incoming: RequestReceived, status: int, data: bytes, now: float) -> None:
        """Sends an answer that is written already, see ``Stack.answer``."""
        key = incoming.transaction
        if not self._may_answer(incoming, status, now) or key in self._answered:
            self._outbox.counters["refused"] += 1
            return
        transaction = self._open.get(key)
        if transaction is None:
            if status >= 200 and incoming.request.method != "INVITE":
                # Trying to Completed in one step, as most go: the transaction never needs to exist.
                self._send(data, incoming.flow)
                self._remember(key, data, incoming.flow, now)
                return
            transaction = self._begin(incoming, now)
        action = self._timers.advance(transaction, _happening(status), now)
        if action is Action.SEND:
            transaction.data = data
            self._send(data, transaction.flow)
        else:
            self._outbox.counters["refused"] += 1
        self._settle(transaction, now)

    def fire(self, transaction: ServerTransaction, timer: Input, now: float) -> None:
        """A timer of a transaction has fired."""
        action = self._timers.advance(transaction, timer, now)
        if action is Action.RESEND:
            self._outbox.resend(transaction.data, transaction.flow)
        elif action is Action.SEND_TRYING:
            flow = transaction.flow
            transaction.data = write_response(transaction.incoming.request, 100, received=(flow.host, flow.port))
            self._send(transaction.data, flow)
        self._settle(transaction, now)

    def to_tag(self, key: str) -> str:
        """The To tag of our answers to a request: the same for each of them, and for a CANCEL as for its INVITE (9.2).

        Made from the branch, so that answers we do not remember have it too, and with a secret, so that nobody else
        can make it.
        """
        branch = key.partition(" ")[2].encode("utf-8", "surrogateescape")
        return blake2s(branch, digest_size=_TAG_BYTES, key=self._secret).hexdigest()

    def next(self) -> float | None:
        """When ``end_due`` has something to do."""
        return self._answered.next()

    def end_due(self, now: float) -> None:
        self._release(self._answered.end_due(now))

    def counts(self) -> dict[str, int]:
        """Sizes of the tables, and how many requests wait for our final answer."""
        waiting = sum(transaction.state in _BUSY for transaction in self._open.values())
        return {"server_waiting": waiting, "server": len(self._open), "server_answered": len(self._answered)}

    def _receive_ack(self, request: Request, key: str, flow: Flow, now: float) -> None:
        transaction = self._open.get(key)
        if transaction is not None:
            deliver = self._timers.advance(transaction, Input.ACK, now) is Action.DELIVER
            self._settle(transaction, now)
        else:
            # The ACK to an answer that we gave without remembering has its INVITE's branch and our tag for that; the
            # ACK to a 2xx has a branch of its own.
            deliver = request.to.tag != self.to_tag(key)
        if deliver:
            self._outbox.events.append(AckReceived(request, flow))

    def _begin(self, incoming: RequestReceived, now: float) -> ServerTransaction:
        self._serial += 1
        machine = INVITE_SERVER if incoming.request.method == "INVITE" else NON_INVITE_SERVER
        # Serials of servers are negative, so that no two transactions in the heap have the same.
        transaction = ServerTransaction(machine, -self._serial, incoming)
        self._open[incoming.transaction] = transaction
        self._open_bytes += incoming.size
        self._timers.start(transaction, now)
        return transaction

    def _may_answer(self, incoming: RequestReceived, status: int, now: float) -> bool:
        """RFC 4320 section 4: to a non-INVITE no 1xx but 100, no 408, and nothing once the client has given up.

        An INVITE that was begun may ring as long as it likes.
        """
        method = incoming.request.method
        if method == "INVITE":
            if incoming.transaction in self._open:
                return True
        elif method == "ACK" or status == 408 or 100 < status < 200:
            return False
        return now - incoming.received_at < self._timeout

    def _send(self, data: bytes, flow: Flow) -> None:
        self._outbox.packets.append((data, flow))
        self._outbox.counters["responses_sent"] += 1

    def _settle(self, transaction: ServerTransaction, now: float) -> None:
        """Files a transaction by the state it is in now."""
        if transaction.state is State.TERMINATED:
            self._close(transaction)
            if transaction.machine is INVITE_SERVER:
                self._evict(self._answered.add(transaction.key, _Answer(b"", transaction.flow), now))
        elif transaction.state is State.COMPLETED and transaction.machine.brief:
            self._close(transaction)
            self._remember(transaction.key, transaction.data, transaction.flow, now)

    def _close(self, transaction: ServerTransaction) -> None:
        del self._open[transaction.key]
        self._open_bytes -= transaction.incoming.size

    def _remember(self, key: str, data: bytes, flow: Flow, now: float) -> None:
        if flow.reliable:
            return  # Timer J is zero: nobody repeats a request on a stream (17.2.2)
        self._answered_bytes += len(data)
        self._evict(self._answered.add(key, _Answer(data, flow), now))
        while self._answered_bytes > MAX_ANSWERED_BYTES:
            self._evict(self._answered.end_oldest())

    def _evict(self, answers: list[_Answer]) -> None:
        self._outbox.counters["evicted"] += len(answers)
        self._release(answers)

    def _release(self, answers: list[_Answer]) -> None:
        for answer in answers:
            self._answered_bytes -= len(answer.data)


def _happening(status: int) -> Input:
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE
