"""Requests of ours, until their final response (RFC 3261 17.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import ResponseReceived, TransactionTimeout, TransportFailed
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import header_key
from switchroom.wire.sip.limits import MAX_CLIENT_TRANSACTIONS
from switchroom.wire.sip.machines import INVITE_CLIENT, NON_INVITE_CLIENT, Action, Input, State
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.outbox import Outbox
from switchroom.wire.sip.table_limits import MAX_CLIENT_BYTES, MAX_CONCLUDED
from switchroom.wire.sip.timers import Durations, Lingering, Timers
from switchroom.wire.sip.transactions import MAGIC_COOKIE, ClientTransaction, Outgoing, client_key
from switchroom.wire.sip.write import write_request

_UNANSWERED: Final = frozenset({State.CALLING, State.TRYING, State.PROCEEDING})
#: Max-Forwards of the ACK and CANCEL we make (RFC 3261 8.1.1.6).
_HOPS: Final = 70


class ClientTransactions:
    """The INVITE and non-INVITE client transactions, found by id, by branch and by flow."""

    def __init__(
        self, outbox: Outbox, timers: Timers, durations: Durations, node: str, token: Callable[[], str]
    ) -> None:
        self._outbox = outbox
        self._timers = timers
        self._branch_prefix = f"{MAGIC_COOKIE}{node}."
        self._token = token
        self._serial = 0
        self._bytes = 0
        self._by_id: dict[int, ClientTransaction] = {}
        self._by_key: dict[str, ClientTransaction] = {}
        self._by_flow: dict[Flow, set[int]] = {}
        #: Completed, non-INVITE: keys of which late answers are absorbed for Timer K.
        self._concluded: Lingering[None] = Lingering(durations.lives[Input.TIMER_K], MAX_CONCLUDED)

    def start(self, outgoing: Outgoing, flow: Flow, now: float, context: object) -> int:
        """Sends a request; its transaction's id. An ACK (to a 2xx) is sent once and has none: 0.

        Raises:
            SipError: 503 when too many wait for an answer; 400 when it can not be written.
        """
        branch = f"{self._branch_prefix}{self._token()}{outgoing.mark}"
        via = f"SIP/2.0/{flow.transport.upper()} {outgoing.sent_by};rport;branch={branch}"
        method = outgoing.method
        data = write_request(method, outgoing.target, [("Via", via), *outgoing.headers], outgoing.body)
        if method == "ACK":
            self._outbox.packets.append((data, flow))
            self._outbox.counters["requests_sent"] += 1
            return 0
        if len(self._by_id) >= MAX_CLIENT_TRANSACTIONS or self._bytes + len(data) > MAX_CLIENT_BYTES:
            raise SipError(503, "too many requests wait for an answer")
        return self._launch(client_key(branch, method), via, outgoing, flow, data, now, context).serial

    def cancel(self, transaction: int, now: float) -> None:
        """Asks the server to end an INVITE: at once after a provisional response, else as soon as one comes.

        Nothing happens after a final response. The INVITE still ends with a final response of its own; its user
        gives up 64*T1 later at the latest (RFC 3261 9.1).
        """
        invite = self._by_id.get(transaction)
        if invite is None or invite.machine is not INVITE_CLIENT:
            return
        if invite.state is State.CALLING:
            invite.cancels_on_provisional = True
        elif invite.state is State.PROCEEDING and not invite.cancelled:
            invite.cancelled = True
            self._send_cancel(invite, now)

    def forget(self, transaction: int) -> None:
        """Ends a transaction without a word; an answer that still comes is discarded."""
        found = self._by_id.get(transaction)
        if found is not None:
            self._timers.stop(found)
            self._remove(found)

    def receive(self, response: Response, flow: Flow, now: float) -> bool:
        """Takes a response; False when it belongs to no request of ours.

        Raises:
            SipError: 400: its Via or CSeq is malformed.
        """
        branch = response.via.branch
        if branch is None:
            return False
        key = client_key(branch, response.cseq.method)
        transaction = self._by_key.get(key)
        if transaction is None:
            if key in self._concluded:
                self._outbox.counters["retransmissions_absorbed"] += 1
                return True
            return False
        action = self._timers.advance(transaction, _happening(response.status), now)
        if action is Action.DELIVER:
            self._deliver(transaction, response, flow, now)
        elif action is Action.DELIVER_AND_ACK:
            transaction.data = self._ack(transaction, response)
            self._outbox.packets.append((transaction.data, transaction.flow))
            self._deliver(transaction, response, flow, now)
        else:
            self._outbox.counters["retransmissions_absorbed"] += 1
            if action is Action.RESEND_ACK:
                self._outbox.resend(transaction.data, transaction.flow)
        self._settle(transaction, now)
        return True

    def fire(self, transaction: ClientTransaction, timer: Input, now: float) -> None:
        """A timer of a transaction has fired."""
        action = self._timers.advance(transaction, timer, now)
        if action is Action.RESEND:
            self._outbox.resend(transaction.data, transaction.flow)
        elif action is Action.REPORT_TIMEOUT:
            self._outbox.counters["timeouts"] += 1
            if not transaction.silent:
                self._outbox.events.append(TransactionTimeout(transaction.serial, transaction.context))
        self._settle(transaction, now)

    def fail(self, flow: Flow, reason: str, now: float) -> None:
        """The flow broke: every transaction on it that has no final response yet is over."""
        for serial in sorted(self._by_flow.get(flow, ())):
            transaction = self._by_id[serial]
            if self._timers.advance(transaction, Input.TRANSPORT_ERROR, now) is Action.REPORT_FAILURE:
                self._outbox.counters["transport_failures"] += 1
                if not transaction.silent:
                    self._outbox.events.append(TransportFailed(serial, transaction.context, reason))
            self._settle(transaction, now)

    def next(self) -> float | None:
        """When ``end_due`` has something to do."""
        return self._concluded.next()

    def end_due(self, now: float) -> None:
        self._concluded.end_due(now)

    def counts(self) -> dict[str, int]:
        """Sizes of the tables, and how many requests wait for their final response."""
        waiting = sum(transaction.state in _UNANSWERED for transaction in self._by_id.values())
        return {"client_waiting": waiting, "client": len(self._by_id), "client_concluded": len(self._concluded)}

    def _launch(
        self, key: str, via: str, outgoing: Outgoing, flow: Flow, data: bytes, now: float, context: object
    ) -> ClientTransaction:
        if key in self._by_key:
            raise ValueError("a branch is in use: the source of tokens repeats itself")
        self._serial += 1
        machine = INVITE_CLIENT if outgoing.method == "INVITE" else NON_INVITE_CLIENT
        transaction = ClientTransaction(machine, key, self._serial, flow, data, via, outgoing, context)
        self._by_id[self._serial] = transaction
        self._by_key[key] = transaction
        self._by_flow.setdefault(flow, set()).add(self._serial)
        self._bytes += len(data)
        self._timers.start(transaction, now)
        self._outbox.packets.append((data, flow))
        self._outbox.counters["requests_sent"] += 1
        return transaction

    def _deliver(self, transaction: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        if not transaction.silent:
            self._outbox.events.append(ResponseReceived(transaction.serial, transaction.context, response, flow))
        if transaction.cancels_on_provisional:
            # 9.1: only now may the CANCEL that was asked for go out.
            self.cancel(transaction.serial, now)

    def _settle(self, transaction: ClientTransaction, now: float) -> None:
        """Files a transaction by the state it is in now."""
        if transaction.state is State.TERMINATED:
            self._remove(transaction)
        elif transaction.state is State.COMPLETED and transaction.machine.brief:
            self._remove(transaction)
            self._concluded.add(transaction.key, None, now)

    def _remove(self, transaction: ClientTransaction) -> None:
        del self._by_id[transaction.serial]
        del self._by_key[transaction.key]
        on_flow = self._by_flow[transaction.flow]
        on_flow.remove(transaction.serial)
        if not on_flow:
            del self._by_flow[transaction.flow]
        self._bytes -= transaction.size

    def _send_cancel(self, invite: ClientTransaction, now: float) -> None:
        # Outside the bound on requests: there is at most one for each INVITE, and it frees one.
        outgoing = _within(invite, "CANCEL", None)
        data = write_request("CANCEL", outgoing.target, outgoing.headers)
        key = "CANCEL" + invite.key[len("INVITE") :]
        self._launch(key, invite.via, outgoing, invite.flow, data, now, None).silent = True

    def _ack(self, invite: ClientTransaction, response: Response) -> bytes:
        outgoing = _within(invite, "ACK", response.first("to"))
        return write_request("ACK", outgoing.target, outgoing.headers)


def _happening(status: int) -> Input:
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


def _within(invite: ClientTransaction, method: str, to: str | None) -> Outgoing:
    """An ACK (17.1.1.3) or CANCEL (9.1) of an INVITE: its Request-URI, Via, Route, From, Call-ID and CSeq number;
    To as in the response, or as in the INVITE.
    """
    outgoing = invite.outgoing
    headers = [("Via", invite.via), ("Max-Forwards", str(_HOPS))]
    for name, value in outgoing.headers:
        key = header_key(name)
        if key == "cseq":
            headers.append((name, f"{value.partition(' ')[0]} {method}"))
        elif key == "to" and to is not None:
            headers.append((name, to))
        elif key in ("route", "from", "to", "call-id"):
            headers.append((name, value))
    return Outgoing(method, outgoing.target, headers, b"", outgoing.sent_by)
