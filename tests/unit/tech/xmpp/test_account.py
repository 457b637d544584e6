"""An account stays connected, and its state is the truth."""

from __future__ import annotations

from typing import cast

import pytest

from support.xmpp_world import FakeStream, XmppWorld, client, component
from switchroom.model.endpoint import EndpointState
from switchroom.model.xmpp_settings import XmppAccountSettings
from switchroom.tech.xmpp.limits import (
    BIND_WAIT,
    KEEPALIVE,
    RECONNECT_FIRST,
    RECONNECT_LONGEST,
    RECONNECT_REFUSED,
    STABLE,
)
from switchroom.tech.xmpp.stream import Stream, Watcher


async def test_it_is_offline_until_it_is_bound() -> None:
    world = await XmppWorld(client()).start(online=False)
    assert world.state() is EndpointState.OFFLINE
    assert world.stream().opened == 1
    world.stream().bind()
    assert world.stream().greeted == 1
    assert world.states() == ["gateway online"]


async def test_it_comes_back() -> None:
    world = await XmppWorld(client()).start()
    world.stream().lose()
    assert world.states() == ["gateway offline"]
    await world.pass_time(RECONNECT_FIRST)
    assert len(world.streams["gateway"]) == 2
    assert world.streams["gateway"][0].discarded
    world.stream().bind()
    assert world.states() == ["gateway offline", "gateway online"]


async def test_attempts_become_rarer_up_to_a_bound() -> None:
    world = await XmppWorld(client()).start(online=False)
    waits = []
    for _ in range(12):
        count, before = len(world.streams["gateway"]), world.clock.now
        world.stream().lose()
        while len(world.streams["gateway"]) == count:
            await world.pass_time(0.25)
        waits.append(world.clock.now - before)
    for attempt, wait in enumerate(waits):
        longest = min(RECONNECT_LONGEST, RECONNECT_FIRST * 2**attempt)
        assert longest / 2 <= wait <= longest + 0.25
    assert world.states() == []


async def test_a_session_that_lasted_begins_a_new_row() -> None:
    world = await XmppWorld(client()).start(online=False)
    for _ in range(8):
        world.stream().lose()
        await world.pass_time(RECONNECT_LONGEST)
    world.stream().bind()
    await world.pass_time(STABLE)
    count = len(world.streams["gateway"])
    world.stream().lose()
    await world.pass_time(RECONNECT_FIRST)
    assert len(world.streams["gateway"]) == count + 1


async def test_a_refusal_is_not_asked_for_again_at_once() -> None:
    world = await XmppWorld(client()).start(online=False)
    world.stream().lose("wrong password", refused=True)
    await world.pass_time(RECONNECT_REFUSED / 2 - 0.1)
    assert len(world.streams["gateway"]) == 1
    await world.pass_time(RECONNECT_REFUSED / 2)
    assert len(world.streams["gateway"]) == 2


async def test_a_server_that_says_nothing_is_given_up() -> None:
    world = await XmppWorld(client()).start(online=False)
    await world.pass_time(BIND_WAIT + RECONNECT_FIRST)
    first, second = world.streams["gateway"]
    assert first.discarded
    first.bind()
    first.say("<message from='romeo@h/p'><body>old</body></message>")
    assert world.state() is EndpointState.OFFLINE
    assert world.received() == []
    second.bind()
    assert world.state() is EndpointState.ONLINE


async def test_a_session_may_go_on() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.resumable = True
    stream.lose()
    await world.pass_time(RECONNECT_FIRST)
    assert world.streams["gateway"] == [stream]
    assert stream.opened == 2
    stream.bind(resumed=True)
    assert stream.greeted == 1
    assert world.states() == ["gateway offline", "gateway online"]


async def test_it_hears_of_a_loss_once() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.lose()
    stream.lose()
    await world.pass_time(RECONNECT_FIRST)
    assert len(world.streams["gateway"]) == 2
    assert world.states() == ["gateway offline"]


async def test_a_connection_that_is_half_open_is_none() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    await world.pass_time(KEEPALIVE * 3 + 1)
    assert world.state() is EndpointState.ONLINE
    assert len(stream.posted) == 3
    stream.answers = False
    await world.pass_time(KEEPALIVE * 2)
    assert stream.fault == "the server does not answer"
    assert world.state() is EndpointState.OFFLINE


async def test_looking_whether_the_server_is_there_can_be_turned_off() -> None:
    world = await XmppWorld(client(keepalive=False)).start()
    await world.pass_time(KEEPALIVE * 4)
    assert world.stream().posted == []


