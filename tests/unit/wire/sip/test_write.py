"""From messages to bytes; no line break but the writer's own (RFC 3261 7, 8.2.6, 18.2.1; RFC 3581)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.write import REASONS, received_vias, write_forwarded, write_request, write_response

VIA = "SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bK1"


def request(*vias: str, to: str = "<sip:bob@example.com>") -> Request:
    lines = [f"Via: {via}" for via in vias]
    data = "\r\n".join(
        [
            "MESSAGE sip:bob@example.com SIP/2.0",
            *lines,
            "From: sip:a@b;tag=1",
            f"t: {to}",
            "i: 1",
            "CSeq: 1 MESSAGE",
            "",
            "",
        ]
    )
    message = parse(data.encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    return message


def test_request() -> None:
    data = write_request("MESSAGE", "sip:bob@b", [("Via", VIA), ("Subject", "Zoë \udcff"), ("l", "9")], b"Hello")
    assert data == (
        b"MESSAGE sip:bob@b SIP/2.0\r\nVia: %s\r\nSubject: Zo\xc3\xab \xff\r\nContent-Length: 5\r\n\r\nHello"
        % VIA.encode()
    )


def test_response() -> None:
    data = write_response(
        request(VIA, "SIP/2.0/TCP c, SIP/2.0/UDP d"),
        200,
        "",
        [("Contact", "<sip:bob@b>"), ("Content-Length", "7")],
        b"ok",
        to_tag="x",
        received=("10.0.0.9", 1024),
    )
    assert data == (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;received=10.0.0.9;rport=1024\r\n"
        b"Via: SIP/2.0/TCP c, SIP/2.0/UDP d\r\n"
        b"From: sip:a@b;tag=1\r\n"
        b"To: <sip:bob@example.com>;tag=x\r\n"
        b"Call-ID: 1\r\n"
        b"CSeq: 1 MESSAGE\r\n"
        b"Contact: <sip:bob@b>\r\n"
        b"Content-Length: 2\r\n"
        b"\r\n"
        b"ok"
    )


@pytest.mark.parametrize(
    ("via", "written"),
    [
        ("SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP a;branch=1;received=::1;rport=9"),
        ("SIP/2.0/UDP a;RPORT;branch=1", "SIP/2.0/UDP a;branch=1;received=::1;rport=9"),
        ("SIP/2.0/UDP a;received=6.6.6.6;rport=66;branch=1", "SIP/2.0/UDP a;branch=1;received=::1;rport=9"),
        ("SIP/2.0/UDP a ; rport = 66 ;branch=1", "SIP/2.0/UDP a  ;branch=1;received=::1;rport=9"),
        ("SIP/2.0/UDP a;branch=1;rport", "SIP/2.0/UDP a;branch=1;received=::1;rport=9"),
        ("SIP/2.0/UDP a;rportx=1;xrport=2", "SIP/2.0/UDP a;rportx=1;xrport=2;received=::1;rport=9"),
        ('SIP/2.0/UDP a;x=";rport=1";rport', 'SIP/2.0/UDP a;x=";rport=1";received=::1;rport=9'),
        (
            'SIP/2.0/UDP a;x="b,c";rport, SIP/2.0/UDP d;rport',
            'SIP/2.0/UDP a;x="b,c";received=::1;rport=9, SIP/2.0/UDP d;rport',
        ),
        ("SIP/2.0/UDP a;rport,SIP/2.0/UDP d", "SIP/2.0/UDP a;received=::1;rport=9, SIP/2.0/UDP d"),
    ],
)
def test_received(via: str, written: str) -> None:
    answer = parse(write_response(request(via), 100, received=("::1", 9)))
    assert answer.first("via") == written
    assert answer.via.rport == 9
    assert answer.via.received == "::1"


def test_without_received_the_via_stays() -> None:
    assert parse(write_response(request(VIA), 100)).first("via") == VIA


@pytest.mark.parametrize(
    ("to", "written"),
    [
        ("<sip:b@c>;tag=old", "<sip:b@c>;tag=old"),
        ("sip:b@c;tag=old", "sip:b@c;tag=old"),
        ("sip:b@c", "sip:b@c;tag=new"),
        ("<sip:b@c;tag=old>", "<sip:b@c;tag=old>;tag=new"),
        ('";tag=old" <sip:b@c>;x', '";tag=old" <sip:b@c>;x;tag=new'),
    ],
)
def test_to_tag(to: str, written: str) -> None:
    assert parse(write_response(request(VIA, to=to), 200, to_tag="new")).first("to") == written
    assert parse(write_response(request(VIA, to=to), 200)).first("to") == to


@pytest.mark.parametrize("missing", ["via", "from", "to", "call-id", "cseq"])
def test_what_an_answer_needs(missing: str) -> None:
    whole = request(VIA)
    part = Request(whole.method, whole.target, [field for field in whole.fields if field[0] != missing])
    with pytest.raises(SipError) as caught:
        write_response(part, 200)
    assert caught.value.status == 400


@pytest.mark.parametrize("via", [",", "SIP/2.0/UDP", 'SIP/2.0/UDP a;x="', ", SIP/2.0/UDP a;rport;rport"])
def test_no_sound_via_to_answer_to(via: str) -> None:
    with pytest.raises(SipError):
        write_response(request(via), 200, received=("1.2.3.4", 5))


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\n", "\x00", "\r\n ", "\r\nX-Evil: 1", "\ud800"])
def test_line_breaks_are_refused_wherever_they_stand(bad: str) -> None:
    whole = request(VIA)
    writers: list[Callable[[], bytes]] = [
        lambda: write_request("MESSAGE" + bad, "sip:a", []),
        lambda: write_request("MESSAGE", "sip:a" + bad, []),
        lambda: write_request("MESSAGE", "sip:a", [("X-A", f"a{bad}b")]),
        lambda: write_request("MESSAGE", "sip:a", [("X-A", bad)]),
        lambda: write_request("MESSAGE", "sip:a", [("X-A" + bad, "b")]),
        lambda: write_response(whole, 200, "OK" + bad),
        lambda: write_response(whole, 200, "OK", [("X-A", "b" + bad)]),
        lambda: write_response(whole, 200, "OK", [("X-A" + bad, "b")]),
        lambda: write_response(whole, 200, "OK", to_tag="b" + bad),
        lambda: write_response(whole, 200, "OK", received=("1.2.3.4" + bad, 1)),
    ]
    for write in writers:
        with pytest.raises(SipError) as caught:
            write()
        assert caught.value.status == 400


@pytest.mark.parametrize(
    ("method", "target"),
    [("", "sip:a"), ("A B", "sip:a"), ("MESSAGE", ""), ("MESSAGE", "sip:a SIP/2.0"), ("M", "a\tb")],
)
def test_request_line_of_three_words(method: str, target: str) -> None:
    with pytest.raises(SipError):
        write_request(method, target, [])


@pytest.mark.parametrize("name", ["", "X A", "X:", "Ä", "X-A "])
def test_names_are_tokens(name: str) -> None:
    with pytest.raises(SipError):
        write_request("MESSAGE", "sip:a", [(name, "b")])


@pytest.mark.parametrize("status", [0, 99, 700, -1])
def test_status_out_of_range(status: int) -> None:
    with pytest.raises(SipError):
        write_response(request(VIA), status)


def test_reasons() -> None:
    assert REASONS[481] == "Call/Transaction Does Not Exist"
    assert all(100 <= status <= 699 and reason for status, reason in REASONS.items())
    assert write_response(request(VIA), 299).startswith(b"SIP/2.0 299 \r\n")
    assert write_response(request(VIA), 200, "Fine").startswith(b"SIP/2.0 200 Fine\r\n")


ANSWER = (
    b"SIP/2.0 180 Es l\xc3\xa4utet\r\nv: SIP/2.0/UDP ours;branch=z9hG4bKo, SIP/2.0/UDP a;branch=z9hG4bK1\r\nX:  a \r\n"
    b"f: <sip:a@b>;tag=1\r\nContent-Length: 2\r\nt: <sip:c@d>;tag=2\r\nP-Asserted-Identity: <sip:x@y>\r\n"
    b"Via: SIP/2.0/UDP evil;branch=z9hG4bKe\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n\x00\xff"
)


def test_a_forwarded_response_has_the_vias_of_the_request_and_all_else_as_it_came() -> None:
    response = parse(ANSWER)
    assert isinstance(response, Response)
    written = write_forwarded(
        response,
        ["SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1"],
        extra=[("WWW-Authenticate", "Digest")],
        without=frozenset({"p-asserted-identity"}),
    )
    assert written == (
        b"SIP/2.0 180 Es l\xc3\xa4utet\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1\r\nX: a\r\n"
        b"f: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nWWW-Authenticate: Digest\r\n"
        b"Content-Length: 2\r\n\r\n\x00\xff"
    )
    with pytest.raises(SipError):
        write_forwarded(response, ["SIP/2.0/UDP a\r\nX: y"])


def test_the_vias_of_a_request_that_goes_on_say_where_it_came_from() -> None:
    asked = request("SIP/2.0/UDP a;rport;branch=z9hG4bK1;received=6.6.6.6, SIP/2.0/TCP b\r\nVia: SIP/2.0/UDP c")
    assert received_vias(asked, "192.0.2.1", 5090) == [
        "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1;rport=5090, SIP/2.0/TCP b",
        "SIP/2.0/UDP c",
    ]
