"""OpenAPI 3.1: complete, consistent in itself, and true of what is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from switchroom.ari import openapi
from switchroom.ari.docs import EVENTS
from switchroom.ari.routes import TABLE, Role, Route
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import ReceivedText
from unit.ari.edge import Edge

DOCUMENT = openapi.document("http://ari.example/ari")
SCHEMAS = DOCUMENT["components"]["schemas"]


def operation(route: Route) -> dict[str, Any]:
    return dict(DOCUMENT["paths"][route.path][route.method.lower()])


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


def test_every_reference_leads_somewhere_and_every_model_is_used() -> None:
    named = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert named <= SCHEMAS.keys()
    assert SCHEMAS.keys() - named <= {"Event", "Message", "TextMessage"}


def test_operations_have_names_of_their_own() -> None:
    names = [operation(route)["operationId"] for route in TABLE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]+_[A-Za-z]+", name) for name in names)


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_an_operation_says_all(route: Route) -> None:
    found = operation(route)
    assert found["summary"]
    assert {p["name"] for p in found["parameters"]} == {p.name for p in route.parameters if p.place != "body"}
    assert all(p["required"] for p in found["parameters"] if p["in"] == "path")
    assert {"400", "401", "403", "503", str(route.status)} <= found["responses"].keys()
    assert {str(code) for code, _ in route.errors} <= found["responses"].keys()
    assert ("requestBody" in found) <= (route.role is Role.WRITE)
    for code, answer in found["responses"].items():
        assert answer["description"]
        if code >= "400":
            assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


async def test_it_is_served_with_the_address_of_the_server(edge: Edge) -> None:
    answer = await edge.ask("GET", "/ari/api-docs/openapi.json")
    assert answer.json == DOCUMENT
    assert openapi.document(None)["servers"] == [{"url": ".."}]


def validator(schema: Any) -> Any:
    return jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})


def test_it_describes_every_event() -> None:
    assert [part["$ref"].rpartition("/")[2] for part in SCHEMAS["Event"]["oneOf"]] == [event["id"] for event in EVENTS]


async def test_events_are_as_described(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a&subscribeAll=true&resume=true")
    edge.register("bob")
    carol = edge.registry.get("PJSIP", "carol")
    assert carol is not None
    text = ReceivedText("<sip:carol@a>", "pjsip:x@a", "hello", {"X-A": "b"})
    edge.bus.publish([TextMessageReceived(endpoint=carol, at=edge.clock.wall(), message=text)])
    await edge.ask("POST", "/ari/events/user/made-up?application=a&source=endpoint:PJSIP/bob")
    wire.frame(0x1, b'{"type":"RESTRequest","method":"GET","uri":"endpoints"}')
    other = await edge.listen("/ari/events?app=a")
    kinds = set()
    known = validator({"$ref": "#/components/schemas/Event"})
    while "ApplicationReplaced" not in kinds or "RESTResponse" not in kinds:
        event = await wire.event()
        known.validate(event)
        kinds.add(event["type"])
    assert {"ContactStatusChange", "DeviceStateChanged", "EndpointStateChange", "PeerStatusChange"} < kinds
    assert {"TextMessageReceived", "ChannelUserevent"} < kinds
    assert not known.is_valid({**event, "type": "Unknown"})
    assert not known.is_valid({"type": event["type"]})
    await other.close()
    await wire.close()


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/endpoints", {"type": "array", "items": {"$ref": "#/components/schemas/Endpoint"}}),
        ("/endpoints/PJSIP/carol", {"$ref": "#/components/schemas/Endpoint"}),
        (
            "/endpoints/PJSIP/carol/contacts",
            {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Contact"}},
        ),
        ("/asterisk/info", {"$ref": "#/components/schemas/AsteriskInfo"}),
        ("/asterisk/ping", {"$ref": "#/components/schemas/AsteriskPing"}),
        ("/nope", {"$ref": "#/components/schemas/Error"}),
    ],
)
async def test_answers_are_as_described(edge: Edge, path: str, schema: Any) -> None:
    validator(schema).validate((await edge.ask("GET", f"/ari{path}")).json)
