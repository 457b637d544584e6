"""The WebSocket of events, and events of a client's making."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from support.wait import until
from switchroom.ari import applications
from switchroom.model.endpoint import EndpointId
from unit.ari.edge import ENTITY_ID, RO, RW, Edge, Wire, handshake, request, running

ALL = "/ari/events?app=all&subscribeAll=true"


async def test_handshake(edge: Edge) -> None:
    wire = await edge.open()
    wire.send(handshake("/ari/events?app=a", headers={"Sec-WebSocket-Protocol": "x, ari"}))
    answer = await wire.answer()
    assert answer.status == 101
    assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.headers["sec-websocket-protocol"] == "ari"
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["server"] == "Switchroom"
    assert "sec-websocket-extensions" not in answer.headers
    await wire.close()


async def test_no_compression_and_no_subprotocol_unless_asked(edge: Edge) -> None:
    wire = await edge.open()
    wire.send(handshake("/ari/events?app=a", headers={"Sec-WebSocket-Extensions": "permessage-deflate"}))
    answer = await wire.answer()
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers
    assert "sec-websocket-protocol" not in answer.headers
    await wire.close()


LONG = "x" * 74


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ari/events", {}, 400),
        ("/ari/events?app=", {}, 400),
        ("/ari/events?app=a,,b", {}, 400),
        ("/ari/events?app=a,", {}, 400),
        (f"/ari/events?app={LONG}", {}, 400),
        ("/ari/events?app=a%00", {}, 400),
        ("/ari/events?app=a%0A", {}, 400),
        ("/ari/events?app=%FF", {}, 400),
        ("/ari/events?app=" + ",".join(map(str, range(128))), {}, 400),
        ("/ari/events?app=a&subscribeAll=junk", {}, 400),
        ("/ari/events?app=a", {"Sec-WebSocket-Protocol": "mqtt"}, 400),
        ("/ari/events?app=a", {"Sec-WebSocket-Version": "12"}, 400),
        ("/ari/events?app=a", {"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ("/ari/events?app=a", {"Sec-WebSocket-Key": "!"}, 400),
        ("/ari/events?app=a", {"Connection": "keep-alive"}, 400),
        ("/ari/events?app=a", {"Upgrade": "h2c"}, 426),
    ],
)
async def test_one_answer_to_a_bad_handshake(edge: Edge, path: str, headers: dict[str, str], status: int) -> None:
    wire = await edge.open()
    wire.send(handshake(path, headers={**headers}))
    answer = await wire.answer()
    assert answer.status == status
    assert isinstance(answer.message, str)
    wire.send(request("GET", "/ari/asterisk/ping", {"Authorization": RW, "Connection": "close"}))
    assert (await wire.answer()).json["ping"] == "pong"
    assert await wire.ended()
    assert (await edge.ask("GET", "/ari/applications")).json == []
    await wire.close()


async def test_without_upgrade(edge: Edge) -> None:
    assert (await edge.ask("GET", "/ari/events?app=a")).status == 426
    for method in ("POST", "PUT", "DELETE"):
        assert (await edge.ask(method, "/ari/events?app=a")).status == 405


@pytest.mark.parametrize(
    ("query", "auth", "status"),
    [
        ("", RW, 101),
        ("", RO, 101),
        ("", None, 401),
        ("&api_key=asterisk:asterisk", None, 101),
        ("&api_key=asterisk%3Aasterisk", None, 101),
        ("&api_key=asterisk:no", None, 401),
    ],
)
async def test_credentials(edge: Edge, query: str, auth: str | None, status: int) -> None:
    wire = await edge.open()
    wire.send(handshake(f"/ari/events?app=a{query}", auth))
    assert (await wire.answer()).status == status
    await wire.close()


@pytest.mark.parametrize("word", ["true", "True", "1"])
async def test_one_registration_is_each_event_once(edge: Edge, word: str) -> None:
    wire = await edge.listen(f"/ari/events?app=all&subscribeAll={word}")
    edge.register("bob")
    events = [await wire.event() for _ in range(4)]
    assert [event["type"] for event in events] == [
        "EndpointStateChange",
        "DeviceStateChanged",
        "PeerStatusChange",
        "ContactStatusChange",
    ]
    assert events[0] == {
        "type": "EndpointStateChange",
        "timestamp": events[0]["timestamp"],
        "endpoint": {"technology": "PJSIP", "resource": "bob", "state": "online", "channel_ids": []},
        "asterisk_id": ENTITY_ID,
        "application": "all",
    }
    assert events[3]["contact_info"]["contact_status"] == "NonQualified"
    edge.unregister("bob")
    assert [(await wire.event())["type"] for _ in range(4)] == [event["type"] for event in events]
    await wire.close()


async def test_nothing_without_a_subscription(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a&subscribeAll=False")
    edge.register("bob")
    await edge.ask("POST", "/ari/events/user/mark?application=a")
    assert (await wire.event())["eventname"] == "mark"
    await wire.close()


async def test_pretty_events() -> None:
    async with running(ari={"pretty": True}) as edge:
        wire = await edge.listen(ALL)
        edge.register("bob")
        _, payload = await wire.receive()
        assert payload.startswith(b'{\n  "type": "EndpointStateChange",\n')
        await wire.close()


async def test_an_unsolicited_pong_is_ignored_and_a_ping_answered(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    wire.frame(0xA)
    wire.frame(0xA, b"out of the blue")
    wire.frame(0x1, b'{"type":"RESTRequest"}')
    wire.frame(0x2, b"\x00\x01")
    wire.frame(0x9, b"anybody there")
    assert await wire.receive() == (0x8A, b"anybody there")
    edge.register("bob")
    assert (await wire.event())["type"] == "RESTResponse"
    assert (await wire.event())["type"] == "EndpointStateChange"
    await wire.close()


@pytest.mark.parametrize(("payload", "code"), [(b"\x03\xe8", 1000), (b"\x0f\xa0bye", 4000), (b"", 1000)])
async def test_close_is_answered_and_the_application_goes(edge: Edge, payload: bytes, code: int) -> None:
    wire = await edge.listen(ALL)
    wire.frame(0x8, payload)
    assert await wire.close_code() == code
    assert await wire.ended()
    assert (await edge.ask("GET", "/ari/applications")).json == []
    await wire.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that is none
        (b"\xc1\x80\0\0\0\0", 1002),  # a reserved bit
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x09\x80\0\0\0\0", 1002),  # a fragmented ping
        (b"\x89\xfe\0\x7e\0\0\0\0", 1002),  # a large ping
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),  # no UTF-8
        (b"\x88\x82\0\0\0\0\x03\xe7", 1002),  # a close code that is none
        (b"\x88\x81\0\0\0\0\x03", 1002),  # half a close code
    ],
)
async def test_a_violation_closes_with_its_code(edge: Edge, frame: bytes, code: int) -> None:
    wire = await edge.listen(ALL)
    wire.send(frame)
    assert await wire.close_code() == code
    wire.frame(0x8, code.to_bytes(2, "big"))
    assert await wire.ended()
    await wire.close()


async def test_a_fragmented_text_is_one(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    wire.frame(0x1, b"a", final=False)
    wire.frame(0x9, b"between")
    wire.frame(0x0, b"b")
    assert await wire.receive() == (0x8A, b"between")
    await wire.close()


async def test_replacement(edge: Edge) -> None:
    old = await edge.listen("/ari/events?app=a,b")
    new = await edge.listen("/ari/events?app=a")
    event = await old.event()
    assert (event["type"], event["application"]) == ("ApplicationReplaced", "a")
    await old.close()
    await until(lambda: len(edge.service.sockets.open) == 1, "the old socket to go")
    assert [a["name"] for a in (await edge.ask("GET", "/ari/applications")).json] == ["a"]
    await edge.ask("POST", "/ari/events/user/mark?application=a")
    assert (await new.event())["eventname"] == "mark"
    await new.close()


async def test_ten_sockets_close_at_once(edge: Edge) -> None:
    wires = [await edge.listen(f"/ari/events?app=a{i}&subscribeAll=true") for i in range(20)]
    for wire in wires[:5]:
        wire.frame(0x8, b"\x03\xe8")
    for wire in wires[5:10]:
        wire.writer.transport.abort()
    edge.register("bob")
    for wire in wires[10:]:
        assert (await wire.event())["type"] == "EndpointStateChange"
    await until(lambda: len(edge.service.sockets.open) == 10, "ten sockets to go")
    assert len((await edge.ask("GET", "/ari/applications")).json) == 10
    await asyncio.gather(*(wire.close() for wire in wires))


async def test_too_many_applications(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "APPLICATIONS", 1)
    wire = await edge.listen("/ari/events?app=a")
    refused = await edge.open()
    refused.send(handshake("/ari/events?app=b"))
    assert (await refused.answer()).status == 503
    await asyncio.gather(wire.close(), refused.close())


async def test_a_failure_behind_the_handshake_is_a_close(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **more: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(edge.service.applications, "join", fail)
    wire = await edge.listen("/ari/events?app=a")
    assert await wire.close_code() == 1011
    await wire.close()


# ---- events of a client's making


async def told(edge: Edge, wire: Wire, query: str, body: Any = None) -> Any:
    data = None if body is None else msgspec.json.encode(body)
    answer = await edge.ask("POST", f"/ari/events/user/Hello{query}", body=data)
    assert (answer.status, answer.body) == (204, b"")
    return await wire.event()


async def test_user_event(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a")
    event = await told(edge, wire, "?application=a", {"variables": {"k": {"deep": [1, None]}, "eventname": "x"}})
    assert event["userevent"] == {"k": {"deep": [1, None]}, "eventname": "Hello"}
    assert "endpoint" not in event
    event = await told(edge, wire, "?application=a&source=endpoint:pjsip/carol", {"variables": None})
    assert (event["endpoint"]["resource"], event["userevent"]) == ("carol", {"eventname": "Hello"})
    event = await told(edge, wire, "", {"application": "a", "source": ["endpoint:PJSIP/bob", "endpoint:PJSIP/carol"]})
    assert event["endpoint"]["resource"] == "carol"
    await wire.close()


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", None, 400),
        ("?application=", None, 400),
        ("?application=ghost", None, 404),
        ("?application=a&source=nope", None, 400),
        ("?application=a&source=deviceState:x", None, 400),
        ("?application=a&source=endpoint:PJSIP/nobody", None, 422),
        ("?application=a&source=endpoint:PJSIP", None, 422),
        ("?application=a&source=channel:1", None, 422),
        ("?application=a", {"source": [5]}, 400),
        ("?application=a", {"source": 5}, 400),
        ("?application=a", {"variables": []}, 400),
        ("?application=a", {"application": 5}, 400),
    ],
)
async def test_bad_user_event(edge: Edge, query: str, body: Any, status: int) -> None:
    wire = await edge.listen("/ari/events?app=a")
    data = None if body is None else msgspec.json.encode(body)
    assert (await edge.ask("POST", f"/ari/events/user/Hello{query}", body=data)).status == status
    await wire.close()


async def test_texts_have_takers_only_while_somebody_listens(edge: Edge) -> None:
    carol = EndpointId("PJSIP", "carol")
    assert not edge.bus.takes(carol)
    wire = await edge.listen(ALL)
    assert edge.bus.takes(carol)
    await wire.close()
    await until(lambda: not edge.bus.takes(carol), "the socket to go")
