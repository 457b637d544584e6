"""How texts become values."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from switchroom.conf import parse
from switchroom.conf.parse import Misread

V4 = ip_network("192.0.2.1/32")


@pytest.mark.parametrize("text", ["yes", "TRUE", "y", "T", "1", "On"])
def test_true_words(text: str) -> None:
    assert parse.boolean(text) is True
    assert parse.cautious_boolean(text) is True


@pytest.mark.parametrize("text", ["no", "False", "N", "f", "0", "OFF"])
def test_false_words(text: str) -> None:
    assert parse.boolean(text) is False
    assert parse.cautious_boolean(text) is False


@pytest.mark.parametrize("text", ["", "yess", "2", "enabled"])
def test_garbage_is_false_as_in_asterisk_unless_that_hands_out_rights(text: str) -> None:
    with pytest.raises(Misread) as lax:
        parse.boolean(text)
    assert lax.value.harmless
    assert lax.value.value is False
    with pytest.raises(Misread) as strict:
        parse.cautious_boolean(text)
    assert not strict.value.harmless
    assert strict.value.value is True


@pytest.mark.parametrize(
    ("function", "text", "value"),
    [
        (parse.names, "", ()),
        (parse.names, "a", ("a",)),
        (parse.names, " a ,, b ", ("a", "b")),
        (parse.whole(0, 10), "10", 10),
        (parse.decimal(0, 10), "2.5", 2.5),
        (parse.milliseconds(1, 1000), "500", 0.5),
        (parse.choice("all", "first"), "First", "first"),
        (parse.choices("ip", "username"), "Username, ip,ip", ("username", "ip")),
        (parse.networks, "10.0.0.0/8, 192.0.2.1", (ip_network("10.0.0.0/8"), V4)),
        (parse.networks, "10.1.2.3/255.0.0.0", (ip_network("10.0.0.0/8"),)),
        (parse.networks, "[fd00::]/8", (ip_network("fd00::/8"),)),
        (parse.networks, "::ffff:192.0.2.1", (V4,)),
        (parse.host, "[::1]", "::1"),
        (parse.host, "pbx.example", "pbx.example"),
        (parse.bind, "0.0.0.0", ("0.0.0.0", None)),
        (parse.bind, "127.0.0.1:5060", ("127.0.0.1", 5060)),
        (parse.bind, "127.0.0.1:0", ("127.0.0.1", 0)),
        (parse.bind, "[::]:5060", ("::", 5060)),
        (parse.bind, "[::]", ("::", None)),
        (parse.bind, "::1", ("::1", None)),
        (parse.host_and_port, "localhost:8088", ("localhost", 8088)),
        (parse.sip_uri, "sip:a@h.example:5060;transport=tcp", "sip:a@h.example:5060;transport=tcp"),
        (parse.sip_uri, "SIPS:[::1]:5061", "SIPS:[::1]:5061"),
        (parse.proxy_uri, "sip:h;lr", "sip:h;lr"),
        (parse.proxy_uri, "sip:h;transport=tcp;LR=on", "sip:h;transport=tcp;LR=on"),
        (parse.proxy_uri, "", ""),
        (parse.sip_uris, "sip:a@h,sip:b@h", ("sip:a@h", "sip:b@h")),
        (parse.algorithms, "sha-256, MD5", ("SHA-256", "MD5")),
        (parse.digests, "md5:" + "A" * 32, (("MD5", "a" * 32),)),
        (
            parse.digests,
            f"SHA-256:{'0' * 64},SHA-512-256:{'1' * 64}",
            (("SHA-256", "0" * 64), ("SHA-512-256", "1" * 64)),
        ),
        (parse.md5_digest, "A" * 32, (("MD5", "a" * 32),)),
        (parse.md5_digest, "", ()),
        (parse.display_name, '"Ann B" <100>', "Ann B"),
        (parse.display_name, "Ann <100>", "Ann"),
        (parse.display_name, "Ann", "Ann"),
        (parse.display_name, "<100>", ""),
        (parse.display_name, "+49 (30) 1", ""),
        (parse.header_match, "X-Key: a: b", ("X-Key", "a: b")),
        (parse.header_match, "X-Key:/^a$/", ("X-Key", "/^a$/")),
        (parse.pattern, "/^sip:/", "/^sip:/"),
        (parse.matches, "192.0.2.1", ((V4, 0),)),
        (parse.matches, "192.0.2.1:5061", ((V4, 5061),)),
        (parse.matches, "192.0.2.1:5061/32", ((V4, 5061),)),
        (parse.matches, "[2001:db8::1]:5061", ((ip_network("2001:db8::1"), 5061),)),
        (parse.matches, "2001:db8::/32", ((ip_network("2001:db8::/32"), 0),)),
        (parse.matches, "host.example, sip.example:5070", ("host.example", "sip.example:5070")),
    ],
)
def test_what_is_understood(function: Callable[[str], Any], text: str, value: object) -> None:
    assert function(text) == value


@pytest.mark.parametrize(
    ("function", "texts"),
    [
        (parse.whole(1, 10), ["", "0", "11", "-1", "1.0", "1e1", "٣", "99999999999999999999"]),
        (parse.decimal(0, 10), ["", "-1", "nan", "inf", "1e1", "11"]),
        (parse.milliseconds(100, 200), ["99", "x"]),
        (parse.choice("all", "first"), ["", "some"]),
        (parse.choices("ip"), ["ip,mac"]),
        (parse.word, ["a b", "a<b", 'a"', "a\tb"]),
        (parse.networks, ["10.0.0.0/33", "10.0.0.0/255.0.255.0", "host", "fe80::1%eth0"]),
        (parse.host, ["a b", "10.0.0.300", "-a", "a..b", "x" * 300]),
        (parse.bind, ["", "host", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "[::1]x", "[host]:1", "1.2.3.4:"]),
        (parse.host_and_port, ["", "a b", "1.2.3.4:70000", "1.2.3"]),
        (
            parse.sip_uri,
            [
                "",
                "tel:1",
                "http://h",
                "<sip:a@h>",
                "sip:",
                "sip:a@b@c",
                "sip:a h",
                "sip:" + "h" * 256,
                "sip:a@h;" + "x" * 512,
            ],
        ),
        (parse.proxy_uri, ["sip:h", "sip:h;nolr", "tel:1"]),
        (parse.sip_uris, ["sip:a@h,b"]),
        (parse.algorithms, ["SHA1", "MD5,X"]),
        (parse.digests, ["secret", "MD5:abc", "MD5:" + "g" * 32, "SHA-256:" + "0" * 32, "SHA1:" + "0" * 40]),
        (parse.md5_digest, ["abc", "g" * 32]),
        (parse.header_match, ["X-Key", "X-Key:", "X Key: v", ": v", "X: /(/"]),
        (parse.pattern, ["/(/"]),
        (parse.matches, ["10.0.0.300", "host/24", "10.0.0.0/33", "a b", "[::1", "h:70000"]),
    ],
)
def test_what_is_not(function: Callable[[str], Any], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(Misread) as caught:
            function(text)
        assert caught.value.advice
        assert caught.value.meanwhile


def test_what_was_right_before_the_mistake_stays() -> None:
    with pytest.raises(Misread) as contacts:
        parse.sip_uris("sip:a@h,b")
    assert contacts.value.value == ("sip:a@h",)
    with pytest.raises(Misread) as matches:
        parse.matches("192.0.2.1,a b")
    assert matches.value.value == ((V4, 0),)


def test_a_strict_router_is_used_but_told() -> None:
    with pytest.raises(Misread) as caught:
        parse.proxy_uri("sip:h")
    assert caught.value.value == "sip:h"
    assert caught.value.advice == r"Write sip:h\;lr"
