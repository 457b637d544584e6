"""The operations on applications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from switchroom.model.endpoint import EndpointId
from unit.ari.edge import Edge

APP = "/ari/applications/probe"
EMPTY = {
    "name": "probe",
    "channel_ids": [],
    "bridge_ids": [],
    "endpoint_ids": [],
    "device_names": [],
    "events_allowed": [],
    "events_disallowed": [],
}


@pytest_asyncio.fixture(autouse=True)
async def probe(edge: Edge) -> AsyncIterator[None]:
    wire = await edge.listen("/ari/events?app=probe")
    yield
    await wire.close()


async def test_list_and_get(edge: Edge) -> None:
    assert (await edge.ask("GET", "/ari/applications")).json == [EMPTY]
    assert (await edge.ask("GET", APP)).json == EMPTY
    answer = await edge.ask("GET", "/ari/applications/ghost")
    assert (answer.status, answer.message) == (404, "Application not found")


@pytest.mark.parametrize(
    ("source", "key", "kept"),
    [
        ("endpoint:PJSIP/carol", "endpoint_ids", "PJSIP/carol"),
        ("endpoint:pjsip/carol", "endpoint_ids", "PJSIP/carol"),
        ("endpoint:PJSIP", "endpoint_ids", "PJSIP"),
        ("endpoint:iax2", "endpoint_ids", "IAX2"),
        ("endpoint:", "endpoint_ids", "__AST_ENDPOINT_ALL_TOPIC"),
        ("deviceState:PJSIP/carol", "device_names", "PJSIP/carol"),
        ("deviceState:NoSuch/x", "device_names", "NoSuch/x"),
        ("deviceState:", "device_names", "__AST_DEVICE_STATE_ALL_TOPIC"),
        ("channel:", "channel_ids", "__AST_CHANNEL_ALL_TOPIC"),
        ("bridge:", "bridge_ids", "__AST_BRIDGE_ALL_TOPIC"),
    ],
)
async def test_what_can_be_subscribed_can_be_unsubscribed(edge: Edge, source: str, key: str, kept: str) -> None:
    path = f"{APP}/subscription?eventSource={source}"
    for _ in range(2):
        answer = await edge.ask("POST", path)
        assert (answer.status, answer.json) == (200, {**EMPTY, key: [kept]})
    answer = await edge.ask("DELETE", path)
    assert (answer.status, answer.json) == (200, EMPTY)
    assert (await edge.ask("DELETE", path)).status == 422


async def test_the_placeholder_of_all_can_be_unsubscribed(edge: Edge) -> None:
    await edge.ask("POST", f"{APP}/subscription?eventSource=endpoint:")
    answer = await edge.ask("DELETE", f"{APP}/subscription?eventSource=endpoint:__AST_ENDPOINT_ALL_TOPIC")
    assert (answer.status, answer.json) == (200, EMPTY)


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("endpoint:foo", 422),
        ("endpoint:PJSIP/nobody", 422),
        ("endpoint:PJSIP/", 422),
        ("deviceState:" + "x" * 300, 422),
        ("channel:x", 422),
        ("bridge:x", 422),
        ("nope:x", 400),
        ("nope", 400),
        ("ENDPOINT:", 400),
        ("__AST_ENDPOINT_ALL_TOPIC", 400),
        ("", 400),
        ("endpoint:,nope", 400),
        ("endpoint:,endpoint:foo", 422),
        ("endpoint:," * 130, 400),
    ],
)
async def test_all_or_nothing(edge: Edge, source: str, status: int) -> None:
    assert (await edge.ask("POST", f"{APP}/subscription?eventSource={source}")).status == status
    assert (await edge.ask("GET", APP)).json == EMPTY


async def test_unsubscribing_is_all_or_nothing_too(edge: Edge) -> None:
    await edge.ask("POST", f"{APP}/subscription?eventSource=endpoint:,deviceState:")
    answer = await edge.ask("DELETE", f"{APP}/subscription?eventSource=endpoint:,bridge:")
    assert answer.status == 422
    assert (await edge.ask("GET", APP)).json["endpoint_ids"] == ["__AST_ENDPOINT_ALL_TOPIC"]


async def test_a_subscription_outlives_its_endpoint(edge: Edge) -> None:
    await edge.ask("POST", f"{APP}/subscription?eventSource=endpoint:PJSIP/bob")
    edge.registry.remove(EndpointId("PJSIP", "bob"))
    assert (await edge.ask("DELETE", f"{APP}/subscription?eventSource=endpoint:PJSIP/bob")).status == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"eventSource": 5}, 400),
        ({"eventSource": [5]}, 400),
        ({"eventSource": {}}, 400),
        ({"eventSource": []}, 400),
        ({"eventSource": None}, 400),
        ([], 400),
        ({"eventSource": ["endpoint:PJSIP", "deviceState:"]}, 200),
        ({"eventSource": "endpoint:PJSIP,deviceState:"}, 200),
    ],
)
async def test_sources_in_json(edge: Edge, method: str, body: Any, status: int) -> None:
    if method == "DELETE":
        await edge.ask("POST", f"{APP}/subscription?eventSource=endpoint:PJSIP,deviceState:")
    answer = await edge.ask(method, f"{APP}/subscription", body=msgspec.json.encode(body))
    assert answer.status == status


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_missing_sources_and_applications(edge: Edge, method: str) -> None:
    answer = await edge.ask(method, "/ari/applications/ghost/subscription")
    assert (answer.status, answer.message) == (400, "Missing parameter eventSource")
    answer = await edge.ask(method, "/ari/applications/ghost/subscription?eventSource=nope")
    assert (answer.status, answer.message) == (404, "Application not found")


BOTH = {"allowed": [{"type": "A"}], "disallowed": [{"type": "B", "more": 1}]}


@pytest.mark.parametrize(
    ("body", "allowed", "disallowed"),
    [
        (None, [], []),
        ({}, [], []),
        ({"allowed": [{"type": "X"}]}, [{"type": "X"}], BOTH["disallowed"]),
        ({"disallowed": []}, BOTH["allowed"], []),
        ({"other": []}, BOTH["allowed"], BOTH["disallowed"]),
    ],
)
async def test_event_filter(edge: Edge, body: Any, allowed: Any, disallowed: Any) -> None:
    path = f"{APP}/eventFilter"
    assert (await edge.ask("PUT", path, body=msgspec.json.encode(BOTH))).json["events_disallowed"] == BOTH["disallowed"]
    answer = await edge.ask("PUT", path, body=None if body is None else msgspec.json.encode(body))
    assert answer.json == {**EMPTY, "events_allowed": allowed, "events_disallowed": disallowed}


@pytest.mark.parametrize(
    "body",
    [
        {"allowed": "x"},
        {"allowed": [{"nope": 1}]},
        {"allowed": [{"type": ""}]},
        {"allowed": [{"type": 5}]},
        {"allowed": ["x"]},
        {"allowed": None},
        {"disallowed": [{"type": "X"}], "allowed": 5},
        {"allowed": [{"type": "X"}] * 101},
        [{"type": "A"}],
    ],
)
async def test_a_bad_filter_changes_nothing(edge: Edge, body: Any) -> None:
    assert (await edge.ask("PUT", f"{APP}/eventFilter", body=msgspec.json.encode(body))).status == 400
    assert (await edge.ask("GET", APP)).json == EMPTY
    assert (await edge.ask("PUT", "/ari/applications/ghost/eventFilter", body=b"[]")).status == 404
