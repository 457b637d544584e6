"""What a request must have before anything is done with it (RFC 3261 8.1.1, 8.2, 16.3)."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.sanity import check

HEADERS = {
    "Via": "SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bK1",
    "Max-Forwards": "70",
    "From": "<sip:alice@example.com>;tag=1",
    "To": "<sip:bob@example.com>",
    "Call-ID": "1@example.com",
    "CSeq": "1 MESSAGE",
}


def verdict(changes: dict[str, str | None], method: str = "MESSAGE", target: str = "sip:bob@example.com") -> int | None:
    """Status of the error of a sound MESSAGE with these headers changed (None: taken out); None when it is sound."""
    headers = {name: value for name, value in {**HEADERS, **changes}.items() if value is not None}
    lines = [f"{method} {target} SIP/2.0", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    request = parse("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    assert isinstance(request, Request)
    error = check(request)
    return None if error is None else error.status


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Max-Forwards": None},
        {"Max-Forwards": "0"},
        {"Max-Forwards": "255"},
        {"From": '"Zoë" <sips:alice@example.com>;tag=1'},
        {"From": "tel:+1;tag=1"},
        {"To": "sip:bob@example.com"},
        {"Contact": "sip:alice@127.0.0.1:9"},
        {"Supported": ""},
        {"Subject": "\udcff"},
        {"Route": "<sip:edge@10.0.0.1:5080;lr;received=sip:1.2.3.4:5555>"},
        {"Via": "SIP/2.0/WS abc.invalid;branch=z9hG4bK1, SIP/2.0/UDP broken here"},
    ],
)
def test_sound(changes: dict[str, str | None]) -> None:
    assert verdict(changes) is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
@pytest.mark.parametrize("value", [None, "", "\x01 ;;", '" "'])
def test_mandatory_headers(name: str, value: str | None) -> None:
    assert verdict({name: value}) == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"CSeq": "1 INVITE"}, 400),
        ({"CSeq": "1 message"}, 400),
        ({"CSeq": "2147483648 MESSAGE"}, 400),
        ({"Max-Forwards": "256"}, 400),
        ({"Max-Forwards": "-1"}, 400),
        ({"Max-Forwards": "7 0"}, 400),
        ({"Max-Forwards": ""}, 400),
        ({"From": "<http://example.com>;tag=1"}, 416),
        ({"To": "isbn:2983792873"}, 416),
        ({"To": "<sip:%ff@example.com>"}, 400),
        ({"From": "<sip:alice@example.com>;tag=1;tag=2"}, 400),
        ({"From": '"\udcff" <sip:alice@example.com>;tag=1'}, 400),
        ({"Contact": "<sip:a@b>;x=\udcff"}, 400),
        ({"Route": "<sip:a@b>;x=\udcff"}, 400),
        ({"Path": "<sip:a@b>;x=\udcff"}, 400),
        ({"Record-Route": "<sip:a@b>;x=\udcff"}, 400),
    ],
)
def test_unsound(changes: dict[str, str | None], status: int) -> None:
    assert verdict(changes) == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("tel:+1", None),
        ("sips:bob@example.com", None),
        ("nobodyKnowsThisScheme:totallyopaquecontent", 416),
        ("soap.beep://192.0.2.103:3002", 416),
        ("<sip:bob@example.com>", 400),
        ("bob@example.com", 400),
        ("*", 400),
        ("sip:%ff@example.com", 400),
    ],
)
def test_request_uri(target: str, status: int | None) -> None:
    assert verdict({}, target=target) == status


@pytest.mark.parametrize(("to", "status"), [("<sips:bob@example.com>", None), ("<tel:+1>", 400), ("<isbn:1>", 400)])
def test_address_of_record_of_a_register(to: str, status: int | None) -> None:
    assert verdict({"To": to, "CSeq": "1 REGISTER"}, method="REGISTER") == status
