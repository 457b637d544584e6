"""REST requests over a WebSocket."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from support.wait import until
from switchroom.ari.call import Call
from switchroom.ari.limits import BODY_BYTES, REST_ID_LENGTH, REST_REQUESTS
from switchroom.ari.reply import Reply
from switchroom.model.settings import AriSettings
from unit.ari.edge import RO, RW, USERS, Edge, Wire, basic, running

PATH = "/ari/events?app=onex,other"
LIST = {"type": "RESTRequest", "transaction_id": "t1", "request_id": "r1", "method": "GET", "uri": "endpoints"}


async def ask(wire: Wire, request: Any) -> dict[str, Any]:
    """The answer to a frame: a text as it is, anything else as JSON."""
    wire.frame(0x1, request.encode() if isinstance(request, str) else msgspec.json.encode(request))
    answer = await wire.event()
    assert answer["type"] == "RESTResponse"
    return dict(answer)


def body(answer: dict[str, Any]) -> Any:
    return msgspec.json.decode(answer["message_body"])


async def test_an_answer_has_everything_in_order(edge: Edge) -> None:
    wire = await edge.listen(PATH)
    request = {**LIST, "uri": "endpoints/PJSIP/carol?x=1"}
    answer = await ask(wire, request)
    assert list(answer) == [
        "type",
        "transaction_id",
        "request_id",
        "status_code",
        "reason_phrase",
        "uri",
        "content_type",
        "message_body",
        "application",
        "timestamp",
        "asterisk_id",
    ]
    assert (answer["transaction_id"], answer["request_id"], answer["application"]) == ("t1", "r1", "onex")
    assert (answer["status_code"], answer["reason_phrase"]) == (200, "OK")
    assert answer["uri"] == "endpoints/PJSIP/carol"
    assert answer["content_type"] == "application/json"
    assert answer["message_body"].encode() == (await edge.ask("GET", "/ari/endpoints/PJSIP/carol")).body
    await wire.close()


SEND = {"type": "RESTRequest", "method": "PUT", "uri": "endpoints/PJSIP/carol/sendMessage?from=alice"}
FAILED = "Failed to parse request message JSON"
EVENTS = "Can't upgrade to websocket from a websocket"


@pytest.mark.parametrize(
    ("request_", "status", "phrase", "message"),
    [
        ("not JSON", 400, FAILED, None),
        ("", 400, FAILED, None),
        ("5", 400, FAILED, None),
        ('"x"', 400, FAILED, None),
        ("null", 400, FAILED, None),
        ('{"type":"\\u0000"}', 400, FAILED, None),
        ("[" * 100 + "]" * 100, 400, FAILED, None),
        ([], 400, "Bad request", "No 'type' property."),
        ({}, 400, "Bad request", "No 'type' property."),
        ({"type": 5}, 400, "Bad request", "No 'type' property."),
        ({"type": "Other"}, 400, "Bad request", "Unknown request type."),
        ({"type": "RESTRequest"}, 400, "Bad request", "Empty or missing 'uri' property."),
        ({**LIST, "uri": ""}, 400, "Bad request", "Empty or missing 'uri' property."),
        ({**LIST, "uri": 5}, 400, "Bad request", "Empty or missing 'uri' property."),
        ({**LIST, "uri": "", "method": "X"}, 400, "Bad request", "Empty or missing 'uri' property."),
        ({**LIST, "method": "get"}, 400, "Bad request", "Unknown or missing 'method' property."),
        ({**LIST, "method": "PATCH"}, 400, "Bad request", "Unknown or missing 'method' property."),
        ({**LIST, "method": None}, 400, "Bad request", "Unknown or missing 'method' property."),
        ({**LIST, "method": []}, 400, "Bad request", "Unknown or missing 'method' property."),
        ({**LIST, "query_strings": [5]}, 400, "Bad request", "Unable to parse 'query_strings' array."),
        ({**LIST, "query_strings": [{"name": "a"}]}, 400, "Bad request", "Unable to parse 'query_strings' array."),
        (
            {**LIST, "query_strings": [{"name": "a", "value": 1}]},
            400,
            "Bad request",
            "Unable to parse 'query_strings' array.",
        ),
        ({**LIST, "query_strings": {"name": 5}}, 200, "OK", None),
        ({**LIST, "uri": "endpoints?x=%FF"}, 400, "Bad request", "A parameter is not UTF-8"),
        ({**SEND, "message_body": "{}"}, 400, "Bad request", "No 'content_type' for 'message_body'."),
        ({**SEND, "message_body": "{}", "content_type": "text/plain"}, 400, "Bad request", "Unknown content type."),
        ({**SEND, "message_body": "{}", "content_type": 5}, 400, "Bad request", "Unknown content type."),
        (
            {**SEND, "message_body": "{}", "content_type": "application/json; charset=utf-8"},
            400,
            "Bad request",
            "Unknown content type.",
        ),
        (
            {**SEND, "message_body": "{", "content_type": "application/json"},
            400,
            "Bad request",
            "Unable to parse 'message_body' as 'application/json'.",
        ),
        (
            {**SEND, "message_body": "5", "content_type": "application/json"},
            400,
            "Bad request",
            "Unable to parse 'message_body' as 'application/json'.",
        ),
        (
            {**SEND, "message_body": "a=%FF", "content_type": "application/x-www-form-urlencoded"},
            400,
            "Bad request",
            "Unable to parse 'message_body' as 'application/x-www-form-urlencoded'.",
        ),
        ({**LIST, "uri": "events"}, 400, "Bad request", EVENTS),
        ({**LIST, "uri": "events?app=x"}, 400, "Bad request", EVENTS),
        ({**LIST, "uri": "nope"}, 404, "Not Found", "Resource not found"),
        ({**LIST, "uri": "ari/endpoints"}, 404, "Not Found", "Resource not found"),
        ({**LIST, "uri": "/endpoints"}, 405, "Method Not Allowed", "Invalid method"),
        ({**LIST, "method": "DELETE"}, 405, "Method Not Allowed", "Invalid method"),
        ({**LIST, "uri": "endpoints/"}, 404, "Not Found", "ARI URLs do not end with a slash. Try /ari/endpoints"),
        ({**LIST, "uri": "endpoints/PJSIP/nobody"}, 404, "Not Found", "Endpoint not found"),
        (
            {**LIST, "method": "PUT", "uri": "endpoints/sendMessage?from=a"},
            400,
            "Bad Request",
            "To must be specified",
        ),
        ({**LIST, "uri": "endpoints/PJSIP%2Fcarol"}, 200, "OK", None),
        ({**LIST, "method": "OPTIONS"}, 204, "No Content", None),
        ({**LIST, "method": "HEAD"}, 200, "OK", None),
        (SEND, 202, "Accepted", None),
    ],
)
async def test_table_of_answers(edge: Edge, request_: Any, status: int, phrase: str, message: str | None) -> None:
    wire = await edge.listen(PATH)
    answer = await ask(wire, request_)
    assert (answer["status_code"], answer["reason_phrase"]) == (status, phrase)
    if message is not None:
        assert body(answer) == {"message": message}
        assert answer["content_type"] == "application/json"
    elif status >= 202 or answer["uri"] == "" or (isinstance(request_, dict) and request_["method"] == "HEAD"):
        assert "message_body" not in answer
        assert "content_type" not in answer
    if phrase == FAILED:
        assert (answer["transaction_id"], answer["request_id"], answer["uri"]) == ("", "", "")
    # The WebSocket lives on.
    assert (await ask(wire, LIST))["status_code"] == 200
    await wire.close()


@pytest.mark.parametrize("given", [5, None, [], {}, True])
async def test_ids_are_strings_or_empty(edge: Edge, given: Any) -> None:
    wire = await edge.listen(PATH)
    answer = await ask(wire, {**LIST, "transaction_id": given, "request_id": "x" * 1_000})
    assert (answer["transaction_id"], answer["request_id"]) == ("", "x" * REST_ID_LENGTH)
    await wire.close()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"uri": SEND["uri"] + "&body=query"}, "query"),
        ({"query_strings": [{"name": "body", "value": "array"}]}, "array"),
        ({"uri": SEND["uri"] + "&body=query", "query_strings": [{"name": "body", "value": "last wins"}]}, "last wins"),
        ({"message_body": '{"body":"json"}', "content_type": "application/json"}, "json"),
        ({"message_body": "body=form+text", "content_type": "application/x-www-form-urlencoded"}, "form text"),
        ({"message_body": {"body": "an object, not its text"}}, "an object, not its text"),
        ({"message_body": "", "content_type": "nonsense"}, ""),
        ({"message_body": None}, ""),
    ],
)
async def test_parameters_come_as_over_http(edge: Edge, more: dict[str, Any], text: str) -> None:
    wire = await edge.listen(PATH)
    assert (await ask(wire, {**SEND, **more}))["status_code"] == 202
    assert [message.body for message in edge.pjsip.messages] == [text]
    await wire.close()


async def test_strict_takes_texts_only() -> None:
    async with running(strict=True) as edge:
        wire = await edge.listen(PATH)
        answer = await ask(wire, {**SEND, "message_body": {"body": "x"}})
        assert (answer["status_code"], body(answer)) == (400, {"message": "'message_body' must be a string."})
        assert not edge.pjsip.messages
        await wire.close()


async def test_a_large_body_is_refused_as_over_http(edge: Edge) -> None:
    wire = await edge.listen(PATH)
    for size, status in ((BODY_BYTES, 202), (BODY_BYTES + 1, 413)):
        request = {**SEND, "content_type": "application/json", "message_body": '{"body":"x"}'.ljust(size)}
        assert (await ask(wire, request))["status_code"] == status
    await wire.close()


async def test_documents_name_the_host_of_the_handshake(edge: Edge) -> None:
    wire = await edge.listen(PATH)
    answer = await ask(wire, {**LIST, "uri": "api-docs/resources.json"})
    assert body(answer)["basePath"] == "http://ari.example/ari"
    await wire.close()


async def test_no_filter_holds_an_answer_back(edge: Edge) -> None:
    wire = await edge.listen(PATH)
    for lists in ({"allowed": [{"type": "Nothing"}]}, {"disallowed": [{"type": "RESTResponse"}]}):
        request = {"type": "RESTRequest", "method": "PUT", "uri": "applications/onex/eventFilter"}
        answer = await ask(wire, {**request, "message_body": lists})
        assert answer["status_code"] == 200
        assert (await ask(wire, LIST))["status_code"] == 200
    await wire.close()


async def test_read_only_stays_read_only(edge: Edge) -> None:
    wire = await edge.listen(PATH, auth=RO)
    answer = await ask(wire, SEND)
    assert (answer["status_code"], body(answer)) == (403, {"message": "Write access denied"})
    assert (await ask(wire, {**LIST, "method": "DELETE", "uri": "nope"}))["status_code"] == 403
    assert (await ask(wire, LIST))["status_code"] == 200
    assert not edge.pjsip.messages
    await wire.close()


async def test_a_query_gives_no_other_rights(edge: Edge) -> None:
    wire = await edge.listen(PATH, auth=RO)
    answer = await ask(wire, {**SEND, "uri": f"{SEND['uri']}&api_key=asterisk:asterisk"})
    assert answer["status_code"] == 403
    await wire.close()


@pytest.mark.parametrize("how", ["basic", "api_key"])
async def test_rights_are_looked_up_for_every_request(edge: Edge, how: str) -> None:
    key, auth = ("", RW) if how == "basic" else ("&api_key=asterisk:asterisk", None)
    wire = await edge.listen(PATH + key, auth=auth)
    assert (await ask(wire, SEND))["status_code"] == 202
    edge.service.reconfigure(AriSettings(users={"asterisk": USERS["reader"]}))
    answer = await ask(wire, LIST)
    assert (answer["status_code"], body(answer)) == (401, {"message": "Authentication required"})
    await wire.close()


async def test_the_users_access_list_holds(edge: Edge) -> None:
    users = {**USERS, "moved": msgspec.structs.replace(USERS["asterisk"], name="moved")}
    edge.service.reconfigure(AriSettings(users=users))
    wire = await edge.listen(PATH, auth=basic("moved", "asterisk"))
    assert (await ask(wire, LIST))["status_code"] == 200
    users = {"moved": msgspec.structs.replace(users["moved"], acl=USERS["far"].acl)}
    edge.service.reconfigure(AriSettings(users=users))
    answer = await ask(wire, LIST)
    assert (answer["status_code"], body(answer)) == (403, {"message": "Access denied by ACL"})
    await wire.close()


async def test_requests_in_parallel(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow one holds up none of the others, until as many are at work as may be."""
    release = asyncio.Event()
    waiting = 0

    async def slow(call: Call) -> Reply:
        nonlocal waiting
        waiting += 1
        await release.wait()
        return Reply(204)

    found = edge.service._gate.place("/asterisk/ping")
    assert found is not None
    route = found[0].routes["GET"]
    monkeypatch.setitem(found[0].routes, "GET", replace(route, operation=slow))
    wire = await edge.listen(PATH)
    for number in range(REST_REQUESTS - 1):
        wire.frame(0x1, msgspec.json.encode({**LIST, "uri": "asterisk/ping", "request_id": f"slow{number}"}))
    assert (await ask(wire, {**LIST, "request_id": "quick"}))["request_id"] == "quick"
    wire.frame(0x1, msgspec.json.encode({**LIST, "uri": "asterisk/ping"}))
    wire.frame(0x1, msgspec.json.encode({**LIST, "request_id": "one too many"}))
    await until(lambda: waiting == REST_REQUESTS, "all to be at work")
    edge.register("bob")
    release.set()
    ids = [(await wire.event())["request_id"] for _ in range(REST_REQUESTS + 1)]
    assert ids[-1] == "one too many"
    assert set(ids[:-2]) == {f"slow{number}" for number in range(REST_REQUESTS - 1)}
    await wire.close()


async def test_requests_of_a_client_that_left_are_done_all_the_same(edge: Edge) -> None:
    wire = await edge.listen(PATH)
    wire.frame(0x1, msgspec.json.encode(SEND))
    wire.frame(0x8, b"\x03\xe8")
    await until(lambda: len(edge.pjsip.messages) == 1, "the text to be sent")
    await wire.close()


async def test_a_failure_of_ours_is_an_answer(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.registry, "listing", None)
    wire = await edge.listen(PATH)
    assert (await ask(wire, LIST))["status_code"] == 500
    await wire.close()
