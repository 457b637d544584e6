"""Dialogs (RFC 3261 12), seen from either end."""

from __future__ import annotations

import pytest

from switchroom.wire.sip.dialog import Dialog
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.limits import MAX_ROUTES
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.uri import parse_uri


def answer(
    *more: str, contact: str = "<sip:carol@192.0.2.5:5091>", to: str = "<sip:carol@192.0.2.5>;tag=c"
) -> Response:
    lines = (
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: Desk <sip:desk@example.org>;tag=d",
        f"To: {to}",
        "Call-ID: c1",
        "CSeq: 7 INVITE",
        *([f"Contact: {contact}"] if contact else ()),
        *more,
        "Content-Length: 0",
    )
    message = parse("\r\n".join((*lines, "", "")).encode())
    assert isinstance(message, Response)
    return message


def ask(method: str, cseq: int, *more: str, to: str = "d", sender: str = "c", call_id: str = "c1") -> Request:
    lines = (
        f"{method} sip:desk@192.0.2.1 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK2",
        f"From: <sip:carol@192.0.2.5>;tag={sender}",
        f"To: <sip:desk@example.org>;tag={to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *more,
        "Content-Length: 0",
    )
    message = parse("\r\n".join((*lines, "", "")).encode())
    assert isinstance(message, Request)
    return message


def test_a_dialog_of_ours_and_its_requests() -> None:
    dialog = Dialog.from_response(answer())
    assert dialog.addressed() == (
        "sip:carol@192.0.2.5:5091",
        [
            ("From", "Desk <sip:desk@example.org>;tag=d".replace("Desk", '"Desk"')),
            ("To", "<sip:carol@192.0.2.5>;tag=c"),
            ("Call-ID", "c1"),
        ],
    )
    assert (dialog.next_cseq(), dialog.next_cseq()) == (8, 9)
    assert str(dialog.hop) == "sip:carol@192.0.2.5:5091"


def test_the_route_set_is_the_record_route_from_the_far_end() -> None:
    """12.1.2: the caller passes the proxies in the reverse order of the answer's Record-Route."""
    dialog = Dialog.from_response(answer("Record-Route: <sip:p3;lr>, <sip:p2;lr>", "Record-Route: <sip:p1;lr>"))
    target, headers = dialog.addressed()
    assert target == "sip:carol@192.0.2.5:5091"
    assert [value for name, value in headers if name == "Route"] == ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]
    assert dialog.hop == parse_uri("sip:p1;lr")


def test_a_strict_router_gets_the_request_in_its_own_name() -> None:
    """12.2.1.1: its URI is the Request-URI, the other end comes last."""
    dialog = Dialog.from_response(answer("Record-Route: <sip:p2;lr>, <sip:p1;method=BYE?x=y>"))
    target, headers = dialog.addressed()
    assert target == "sip:p1"
    assert [value for name, value in headers if name == "Route"] == ["<sip:p2;lr>", "<sip:carol@192.0.2.5:5091>"]


@pytest.mark.parametrize(
    "contact",
    ["", "*", "<tel:+1>", "<sip:a@h>, <sip:b@h>", "<sip:a@h:99999>", "<mailto:a@b>"],
)
def test_an_answer_without_one_usable_contact_makes_none(contact: str) -> None:
    with pytest.raises(SipError) as error:
        Dialog.from_response(answer(contact=contact))
    assert error.value.status == 400


@pytest.mark.parametrize(
    "routes",
    ["<tel:+1>", "<sip:>", "junk", ", ".join(["<sip:p;lr>"] * (MAX_ROUTES + 1))],
)
def test_an_answer_with_a_route_that_can_not_be_taken_makes_none(routes: str) -> None:
    with pytest.raises(SipError):
        Dialog.from_response(answer(f"Record-Route: {routes}"))


def test_what_may_not_stand_in_a_request_uri_is_left_out() -> None:
    dialog = Dialog.from_response(answer(contact="<sip:a@h;method=BYE;x=1?Route=%3Csip:evil%3E>"))
    assert dialog.addressed()[0] == "sip:a@h;x=1"


@pytest.mark.parametrize(
    ("to", "sender", "call_id", "owned"),
    [("d", "c", "c1", True), ("x", "c", "c1", False), ("d", "x", "c1", False), ("d", "c", "c2", False)],
)
def test_a_request_belongs_by_call_id_and_both_tags(to: str, sender: str, call_id: str, owned: bool) -> None:
    dialog = Dialog.from_response(answer())
    assert dialog.owns(ask("BYE", 1, to=to, sender=sender, call_id=call_id)) is owned


def test_requests_that_were_overtaken_are_refused() -> None:
    """12.2.2: lower than the last is 500; equal is not (an ACK, a challenged one that comes again)."""
    dialog = Dialog.from_response(answer())
    dialog.admit(ask("INFO", 5))
    dialog.admit(ask("INFO", 5))
    with pytest.raises(SipError) as error:
        dialog.admit(ask("INFO", 4))
    assert error.value.status == 500
    with pytest.raises(SipError) as error:
        dialog.admit(ask("INFO", 2**31))
    assert error.value.status == 400
    assert dialog.remote_cseq == 5


@pytest.mark.parametrize(
    ("method", "moves"),
    [
        *(("INVITE", True), ("UPDATE", True), ("NOTIFY", True), ("REFER", True), ("SUBSCRIBE", True)),
        *(("BYE", False), ("INFO", False), ("OPTIONS", False), ("MESSAGE", False)),
    ],
)
def test_a_target_refresh_moves_the_other_end(method: str, moves: bool) -> None:
    dialog = Dialog.from_response(answer())
    dialog.admit(ask(method, 1, "Contact: <sip:moved@192.0.2.6>"))
    assert str(dialog.target) == ("sip:moved@192.0.2.6" if moves else "sip:carol@192.0.2.5:5091")
    dialog.admit(ask(method, 2))
    assert str(dialog.target) == ("sip:moved@192.0.2.6" if moves else "sip:carol@192.0.2.5:5091")


def test_a_target_that_nothing_can_be_sent_to_is_refused_and_not_taken() -> None:
    dialog = Dialog.from_response(answer())
    with pytest.raises(SipError):
        dialog.admit(ask("INVITE", 1, "Contact: <tel:+1>"))
    assert str(dialog.target) == "sip:carol@192.0.2.5:5091"


def test_a_peer_of_rfc_2543_has_no_tag() -> None:
    dialog = Dialog.from_response(answer(to="<sip:carol@192.0.2.5>"))
    assert dialog.remote == NameAddr("", parse_uri("sip:carol@192.0.2.5"), {})
    request = ask("BYE", 1)
    request.from_.params.pop("tag")
    assert dialog.owns(request)
