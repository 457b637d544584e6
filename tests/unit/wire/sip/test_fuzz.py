"""The invariant of the kernel: any bytes are parsed, or SipError; every accessor gives a value or SipError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.framing import StreamFramer
from switchroom.wire.sip.headers import NameAddr, parse_auth_params, parse_delta_seconds, parse_name_addr
from switchroom.wire.sip.limits import MAX_HEADERS
from switchroom.wire.sip.message import Message, Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.sanity import check
from switchroom.wire.sip.uri import Uri, parse_uri, uri_equal
from switchroom.wire.sip.write import write_request, write_response

ADDRESSES = ("route", "record-route", "path", "refer-to", "referred-by", "reply-to", "p-asserted-identity")
CREDENTIALS = ("authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate")


def explore(data: bytes) -> None:
    """Does to a packet and to a stream whatever the program could do to it; only a bug lets an error out."""
    with contextlib.suppress(SipError):
        StreamFramer().feed(data)
    try:
        message = parse(data)
    except SipError as error:
        if error.request is not None:
            _ask_everything(error.request)
            _answer(error.request)
        return
    _ask_everything(message)
    if isinstance(message, Request):
        _answer(message)
        _forward(message)


def _ask_everything(message: Message) -> None:
    accessors: list[Callable[[], object]] = [
        lambda: _explore_address(message.from_),
        lambda: _explore_address(message.to),
        lambda: [_explore_address(contact) for contact in message.contacts],
        lambda: (str(message.via), message.via.branch, message.via.received, message.via.sent_by, message.via.rport),
        lambda: str(message.cseq),
        lambda: message.vias_raw,
        lambda: message.call_id,
        lambda: message.wildcard_contact,
        lambda: message.content_type,
        lambda: message.max_forwards,
        lambda: message.expires,
        lambda: parse_delta_seconds(message.first("min-expires") or ""),
        lambda: _explore_uri(message.uri) if isinstance(message, Request) else repr(message),
        *(lambda key=key: message.all(key) for key in message.index),
        *(lambda key=key: [_explore_address(parse_name_addr(text)) for text in message.all(key)] for key in ADDRESSES),
        *(lambda key=key: [parse_auth_params(text) for text in message.lines(key)] for key in CREDENTIALS),
    ]
    for ask in accessors:
        with contextlib.suppress(SipError):
            ask()


def _explore_address(address: NameAddr) -> NameAddr:
    assert parse_name_addr(str(address)) == address
    _explore_uri(address.uri)
    return address


def _explore_uri(uri: Uri) -> None:
    assert parse_uri(str(uri)) == uri
    assert uri_equal(uri, uri)
    _ = uri.unescaped_user


def _answer(request: Request) -> None:
    unsound = check(request)
    try:
        answer = parse(write_response(request, 400, to_tag="t", received=("192.0.2.1", 5060)))
    except SipError:
        assert unsound is not None
    else:
        assert answer.lines("call-id") == [request.index["call-id"]]
        assert answer.via.received == "192.0.2.1"
        assert answer.lines("via")[1:] == request.lines("via")[1:]


def _forward(request: Request) -> None:
    if len(request.fields) == MAX_HEADERS:  # no room for the Content-Length that the writer adds
        return
    copy = parse(write_request(request.method, request.target, [field[1:] for field in request.fields], request.body))
    assert isinstance(copy, Request)
    assert (copy.method, copy.target, copy.body) == (request.method, request.target, request.body)
    assert _carried(copy) == _carried(request)


def _carried(message: Message) -> list[tuple[str, str, str]]:
    return [field for field in message.fields if field[0] != "content-length"]


REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bK1, SIP/2.0/TCP [::1]\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice \\"A\\"" <sip:alice@example.com:5060;lr?x=y>;tag=1\r\n'
    b"To: sip:alice@example.com\r\n"
    b"Call-ID: 1@example.com\r\n"
    b"CSeq: 1 REGISTER\r\n"
    b'Contact: <sip:alice@127.0.0.1:5070;ob>;expires=60;+sip.instance="<urn:uuid:1>", <tel:+1>;q=0.5\r\n'
    b"Path: <sip:edge@10.0.0.1:5080;lr;received=sip:1.2.3.4:5555>\r\n"
    b'Authorization:  Digest username="alice", realm="r", nonce="n", uri="sip:example.com", response="0"\r\n'
    b"Content-Type: text/plain;charset=utf-8\r\n"
    b"Expires: 60\r\n"
    b"Subject: a\r\n b\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"Hello"
)

# What the grammar turns on, to be put anywhere
PIECES = st.sampled_from(
    (
        '\r\n|\r|\n|\x00| |\t|:|;|,|<|>|"|\\|@|%|%41|%ff|?|=|*|[|]|::|sip:|tel:|SIP/2.0|tag=|\xff|\xc3\xab|\xe2\x84\xaa'
        "|\xc2\xa0|-1|99999999999|\xd9\xa3|f|l: 0\r\n|To: <sip:a@b>\r\n|Via: |\r\n\t"
    )
    .encode("latin-1")
    .split(b"|")
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound REGISTER with up to five places overwritten, cut or filled with something that matters."""
    data = REGISTER
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 12))
        data = data[:start] + draw(st.one_of(PIECES, st.binary(max_size=4))) + data[end:]
    return data


@given(st.binary(max_size=400))
@example(b"")
@example(REGISTER)
@example(b"SIP/2.0 200 OK\r\nVia: ,\r\nContact: *\r\n\r\n")
def test_any_bytes(data: bytes) -> None:
    explore(data)


@given(st.lists(PIECES, max_size=40))
def test_any_order_of_what_matters(pieces: list[bytes]) -> None:
    explore(b"OPTIONS sip:a SIP/2.0\r\nVia: " + b"".join(pieces) + b"\r\n\r\n")


@settings(max_examples=500)
@given(damaged())
def test_damaged_requests(data: bytes) -> None:
    explore(data)


@given(st.text(max_size=60))
def test_any_text_as_a_value(text: str) -> None:
    parsers: list[Callable[[], object]] = [
        lambda: _explore_uri(parse_uri(text)),
        lambda: _explore_uri(parse_uri("sip:" + text)),
        lambda: _explore_address(parse_name_addr(text)),
        lambda: _explore_address(parse_name_addr(text, bare_params_belong_to_header=False)),
        lambda: _explore_address(parse_name_addr("<sip:a@b>;" + text)),
        lambda: parse_auth_params(text),
        lambda: parse_auth_params("Digest " + text),
    ]
    for parser in parsers:
        with contextlib.suppress(SipError):
            parser()


@given(st.text(), st.text(), st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.none() | st.text()))
def test_any_address_reads_as_it_was_written(display: str, user: str, params: dict[str, str | None]) -> None:
    address = NameAddr(display, parse_uri("sip:a@b"), params)
    assert parse_name_addr(str(address)) == address
