"""All calls of a stack: their table, their timers, and the hands of their machines.

Frames of a call come in here in order, become inputs, and what the machine says is done.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Proof
from switchroom.wire.iax2.call import Call
from switchroom.wire.iax2.delivery import Arrival, Delivery, Lost
from switchroom.wire.iax2.elements import Elements, write_number, write_raw, write_text
from switchroom.wire.iax2.events import (
    CallOffered,
    CallProven,
    NoPong,
    Pong,
    Registered,
    RegistrationFailed,
    TextDelivered,
    TextFailed,
    TextReceived,
)
from switchroom.wire.iax2.frames import HEAD_BYTES, FullFrame
from switchroom.wire.iax2.limits import (
    FIRST_DERIVED,
    MAX_CALLS,
    MAX_INCOMING_SECONDS,
    MAX_UNACKNOWLEDGED,
    NUMBER_TRIES,
    PING_SECONDS,
    RETRIES,
)
from switchroom.wire.iax2.machines import MACHINES, Action, Input, Role, State
from switchroom.wire.iax2.numbers import UNSEQUENCED, Cause, Command, Control, Element, FrameType

_EMPTY: Final = Elements(b"")
_KNOWN: Final = frozenset(int(command) for command in Command)

_INPUTS: Final[dict[int, Input]] = {
    Command.AUTHREQ: Input.CHALLENGE,
    Command.REGAUTH: Input.CHALLENGE,
    Command.AUTHREP: Input.PROOF,
    Command.ACCEPT: Input.ACCEPTED,
    Command.REGACK: Input.CONFIRMED,
    Command.REJECT: Input.REFUSED,
    Command.REGREJ: Input.REFUSED,
    Command.HANGUP: Input.REFUSED,
}

#: RFC 5456 6.7.3: the receiver's statistics; there is no audio that could be late.
_NO_STATISTICS: Final = b"".join(
    write_number(element, 0, size)
    for element, size in (
        (Element.RECEIVED_JITTER, 4),
        (Element.RECEIVED_LOSS, 4),
        (Element.RECEIVED_FRAMES, 4),
        (Element.RECEIVED_DELAY, 2),
        (Element.RECEIVED_DROPPED, 4),
        (Element.RECEIVED_OUT_OF_ORDER, 4),
    )
)

Event = (
    CallOffered
    | CallProven
    | TextReceived
    | TextDelivered
    | TextFailed
    | Pong
    | NoPong
    | Registered
    | RegistrationFailed
)


def write_cause(cause: int, reason: str) -> bytes:
    return write_text(Element.CAUSE, reason) + write_number(Element.CAUSE_CODE, cause, 1)


class Calls:
    """The table. ``number`` gives a random whole number that nobody can guess, ``send`` and ``tell`` take what
    leaves and what the user is to know.
    """

    def __init__(
        self,
        number: Callable[[], int],
        send: Callable[[bytes, Address], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._number = number
        self._send = send
        self._tell = tell
        self._calls: dict[tuple[Address, int], Call] = {}
        #: Calls of peers by the peer's own number.
        self._incoming: dict[tuple[Address, int], Call] = {}
        self._by_host: Counter[str] = Counter()
        #: Calls of peers that did not prove their address.
        self.unproven = 0
        self._timers: list[tuple[float, int, Call]] = []
        self._order = count()
        self._actions: dict[Action, Callable[[Call, Elements, FullFrame | None, float], None]] = {
            Action.BEGIN_AGAIN: self._begin_again,
            Action.PROVE: self._prove,
            Action.SPEAK: self._speak,
            Action.DELIVERED: self._delivered,
            Action.FAIL: self._fail,
            Action.GIVE_UP: self._give_up,
            Action.REGISTERED: self._registered,
            Action.ALIVE: self._alive,
            Action.JUDGE: self._judge,
            Action.ANSWER: self._answer,
            Action.HEAR: self._hear,
            Action.HANG_UP: self._hang_up,
            Action.NOTHING: self._nothing,
        }

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, address: Address, local: int) -> Call | None:
        return self._calls.get((address, local))

    def find_incoming(self, address: Address, remote: int) -> Call | None:
        return self._incoming.get((address, remote))

    def from_host(self, host: str) -> int:
        """Calls of peers at a host."""
        return self._by_host[host]

    def towards(self, address: Address) -> list[Call]:
        """All calls with an address; a walk through the table, for rare occasions."""
        return [call for call in self._calls.values() if call.address == address]

    # ---- a call comes to be

    def begin(
        self,
        role: Role,
        address: Address,
        deadline: float,
        context: object,
        now: float,
        *,
        state: State = State.ASKING,
        remote: int = 0,
        retries: Sequence[float] = RETRIES,
    ) -> Call | None:
        """A call with a number of its own; None when there is no room."""
        local = self._free_number(address)
        if local is None or len(self._calls) >= MAX_CALLS:
            return None
        call = Call(role, state, address, Delivery(local, remote, now, retries=retries), deadline, context)
        self._calls[address, local] = call
        if role is Role.CALLEE:
            self._incoming[address, remote] = call
            self._by_host[address.host] += 1
        return call

    def _free_number(self, address: Address) -> int | None:
        for _ in range(NUMBER_TRIES):
            local = 2 + self._number() % (FIRST_DERIVED - 2)
            if (address, local) not in self._calls:
                return local
        return None

    def ask(self, call: Call, command: Command, elements: bytes, now: float) -> None:
        """Sends the first frame; an empty token says that we know about tokens."""
        call.command = command
        call.elements = elements
        self.write(call, FrameType.IAX, command, elements + write_raw(Element.CALL_TOKEN), now)
        self.arm(call)

    def write(self, call: Call, kind: FrameType, subclass: int, payload: bytes, now: float) -> None:
        self._send(call.delivery.write(kind, subclass, payload, now), call.address)

    def trust(self, call: Call) -> None:
        """The peer has seen what was sent to its address."""
        if not call.proven:
            call.proven = call.delivery.repeats = True
            self.unproven -= 1

    def _forget(self, call: Call) -> None:
        del self._calls[call.address, call.delivery.local]
        if call.role is Role.CALLEE:
            self._incoming.pop((call.address, call.delivery.remote), None)
            host = call.address.host
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]
            if not call.proven:
                self.unproven -= 1

    # ---- a frame comes

    def receive(self, call: Call, frame: FullFrame, now: float) -> None:
        """A frame with our call's number in it, or a first one that is repeated. Raises FrameError."""
        delivery = call.delivery
        iax = frame.kind == FrameType.IAX
        elements = Elements(frame.payload) if iax and frame.payload else _EMPTY
        if call.role is Role.POKER:
            self._receive_poked(call, frame, now)
            return
        if iax and frame.subclass == Command.CALLTOKEN:
            self.drive(call, Input.TOKEN, now, elements, frame)
            return
        if delivery.remote and frame.source != delivery.remote:
            return
        delivery.remote = frame.source
        if iax and frame.subclass == Command.INVAL:
            call.cause, call.reason = Cause.OUT_OF_ORDER, "The peer does not know the call"
            self.drive(call, Input.LOST, now)
            return
        if delivery.acknowledge(frame.iseq) and delivery.settled:
            self.drive(call, Input.SETTLED, now)
        if not frame.sequenced:
            if iax and frame.subclass == Command.VNAK:
                self._repeat_all(call, frame)
            return
        arrival = delivery.take(frame)
        if arrival is Arrival.FRESH:
            self._take(call, frame, elements, now)
        elif arrival is Arrival.AHEAD:
            self._send(delivery.write_vnak(now), call.address)
        elif delivery.repeats or delivery.settled:
            self._send(delivery.write_ack(frame), call.address)
        else:
            self._repeat_all(call, frame)

    def _receive_poked(self, call: Call, frame: FullFrame, now: float) -> None:
        """Some answer with a number of its own for each frame, so any may come (iaxmodem)."""
        if frame.kind != FrameType.IAX:
            return
        if frame.subclass == Command.PONG:
            call.delivery.iseq = frame.oseq + 1 & 0xFF
            self._send(call.delivery.write_ack(frame), call.address)
            self.drive(call, Input.PONG, now)
        elif frame.subclass in UNSEQUENCED:
            call.delivery.acknowledge(frame.iseq)

    def _take(self, call: Call, frame: FullFrame, elements: Elements, now: float) -> None:
        """A fresh frame; what is sent because of it acknowledges it, else an ACK does."""
        delivery = call.delivery
        before = delivery.written
        if frame.kind == FrameType.TEXT:
            self.drive(call, Input.TEXT, now, elements, frame)
        elif frame.kind == FrameType.IAX:
            meant = _INPUTS.get(frame.subclass)
            if meant is not None:
                self.drive(call, meant, now, elements, frame)
            elif not call.proven:
                # Whoever it is gets no more than an ACK for it.
                pass
            elif frame.subclass == Command.PING:
                self._echo(call, Command.PONG, _NO_STATISTICS, frame, now)
            elif frame.subclass == Command.LAGRQ:
                self._echo(call, Command.LAGRP, b"", frame, now)
            elif frame.subclass not in _KNOWN:
                unknown = write_number(Element.UNKNOWN_COMMAND, frame.subclass & 0xFF, 1)
                self.write(call, FrameType.IAX, Command.UNSUPPORT, unknown, now)
        if delivery.written == before:
            self._send(delivery.write_ack(frame), call.address)
        if delivery.unacknowledged > MAX_UNACKNOWLEDGED:
            call.reason = "The peer acknowledges nothing"
            self.drive(call, Input.LOST, now)
        elif call.state is not State.OVER:
            self.arm(call)

    def _echo(self, call: Call, command: Command, payload: bytes, frame: FullFrame, now: float) -> None:
        """RFC 5456 6.7: with the timestamp of what is answered."""
        data = call.delivery.write(FrameType.IAX, command, payload, now, frame.timestamp)
        self._send(data, call.address)

    def _repeat_all(self, call: Call, asked: FullFrame) -> None:
        """For a peer that misses something; who has proven nothing gets at most twice the bytes of what it sent."""
        again = call.delivery.repeat_all()
        if call.proven or sum(map(len, again)) <= 2 * (HEAD_BYTES + len(asked.payload)):
            for data in again:
                self._send(data, call.address)

    # ---- the machine

    def drive(
        self,
        call: Call,
        happened: Input,
        now: float,
        elements: Elements = _EMPTY,
        frame: FullFrame | None = None,
    ) -> None:
        """Does what the machine of the call's role says; nothing where it says nothing."""
        cell = MACHINES[call.role].get((call.state, happened))
        if cell is None:
            return
        if happened is Input.REFUSED:
            call.cause = elements.number(Element.CAUSE_CODE, 1) or 0
            call.reason = elements.text(Element.CAUSE) or "Refused"
            call.cause = call.cause or Cause.FACILITY_REJECTED
        call.state, action = cell
        if call.state is State.OVER:
            self._forget(call)
        self._actions[action](call, elements, frame, now)
        if call.state is not State.OVER:
            self.arm(call)

    def _begin_again(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        token = elements.raw(Element.CALL_TOKEN)
        if not token or not call.tokens_left:
            return
        call.tokens_left -= 1
        call.delivery.begin_again()
        payload = call.elements + write_raw(Element.CALL_TOKEN, token)
        self.write(call, FrameType.IAX, call.command, payload, now)

    def _prove(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        answer = call.credentials.answer(elements)
        if answer is None:
            call.cause, call.reason = Cause.NO_AUTHORITY, "The peer asks for a proof that we may not or can not give"
            self.drive(call, Input.EXPIRED, now)
        elif call.role is Role.REGISTRANT:
            self.write(call, FrameType.IAX, call.command, call.elements + answer, now)
        else:
            self.write(call, FrameType.IAX, Command.AUTHREP, answer, now)

    def _speak(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        # RFC 5456 8.2: Asterisk expects the NUL.
        self.write(call, FrameType.TEXT, 0, call.text + b"\0", now)

    def _delivered(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        self._tell(TextDelivered(call.context))
        self._hang_up(call, elements, frame, now)

    def _fail(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        reason = call.reason or "No answer"
        if call.role is Role.POKER:
            self._tell(NoPong(call.context))
        elif call.role is Role.TEXTER:
            self._tell(TextFailed(call.context, call.cause, reason))
        else:
            self._tell(RegistrationFailed(call.context, call.cause, reason))

    def _give_up(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        self._fail(call, elements, frame, now)
        self._hang_up(call, elements, frame, now)

    def _registered(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        self._tell(Registered(call.context, elements.number(Element.REFRESH, 2) or 0))

    def _alive(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        self._tell(Pong(call.context, call.delivery.age(now)))

    def _judge(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        assert isinstance(call.context, CallOffered)
        self._tell(CallProven(call, call.context, Proof.of(elements, (call.challenge,)), now))

    def _answer(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        self.trust(call)
        call.deadline = now + MAX_INCOMING_SECONDS
        call.ping_at = now + PING_SECONDS
        self.write(call, FrameType.CONTROL, Control.ANSWER, b"", now)

    def _hear(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        assert frame is not None
        assert isinstance(call.context, CallOffered)
        self._tell(TextReceived(call, call.context, frame.payload.partition(b"\0")[0]))

    def _hang_up(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        cause = write_cause(Cause.NORMAL, "Normal Clearing")
        self.write(call, FrameType.IAX, Command.HANGUP, cause, now)

    def _nothing(self, call: Call, elements: Elements, frame: FullFrame | None, now: float) -> None:
        """The state alone has changed."""

    # ---- time

    def arm(self, call: Call) -> None:
        """Sees to it that the call is looked at when something of it is due."""
        due = call.due
        if call.timer is None or due < call.timer:
            call.timer = due
            heapq.heappush(self._timers, (due, next(self._order), call))

    def next_timer(self) -> float | None:
        timers = self._timers
        while timers and (timers[0][2].state is State.OVER or timers[0][2].timer != timers[0][0]):
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def handle_timer(self, now: float) -> None:
        while (due := self.next_timer()) is not None and due <= now:
            call = heapq.heappop(self._timers)[2]
            call.timer = None
            self._look(call, now)
            if call.state is not State.OVER:
                self.arm(call)

    def _look(self, call: Call, now: float) -> None:
        if call.deadline <= now:
            # What follows the deadline (our HANGUP, mostly) has as long as any frame has.
            call.deadline = now + sum(RETRIES)
            self.drive(call, Input.EXPIRED, now)
            return
        if call.ping_at is not None and call.ping_at <= now:
            call.ping_at = now + PING_SECONDS
            self.write(call, FrameType.IAX, Command.PING, b"", now)
        if not call.delivery.repeats:
            return
        try:
            again = call.delivery.repeat_due(now)
        except Lost:
            self.drive(call, Input.LOST, now)
            return
        for data in again:
            self._send(data, call.address)
