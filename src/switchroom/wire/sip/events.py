"""What the stack tells its user, in the order it happened. All times are seconds on the clock handed in."""

from __future__ import annotations

from dataclasses import dataclass

from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request, new to the stack. Comes once, and not again once it is answered or begun; never for an ACK.

    Until then a retransmission can not be told from a new request: answer or begin it before the next packet.
    """

    request: Request
    """Via, From, To, Call-ID and CSeq can be understood; nothing else has been checked."""

    flow: Flow
    """Where it came from; answers go there, whatever its Via says."""

    transaction: str
    """Key of its server transaction (RFC 3261 17.2.3)."""

    received_at: float
    """When it came."""

    cancels: str = ""
    """Of a CANCEL: key of the INVITE transaction it asks to end (RFC 3261 9.2); empty when there is none."""

    size: int = 0
    """Bytes of the packet it came in; 0: not from a packet."""


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """An answer to a request of ours: each provisional, then one final.

    Only the 2xx of an INVITE come again, each of them, for 64*T1: other forks, and retransmissions that
    ask for their ACK (RFC 6026).
    """

    transaction: int
    """What ``Stack.request`` returned."""

    context: object
    """What ``Stack.request`` was given."""

    response: Response
    """Its topmost Via is ours."""

    flow: Flow
    """Where it came from; not always where the request went."""


@dataclass(frozen=True, slots=True)
class TransactionTimeout:
    """No final answer within 64*T1 (Timers B and F): to be treated as a 408 (RFC 3261 8.1.3.1)."""

    transaction: int
    """What ``Stack.request`` returned."""

    context: object
    """What ``Stack.request`` was given."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The flow broke before a final answer: to be treated as a 503 (RFC 3261 8.1.3.1)."""

    transaction: int
    """What ``Stack.request`` returned."""

    context: object
    """What ``Stack.request`` was given."""

    reason: str
    """What went wrong, for people."""


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The ACK to a 2xx; those to other answers end in their transaction (RFC 3261 17)."""

    request: Request
    """Via, From, To, Call-ID and CSeq can be understood."""

    flow: Flow
    """Where it came from."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Blank lines that keep a NAT binding or a connection open (RFC 5626 3.5.1, 4.4.1)."""

    flow: Flow
    """Where they came from."""

    ping: bool
    """Two line ends, which ask for one back on a stream; one is the answer, or a phone's habit."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """A packet that nobody gets to see: malformed, or a response to nothing of ours."""

    reason: str
    """Why, for people and counters; never contains bytes of the packet."""

    flow: Flow
    """Where it came from."""

    data_prefix: bytes
    """Its first bytes, as they came."""


Event = RequestReceived | ResponseReceived | TransactionTimeout | TransportFailed | AckReceived | KeepAlive | Discarded
