"""Configuration objects over HTTP: Asterisk's texts, and everything else that a client may send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.ari.edge import RO, Answer, Edge

BASE = "/ari/asterisk/config/dynamic/res_pjsip"


def fields(**values: str) -> str:
    return json.dumps({"fields": [{"attribute": name, "value": value} for name, value in values.items()]})


def values(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer
    return {field["attribute"]: field["value"] for field in answer.json}


async def test_an_object_is_made_read_updated_and_deleted(edge: Edge) -> None:
    path = f"{BASE}/aor/new"
    made = values(await edge.ask("PUT", path, body=fields(max_contacts="2")))
    assert (made["max_contacts"], made["qualify_frequency"]) == ("2", "0")
    updated = values(await edge.ask("PUT", path, body=fields(qualify_frequency="60")))
    assert (updated["max_contacts"], updated["qualify_frequency"]) == ("2", "60")
    assert values(await edge.ask("GET", path)) == updated
    gone = await edge.ask("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    again = await edge.ask("GET", path)
    assert (again.status, again.message) == (404, "Object with id 'new' not found")


async def test_without_a_body_an_object_has_the_defaults(edge: Edge) -> None:
    assert values(await edge.ask("PUT", f"{BASE}/aor/new"))["maximum_expiration"] == "7200"
    refused = await edge.ask("PUT", f"{BASE}/aor/new")
    assert (refused.status, refused.message) == (400, "Fields must be provided to update object 'new'")
    assert (await edge.ask("PUT", f"{BASE}/aor/other", body='{"fields": null}')).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("nope/aor/x", "configClass 'nope' not found"),
        ("res_pjsip/nope/x", "objectType 'nope' not found"),
        ("res_pjsip/contact/x", "objectType 'contact' not found"),
        ("res_pjsip_endpoint_identifier_ip/aor/x", "objectType 'aor' not found"),
    ],
)
async def test_what_does_not_exist_is_named(edge: Edge, method: str, path: str, text: str) -> None:
    answer = await edge.ask(method, f"/ari/asterisk/config/dynamic/{path}")
    assert (answer.status, answer.message) == (404, text)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_object_that_does_not_exist_is_named(edge: Edge, method: str) -> None:
    answer = await edge.ask(method, f"{BASE}/aor/ann%20b")
    assert (answer.status, answer.message) == (404, "Object with id 'ann b' not found")


async def test_objects_of_the_files_are_only_read(edge: Edge) -> None:
    assert values(await edge.ask("GET", f"{BASE}/endpoint/filed"))["aors"] == "filed"
    put = await edge.ask("PUT", f"{BASE}/endpoint/filed", body=fields(aors="x"))
    assert (put.status, put.message) == (403, "Cannot update sorcery objects of type 'endpoint'")
    delete = await edge.ask("DELETE", f"{BASE}/endpoint/filed")
    assert (delete.status, delete.message) == (403, "Could not delete object with id 'filed'")
    assert values(await edge.ask("GET", f"{BASE}/endpoint/filed"))["aors"] == "filed"


async def test_kinds_of_the_files_alone_are_not_made(edge: Edge) -> None:
    put = await edge.ask("PUT", f"{BASE}/transport/new", body=fields(bind="0.0.0.0"))
    assert (put.status, put.message) == (403, "Cannot create sorcery objects of type 'transport'")
    put = await edge.ask("PUT", f"{BASE}/global/global", body=fields(max_forwards="1"))
    assert (put.status, put.message) == (403, "Cannot update sorcery objects of type 'global'")
    assert values(await edge.ask("GET", f"{BASE}/global/global"))["max_forwards"] == "70"
    assert values(await edge.ask("GET", f"{BASE}/system/system"))["timer_t1"] == "500"


async def test_an_identify_has_two_classes(edge: Edge) -> None:
    path = "/ari/asterisk/config/dynamic/{}/identify/trunk"
    first = await edge.ask(
        "PUT", path.format("res_pjsip_endpoint_identifier_ip"), body=fields(endpoint="filed", match="192.0.2.7")
    )
    assert values(first)["match"] == "192.0.2.7"
    assert values(await edge.ask("GET", path.format("res_pjsip"))) == values(first)


async def test_a_fault_changes_nothing_and_is_named(edge: Edge) -> None:
    path = f"{BASE}/aor/new"
    created = await edge.ask("PUT", path, body=fields(max_contacts="2", qualify_frequency="often"))
    assert created.status == 400
    assert created.message.startswith("Creation of object 'new' failed field value validation: qualify_frequency")
    assert (await edge.ask("GET", path)).status == 404
    await edge.ask("PUT", path, body=fields(max_contacts="2"))
    updated = await edge.ask("PUT", path, body=fields(max_contacts="3", nonsense="1"))
    assert updated.status == 400
    assert updated.message == (
        "Update of object 'new' failed field value validation: \"nonsense\" is no attribute of an aor"
    )
    assert values(await edge.ask("GET", path))["max_contacts"] == "2"


@pytest.mark.parametrize(
    "body",
    [
        {"fields": {}},
        {"fields": "max_contacts"},
        {"fields": 5},
        {"fields": [5]},
        {"fields": [None]},
        {"fields": [[]]},
        {"fields": [{}]},
        {"fields": [{"attribute": "max_contacts"}]},
        {"fields": [{"value": "1"}]},
        {"fields": [{"attribute": "max_contacts", "value": 1}]},
        {"fields": [{"attribute": None, "value": "1"}]},
        {"fields": [{"attribute": "max_contacts", "value": "1"}, {"attribute": "contact", "value": None}]},
        [],
    ],
)
async def test_fields_of_a_wrong_shape_are_refused(edge: Edge, body: Any) -> None:
    """Each of the elements without attribute or value ends Asterisk."""
    answer = await edge.ask("PUT", f"{BASE}/aor/new", body=json.dumps(body))
    assert answer.status == 400
    assert (await edge.ask("GET", f"{BASE}/aor/new")).status == 404


async def test_fields_that_are_not_marked_json_make_no_empty_object(edge: Edge) -> None:
    answer = await edge.ask(
        "PUT",
        f"{BASE}/aor/new",
        body=fields(max_contacts="2"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status, "application/json" in answer.message) == (400, True)
    assert (await edge.ask("GET", f"{BASE}/aor/new")).status == 404


async def test_what_may_only_read_sees_no_secret_and_changes_nothing(edge: Edge) -> None:
    path = f"{BASE}/auth/filed"
    assert values(await edge.ask("GET", path))["password"] == "secret"
    seen = await edge.ask("GET", path, auth=RO)
    assert (values(seen)["username"], values(seen)["password"]) == ("filed", "")
    assert b"secret" not in seen.body
    for method, place in (("PUT", path), ("DELETE", path), ("PUT", "/ari/asterisk/reload")):
        answer = await edge.ask(method, place, auth=RO)
        assert (answer.status, answer.message) == (403, "Write access denied")


async def test_a_reload_without_files_is_refused(edge: Edge) -> None:
    answer = await edge.ask("PUT", "/ari/asterisk/reload")
    assert (answer.status, answer.message) == (409, "The server was not started from a configuration directory")


async def test_the_operations_are_documented(edge: Edge) -> None:
    document = (await edge.ask("GET", "/ari/api-docs/asterisk.json")).json
    operations = {op["nickname"] for api in document["apis"] for op in api["operations"]}
    assert {"getObject", "updateObject", "deleteObject", "reload"} <= operations
