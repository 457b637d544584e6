"""The accessors of a message: a value, or SipError (RFC 3261 7)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Request, Response


def request(*headers: tuple[str, str]) -> Request:
    return Request("MESSAGE", "sip:bob@example.com", [(name.lower(), name, value) for name, value in headers])


def test_lines_and_values() -> None:
    message = request(("Via", "SIP/2.0/UDP a, SIP/2.0/UDP b"), ("X-A", "1, 2"), ("Via", "SIP/2.0/UDP c"), ("X-A", "3"))
    assert message.first("via") == "SIP/2.0/UDP a, SIP/2.0/UDP b"
    assert message.lines("via") == ["SIP/2.0/UDP a, SIP/2.0/UDP b", "SIP/2.0/UDP c"]
    assert message.vias_raw == ["SIP/2.0/UDP a", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]
    assert message.all("x-a") == ["1, 2", "3"]
    assert (message.first("absent"), message.lines("absent"), message.all("supported")) == (None, [], [])
    assert message.via.host == "a"


def test_an_empty_list_header() -> None:
    assert request(("Supported", "")).all("supported") == []


def test_typed_values_are_remembered() -> None:
    message = request(
        ("From", '"A" <sip:a@b>;tag=1'),
        ("To", "sip:c@d"),
        ("CSeq", "1 MESSAGE"),
        ("Call-ID", "x@y"),
        ("Contact", "<sip:e@f>, <sip:g@h>;expires=5"),
        ("Content-Type", "text/plain;charset=utf-8"),
        ("Max-Forwards", "70"),
        ("Expires", "99"),
    )
    assert message.from_ is message.from_
    assert (message.from_.display, message.from_.tag, message.to.tag) == ("A", "1", None)
    assert message.to is message.to
    assert message.cseq is message.cseq
    assert message.call_id == "x@y"
    assert [contact.uri.user for contact in message.contacts] == ["e", "g"]
    assert message.contacts is message.contacts
    assert message.content_type == ("text/plain", {"charset": "utf-8"})
    assert (message.max_forwards, message.expires) == (70, 99)
    assert message.uri is message.uri
    assert str(message.uri) == "sip:bob@example.com"


def test_what_is_not_there() -> None:
    message = request()
    assert (message.content_type, message.max_forwards, message.expires, message.contacts) == (None, None, None, [])
    assert not message.wildcard_contact


@pytest.mark.parametrize("accessor", ["from_", "to", "via", "cseq", "call_id"])
def test_what_must_be_there(accessor: str) -> None:
    with pytest.raises(SipError) as caught:
        getattr(request(), accessor)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("accessor", "header", "value"),
    [
        ("from_", "From", ""),
        ("from_", "From", "no uri"),
        ("to", "To", '"open <sip:a@b>'),
        ("via", "Via", ","),
        ("via", "Via", 'SIP/2.0/UDP a;x=", SIP/2.0/UDP b'),
        ("cseq", "CSeq", "INVITE"),
        ("call_id", "Call-ID", "a b"),
        ("call_id", "Call-ID", "ä"),
        ("contacts", "Contact", "*, <sip:a@b>"),
        ("contacts", "Contact", "<sip:a@b"),
        ("content_type", "Content-Type", "text"),
        ("max_forwards", "Max-Forwards", "-1"),
        ("expires", "Expires", "soon"),
    ],
)
def test_malformed_values(accessor: str, header: str, value: str) -> None:
    with pytest.raises(SipError) as caught:
        getattr(request((header, value)), accessor)
    assert caught.value.status == 400


def test_wildcard_contact() -> None:
    message = request(("Contact", "*"))
    assert message.wildcard_contact
    assert message.contacts == []
    two = request(("Contact", "*"), ("Contact", "<sip:a@b>"))
    assert not two.wildcard_contact
    with pytest.raises(SipError):
        _ = two.contacts


def test_representations() -> None:
    assert repr(request()) == "<Request MESSAGE sip:bob@example.com>"
    assert repr(Response(200, "OK", [])) == "<Response 200 OK>"
