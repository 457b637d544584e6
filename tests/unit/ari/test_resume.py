"""``resume=true``: an application is sent what it missed between two WebSockets."""

from __future__ import annotations

from typing import Any

import pytest

from support.wait import until
from switchroom.ari.limits import MEMORY_EVENTS, MEMORY_SECONDS
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import ReceivedText
from unit.ari.edge import Edge, Wire, running

ALL = "/ari/events?app=a&subscribeAll=true&resume=true"
CAROL = "PJSIP", "carol"


def say(edge: Edge, body: str) -> None:
    """A text from carol."""
    carol = edge.registry.get(*CAROL)
    assert carol is not None
    text = ReceivedText("<sip:carol@a>", "pjsip:x@a", body, {})
    edge.bus.publish([TextMessageReceived(endpoint=carol, at=edge.clock.wall(), message=text)])


async def gone(edge: Edge, wire: Wire, *, abruptly: bool = False) -> None:
    if abruptly:
        wire.writer.transport.abort()
    else:
        await wire.close()
    await until(lambda: not edge.service.sockets.open, "the WebSocket to be gone")


async def bodies(wire: Wire, count: int) -> list[Any]:
    """Bodies of texts, types of other events."""
    events = [await wire.event() for _ in range(count)]
    return [event["message"]["body"] if "message" in event else event["type"] for event in events]


async def idle(edge: Edge, wire: Wire) -> None:
    """Nothing more has come: the next event is the one made now."""
    say(edge, "last")
    assert await bodies(wire, 1) == ["last"]


@pytest.mark.parametrize("abruptly", [False, True])
async def test_what_was_missed_comes_first_and_in_order(edge: Edge, abruptly: bool) -> None:
    wire = await edge.listen(ALL)
    say(edge, "seen")
    assert await bodies(wire, 1) == ["seen"]
    await gone(edge, wire, abruptly=abruptly)
    for number in range(3):
        say(edge, str(number))
    wire = await edge.listen(ALL)
    say(edge, "new")
    assert await bodies(wire, 4) == ["0", "1", "2", "new"]
    await wire.close()


async def test_only_who_asked_is_remembered(edge: Edge) -> None:
    wire = await edge.listen(ALL.replace("resume=true", "resume=false"))
    await gone(edge, wire)
    assert edge.service.applications.get("a") is None
    say(edge, "lost")
    wire = await edge.listen(ALL)
    await idle(edge, wire)
    await gone(edge, wire)
    say(edge, "kept for who resumes")
    wire = await edge.listen(ALL.replace("&resume=true", ""))
    await idle(edge, wire)
    await gone(edge, wire)
    wire = await edge.listen(ALL)
    await idle(edge, wire)
    await wire.close()


