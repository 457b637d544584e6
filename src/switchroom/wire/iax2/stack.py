"""The IAX2 stack: datagrams in, events out, and the other way round. No input or output of its own.

Who has proven neither its address nor itself gets one datagram for one, of at most twice its bytes, so many a
second; nothing is kept for it but calls that were offered without a token, and of those a bounded number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import NOBODY, Credentials
from switchroom.wire.iax2.call import Call
from switchroom.wire.iax2.calls import Calls, Event, write_cause
from switchroom.wire.iax2.elements import Elements, write_address, write_number, write_raw, write_text
from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.events import CallOffered, CallProven
from switchroom.wire.iax2.frames import HEAD_BYTES, FullFrame, parse_frame, write_frame
from switchroom.wire.iax2.limits import (
    CALL_SECONDS,
    POKE_RETRIES,
    STATELESS_NUMBER,
    UNPROVEN_SECONDS,
)
from switchroom.wire.iax2.machines import Input, Role, State
from switchroom.wire.iax2.numbers import (
    ANY_AUDIO,
    PROTOCOL_VERSION,
    ULAW,
    Cause,
    Command,
    Element,
    FrameType,
)
from switchroom.wire.iax2.rates import Rates
from switchroom.wire.iax2.registration import RegistrationRequested, Registrations, answer_place
from switchroom.wire.iax2.tokens import CallTokens

#: They belong to no call of a peer, whatever number they come from.
_OUTSIDE = frozenset({Command.REGREQ, Command.REGREL, Command.POKE})

#: Of a call nobody knows these are no reason for an INVAL: the other side is done with it, or never began one.
_SILENT = frozenset(
    {Command.ACK, Command.INVAL, Command.VNAK, Command.TXCNT, Command.TXACC, Command.HANGUP, Command.REJECT}
    | {Command.PONG, Command.REGACK, Command.REGREJ, Command.CALLTOKEN, Command.UNSUPPORT}
)


class Stack:
    """One stack for all sockets of a server or a client. Times are seconds on a scale that never jumps."""

    def __init__(
        self,
        *,
        secret: bytes,
        number: Callable[[], int],
        token_lifetime: int = 10,
        max_calls_per_host: int = 2048,
        max_unproven: int = 8192,
    ) -> None:
        """``secret``: at least 16 bytes nobody knows, new at each start. ``number`` gives random whole numbers
        nobody can guess.
        """
        self._number = number
        self._tokens = CallTokens(secret, token_lifetime)
        self._registrations = Registrations(secret)
        self._rates = Rates()
        self._events: deque[Event | RegistrationRequested] = deque()
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._calls = Calls(number, self._send, self._events.append)
        self._max_calls_per_host = max_calls_per_host
        self._max_unproven = max_unproven
        #: Datagrams that were no frames.
        self.malformed = 0
        #: Answers that were withheld: too many a second, or larger than twice what they answer.
        self.withheld = 0

    def __len__(self) -> int:
        """Calls at the moment."""
        return len(self._calls)

    @property
    def remembered(self) -> int:
        """Registrations of the last half minute."""
        return len(self._registrations)

    # ---- the five verbs

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Takes one datagram; never raises for what is in it."""
        try:
            frame = parse_frame(data)
            # Mini and meta frames are audio and video.
            if isinstance(frame, FullFrame):
                self._full(frame, source, now)
        except FrameError:
            self.malformed += 1

    def next_event(self) -> Event | RegistrationRequested | None:
        """What happened, in order; None when there is no more."""
        return self._events.popleft() if self._events else None

    def to_send(self) -> tuple[bytes, Address] | None:
        """The next datagram that is to leave; None when there is no more."""
        return self._outbox.popleft() if self._outbox else None

    def next_timer(self) -> float | None:
        """When ``handle_timer`` is to be called."""
        return self._calls.next_timer()

    def handle_timer(self, now: float) -> None:
        self._calls.handle_timer(now)

    def refused(self, address: Address, now: float) -> None:
        """The network says that nobody is there (ICMP): what is asked of this address ends."""
        for call in self._calls.towards(address):
            call.cause, call.reason = Cause.NETWORK_OUT_OF_ORDER, "Nobody is at this address"
            self._calls.drive(call, Input.LOST, now)

    # ---- in

    def _full(self, frame: FullFrame, source: Address, now: float) -> None:
        call = None
        if frame.destination:
            call = self._calls.find(source, frame.destination)
        elif frame.kind != FrameType.IAX or frame.subclass not in _OUTSIDE:
            call = self._calls.find_incoming(source, frame.source)
        if call is not None:
            self._calls.receive(call, frame, now)
            return
        if frame.kind != FrameType.IAX:
            if frame.destination:
                self._invalidate(frame, source, now)
            return
        if frame.subclass in (Command.REGREQ, Command.REGREL):
            self._registration(frame, source, now)
        elif frame.destination:
            if frame.subclass not in _SILENT:
                self._invalidate(frame, source, now)
        elif frame.subclass == Command.NEW:
            self._new(frame, source, now)
        elif frame.subclass == Command.POKE:
            self._reply(frame, source, Command.PONG, b"", now)

    def _registration(self, frame: FullFrame, source: Address, now: float) -> None:
        elements = Elements(frame.payload)
        again = self._registrations.reply_again(frame, elements, source, now)
        if again is not None:
            self._answer(again, source, len(again), now)
            return
        proven = False
        if not frame.destination:
            token = self._token(frame, elements, source, now)
            if token is None:
                return
            proven = token
        request = self._registrations.read(frame, elements, source, proven=proven, now=now)
        if request is None:
            self._invalidate(frame, source, now)
        else:
            self._events.append(request)

    def _new(self, frame: FullFrame, source: Address, now: float) -> None:
        elements = Elements(frame.payload)
        token = self._token(frame, elements, source, now)
        if token is None:
            return
        if self._calls.from_host(source.host) >= self._max_calls_per_host or (
            not token and self._calls.unproven >= self._max_unproven
        ):
            self._reply(frame, source, Command.REJECT, b"", now)
            return
        wanted = elements.number(Element.FORMAT, 4) or 0
        capability = elements.number(Element.CAPABILITY, 4) or 0
        self._events.append(
            CallOffered(
                source,
                elements.text(Element.USERNAME),
                elements.text(Element.CALLED_NUMBER),
                elements.text(Element.CALLING_NUMBER),
                elements.text(Element.CALLING_NAME),
                _single(wanted) or _single(capability) or ULAW,
                token,
                now,
                frame,
            )
        )

    def _token(self, frame: FullFrame, elements: Elements, source: Address, now: float) -> bool | None:
        """Whether a good call token came; None when it was answered here, as there is an empty or a bad one."""
        token = elements.raw(Element.CALL_TOKEN)
        if token is None:
            return False
        if token:
            if self._tokens.check(token, source, now):
                return True
            refusal = Command.REJECT if frame.subclass == Command.NEW else Command.REGREJ
            self._reply(frame, source, refusal, b"", now)
        else:
            issued = write_raw(Element.CALL_TOKEN, self._tokens.issue(source, now))
            self._reply(frame, source, Command.CALLTOKEN, issued, now)
        return None

    # ---- answers without a state

    def _reply(self, frame: FullFrame, to: Address, command: Command, payload: bytes, now: float) -> None:
        """An answer that begins nothing, from the number that no call has; its timestamp is the frame's."""
        data = write_frame(
            STATELESS_NUMBER, frame.source, frame.timestamp, 0, frame.oseq + 1 & 0xFF, FrameType.IAX, command, payload
        )
        self._answer(data, to, HEAD_BYTES + len(frame.payload), now)

    def _invalidate(self, frame: FullFrame, to: Address, now: float) -> None:
        """RFC 5456 6.9.2: there is no such call, with the numbers turned round."""
        data = write_frame(frame.destination or STATELESS_NUMBER, frame.source, 0, 0, 0, FrameType.IAX, Command.INVAL)
        self._answer(data, to, HEAD_BYTES, now)

    def _answer(self, data: bytes, to: Address, size: int, now: float) -> None:
        """Answers ``size`` bytes of somebody who has proven nothing, unless that would make us a weapon."""
        if len(data) > 2 * size or not self._rates.allow(to.host, now):
            self.withheld += 1
        else:
            self._send(data, to)

    def _send(self, data: bytes, to: Address) -> None:
        self._outbox.append((data, to))

    # ---- registrations of others

    def challenge_registration(self, request: RegistrationRequested, methods: int) -> None:
        """REGAUTH; ``methods`` are bits of AUTH_METHODS."""
        payload = (
            write_number(Element.AUTH_METHODS, methods, 2)
            + write_text(Element.CHALLENGE, self._registrations.challenge(request))
            + write_text(Element.USERNAME, request.username)
        )
        self._answer_registration(request, Command.REGAUTH, payload)

    def confirm_registration(self, request: RegistrationRequested, refresh: int, date_time: int) -> None:
        """REGACK: granted for ``refresh`` seconds; ``date_time`` as ``packed_time`` makes it, in the peer's zone."""
        username = write_text(Element.USERNAME, request.username)
        when = write_number(Element.DATE_TIME, date_time, 4)
        granted = b"" if request.release else write_number(Element.REFRESH, refresh, 2)
        where = b"" if request.release else write_address(request.address.host, request.address.port)
        payload = username + when + granted + where
        if not request.proven and request.proof is None:
            # Anybody can ask so for somebody else: what is not needed would make the answer too large.
            payload = username + granted
        data = self._answer_registration(request, Command.REGACK, payload)
        if request.proof is not None:
            self._registrations.confirm(request, data)

    def refuse_registration(self, request: RegistrationRequested) -> None:
        """REGREJ, with a cause for those who answered a challenge."""
        cause = write_cause(Cause.FACILITY_REJECTED, "Registration Refused") if request.proof is not None else b""
        self._answer_registration(request, Command.REGREJ, cause)

    def _answer_registration(self, request: RegistrationRequested, command: Command, payload: bytes) -> bytes:
        frame, to = request.frame, request.address
        stamp, oseq, iseq = answer_place(frame)
        data = write_frame(request.number, frame.source, stamp, oseq, iseq, FrameType.IAX, command, payload)
        if request.proven or (command == Command.REGACK and request.proof is not None):
            self._send(data, to)
        else:
            self._answer(data, to, HEAD_BYTES + len(frame.payload), request.received_at)
        return data

    # ---- calls of others

    def challenge_call(self, offer: CallOffered, methods: int) -> None:
        """AUTHREQ; ``CallProven`` follows when it is answered."""
        call = self._admit(offer, State.CHALLENGED, offer.received_at + UNPROVEN_SECONDS)
        if call is None:
            return
        call.challenge = f"{self._number():016x}"[-16:]
        payload = (
            write_number(Element.AUTH_METHODS, methods, 2)
            + write_text(Element.CHALLENGE, call.challenge)
            + write_text(Element.USERNAME, offer.username)
        )
        self._begin_call(call, offer, Command.AUTHREQ, payload)

    def accept_call(self, offered: CallOffered | CallProven) -> None:
        """ACCEPT, and ANSWER once that has come; ``TextReceived`` s follow."""
        now = offered.received_at
        if isinstance(offered, CallOffered):
            call = self._admit(offered, State.ACCEPTING, now + UNPROVEN_SECONDS)
            if call is not None:
                self._begin_call(call, offered, Command.ACCEPT, write_number(Element.FORMAT, offered.format, 4))
            return
        call = offered.call
        self._calls.trust(call)
        call.state = State.ACCEPTING
        call.deadline = now + CALL_SECONDS
        accepted = write_number(Element.FORMAT, offered.offer.format, 4)
        self._calls.write(call, FrameType.IAX, Command.ACCEPT, accepted, now)
        self._calls.arm(call)

    def reject_call(self, offered: CallOffered | CallProven, cause: int, reason: str) -> None:
        """REJECT; of one that was not challenged nothing is kept."""
        if isinstance(offered, CallOffered):
            self._reply(offered.frame, offered.address, Command.REJECT, b"", offered.received_at)
            return
        call, now = offered.call, offered.received_at
        call.state = State.CLOSING
        self._calls.trust(call)
        call.deadline = now + CALL_SECONDS
        self._calls.write(call, FrameType.IAX, Command.REJECT, write_cause(cause, reason), now)
        self._calls.arm(call)

    def _admit(self, offer: CallOffered, state: State, deadline: float) -> Call | None:
        now = offer.received_at
        call = self._calls.begin(
            Role.CALLEE, offer.address, deadline, offer, now, state=state, remote=offer.frame.source
        )
        if call is None:
            self._reply(offer.frame, offer.address, Command.REJECT, b"", now)
            return None
        call.delivery.take(offer.frame)
        if not offer.proven:
            call.proven = call.delivery.repeats = False
            self._calls.unproven += 1
        return call

    def _begin_call(self, call: Call, offer: CallOffered, command: Command, payload: bytes) -> None:
        """The first frame of a call of somebody else."""
        now = offer.received_at
        data = call.delivery.write(FrameType.IAX, command, payload, now)
        if offer.proven:
            self._send(data, offer.address)
        else:
            self._answer(data, offer.address, HEAD_BYTES + len(offer.frame.payload), now)
        self._calls.arm(call)

    # ---- calls of ours

    def poke(self, address: Address, context: object, timeout: float, now: float) -> bool:
        """POKE; ``Pong`` or, after ``timeout`` seconds, ``NoPong`` follows. False when there is no room."""
        call = self._calls.begin(Role.POKER, address, now + timeout, context, now, retries=POKE_RETRIES)
        if call is not None:
            self._calls.ask(call, Command.POKE, b"", now)
        return call is not None

    def send_text(
        self,
        address: Address,
        text: bytes,
        context: object,
        now: float,
        *,
        called: str = "s",
        caller_number: str = "",
        caller_name: str = "",
        credentials: Credentials = NOBODY,
    ) -> bool:
        """A call that brings one text; ``TextDelivered`` or ``TextFailed`` follows. False when there is no room."""
        call = self._calls.begin(Role.TEXTER, address, now + CALL_SECONDS, context, now)
        if call is None:
            return False
        call.text = text
        call.credentials = credentials
        texts = (
            (Element.CALLED_NUMBER, called),
            (Element.CALLING_NUMBER, caller_number),
            (Element.CALLING_NAME, caller_name),
            (Element.USERNAME, credentials.username),
        )
        payload = (
            write_number(Element.VERSION, PROTOCOL_VERSION, 2)
            + b"".join(write_text(element, value) for element, value in texts if value)
            + write_number(Element.FORMAT, ULAW, 4)
            + write_number(Element.CAPABILITY, ANY_AUDIO, 4)
        )
        self._calls.ask(call, Command.NEW, payload, now)
        return True

    def register(self, address: Address, credentials: Credentials, refresh: int, context: object, now: float) -> bool:
        """Registers us elsewhere, for ``refresh`` seconds or, with 0, no longer. ``Registered`` or
        ``RegistrationFailed`` follows. False when there is no room.
        """
        call = self._calls.begin(Role.REGISTRANT, address, now + CALL_SECONDS, context, now)
        if call is None:
            return False
        call.credentials = credentials
        payload = write_text(Element.USERNAME, credentials.username)
        if refresh:
            payload += write_number(Element.REFRESH, refresh, 2)
        self._calls.ask(call, Command.REGREQ if refresh else Command.REGREL, payload, now)
        return True


def _single(formats: int) -> int:
    """The lowest format of a set; 0 of none."""
    return formats & -formats
