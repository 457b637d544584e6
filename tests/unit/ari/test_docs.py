"""The documentation: Swagger 1.1 as client libraries read it, and the pages people read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from switchroom.ari.docs import EVENTS, Documentation
from switchroom.ari.routes import TABLE
from unit.ari.edge import Edge, request, running

NAMES = ["asterisk", "endpoints", "deviceStates", "messages", "referrals", "events", "applications"]
PRIMITIVE = {"string", "boolean", "int", "object", "Date", "void", "containers"}
PAGES = Path(__file__).parents[3] / "docs"


def document(name: str) -> dict[str, Any]:
    found = Documentation().get(f"{name}.json", "http://a/ari")
    assert found is not None
    return found


async def test_resources_name_every_declaration(edge: Edge) -> None:
    listing = (await edge.ask("GET", "/ari/api-docs/resources.json")).json
    assert (listing["swaggerVersion"], listing["apiVersion"]) == ("1.1", "8.0.0")
    assert listing["basePath"] == "http://ari.example/ari"
    for api, name in zip(listing["apis"], NAMES, strict=True):
        assert api["path"] == f"/api-docs/{name}.{{format}}"
        declaration = (await edge.ask("GET", "/ari" + api["path"].replace("{format}", "json"))).json
        assert declaration["resourcePath"] == api["path"]
        assert declaration["basePath"] == listing["basePath"]


@pytest.mark.parametrize("name", NAMES)
def test_declarations_have_the_shape_libraries_need(name: str) -> None:
    declaration = document(name)
    assert declaration["swaggerVersion"] == "1.1"
    known = PRIMITIVE | set(declaration["models"])
    for api in declaration["apis"]:
        assert api["path"].startswith(f"/{name}")
        for operation in api["operations"]:
            assert {"httpMethod", "nickname", "responseClass", "summary", "parameters", "errorResponses"} <= set(
                operation
            )
            assert inner(operation["responseClass"]) in known
            for parameter in operation["parameters"]:
                assert {"name", "paramType", "dataType", "required", "allowMultiple", "description"} <= set(parameter)
                assert parameter["paramType"] in ("path", "query", "body")
                assert parameter["dataType"] in PRIMITIVE
                assert (parameter["paramType"] == "path") == (f"{{{parameter['name']}}}" in api["path"])
            for error in operation["errorResponses"]:
                assert isinstance(error["code"], int)
                assert error["reason"]
    for key, model in declaration["models"].items():
        assert model["id"] == key
        for field in model["properties"].values():
            assert inner(field["type"]) in known, (key, field)


def inner(name: str) -> str:
    return name[5:-1] if name.startswith("List[") else name


def test_every_route_is_documented_once() -> None:
    found = sorted(
        (operation["httpMethod"], api["path"], operation["nickname"])
        for name in NAMES
        for api in document(name)["apis"]
        for operation in api["operations"]
    )
    assert found == sorted((route.method, route.path, route.nickname) for route in TABLE)


def test_the_operations_on_endpoints_are_seven_and_ours() -> None:
    nicknames = {op["nickname"] for api in document("endpoints")["apis"] for op in api["operations"]}
    assert nicknames == {
        "list",
        "sendMessage",
        "refer",
        "listByTech",
        "get",
        "sendMessageToEndpoint",
        "referToEndpoint",
        "contacts",
    }


def test_events_are_a_websocket_and_their_models_complete() -> None:
    declaration = document("events")
    operation = declaration["apis"][0]["operations"][0]
    assert (operation["nickname"], operation["upgrade"], operation["websocketProtocol"]) == (
        "eventWebsocket",
        "websocket",
        "ari",
    )
    models = declaration["models"]
    assert set(models["Event"]["subTypes"]) == {event["id"] for event in EVENTS} <= set(models)
    for event in EVENTS:
        assert event["properties"].get("endpoint", {"type": "Endpoint"})["type"] == "Endpoint"


def test_every_event_the_renderer_writes_has_a_model() -> None:
    source = (Path(__file__).parents[3] / "src/switchroom/ari/render.py").read_text()
    written = set(re.findall(r'"type":"([A-Z]\w+)"', source)) | set(re.findall(r'\("([A-Z]\w+)", ', source))
    written |= set(re.findall(r'_(?:about|named)\(\s*"(\w+)"', source))
    assert written == {event["id"] for event in EVENTS}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("endpoints.{format}", 404),
        ("endpoints%2Ejson", 404),
        ("../../etc/passwd", 404),
        ("%2e%2e/%2e%2e/etc/passwd", 404),
        ("channels.json", 404),
        ("", 404),
    ],
)
async def test_files_that_are_none(edge: Edge, path: str, status: int) -> None:
    assert (await edge.ask("GET", f"/ari/api-docs/{path}")).status == status
    assert (await edge.ask("GET", "/ari/api-docs")).status == 404


async def test_documents_need_credentials_and_are_only_read(edge: Edge) -> None:
    assert (await edge.ask("GET", "/ari/api-docs/resources.json", auth=None)).status == 401
    for method in ("PUT", "OPTIONS"):
        assert (await edge.ask(method, "/ari/api-docs/resources.json")).status == 405


async def test_base_path_follows_host_and_prefix() -> None:
    async with running(http={"prefix": "/pbx"}) as edge:
        answer = await edge.ask("GET", "/PBX/ARI/api-docs/endpoints.json", headers={})
        assert answer.json["basePath"] == "http://ari.example/pbx/ari"
        wire = await edge.open()
        ask = request("GET", "/pbx/ari/api-docs/endpoints.json?api_key=asterisk:asterisk", {})
        wire.send(ask.replace(b"Host: ari.example", b"Host: \xff"))
        answer = await wire.answer()
        assert answer.status in (200, 400)
        assert b"basePath" not in answer.body
        await wire.close()


def test_the_page_of_routes_names_every_route() -> None:
    page = (PAGES / "ari.md").read_text()
    for route in TABLE:
        assert re.search(rf"^\| {route.method} \| `{re.escape(route.path)}` \|", page, re.M), route.path
        for parameter in route.parameters:
            assert f"`{parameter.name}`" in page, parameter.name


def test_the_page_of_events_names_every_event_and_field() -> None:
    page = (PAGES / "events.md").read_text()
    for event in EVENTS:
        assert f"## {event['id']}\n" in page
        section = page.partition(f"## {event['id']}\n")[2].partition("\n## ")[0]
        for field in event["properties"]:
            assert f"`{field}`" in section, (event["id"], field)
    assert set(re.findall(r"^## ([A-Z]\w*[A-Z]\w+)$", page, re.M)) == {event["id"] for event in EVENTS}
