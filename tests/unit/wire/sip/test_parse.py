"""From bytes to messages (RFC 3261 7 and 18.3)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.limits import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_LINE
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.parse import parse

MESSAGE = (
    b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n"
    b"FROM: <sip:alice@example.com>;tag=1\r\n"
    b"To:sip:bob@example.com\r\n"
    b"Call-ID: 1@example.com\r\n"
    b"CSeq: 1 MESSAGE\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Length:  5\r\n"
    b"\r\n"
    b"Hello"
)


def request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def fault(data: bytes) -> SipError:
    with pytest.raises(SipError) as caught:
        parse(data)
    return caught.value


def test_request() -> None:
    message = request(MESSAGE)
    assert (message.method, message.target, message.body) == ("MESSAGE", "sip:bob@example.com", b"Hello")
    assert message.fields[:3] == [
        ("via", "v", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1"),
        ("from", "FROM", "<sip:alice@example.com>;tag=1"),
        ("to", "To", "sip:bob@example.com"),
    ]
    assert message.index["content-length"] == "5"


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, "OK"),
        (b"sip/2.0 100 ", 100, ""),
        (b"SIP/2.0 100", 100, ""),
        (
            b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe",
            200,
            "= 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e",
        ),
    ],
)
def test_response(line: bytes, status: int, reason: str) -> None:
    message = parse(line + b"\r\nl: 0\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"SIP/2.0 4294967301 better not break the receiver", 400),
        (b"SIP/2.0 99 x", 400),
        (b"SIP/2.0 700 x", 400),
        (b"SIP/2.0  200 OK", 400),
        (b"SIP/2.0 \xd9\xa2\xd9\xa0\xd9\xa0 OK", 400),
        (b"SIP/2.0 200OK", 400),
        (b"SIP/7.0 200 OK", 505),
        (b"SIP/x 200 OK", 400),
        ("\u017fIP/2.0 200 OK".encode(), 400),
    ],
)
def test_status_line_at_fault(line: bytes, status: int) -> None:
    error = fault(line + b"\r\nl: 0\r\n\r\n")
    assert (error.status, error.request) == (status, None)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"MESSAGE sip:bob@example.com SIP/7.0", 505),
        (b"MESSAGE sip:bob@example.com SIP/2.1", 505),
        (b"MESSAGE  sip:bob@example.com SIP/2.0", 400),
        (b"MESSAGE sip:bob@example.com  SIP/2.0", 400),
        (b"MESSAGE sip:bob@example.com; lr SIP/2.0", 400),
        (b"MESSAGE sip:bob@example.com SIP/2.0 ", 400),
        (b"MESSAGE sip:bob\t@example.com SIP/2.0", 400),
        (b"MESSAGE sip:bob@example.com HTTP/1.1", 400),
        (b"MESSAGE SIP/2.0", 400),
        (b"MESSAGE sip:bob@example.com", 400),
    ],
)
def test_request_line_at_fault(line: bytes, status: int) -> None:
    error = fault(MESSAGE.replace(b"MESSAGE sip:bob@example.com SIP/2.0", line))
    assert error.status == status
    assert error.request is not None  # so that it can be answered
    assert (error.request.method, error.request.cseq.number) == ("MESSAGE", 1)


def test_version_in_lower_case() -> None:
    assert request(MESSAGE.replace(b"SIP/2.0\r\n", b"sip/2.0\r\n", 1)).method == "MESSAGE"


@pytest.mark.parametrize(
    "line", [b"", b" ", b"ME(SSAGE sip:a@b SIP/2.0", b"M\xc3\xa4 sip:a@b SIP/2.0", b" sip:a@b SIP/2.0"]
)
def test_method_that_is_no_token(line: bytes) -> None:
    error = fault(line + b"\r\nX: 1\r\n\r\n")
    assert (error.status, error.request) == (400, None)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n", b"hello", MESSAGE[:100], b"\r\n\n" + MESSAGE]
)
def test_what_is_no_message(data: bytes) -> None:
    assert fault(data).status == 400


def test_leading_crlfs_are_skipped() -> None:
    assert request(b"\r\n\r\n\r\n" + MESSAGE).body == b"Hello"


def test_no_header_at_all() -> None:
    assert request(b"OPTIONS sip:a SIP/2.0\r\n\r\n").fields == []


def test_body_ends_with_its_content_length() -> None:
    assert request(MESSAGE + b"more").body == b"Hello"
    assert request(MESSAGE.replace(b"Content-Length:  5", b"X-A: 5") + b", all").body == b"Hello, all"
    assert fault(MESSAGE[:-1]).status == 400


def test_bodies_are_bytes() -> None:
    data = MESSAGE.replace(b"Hello", b"\x00\r\n\xff\n")
    assert request(data).body == b"\x00\r\n\xff\n"


def test_folds_become_one_blank() -> None:
    message = request(MESSAGE.replace(b"To:sip:", b"Subject: a  \r\n\t b\r\n  c\r\nTo:\r\n sip:"))
    assert message.first("subject") == "a b c"
    assert message.first("to") == "sip:bob@example.com"


def test_blanks_of_unicode_are_text() -> None:
    message = request(MESSAGE.replace(b"CSeq", b"X-A: \xc2\xa0a\xe2\x80\x83 \r\nX-B: \x85\x1c\r\nCSeq"))
    assert message.first("x-a") == "\u00a0a\u2003"
    assert message.first("x-b") == "\udc85\x1c"


def test_text_is_carried_byte_for_byte() -> None:
    message = request(MESSAGE.replace(b"CSeq", b"Subject: Zo\xc3\xab \xff\xfe\r\nCSeq"))
    subject = message.first("subject")
    assert subject == "Zoë \udcff\udcfe"
    assert subject.encode("utf-8", "surrogateescape") == b"Zo\xc3\xab \xff\xfe"
    assert not message.is_ascii
    assert request(MESSAGE).is_ascii


@pytest.mark.parametrize(
    "header",
    [b"no colon", b": no name", b"a b: c", b"N\xc3\xa4me: x", b"(x): y", b"\xff: y"],
)
def test_header_at_fault(header: bytes) -> None:
    error = fault(MESSAGE.replace(b"CSeq", header + b"\r\nCSeq"))
    assert error.status == 400
    assert error.request is not None
    assert error.request.cseq.number == 1


def test_bounds() -> None:
    head, _, _ = MESSAGE.partition(b"CSeq")
    few = b"X-A: 1\r\n" * (MAX_HEADERS - 7)
    assert len(request(MESSAGE.replace(b"CSeq", few + b"CSeq")).fields) == MAX_HEADERS
    assert fault(MESSAGE.replace(b"CSeq", few + b"X-A: 1\r\nCSeq")).status == 513
    long = b"X-A: " + b"a" * (MAX_LINE - 5)
    assert request(MESSAGE.replace(b"CSeq", long + b"\r\nCSeq"))
    assert fault(MESSAGE.replace(b"CSeq", long + b"a\r\nCSeq")).status == 513
    assert fault(MESSAGE.replace(b"CSeq", long + b"\r\n a\r\nCSeq")).status == 513
    assert fault(head + (long + b"\r\n") * (MAX_HEAD // MAX_LINE) + b"\r\n").status == 513
    assert request(head + b"\r\n" + b"a" * MAX_BODY).body == b"a" * MAX_BODY
    assert fault(head + b"\r\n" + b"a" * (MAX_BODY + 1)).status == 513


@pytest.mark.parametrize("damage", [b"\n", b"\r", b"\x00"])
def test_line_ends_that_are_none(damage: bytes) -> None:
    error = fault(MESSAGE.replace(b"alice", b"al" + damage + b"ice"))
    assert (error.status, error.request) == (400, None)


def test_the_first_header_is_no_continuation() -> None:
    assert fault(MESSAGE.replace(b"\r\nv:", b"\r\n v:")).status == 400


@pytest.mark.parametrize("line", [b"f: <sip:c@d>", b"CALL-ID : 2", b"l: 5", b"Content-Type: text/html"])
def test_what_may_stand_once_only(line: bytes) -> None:
    error = fault(MESSAGE.replace(b"CSeq", line + b"\r\nCSeq"))
    assert error.status == 400
    assert error.request is not None
    assert fault(b"SIP/2.0 200 OK\r\n" + (line + b"\r\n") * 2 + b"\r\nHello").request is None


@pytest.mark.parametrize("length", [b"-5", b"five", b"5, 5", b"00000000005", b"\xd9\xa5", b""])
def test_content_length_that_is_no_number(length: bytes) -> None:
    assert fault(MESSAGE.replace(b"Length:  5", b"Length: " + length)).status == 400


@pytest.mark.parametrize(
    ("headers", "uri", "display"),
    [
        (b"To: sip:bob@127.0.0.1\r\n", "sip:bob@127.0.0.1", ""),
        (
            b't : "Bob \xe2\x98\x8e" <sip:bob@[::1]:5060;transport=tcp>\r\n',
            "sip:bob@[::1]:5060;transport=tcp",
            "Bob \u260e",
        ),
    ],
)
def test_what_phones_send(headers: bytes, uri: str, display: str) -> None:
    message = request(
        b"REGISTER sip:127.0.0.1 SIP/2.0\r\n"
        + headers
        + b"Supported:\r\n"
        + b'Contact: <sip:k3@8dkf.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance="<urn:uuid:1>";expires=120\r\n'
        + b"Contact: sip:alice@127.0.0.1:9\r\n"
        + b"Accept: application/sdp\r\nAccept: text/plain, application/vnd.gsma.rcs-ft-http+xml\r\n"
        + b'Authorization:  Digest realm="asterisk", username="alice"\r\n'
        + b"Content-Length:     0\r\n\r\n"
    )
    assert (str(message.to.uri), message.to.display) == (uri, display)
    assert message.all("supported") == []
    assert [str(contact.uri) for contact in message.contacts] == [
        "sip:k3@8dkf.invalid;transport=ws",
        "sip:alice@127.0.0.1:9",
    ]
    assert message.contacts[0].params == {
        "+sip.ice": None,
        "reg-id": "1",
        "+sip.instance": "<urn:uuid:1>",
        "expires": "120",
    }
    assert message.all("accept") == ["application/sdp", "text/plain", "application/vnd.gsma.rcs-ft-http+xml"]
    assert message.first("authorization") == 'Digest realm="asterisk", username="alice"'
