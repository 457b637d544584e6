"""The seven operations on endpoints."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from switchroom.model.message import Fallback
from unit.ari.edge import Edge, running

CAROL = {"technology": "PJSIP", "resource": "carol", "state": "online", "channel_ids": []}
TEXT = "to=pjsip:carol&from=pjsip:alice&body=hi"
REFERRAL = "to=pjsip:carol&from=pjsip:alice&refer_to=alice"


async def test_list_is_sorted(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/endpoints")
    assert answer.status == 200
    names = [(e["technology"], e["resource"]) for e in answer.json]
    assert names == sorted(names)
    assert CAROL in answer.json


@pytest.mark.parametrize("technology", ["PJSIP", "pjsip", "pJsIp"])
async def test_list_by_tech(edge: Edge, technology: str) -> None:
    answer = await edge.ask("GET", f"/ari/endpoints/{technology}")
    assert {e["technology"] for e in answer.json} == {"PJSIP"}


async def test_list_by_unknown_tech(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/endpoints/foo")
    assert (answer.status, answer.message) == (404, "No Endpoints found - invalid tech foo")


@pytest.mark.parametrize("path", ["PJSIP/carol", "pjsip/carol", "PJSIP%2Fcarol", "pjsip%2fcarol"])
async def test_get(edge: Edge, path: str) -> None:
    answer = await edge.ask("GET", f"/ari/endpoints/{path}")
    assert (answer.status, answer.json) == (200, CAROL)


async def test_get_by_a_name_that_needs_encoding(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/endpoints/PJSIP/50%25%20off")
    assert answer.json["resource"] == "50% off"


@pytest.mark.parametrize("path", ["PJSIP/CAROL", "PJSIP/nobody", "IAX2/carol", "foo/bar", "PJSIP/car%00ol"])
async def test_get_nobody(edge: Edge, path: str) -> None:
    answer = await edge.ask("GET", f"/ari/endpoints/{path}")
    assert (answer.status, answer.json) == (404, {"message": "Endpoint not found"})


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        f"sendMessage?{TEXT}",
        "PJSIP/carol/sendMessage?from=pjsip:alice&body=hi",
        "pjsip%2Fcarol/sendMessage?from=pjsip:alice&body=hi",
    ],
)
async def test_send(edge: Edge, method: str, path: str) -> None:
    answer = await edge.ask(method, f"/ari/endpoints/{path}")
    assert (answer.status, answer.body) == (202, b"")
    (message,) = edge.pjsip.messages
    assert (message.destination, message.sender, message.body, message.headers) == ("carol", "pjsip:alice", "hi", {})


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        (TEXT, {"to": "pjsip:trunk", "body": "json"}, ("trunk", "pjsip:alice", "json")),
        ("to=foo:x&" + TEXT, None, ("carol", "pjsip:alice", "hi")),
        ("to=PJSIP:carol&from=a+b%20c&body=100%25+%F0%9F%98%80", None, ("carol", "a b c", "100% 😀")),
        ("", {"to": "pjsip:carol", "from": "x", "body": "hi", "more": 1}, ("carol", "x", "hi")),
        ("to=pjsip:carol&from=x", {}, ("carol", "x", "")),
        (TEXT, {"body": None}, ("carol", "pjsip:alice", "")),
    ],
)
async def test_parameters_of_send(edge: Edge, query: str, body: Any, expected: tuple[str, ...]) -> None:
    data = msgspec.json.encode(body) if body is not None else None
    answer = await edge.ask("PUT", f"/ari/endpoints/sendMessage?{query}", body=data)
    assert answer.status == 202, answer.body
    (message,) = edge.pjsip.messages
    assert (message.destination, message.sender, message.body) == expected


async def test_a_form_is_beaten_by_the_query(edge: Edge) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = await edge.ask(
        "PUT", "/ari/endpoints/sendMessage?body=query", headers=form, body="to=pjsip:carol&from=x&body=a+form"
    )
    assert answer.status == 202
    assert edge.pjsip.messages[0].body == "query"


@pytest.mark.parametrize("type_", ["text/plain", "application/octet-stream", ""])
async def test_a_body_of_another_type_is_ignored(edge: Edge, type_: str) -> None:
    answer = await edge.ask(
        "PUT", f"/ari/endpoints/sendMessage?{TEXT}", headers={"Content-Type": type_}, body='{"body":"json"}'
    )
    assert answer.status == 202
    assert edge.pjsip.messages[0].body == "hi"


@pytest.mark.parametrize(
    ("variables", "headers"),
    [
        (None, {}),
        ({}, {}),
        ({"X-One": "1", "x-two": "zwei"}, {"X-One": "1", "x-two": "zwei"}),
        ({"X-A": "1", "x-a": "2"}, {"X-A": "2"}),
        ({"X-Empty": ""}, {"X-Empty": ""}),
    ],
)
async def test_variables(edge: Edge, variables: Any, headers: dict[str, str]) -> None:
    body = msgspec.json.encode({"variables": variables})
    for path in (f"sendMessage?{TEXT}", "PJSIP/carol/sendMessage?from=x"):
        assert (await edge.ask("PUT", f"/ari/endpoints/{path}", body=body)).status == 202
    assert [message.headers for message in edge.pjsip.messages] == [headers, headers]


BAD_BODIES = [
    {"variables": "X"},
    {"variables": ["X"]},
    {"variables": 5},
    {"variables": {"X": 1}},
    {"variables": {"X": None}},
    {"variables": {"X": {"a": "b"}}},
    {"to": 5},
    {"from": ["x"]},
    {"to": None, "from": None},
    {"from": ""},
]


@pytest.mark.parametrize("body", [*BAD_BODIES, {"body": 5}, {"body": "\0"}])
async def test_bad_parameters_of_send(edge: Edge, body: Any) -> None:
    answer = await edge.ask("PUT", f"/ari/endpoints/sendMessage?{TEXT}", body=msgspec.json.encode(body))
    assert answer.status == 400
    assert isinstance(answer.message, str)
    assert not edge.pjsip.messages


@pytest.mark.parametrize(
    "query", ["", "from=x", "to=pjsip:carol", "to=&from=x", "to=pjsip:carol&from=", "To=pjsip:carol"]
)
@pytest.mark.parametrize("operation", ["PUT sendMessage", "POST refer"])
async def test_required_parameters(edge: Edge, operation: str, query: str) -> None:
    method, name = operation.split()
    answer = await edge.ask(method, f"/ari/endpoints/{name}?refer_to=alice&{query}")
    assert answer.status == 400


@pytest.mark.parametrize("to", ["carol", ":carol", "foo:carol", "pjsip:nobody", "pjsip:bob", "iax2:iaxphone"])
@pytest.mark.parametrize("operation", ["PUT sendMessage", "POST refer"])
async def test_destinations_that_are_none(edge: Edge, operation: str, to: str) -> None:
    method, name = operation.split()
    answer = await edge.ask(method, f"/ari/endpoints/{name}?refer_to=alice&from=x&to={to}")
    assert (answer.status, answer.message) == (404, "Endpoint not found")


@pytest.mark.parametrize("operation", ["PUT sendMessage", "POST refer"])
@pytest.mark.parametrize("path", ["PJSIP/nobody", "foo/bar", "PJSIP/bob", "IAX2/iaxphone"])
async def test_endpoints_that_can_not(edge: Edge, operation: str, path: str) -> None:
    method, name = operation.split()
    answer = await edge.ask(method, f"/ari/endpoints/{path}/{name}?refer_to=alice&from=x")
    assert (answer.status, answer.message) == (404, "Endpoint not found")


@pytest.mark.parametrize("text", ["hello", '"hello"', "[1]", '{"a', "5", "Zoë\n", "[" * 2000])
async def test_raw_text_marked_json(edge: Edge, text: str) -> None:
    """docs/rulings.md 3: the most used Node client sends a text so."""
    for path in ("sendMessage?to=pjsip:carol&from=x", "PJSIP/carol/sendMessage?from=x"):
        assert (await edge.ask("PUT", f"/ari/endpoints/{path}", body=text)).status == 202
    assert [message.body for message in edge.pjsip.messages] == [text, text]


@pytest.mark.parametrize("body", [b"hello", b'"x"', b"[]", b"5", b"{} x", b'{"a', b"[" * 2000, b'"\\ud800"', b"\xff"])
async def test_no_raw_text_beside_a_body_parameter(edge: Edge, body: bytes) -> None:
    assert (await edge.ask("PUT", f"/ari/endpoints/sendMessage?{TEXT}", body=body)).status == 400
    assert (await edge.ask("POST", f"/ari/endpoints/refer?{REFERRAL}", body=body)).status == 400


@pytest.mark.parametrize("body", [b"\xff", b"a\0b"])
async def test_raw_text_that_is_none(edge: Edge, body: bytes) -> None:
    assert (await edge.ask("PUT", "/ari/endpoints/sendMessage?to=pjsip:carol&from=x", body=body)).status == 400


@pytest.mark.parametrize(
    ("query", "body", "to_self", "name"),
    [
        ("", None, False, None),
        ("&to_self=TRUE", None, True, None),
        ("&to_self=0&display_name=query", None, False, None),
        ("", {"to_self": True, "display_name": "Bob B"}, True, "Bob B"),
        ("&to_self=true", {"to_self": False}, False, None),
        ("", {"to_self": "yes", "display_name": None}, True, None),
        ("", {"variables": {"display_name": "Inner"}}, False, "Inner"),
        ("", {"display_name": "Top", "variables": {"display_name": "Inner"}}, False, "Top"),
    ],
)
async def test_refer(edge: Edge, query: str, body: Any, to_self: bool, name: str | None) -> None:
    data = msgspec.json.encode(body) if body is not None else None
    for path in (f"refer?{REFERRAL}{query}", f"PJSIP/carol/refer?from=pjsip:alice&refer_to=alice{query}"):
        answer = await edge.ask("POST", f"/ari/endpoints/{path}", body=data)
        assert (answer.status, answer.body) == (202, b"")
    for referral in edge.pjsip.referrals:
        assert (referral.destination, referral.sender, referral.refer_to) == ("carol", "pjsip:alice", "alice")
        assert (referral.to_self, referral.display_name, referral.headers) == (to_self, name, {})


@pytest.mark.parametrize(
    ("query", "body", "fallback"),
    [
        ("", None, Fallback.NONE),
        ("&fallback=none", None, Fallback.NONE),
        ("&fallback=invite", None, Fallback.INVITE),
        ("", {"fallback": "invite"}, Fallback.INVITE),
        ("&fallback=invite", {"fallback": "none"}, Fallback.NONE),
        ("&fallback=invite", {"fallback": None}, Fallback.NONE),
    ],
)
async def test_fallback(edge: Edge, query: str, body: Any, fallback: Fallback) -> None:
    data = msgspec.json.encode(body) if body is not None else None
    for path in (f"refer?{REFERRAL}{query}", f"PJSIP/carol/refer?from=pjsip:alice&refer_to=alice{query}"):
        assert (await edge.ask("POST", f"/ari/endpoints/{path}", body=data)).status == 202
    assert [referral.fallback for referral in edge.pjsip.referrals] == [fallback, fallback]


@pytest.mark.parametrize(
    "body",
    [
        *BAD_BODIES,
        {"fallback": "INVITE"},
        {"fallback": ""},
        {"fallback": True},
        {"to_self": 1},
        {"to_self": "junk"},
        {"display_name": 5},
        {"refer_to": None},
        {"refer_to": 5},
    ],
)
async def test_bad_parameters_of_refer(edge: Edge, body: Any) -> None:
    answer = await edge.ask("POST", f"/ari/endpoints/refer?{REFERRAL}", body=msgspec.json.encode(body))
    assert answer.status == 400
    assert not edge.pjsip.referrals


async def test_strict_turns_leniences_off() -> None:
    async with running(strict=True) as edge:
        assert (await edge.ask("POST", f"/ari/endpoints/sendMessage?{TEXT}")).status == 405
        assert (await edge.ask("PUT", "/ari/endpoints/sendMessage?to=pjsip:carol&from=x", body="hello")).status == 400
        assert (await edge.ask("GET", "/ari/endpoints/PJSIP%2Fcarol")).status == 404
        assert (await edge.ask("HEAD", "/ari/endpoints/PJSIP/carol")).status == 405
        odd = {"Content-Type": "text/plain"}
        assert (await edge.ask("PUT", f"/ari/endpoints/sendMessage?{TEXT}", headers=odd, body="x")).status == 415
        assert not edge.pjsip.messages