async def test_there_is_one_look_at_a_time_however_often_it_comes_back() -> None:
    world = await XmppWorld(client()).start()
    for _ in range(5):
        world.stream().lose()
        await world.pass_time(RECONNECT_LONGEST)
        world.stream().bind()
    world.stream().posted.clear()
    await world.pass_time(KEEPALIVE + 1)
    assert len(world.stream().posted) == 1


@pytest.mark.parametrize(
    "settings",
    [
        client("bad", secret=""),
        client("bad", username=""),
        component("bad", server_host=""),
        client("bad", username="a@b@c"),
        component("bad", domain="no domain"),
    ],
)
async def test_one_that_can_not_connect_is_listed_and_stops_nobody(settings: XmppAccountSettings) -> None:
    world = await XmppWorld(settings, client()).start()
    await world.pass_time(200)
    assert world.streams["bad"] == []
    assert world.state("bad") is EndpointState.OFFLINE
    assert world.state("gateway") is EndpointState.ONLINE


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file or directory"), RuntimeError("odd")])
async def test_one_that_can_not_even_begin_stops_nobody(error: Exception) -> None:
    world = XmppWorld(client("bad", tls_ca_file="missing"), client())

    def open_stream(settings: XmppAccountSettings, watcher: Watcher) -> Stream:
        if settings.tls_ca_file:
            raise error
        stream = FakeStream(settings, watcher)
        world.streams[settings.name].append(stream)
        return cast(Stream, stream)

    world.technology._open_stream = open_stream
    await world.start()
    assert world.state("bad") is EndpointState.OFFLINE
    assert world.state("gateway") is EndpointState.ONLINE
    world.send()
    await world.pass_time(200)
    assert [status for _, _, status in world.outcomes()] == [202]


async def test_it_stops() -> None:
    world = await XmppWorld(client(), client("down")).start()
    world.stream("down").lose()
    world.send()
    world.stream().answers = False
    world.send(body="not answered")
    await world.technology.stop()
    assert world.stream().discarded
    assert {(body, status) for body, _, status in world.outcomes()} == {("hi", 202), ("not answered", 503)}
    await world.pass_time(500)
    assert len(world.streams["down"]) == 1
    assert world.state() is EndpointState.OFFLINE


async def test_many_accounts_do_not_come_all_at_once() -> None:
    world = XmppWorld(*(client(f"a{number}") for number in range(300)))
    await world.technology.start()
    await world.pass_time(1)
    tried = sum(1 for streams in world.streams.values() if streams)
    assert 0 < tried < 300
    await world.pass_time(3)
    assert all(world.streams.values())


# ---- presence


@pytest.mark.parametrize(("autoregister", "answers"), [(True, ["subscribed"]), (False, [])])
async def test_who_asks_for_presence(autoregister: bool, answers: list[str]) -> None:
    world = await XmppWorld(client(autoregister=autoregister)).start()
    world.stream().say("<presence from='romeo@h/p' to='gateway@localhost' type='subscribe'/>")
    assert [(e.get("type"), e.get("to")) for e in world.stream().others()] == [(a, "romeo@h") for a in answers]


async def test_a_component_shows_the_presence_of_its_names() -> None:
    world = await XmppWorld(component()).start()
    stream = world.stream("sip")
    stream.say("<presence from='romeo@h/p' to='alice@sip.localhost' type='subscribe'/>")
    stream.say("<presence from='romeo@h/p' to='bob@sip.localhost' type='probe'/>")
    assert [(e.get("type"), e.get("from"), e.get("to")) for e in stream.others()] == [
        ("subscribed", "alice@sip.localhost", "romeo@h"),
        (None, "alice@sip.localhost", "romeo@h/p"),
        (None, "bob@sip.localhost", "romeo@h/p"),
    ]


@pytest.mark.parametrize(
    "presence",
    [
        "<presence from='romeo@h/p' to='alice@elsewhere' type='subscribe'/>",
        "<presence from='bob@sip.localhost' to='alice@sip.localhost' type='subscribe'/>",
        "<presence to='alice@sip.localhost' type='subscribe'/>",
        "<presence from='@' to='alice@sip.localhost' type='subscribe'/>",
        "<presence from='romeo@h' to='alice@sip.localhost'/>",
        "<presence from='romeo@h' to='alice@sip.localhost' type='unavailable'/>",
        "<presence from='romeo@h' to='alice@sip.localhost' type='error'/>",
    ],
)
async def test_presence_that_is_not_answered(presence: str) -> None:
    world = await XmppWorld(component()).start()
    world.stream("sip").say(presence)
    assert world.stream("sip").others() == []
