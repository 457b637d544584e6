"""How a message finds its transaction."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.transactions import client_key, invite_key, server_key


def request(method: str = "INVITE", **fields: str) -> Request:
    lines = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc",
        "From": "<sip:alice@pbx>;tag=f1",
        "To": "<sip:bob@pbx>",
        "Call-ID": "c1",
        "CSeq": f"1 {method}",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    message = parse(f"{method} sip:bob@pbx SIP/2.0\r\n{head}\r\n".encode())
    assert isinstance(message, Request)
    return message


def via(branch: str, sent_by: str = "192.0.2.1:5060") -> str:
    return f"SIP/2.0/UDP {sent_by};branch={branch}"


def test_branch_sent_by_and_method_make_the_transaction() -> None:
    key = server_key(request())
    assert server_key(request(From="<sip:other@pbx>", Call_ID="other", CSeq="9 INVITE")) == key
    assert server_key(request("ACK")) == key
    assert server_key(request("BYE")) != key
    assert server_key(request("CANCEL")) != key
    assert server_key(request(Via=via("z9hG4bKabd"))) != key
    assert server_key(request(Via=via("z9hG4bKabc", "192.0.2.1"))) != key
    assert server_key(request(Via=via("z9hG4bKabc", "192.0.2.2:5060"))) != key


def test_a_cancel_finds_its_invite() -> None:
    cancel = request("CANCEL")
    assert invite_key(cancel, server_key(cancel)) == server_key(request())


def test_no_spelling_of_a_branch_makes_one_key_of_two_transactions() -> None:
    tricky = request("OPTIONS", Via='SIP/2.0/UDP h;branch="z9hG4bK 192.0.2.1:5060 z9hG4bKabc"')
    assert server_key(tricky) != server_key(request("OPTIONS"))
    assert server_key(tricky) != server_key(request("OPTIONS", Via=via("z9hG4bKabc", "h")))


@pytest.mark.parametrize("old", ["1", "z9hg4bkabc", ""])
def test_peers_of_rfc_2543_are_known_by_everything_else(old: str) -> None:
    top = f"SIP/2.0/UDP 192.0.2.1:5060{f';branch={old}' if old else ''}"
    key = server_key(request(Via=top))
    assert server_key(request(Via=top)) == key
    # Its ACK has the To tag of the answer and its CANCEL has none (17.2.3).
    assert server_key(request("ACK", Via=top, To="<sip:bob@pbx>;tag=ours")) == key
    assert invite_key(request("CANCEL", Via=top), server_key(request("CANCEL", Via=top))) == key
    for changed in ({"From": "<sip:alice@pbx>;tag=f2"}, {"Call_ID": "c2"}, {"CSeq": "2 INVITE"}):
        assert server_key(request(Via=top, **changed)) != key
    assert server_key(request(Via="SIP/2.0/UDP 192.0.2.1:5061")) != key
    assert server_key(request("BYE", Via=top, To="<sip:bob@pbx>;tag=a")) != server_key(
        request("BYE", Via=top, To="<sip:bob@pbx>;tag=b")
    )


def test_a_long_request_of_rfc_2543_has_a_short_key() -> None:
    assert len(server_key(request(Via="SIP/2.0/UDP h", Call_ID="c" * 8000))) < 64


def test_without_a_via_there_is_no_transaction() -> None:
    with pytest.raises(SipError):
        server_key(request(Via="nonsense"))


def test_client_key_tells_a_cancel_from_its_invite() -> None:
    assert client_key("z9hG4bKabc", "INVITE") != client_key("z9hG4bKabc", "CANCEL")
