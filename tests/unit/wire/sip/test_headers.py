"""Header values: names and addresses, Via, CSeq, lists, numbers, media types, credentials (RFC 3261 20)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import (
    CANONICAL,
    COMPACT,
    LISTS,
    SINGLE,
    CSeq,
    NameAddr,
    header_key,
    parse_auth_params,
    parse_cseq,
    parse_delta_seconds,
    parse_media_type,
    parse_name_addr,
    parse_via,
    quote_string,
    split_list,
)
from switchroom.wire.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:alice@a>;tag=1", "", "sip:alice@a", {"tag": "1"}),
        ("sip:alice@a;tag=1", "", "sip:alice@a", {"tag": "1"}),
        ("sip:vivekg@c.example.com ;   tag    = 1918181833n", "", "sip:vivekg@c.example.com", {"tag": "1918181833n"}),
        ("Alice B. <sip:alice@a>", "Alice B.", "sip:alice@a", {}),
        ("Zoë <sip:alice@a>", "Zoë", "sip:alice@a", {}),
        ('"Zoë, \\"Z\\" \\\\"<sip:alice@a>', 'Zoë, "Z" \\', "sip:alice@a", {}),
        ('"a <sip:evil@b>" <sip:alice@a>;tag=1', "a <sip:evil@b>", "sip:alice@a", {"tag": "1"}),
        ('""  <sip:alice@a>', "", "sip:alice@a", {}),
        ("<sip:alice@a;ob?x=y> ; Q = 0.5;flag", "", "sip:alice@a;ob?x=y", {"q": "0.5", "flag": None}),
        (
            'sip:alice@a:9;+sip.instance="<urn:uuid:1>";x=1',
            "",
            "sip:alice@a:9",
            {"+sip.instance": "<urn:uuid:1>", "x": "1"},
        ),
        ("<sip:alice@a>;expires=", "", "sip:alice@a", {"expires": ""}),
        ("<sip:alice@a>;tag=a/b==", "", "sip:alice@a", {"tag": "a/b=="}),
        ("<tel:+1;x=y>;tag=1", "", "tel:+1;x=y", {"tag": "1"}),
        ("tel:+1;tag=1", "", "tel:+1", {"tag": "1"}),
    ],
)
def test_name_addr(text: str, display: str, uri: str, params: dict[str, str | None]) -> None:
    assert parse_name_addr(text) == NameAddr(display, parse_uri(uri), params)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        "< sip:a@b>",
        "<sip:a@b> x",
        "<sip:a@b>tag=1",
        "<sip:a@b>;",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=1;TAG=2",
        "<sip:a@b>;t ag=1",
        '<sip:a@b>;x="open',
        "<sip:a@b>;x=a,b",
        "<sip:a@b>;tag=\x1b[2J",
        '"open <sip:a@b>',
        'a "b" <sip:a@b>',
        "sip:alice@a;x=<sip:bob@b>",
        "Bell, Alexander <sip:a@b>",
        "a@b <sip:a@b>",
        "sip:a@b?Route=%3Csip:c%3E",
        "sip:user;par=u%40example.net@example.com",
        "<sip:a@b><sip:c@d>",
        "<sip:a@b>, <sip:c@d>",
    ],
)
def test_what_is_no_name_addr(text: str) -> None:
    with pytest.raises(SipError) as caught:
        parse_name_addr(text)
    assert caught.value.status == 400


def test_parameters_of_a_bare_uri() -> None:
    text = "sip:a@b;transport=tcp?Subject=x"
    assert parse_name_addr(text, bare_params_belong_to_header=False).uri == parse_uri(text)


def test_a_bracket_in_a_long_quoted_name() -> None:
    display = "> " * 500
    assert parse_name_addr(f'"{display}" <sip:a@b>;tag=x').display == display


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NameAddr("", parse_uri("sip:a@b;lr"), {}), "<sip:a@b;lr>"),
        (NameAddr('A "B" \\', parse_uri("sip:a@b"), {"tag": "1"}), '"A \\"B\\" \\\\" <sip:a@b>;tag=1'),
        (NameAddr("", parse_uri("sip:a@b"), {"flag": None, "x": "", "y": "a b"}), '<sip:a@b>;flag;x="";y="a b"'),
        (NameAddr("", parse_uri("sip:a@b"), {"+g.x": "1", "received": "[::1]"}), '<sip:a@b>;+g.x="1";received=[::1]'),
    ],
)
def test_write_name_addr(value: NameAddr, text: str) -> None:
    assert str(value) == text
    assert parse_name_addr(text) == value


def test_via() -> None:
    via = parse_via("SIP/2.0/udp Host.Example:5070;Branch=z9hG4bK1;rport=1234;received=1.2.3.4;alias")
    assert (via.transport, via.host, via.port, via.sent_by) == ("UDP", "host.example", 5070, "host.example:5070")
    assert (via.branch, via.rport, via.wants_rport, via.received) == ("z9hG4bK1", 1234, True, "1.2.3.4")
    assert str(via) == "SIP/2.0/UDP host.example:5070;branch=z9hG4bK1;rport=1234;received=1.2.3.4;alias"


@pytest.mark.parametrize(
    ("text", "sent_by", "transport"),
    [
        ("SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9ikj8", "spindle.example.com", "TCP"),
        ("SIP / 2.0 /UDP 192.0.2.2 : 5060;branch=390skdjuw", "192.0.2.2:5060", "UDP"),
        ("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3", "[2001:db8::9:1]", "UDP"),
        ("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3", "[2001:db8::9:1]", "UDP"),
        ("SIP/2.0/WS abc.invalid;branch=z9hG4bK1", "abc.invalid", "WS"),
        ("SIP/2.0/UNKNOWN t1.example.org;branch=z9hG4bKkdjuw", "t1.example.org", "UNKNOWN"),
    ],
)
def test_via_forms(text: str, sent_by: str, transport: str) -> None:
    via = parse_via(text)
    assert (via.sent_by, via.transport) == (sent_by, transport)
    assert via.branch
    assert via.rport is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ;branch=1",
        "SIP/2.0 a;branch=1",
        "SIP/2.0/UDP a:0;branch=1",
        "SIP/2.0/UDP a:99999;branch=1",
        "SIP/2.0/UDP a b;branch=1",
        "SIP/2.0/UDP a;branch=1;branch=2",
        "SIP/2.0/UDP [::g];branch=1",
        "SIP/2.0/UDP a,SIP/2.0/UDP b",
        "SIP//UDP a",
    ],
)
def test_what_is_no_via(text: str) -> None:
    with pytest.raises(SipError):
        parse_via(text)


def test_rport_that_is_no_port() -> None:
    with pytest.raises(SipError):
        _ = parse_via("SIP/2.0/UDP a;rport=x").rport


def test_cseq() -> None:
    assert parse_cseq("0009\t INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        (" a , b,,c ", ["a", "b", "c"]),
        ('"a,b" <sip:a,b@c>;x="1,2", <sip:d@e>', ['"a,b" <sip:a,b@c>;x="1,2"', "<sip:d@e>"]),
        ('"\\",\\\\" <sip:a@b>,c', ['"\\",\\\\" <sip:a@b>', "c"]),
    ],
)
def test_split_list(value: str, items: list[str]) -> None:
    assert split_list(value) == items


@pytest.mark.parametrize("value", ['a, "b', "a, <b", '"\\", b', "<sip:a@b>, <sip:c@d"])
def test_list_that_is_not_closed(value: str) -> None:
    with pytest.raises(SipError):
        split_list(value)


def test_delta_seconds() -> None:
    assert parse_delta_seconds("0") == 0
    assert parse_delta_seconds("3600") == 3600
    assert parse_delta_seconds("9999999999") == 2**32 - 1


def test_media_type() -> None:
    assert parse_media_type("Text/Plain") == ("text/plain", {})
    assert parse_media_type('text / plain ; Charset = "UTF-8"') == ("text/plain", {"charset": "UTF-8"})
    assert parse_media_type(f"text/plain;x={'y' * 300}") == ("text/plain", {"x": "y" * 300})


def test_a_changed_media_type_does_not_change_the_next() -> None:
    parse_media_type("text/plain;a=b")[1]["a"] = "c"
    assert parse_media_type("text/plain;a=b")[1] == {"a": "b"}


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "text/plain x", "text/plain;;", "te xt/plain"])
def test_what_is_no_media_type(text: str) -> None:
    with pytest.raises(SipError):
        parse_media_type(text)


@pytest.mark.parametrize(
    ("text", "scheme", "params"),
    [
        (
            'Digest realm="a, \\"b\\"", nonce="x==",\tqop=auth',
            "digest",
            {"realm": 'a, "b"', "nonce": "x==", "qop": "auth"},
        ),
        ('DIGEST User = "a" , uri="sip:a,b@c", x=""', "digest", {"user": "a", "uri": "sip:a,b@c", "x": ""}),
        ('Digest a="b",, c=d,', "digest", {"a": "b", "c": "d"}),
        ("NoOneKnowsThisScheme opaque-data=here", "nooneknowsthisscheme", {"opaque-data": "here"}),
        ("Bearer abc.def-ghi", "bearer", {}),
        ("Digest", "digest", {}),
    ],
)
def test_auth_params(text: str, scheme: str, params: dict[str, str]) -> None:
    assert parse_auth_params(text) == (scheme, params)


@pytest.mark.parametrize(
    "text", ["", "=x", 'Digest a="b', 'Digest a="b" c="d"', "Digest a=b, A=c", 'Digest a="b"c', "Digest ,a b"]
)
def test_malformed_credentials(text: str) -> None:
    with pytest.raises(SipError):
        parse_auth_params(text)


def test_quote_string() -> None:
    assert quote_string('a"\\b') == '"a\\"\\\\b"'


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("f", "from"),
        ("F", "from"),
        ("CALL-ID", "call-id"),
        ("Call-Id", "call-id"),
        ("cSeQ", "cseq"),
        ("X-Foo", "x-foo"),
    ],
)
def test_header_key(name: str, key: str) -> None:
    assert header_key(name) == key


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "From ", "Fröm", "a\r\n", "\u0130", "\u212a"])
def test_name_that_is_no_token(name: str) -> None:
    with pytest.raises(SipError):
        header_key(name)


def test_tables_agree() -> None:
    assert set(CANONICAL) >= set(COMPACT.values())
    assert set(CANONICAL) >= SINGLE | LISTS
    assert not SINGLE & LISTS
    assert CANONICAL["cseq"] == "CSeq"
    assert CANONICAL["www-authenticate"] == "WWW-Authenticate"