async def test_the_first_connection_is_told_nothing(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    await idle(edge, wire)
    await wire.close()


async def test_an_application_that_will_be_back_takes_texts_and_is_listed(edge: Edge) -> None:
    carol = edge.registry.get(*CAROL)
    assert carol is not None
    wire = await edge.listen(ALL)
    await gone(edge, wire)
    assert edge.bus.takes(carol.id)
    (application,) = (await edge.ask("GET", "/ari/applications")).json
    assert application["endpoint_ids"] == ["__AST_ENDPOINT_ALL_TOPIC"]
    edge.clock.now += MEMORY_SECONDS
    edge.service.applications.sweep()
    assert not edge.bus.takes(carol.id)
    assert (await edge.ask("GET", "/ari/applications")).json == []


async def test_too_many_events(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    await gone(edge, wire)
    for number in range(MEMORY_EVENTS + 5):
        say(edge, str(number))
    began = edge.clock.now
    edge.clock.now += 7
    wire = await edge.listen(ALL)
    marker = await wire.event()
    assert (marker["type"], marker["application"], marker["lost"]) == ("EventsLost", "a", 5)
    assert set(marker) == {"type", "timestamp", "lost", "since", "application", "asterisk_id"}
    assert marker["since"] < marker["timestamp"]
    assert began < edge.clock.now
    assert await bodies(wire, MEMORY_EVENTS) == [str(number) for number in range(5, MEMORY_EVENTS + 5)]
    await idle(edge, wire)
    await wire.close()


@pytest.mark.parametrize("swept", [False, True])
async def test_too_late(edge: Edge, swept: bool) -> None:
    wire = await edge.listen(ALL)
    await gone(edge, wire)
    say(edge, "0")
    edge.clock.now += MEMORY_SECONDS
    if swept:
        edge.service.applications.sweep()
    wire = await edge.listen(ALL)
    marker = await wire.event()
    assert marker["type"] == "EventsLost"
    assert marker.get("lost") == (None if swept else 1)
    await idle(edge, wire)
    await gone(edge, wire)
    wire = await edge.listen(ALL)
    await idle(edge, wire)
    await wire.close()


async def test_subscriptions_stay_when_the_memory_ends(edge: Edge) -> None:
    wire = await edge.listen(ALL.replace("subscribeAll=true&", ""))
    await edge.ask("POST", "/ari/applications/a/subscription?eventSource=endpoint:PJSIP/carol")
    await gone(edge, wire)
    edge.clock.now += MEMORY_SECONDS
    edge.service.applications.sweep()
    (application,) = (await edge.ask("GET", "/ari/applications")).json
    assert application["endpoint_ids"] == ["PJSIP/carol"]
    say(edge, "nobody keeps this")
    wire = await edge.listen(ALL)
    assert await bodies(wire, 1) == ["EventsLost"]
    await idle(edge, wire)
    await wire.close()


async def test_the_filter_holds_for_what_is_kept(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    await edge.ask("PUT", "/ari/applications/a/eventFilter", body=b'{"disallowed":[{"type":"TextMessageReceived"}]}')
    await gone(edge, wire)
    say(edge, "filtered")
    await edge.ask("POST", "/ari/events/user/kept?application=a")
    wire = await edge.listen(ALL)
    assert await bodies(wire, 1) == ["ChannelUserevent"]
    await wire.close()


async def test_no_filter_hides_that_something_is_missing(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    await edge.ask("PUT", "/ari/applications/a/eventFilter", body=b'{"allowed":[{"type":"TextMessageReceived"}]}')
    await gone(edge, wire)
    for number in range(MEMORY_EVENTS + 1):
        say(edge, str(number))
    wire = await edge.listen(ALL)
    assert await bodies(wire, 2) == ["EventsLost", "1"]
    await wire.close()


async def test_what_is_subscribed_for_a_connection_ends_with_it(edge: Edge) -> None:
    wire = await edge.listen(ALL)
    await gone(edge, wire)
    say(edge, "missed")
    wire = await edge.listen(ALL.replace("subscribeAll=true&", ""))
    assert await bodies(wire, 1) == ["missed"]
    (application,) = (await edge.ask("GET", "/ari/applications")).json
    assert application["endpoint_ids"] == []
    await wire.close()


async def test_several_applications_each_get_theirs(edge: Edge) -> None:
    path = "/ari/events?app=a,b&resume=true"
    wire = await edge.listen(path)
    await edge.ask("POST", "/ari/applications/b/subscription?eventSource=endpoint:PJSIP/carol")
    await gone(edge, wire)
    say(edge, "for b")
    await edge.ask("POST", "/ari/events/user/for-a?application=a")
    wire = await edge.listen(path)
    events = [await wire.event() for _ in range(2)]
    assert [(event["application"], event["type"]) for event in events] == [
        ("a", "ChannelUserevent"),
        ("b", "TextMessageReceived"),
    ]
    await wire.close()


async def test_who_takes_the_name_over_leaves_nothing_to_the_old_one(edge: Edge) -> None:
    old = await edge.listen(ALL)
    new = await edge.listen(ALL)
    assert (await old.event())["type"] == "ApplicationReplaced"
    await old.close()
    await until(lambda: len(edge.service.sockets.open) == 1, "the old WebSocket to be gone")
    say(edge, "for the new one")
    assert await bodies(new, 1) == ["for the new one"]
    await gone(edge, new)
    say(edge, "missed")
    new = await edge.listen(ALL)
    assert await bodies(new, 1) == ["missed"]
    await new.close()


async def test_what_waits_for_a_stalled_socket_is_kept(edge: Edge) -> None:
    """More than the network takes waits here; what is known not to be sent comes again."""
    wire = await edge.listen(ALL)
    (socket,) = edge.service.sockets.open
    socket._connection.congested = True
    for number in range(3):
        say(edge, str(number))
    await gone(edge, wire, abruptly=True)
    say(edge, "3")
    wire = await edge.listen(ALL)
    # Nobody knows what of the network's buffers arrived.
    marker = await wire.event()
    assert (marker["type"], "lost" in marker) == ("EventsLost", False)
    assert await bodies(wire, 4) == ["0", "1", "2", "3"]
    await wire.close()


async def test_pretty_events_are_pretty_again() -> None:
    async with running(ari={"pretty": True}) as edge:
        wire = await edge.listen(ALL)
        await gone(edge, wire)
        say(edge, "x")
        wire = await edge.listen(ALL)
        _, payload = await wire.receive()
        assert payload.startswith(b'{\n  "type": "TextMessageReceived",\n')
        await wire.close()


async def test_standing_subscriptions_come_with_the_connection() -> None:
    sources = ("endpoint:pjsip", "deviceState:", "endpoint:PJSIP/unborn")
    async with running(ours={"applications": {"a": sources}}) as edge:
        wire = await edge.listen("/ari/events?app=a,b")
        a, b = (await edge.ask("GET", "/ari/applications")).json
        assert a["endpoint_ids"] == ["PJSIP", "PJSIP/unborn"]
        assert a["device_names"] == ["__AST_DEVICE_STATE_ALL_TOPIC"]
        assert not any(value for key, value in b.items() if key != "name")
        edge.register("bob")
        kinds = [(await wire.event())["type"] for _ in range(4)]
        assert sorted(kinds) == [
            "ContactStatusChange",
            "DeviceStateChanged",
            "EndpointStateChange",
            "PeerStatusChange",
        ]
        await gone(edge, wire)
        assert (await edge.ask("GET", "/ari/applications")).json == []
