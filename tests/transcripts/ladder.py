"""A ladder: what a telephone engineer draws of packets and time, as a table that plays itself.

A ladder is a table of lines ``seconds  who  what``:

    phone  a packet from the phone reaches us      sent   a packet leaves us
    user   the user of the stack does something    told   the user of the stack is told something
    jump   the clock jumps: no timer was handled since the line before

``phone`` and ``user`` lines are played; ``sent`` and ``told`` lines are what must come of it, all of it, in this order
and at this time. Between the lines every timer is handled at its moment.
"""

from __future__ import annotations

from itertools import count

from switchroom.wire.sip.events import (
    AckReceived,
    Discarded,
    Event,
    RequestReceived,
    ResponseReceived,
    TransactionTimeout,
    TransportFailed,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.stack import Outgoing, Stack
from switchroom.wire.sip.write import write_response

UDP = Flow("udp", "main", "192.0.2.1", 40001)
TCP = Flow("tcp", "main", "192.0.2.1", 40002)


class Line:
    """A stack, the phone at the other end, and what was seen on the line so far."""

    def __init__(self, flow: Flow) -> None:
        numbers = count(1)
        self.stack = Stack(node="n1", token=lambda: f"t{next(numbers)}")
        self.flow = flow
        self.now = 0.0
        self.seen: list[str] = []
        #: Every packet that left us, as bytes.
        self.packets: list[bytes] = []
        #: Requests of ours by method, as the phone saw them; the phone's, as our user was told of them.
        self.ours: dict[str, Request] = {}
        self.theirs: dict[str, RequestReceived] = {}
        self.transaction = 0

    def pass_time(self, until: float, *, jump: bool = False) -> None:
        while not jump and (when := self.stack.next_timer()) is not None and when <= until:
            self.now = when
            self.stack.handle_timer(when)
            self.look()
        self.now = until
        if jump:
            self.stack.handle_timer(until)
            self.look()

    def look(self) -> None:
        """Notes what the stack has for us."""
        while (item := self.stack.to_send()) is not None:
            data, flow = item
            assert flow == self.flow
            message = parse(data)
            if isinstance(message, Request):
                self.ours[message.method] = message
                self.note("sent", message.method)
            else:
                self.note("sent", f"{message.status} {message.cseq.method}")
            self.packets.append(data)
        while (event := self.stack.next_event()) is not None:
            self.note("told", self.name(event))

    def note(self, who: str, what: str) -> None:
        self.seen.append(f"{self.now:g} {who} {what}")

    def name(self, event: Event) -> str:
        if isinstance(event, RequestReceived):
            self.theirs[event.request.method] = event
            return f"{event.request.method}{' of INVITE' if event.cancels else ''}"
        if isinstance(event, ResponseReceived):
            return f"{event.response.status} {event.response.cseq.method}"
        names = {TransactionTimeout: "timeout", TransportFailed: "failure", AckReceived: "ACK", Discarded: "stray"}
        return names[type(event)]

    def phone(self, what: str) -> None:
        """A request ``METHOD [branch] [to-tag]`` of the phone, or its answer ``STATUS METHOD [tag]``."""
        first, *rest = what.split()
        if first.isdigit():
            request = self.ours[rest[0]]
            tag = rest[1] if len(rest) > 1 else "phone"
            self.stack.receive(write_response(request, int(first), to_tag=tag), self.flow, self.now)
            return
        branch = rest[0] if rest else "1"
        tag = f";tag={rest[1]}" if len(rest) > 1 else ""
        data = (
            f"{first} sip:us@198.51.100.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.flow.transport.upper()} phone.example.com;rport;branch=z9hG4bK{branch}\r\n"
            f"From: <sip:alice@example.com>;tag=alice\r\n"
            f"To: <sip:us@example.com>{tag}\r\n"
            f"Call-ID: theirs\r\nCSeq: 1 {first}\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n"
        )
        self.stack.receive(data.encode(), self.flow, self.now)

    def user(self, what: str) -> None:
        """``begin METHOD``, ``answer STATUS METHOD``, ``ask METHOD``, ``cancel``, ``forget`` or ``flow breaks``."""
        verb, *rest = what.split()
        if verb == "begin":
            self.stack.begin(self.theirs[rest[0]], self.now)
        elif verb == "answer":
            self.stack.respond(self.theirs[rest[1]], int(rest[0]), now=self.now)
        elif verb == "challenge":
            self.stack.respond(self.theirs[rest[0]], 401, now=self.now, stateless=True)
        elif verb == "ask":
            self.transaction = self.stack.request(asked(rest[0]), self.flow, self.now)
        elif verb == "cancel":
            self.stack.cancel(self.transaction, self.now)
        elif verb == "forget":
            self.stack.forget(self.transaction)
        else:
            assert what == "flow breaks"
            self.stack.transport_failed(self.flow, self.now)


def asked(method: str) -> Outgoing:
    headers = [
        ("Max-Forwards", "69"),
        ("Route", "<sip:edge.example.com;lr>"),
        ("From", "<sip:us@example.com>;tag=us"),
        ("To", "<sip:alice@example.com>"),
        ("Call-ID", "ours"),
        ("CSeq", f"7 {method}"),
        ("Contact", "<sip:us@198.51.100.1>"),
    ]
    return Outgoing(method, "sip:alice@192.0.2.1:40001", headers, b"", "198.51.100.1:5060")


def play(ladder: str, flow: Flow = UDP) -> Line:
    """Plays a ladder and compares; returns the line for a closer look at its bytes."""
    line = Line(flow)
    expected = []
    for row in filter(str.strip, ladder.splitlines()):
        time, who, *words = row.split("#")[0].split()
        what = " ".join(words)
        line.pass_time(float(time), jump=who == "jump")
        if who in ("sent", "told"):
            expected.append(f"{float(time):g} {who} {what}")
            continue
        if who == "phone":
            line.phone(what)
        elif who == "user":
            line.user(what)
        line.look()
    assert line.seen == expected
    return line
