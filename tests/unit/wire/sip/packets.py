"""Packets of a telephone and what a stack makes of them: shared by the tests of the transaction layer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from switchroom.wire.sip.events import (
    Event,
    RequestReceived,
)
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.stack import Outgoing, Stack
from switchroom.wire.sip.write import write_response

PHONE = Flow("udp", "main", "192.0.2.1", 40001)
STREAM = Flow("tcp", "main", "192.0.2.1", 40002)


def tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"t{next(numbers)}"


def new_stack(**timing: float) -> Stack:
    return Stack(node="n1", token=tokens(), **timing)


def packet(
    method: str = "OPTIONS",
    branch: str = "z9hG4bK1",
    *,
    to_tag: str = "",
    start: str = "",
    cseq: str = "",
    extra: str = "",
) -> bytes:
    return (
        f"{start or f'{method} sip:pbx.example.com SIP/2.0'}\r\n"
        f"Via: SIP/2.0/UDP 198.51.100.7:5060;branch={branch};rport\r\n"
        f"From: <sip:alice@pbx.example.com>;tag=f\r\n"
        f"To: <sip:bob@pbx.example.com>{f';tag={to_tag}' if to_tag else ''}\r\n"
        f"Call-ID: call-1\r\n"
        f"CSeq: {cseq or f'1 {method}'}\r\n{extra}"
        "Max-Forwards: 70\r\n"
        "User-Agent: a telephone that says a little about itself\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def outgoing(method: str = "MESSAGE", body: bytes = b"hello") -> Outgoing:
    headers = [
        ("Max-Forwards", "70"),
        ("Route", "<sip:edge.example.com;lr>"),
        ("From", "<sip:us@pbx.example.com>;tag=us"),
        ("To", "<sip:alice@192.0.2.1>"),
        ("Call-ID", "ours-1"),
        ("CSeq", f"7 {method}"),
    ]
    return Outgoing(method, "sip:alice@192.0.2.1:40001", headers, body, "198.51.100.1:5060")


def events(stack: Stack) -> list[Event]:
    found = []
    while (event := stack.next_event()) is not None:
        found.append(event)
    return found


def sent(stack: Stack) -> list[tuple[bytes, Flow]]:
    found = []
    while (item := stack.to_send()) is not None:
        found.append(item)
    return found


def sent_response(stack: Stack) -> Response:
    [(data, _)] = sent(stack)
    message = parse(data)
    assert isinstance(message, Response)
    return message


def sent_request(stack: Stack) -> Request:
    [(data, _)] = sent(stack)
    message = parse(data)
    assert isinstance(message, Request)
    return message


def received(stack: Stack, data: bytes, flow: Flow = PHONE, now: float = 0.0) -> RequestReceived:
    stack.receive(data, flow, now)
    [event] = events(stack)
    assert isinstance(event, RequestReceived)
    return event


def answered_by(request: Request, status: int, tag: str = "phone") -> bytes:
    return write_response(request, status, to_tag=tag)


def parse_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message
