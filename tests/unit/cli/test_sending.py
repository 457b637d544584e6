"""``switchroom send`` and ``switchroom refer``: what is asked for, and how their ends are told."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from switchroom.cli import sending
from switchroom.cli.endpoints import named

from .conftest import Switchroom
from .double import Asked, Double, Said, answering

pytestmark = pytest.mark.usefixtures("asterisk")


def message(state: str, *deliveries: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m1", "state": state, "deliveries": list(deliveries)}


def delivery(status: int, reason: str, attempts: int = 1) -> dict[str, Any]:
    return {
        "contact": "sip:a@b",
        "state": "failed",
        "status_code": status,
        "reason": reason,
        "attempts": attempts,
    }


class Following(Double):
    """Accepts, and then says ``said`` one after the other, the last of them for ever."""

    said: list[Said]


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Following]:
    monkeypatch.setattr(sending, "_PAUSES", (0.0, 0.0))
    said: list[Said] = []

    def answer(asked: Asked) -> Said:
        if asked.method == "GET":
            return said.pop(0) if len(said) > 1 else said[0]
        kind = "referrals" if asked.path.endswith("refer") else "messages"
        return Said(202, location=f"/ari/{kind}/m1")

    with answering(answer) as made:
        monkeypatch.setenv("SWITCHROOM_URL", made.url)
        following = Following(made.url)
        following.requests, following.said = made.requests, said
        yield following


@pytest.mark.parametrize(
    ("to", "path", "to_sent"),
    [
        ("PJSIP/alice", "/ari/endpoints/PJSIP/alice/sendMessage", None),
        ("pjsip/a b/ü", "/ari/endpoints/pjsip/a%20b%2F%C3%BC/sendMessage", None),
        ("pjsip:alice", "/ari/endpoints/sendMessage", "pjsip:alice"),
        ("pjsip:alice/sip:x@y", "/ari/endpoints/sendMessage", "pjsip:alice/sip:x@y"),
        ("alice", "/ari/endpoints/sendMessage", "alice"),
    ],
)
def test_destinations(switchroom: Switchroom, double: Following, to: str, path: str, to_sent: str | None) -> None:
    assert switchroom("send", to, "Hello") == (0, "m1  accepted\n", "")
    (asked,) = double.requests
    assert (asked.method, asked.path, asked.parameters) == ("PUT", path, {})
    wanted = {"from": "switchroom", "body": "Hello"} | ({"to": to_sent} if to_sent else {})
    assert asked.body == wanted


def test_endpoints_as_lists_show_them(switchroom: Switchroom, double: Following) -> None:
    assert switchroom("refer", "PJSIP/alice", "PJSIP/carol", "--from", "PJSIP/bob").status == 0
    assert double.requests[0].body == {"from": "pjsip:bob", "refer_to": "pjsip:carol"}
    assert switchroom("send", "PJSIP/alice", "x", "--from", "sip:a/b@c").status == 0
    assert double.requests[1].body["from"] == "sip:a/b@c"


@pytest.mark.parametrize("text", ["/x", "PJSIP/", "PJSIP", "p-j/x", ""])
def test_what_is_no_name(text: str) -> None:
    assert named(text) is None


def test_everything_that_can_be_said_of_a_text(
    switchroom: Switchroom, double: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("from\na pipe"))
    options = ("--from", "bob", "--header", "Subject: a:b", "--header", "X-A:", "--offline", "store", "--expires", "60")
    assert switchroom("send", "PJSIP/alice", "-", *options, "--id", "m1").status == 0
    assert double.requests[0].body == {
        "from": "bob",
        "body": "from\na pipe",
        "variables": {"Subject": "a:b", "X-A": ""},
        "offline": "store",
        "expires": 60,
        "message_id": "m1",
    }
    assert switchroom("send", "PJSIP/alice", "x", "--header", "none").err == (
        "switchroom: none is no header, as Subject:Lunch\n"
    )
    assert len(double.requests) == 1


def test_everything_that_can_be_said_of_a_referral(switchroom: Switchroom, double: Following) -> None:
    words = ("refer", "PJSIP/alice", "sip:c@d", "--from", "bob", "--to-self", "--fallback", "invite")
    assert switchroom(*words).status == 0
    (asked,) = double.requests
    assert (asked.method, asked.path) == ("POST", "/ari/endpoints/PJSIP/alice/refer")
    assert asked.body == {"from": "bob", "refer_to": "sip:c@d", "to_self": True, "fallback": "invite"}


@pytest.mark.parametrize(
    ("state", "status"), [("delivered", 0), ("failed", 1), ("expired", 3), ("cancelled", 4), ("answered", 0)]
)
def test_the_exit_status_tells_the_end(switchroom: Switchroom, double: Following, state: str, status: int) -> None:
    double.said[:] = [Said(200, message("queued")), Said(200, message("sending")), Said(200, message(state))]
    assert switchroom("send", "PJSIP/alice", "x", "--wait") == (status, f"m1  {state}\n", "")


def test_the_end_at_each_device(switchroom: Switchroom, double: Following) -> None:
    double.said[:] = [Said(200, message("failed", delivery(486, "Busy\x1b[2J"), delivery(0, "", 2)))]
    assert switchroom("send", "PJSIP/alice", "x", "--wait").out == (
        "m1  failed\n  sip:a@b: failed, 486 Busy\\x1b[2J, 1 attempt\n  sip:a@b: failed, no answer yet, 2 attempts\n"
    )


def test_the_end_of_a_referral(switchroom: Switchroom, double: Following) -> None:
    referral = {"id": "m1", "state": "failed", "status_code": 603, "reason": "Decline"}
    double.said[:] = [Said(200, referral)]
    assert switchroom("refer", "PJSIP/alice", "bob", "--wait") == (1, "m1  failed, 603 Decline\n", "")
    status, out, _ = switchroom("refer", "PJSIP/alice", "bob", "--wait", "--json")
    assert (status, json.loads(out)) == (1, referral)


def test_the_time_is_over(switchroom: Switchroom, double: Following) -> None:
    double.said[:] = [Said(200, message("queued"))]
    assert switchroom("send", "PJSIP/alice", "x", "--within", "0") == (5, "m1  queued\n", "")


def test_without_waiting_json_is_asked_for_once(switchroom: Switchroom, double: Following) -> None:
    double.said[:] = [Said(200, message("queued"))]
    status, out, _ = switchroom("send", "PJSIP/alice", "x", "--json")
    assert (status, json.loads(out)) == (0, message("queued"))
    assert [asked.method for asked in double.requests] == ["PUT", "GET"]


def test_what_the_server_forgot_is_no_end(switchroom: Switchroom, double: Following) -> None:
    double.said[:] = [Said(200, message("queued")), Said(404, {"message": "Referral not found"})]
    assert switchroom("refer", "PJSIP/alice", "bob", "--wait") == (2, "", "switchroom: Referral not found\n")


def test_a_server_that_is_lost_is_waited_for(switchroom: Switchroom, double: Following) -> None:
    gone = Said(200, b"")  # an answer that ends too soon, as of a server that is killed
    double.said[:] = [Said(200, message("queued")), gone, gone, Said(200, message("delivered"))]
    status, out, err = switchroom("send", "PJSIP/alice", "x", "--wait")
    assert (status, out) == (0, "m1  delivered\n")
    assert err == f"switchroom: the server at {double.url} was lost: ask again, and see its log; still waiting\n"


def test_a_server_that_stays_lost_is_given_up(
    switchroom: Switchroom, double: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_LOST", 0.0)
    double.said[:] = [Said(200, b"")]
    status, out, err = switchroom("send", "PJSIP/alice", "x", "--wait")
    assert (status, out) == (2, "")
    assert err.endswith("was lost: ask again, and see its log\n")
    assert switchroom("send", "PJSIP/alice", "x", "--within", "0")[:2] == (5, "m1  accepted\n")


@pytest.mark.parametrize("location", ["", "/", "/ari/messages/", "/elsewhere/m1"])
def test_a_server_that_does_not_say_where(
    switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    with answering(lambda asked: Said(202, location=location)) as double:
        status, out, err = switchroom("send", "PJSIP/alice", "x", "--url", double.url)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "does not say where" in err


@pytest.mark.parametrize(
    ("command", "advice"),
    [(("send", "PJSIP/x", "x"), "--offline store"), (("refer", "PJSIP/x", "y"), "see switchroom")],
)
def test_who_is_not_there(switchroom: Switchroom, command: tuple[str, ...], advice: str) -> None:
    with answering(lambda asked: Said(404, {"message": "Endpoint not found"})) as double:
        status, out, err = switchroom(*command, "--url", double.url)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "Endpoint not found" in err
    assert advice in err
