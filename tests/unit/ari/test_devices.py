"""Device states."""

from __future__ import annotations

import pytest

from switchroom.ari import devices as module
from switchroom.core.channels import Channels, ChannelState
from switchroom.model.endpoint import EndpointId
from unit.ari.edge import Edge


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("PJSIP%2Fcarol", "NOT_INUSE"),
        ("pjsip%2Fcarol", "NOT_INUSE"),
        ("PJSIP%2Fbob", "UNAVAILABLE"),
        ("IAX2%2Fiaxphone", "INVALID"),
        ("PJSIP%2Fnobody", "INVALID"),
        ("nothing", "INVALID"),
        ("Stasis:a", "UNKNOWN"),
    ],
)
async def test_get(edge: Edge, name: str, state: str) -> None:
    answer = await edge.ask("GET", f"/ari/deviceStates/{name}")
    assert (answer.status, answer.json) == (200, {"name": name.replace("%2F", "/"), "state": state})


async def test_an_endpoint_in_a_call_is_what_its_channels_make_of_it(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a")
    await edge.ask("POST", "/ari/applications/a/subscription?eventSource=deviceState:PJSIP/carol")
    channels = Channels(edge.registry, edge.bus, edge.clock)
    channel = channels.open(EndpointId("PJSIP", "carol"), ChannelState.RINGING)
    assert (await edge.ask("GET", "/ari/deviceStates/pjsip%2Fcarol")).json["state"] == "RINGING"
    assert (await edge.ask("GET", "/ari/endpoints/PJSIP/carol")).json["channel_ids"] == [channel]
    channels.turn(channel, ChannelState.UP)
    assert (await edge.ask("GET", "/ari/deviceStates/PJSIP%2Fcarol")).json["state"] == "INUSE"
    channels.close(channel)
    assert (await edge.ask("GET", "/ari/deviceStates/PJSIP%2Fcarol")).json["state"] == "NOT_INUSE"
    told = [(await wire.event())["device_state"]["state"] for _ in range(3)]
    assert told == ["RINGING", "INUSE", "NOT_INUSE"]
    await wire.close()


async def test_set_list_and_forget(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a")
    await edge.ask("POST", "/ari/applications/a/subscription?eventSource=deviceState:Stasis:x")
    for state in ("INUSE", "inuse", "BUSY"):
        answer = await edge.ask("PUT", f"/ari/deviceStates/Stasis:x?deviceState={state}")
        assert (answer.status, answer.body) == (204, b"")
    assert (await edge.ask("GET", "/ari/deviceStates")).json == [{"name": "Stasis:x", "state": "BUSY"}]
    assert (await edge.ask("GET", "/ari/deviceStates/stasis:x")).json["state"] == "BUSY"
    for _ in range(2):
        assert (await edge.ask("DELETE", "/ari/deviceStates/Stasis:x")).status == 204
    assert (await edge.ask("GET", "/ari/deviceStates")).json == []
    states = [(await wire.event())["device_state"] for _ in range(3)]
    assert states == [{"name": "Stasis:x", "state": state} for state in ("INUSE", "BUSY", "UNKNOWN")]
    await wire.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("PJSIP%2Fcarol", 409),
        ("x", 409),
        ("Stasis:", 404),
        ("stasis:", 404),
        ("Stasis:%00", 400),
        ("Stasis:" + "x" * 300, 400),
    ],
)
async def test_uncontrolled(edge: Edge, method: str, name: str, status: int) -> None:
    assert (await edge.ask(method, f"/ari/deviceStates/{name}?deviceState=INUSE")).status == status


@pytest.mark.parametrize("query", ["", "?deviceState=", "?deviceState=NOPE"])
async def test_unknown_state(edge: Edge, query: str) -> None:
    assert (await edge.ask("PUT", f"/ari/deviceStates/Stasis:x{query}")).status == 400


async def test_devices_are_bounded(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEVICES", 1)
    path = "/ari/deviceStates/Stasis:{}?deviceState=INUSE"
    assert [(await edge.ask("PUT", path.format(name))).status for name in ("a", "a", "b")] == [204, 204, 503]
