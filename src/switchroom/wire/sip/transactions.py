"""Transactions: what is kept of each, and how a message finds its own (RFC 3261 17.1.3, 17.2.3)."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Final, NamedTuple

from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.machines import Machine
from switchroom.wire.sip.message import Request

#: RFC 3261 8.1.1.7: a branch that begins so is unique across space and time.
MAGIC_COOKIE: Final = "z9hG4bK"

#: Methods that belong to the transaction of their INVITE, or ask for it.
_OF_INVITE: Final = frozenset({"INVITE", "ACK", "CANCEL"})


class Outgoing(NamedTuple):
    """A request to send. The stack puts its Via before ``headers``; a proxy's headers begin with the other Vias."""

    method: str

    target: str
    """The Request-URI."""

    headers: list[tuple[str, str]]
    """All but our Via and Content-Length; full names."""

    body: bytes
    sent_by: str
    """Host and port of our listener, as the Via shows them."""

    mark: str = ""
    """Ends our branch: what a proxy knows its own requests by when they come back (RFC 3261 16.6 step 8)."""


class Transaction:
    """What the four machines have in common: a state, its two timers and what was sent last."""

    __slots__ = (
        "data",
        "ends_at",
        "flow",
        "interval",
        "key",
        "machine",
        "repeats_at",
        "serial",
        "state",
        "wakes_at",
    )

    def __init__(self, machine: Machine, key: str, serial: int, flow: Flow, data: bytes) -> None:
        self.machine = machine
        self.key = key
        self.serial = serial
        self.flow = flow
        self.data = data
        self.state = machine.first
        self.interval = 0.0
        self.repeats_at = math.inf
        self.ends_at = math.inf
        self.wakes_at: float | None = None


class ClientTransaction(Transaction):
    """A request of ours. After a non-2xx answer to an INVITE, ``data`` is the ACK."""

    __slots__ = ("cancelled", "cancels_on_provisional", "context", "outgoing", "silent", "size", "via")

    def __init__(
        self,
        machine: Machine,
        key: str,
        serial: int,
        flow: Flow,
        data: bytes,
        via: str,
        outgoing: Outgoing,
        context: object,
    ) -> None:
        super().__init__(machine, key, serial, flow, data)
        self.size = len(data)
        #: Our Via value, which its ACK and CANCEL repeat.
        self.via = via
        self.outgoing = outgoing
        self.context = context
        #: Of an INVITE: whether to send CANCEL as soon as a provisional response allows it, and whether it was sent.
        self.cancels_on_provisional = False
        self.cancelled = False
        #: Whether nobody wants to hear what becomes of it: a CANCEL, whose INVITE tells enough.
        self.silent = False


class ServerTransaction(Transaction):
    """A request of somebody else that we have begun to work on; ``data`` is our last answer, empty before the first."""

    __slots__ = ("incoming",)

    def __init__(self, machine: Machine, serial: int, incoming: RequestReceived) -> None:
        super().__init__(machine, incoming.transaction, serial, incoming.flow, b"")
        self.incoming = incoming


def client_key(branch: str, method: str) -> str:
    """RFC 3261 17.1.3: the branch of the topmost Via, and the CSeq method, as a CANCEL has its INVITE's branch."""
    return f"{method} {branch}"


def server_key(request: Request) -> str:
    """The transaction a request belongs to, the same for an INVITE and the ACK to its non-2xx answer.

    Method, sent-by and branch, where the branch is of RFC 3261; method and sent-by have no blanks, so two different
    triples never give one key.

    Raises:
        SipError: 400: Via, From, To, Call-ID or CSeq missing or malformed.
    """
    via = request.via
    branch = via.branch
    method = "INVITE" if request.method == "ACK" else request.method
    if branch is not None and branch.startswith(MAGIC_COOKIE):
        return f"{method} {via.sent_by} {branch}"
    return _key_without_cookie(request, method)


def invite_key(cancel: Request, key: str) -> str:
    """Key of the INVITE that a CANCEL with ``key`` asks to end (RFC 3261 9.2)."""
    return "INVITE" + key[len(cancel.method) :]


def _key_without_cookie(request: Request, method: str) -> str:
    """RFC 3261 17.2.3 for RFC 2543 peers: Request-URI, To tag, From tag, Call-ID, CSeq number and topmost Via.

    Hashed, because these are long. The To tag is left out where ACK and CANCEL must find an INVITE that had none.
    """
    to_tag = "" if request.method in _OF_INVITE else request.to.tag or ""
    parts = (
        request.target,
        to_tag,
        request.from_.tag or "",
        request.call_id,
        str(request.cseq.number),
        request.vias_raw[0],
    )
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"{method} ?{blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()}"
