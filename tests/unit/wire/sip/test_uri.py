"""SIP and other URIs: what parses, what does not, what is equal to what (RFC 3261 19.1)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.uri import Uri, escape_user, parse_uri, uri_equal


def test_every_part_is_found() -> None:
    uri = parse_uri("SIP:alice:se,cret@Example.COM:5070;Transport=TCP;lr;x=?subject=a%20b&priority=urgent")
    assert uri == Uri(
        scheme="sip",
        user="alice",
        password="se,cret",
        host="example.com",
        port=5070,
        params=(("transport", "TCP"), ("lr", None), ("x", "")),
        headers="subject=a%20b&priority=urgent",
    )


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@127.0.0.1:5060;transport=tcp",
        "sips:alice@example.com",
        "sip:example.com",
        "sip:[2001:db8::9:1]:5070;lr",
        "sip:alice@[::ffff:192.0.2.10]",
        "sip:alice-0x55cf0c4baa20@10.0.0.1:41234;transport=tls",
        "sip:k3j2h4@8dkf7s6h.invalid;transport=ws",
        "sip:edge@10.0.0.1:5080;lr;received=sip:1.2.3.4:5555",
        "sip:edge@10.0.0.1:5080;lr;received=sip:1.2.3.4:5555%3Btransport%3Dtcp",
        "sip:user;par=u%40example.net@example.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:null-%00-null@example.com",
        "sip:%75se%72@example.com",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:#31#12345@example.com",
        "sip:alice@my_container",
        "sip:alice@example.com.;maddr=239.255.255.1;ttl=15",
        "sip:alice@example.com?Route=%3Csip:sip.example.com%3E",
        "tel:+1-201-555-0123;phone-context=example.com",
        "soap.beep://192.0.2.103:3002",
        "nobodyknowsthisscheme:totallyopaquecontent",
        "urn:service:sos",
    ],
)
def test_what_is_written_is_what_was_read(text: str) -> None:
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sip:",
        "sip",
        "alice@example.com",
        "1sip:alice@example.com",
        "sip:alice@",
        "sip:@example.com",
        "sip:alice@exa mple.com",
        "sip:al ice@example.com",
        "sip: alice@example.com",
        "sip:alice@example.com ",
        "sip:alice@example..com",
        "sip:alice@.example.com",
        "sip:alice@evil@example.com",
        "sip:alice:a:b@example.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:0",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:5060x",
        "sip:alice@example.com:-1",
        "sip:alice@example.com:١٢٣",
        "sip:alice@example.com:00000000005060",
        "sip:alice@example.com;",
        "sip:alice@example.com;;lr",
        "sip:alice@example.com;=x",
        "sip:alice@example.com;lr;LR",
        "sip:alice@example.com;maddr=1.2.3.4;maddr=5.6.7.8",
        "sip:alice@example.com;x=@evil.example",
        "sip:alice@example.com;x=<y>",
        "sip:%zz@example.com",
        "sip:a%4@example.com",
        "sip:alice@example.com;x=%g1",
        "sip:alice@example.com;%E2%84%AA",
        "sip:alice@example.com;%3Blr",
        "sip:älice@example.com",
        "sip:alice@exämple.com",
        "sip:alice@\u212aelvin.com",  # the sign of the kelvin, whose lower case is an ASCII k
        "sip:2001:db8::10",
        "sip:[2001:db8::g]",
        "sip:[2001:db8::1",
        "sip:[::1%25eth0]",
        "sip:[1.2.3.4]",
        "sip:alice@[]",
        "<sip:alice@example.com>",
        "sip:alice@example.com\x00",
        "sip:alice@example.com\r\nX: y",
        "tel:",
        "tel:+1 201",
        "javascript:alert('\x00')",
        'http://"',
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(SipError) as caught:
        parse_uri(text)
    assert caught.value.status == 400


def test_third_colon_of_rfc_5118() -> None:
    assert parse_uri("sip:user@[2001:db8:::192.0.2.1]").host == "[2001:db8::192.0.2.1]"


def test_long_uris_parse_and_are_not_remembered() -> None:
    text = f"sip:{'a' * 5_000}@example.com"
    assert parse_uri(text) == parse_uri(text)
    assert parse_uri(text) is not parse_uri(text)
    assert parse_uri("sip:short@example.com") is parse_uri("sip:short@example.com")


def test_parameters() -> None:
    uri = parse_uri("sip:a@b;%6C%72;transport=UDP;x=1")
    assert (uri.param("lr"), uri.param("transport"), uri.param("maddr")) == ("", "UDP", None)
    assert str(uri.without_params("transport", "x")) == "sip:a@b;lr"
    assert uri.without_params("absent") is uri
    assert str(uri.replace(host="c", port=1, params=())) == "sip:a@c:1"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("sip:example.com", ""),
        ("sip:alice@example.com", "alice"),
        ("sip:%61lice@example.com", "alice"),
        ("sip:a%20b%40c@example.com", "a b@c"),
        ("sip:Zo%C3%AB@example.com", "Zoë"),
        ("sip:null-%00@example.com", "null-\x00"),
    ],
)
def test_unescaped_user(text: str, user: str) -> None:
    assert parse_uri(text).unescaped_user == user


@pytest.mark.parametrize("user", ["%ff", "%C0%AF", "%ED%A0%80"])
def test_user_that_is_no_utf8(user: str) -> None:
    uri = parse_uri(f"sip:{user}@example.com")
    with pytest.raises(SipError):
        _ = uri.unescaped_user


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("alice", "alice"),
        ("a b", "a%20b"),
        ("a@b", "a%40b"),
        ("Zoë", "Zo%C3%AB"),
        ("a:b", "a%3Ab"),
        ("#31#", "%2331%23"),
        ("-_.!~*'()&=+$,;?/", "-_.!~*'()&=+$,;?/"),
        ('<">\r\n\x00%', "%3C%22%3E%0D%0A%00%25"),
        ("\udcff", "%FF"),
        ("", ""),
    ],
)
def test_escape_user(text: str, escaped: str) -> None:
    assert escape_user(text) == escaped


def test_half_a_surrogate_pair_is_no_user() -> None:
    with pytest.raises(SipError):
        escape_user("\ud800")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        # the examples of RFC 3261 19.1.4
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a%2fb@c", "sip:a%2Fb@c"),
        ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"),
        ("tel:+1;x=%61", "TEL:+1;x=A"),
    ],
)
def test_equal(a: str, b: str) -> None:
    assert uri_equal(parse_uri(a), parse_uri(b))
    assert uri_equal(parse_uri(b), parse_uri(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a:x@b", "sip:a:y@b"),
        ("sip:a@b;user=phone", "sip:a@b"),
        ("sip:a@b;maddr=1.2.3.4", "sip:a@b"),
        ("sip:a%2Fb@c", "sip:a/b@c"),
        ("tel:+1", "tel:+2"),
    ],
)
def test_not_equal(a: str, b: str) -> None:
    assert not uri_equal(parse_uri(a), parse_uri(b))
    assert not uri_equal(parse_uri(b), parse_uri(a))
