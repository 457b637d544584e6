"""xmpp.conf is read again while accounts are served."""

from __future__ import annotations

from typing import Any

import pytest

from support.xmpp_world import XmppWorld, client, component
from switchroom.model.endpoint import ContactStatus, EndpointState
from switchroom.model.errors import EndpointNotFound
from switchroom.model.events import EndpointStateChange
from switchroom.model.settings import Source
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings
from switchroom.tech.xmpp.limits import ACK_WAIT


async def serve(world: XmppWorld, *accounts: XmppAccountSettings) -> None:
    world.technology.apply(XmppSettings(accounts={account.name: account for account in accounts}))
    await world.settle()
    await world.pass_time(1)


async def test_accounts_come() -> None:
    world = await XmppWorld(client()).start()
    await serve(world, client(), client("second"), component())
    assert world.state("second") is EndpointState.OFFLINE
    assert world.stream("second").opened == 1
    world.stream("second").bind()
    world.stream("sip").bind()
    assert [state for state in world.states() if state.startswith("sip")] == [
        "sip unknown",
        "sip offline",
        "sip online",
    ]
    assert [state for state in world.states() if not state.startswith("sip")] == [
        "second unknown",
        "second offline",
        "second online",
    ]
    world.send(sender="second")
    world.send(sender="alice@sip.localhost")
    assert world.stream("second").texts() == world.stream("sip").texts() == ["hi"]
    assert len(world.streams["gateway"]) == 1
    assert world.state() is EndpointState.ONLINE


async def test_accounts_go() -> None:
    world = await XmppWorld(client(), client("second")).start()
    world.stream("second").answers = False
    world.send(sender="second")
    await serve(world, client())
    assert world.registry.get("XMPP", "second") is None
    assert world.stream("second").discarded
    assert world.outcomes() == [("hi", "failed", 503)]
    assert not any(isinstance(event, EndpointStateChange) for event in world.heard)
    with pytest.raises(EndpointNotFound):
        world.plan("romeo@localhost", "second")
    with pytest.raises(EndpointNotFound):
        world.plan("second", by_name=True)
    await world.pass_time(200)
    assert len(world.streams["second"]) == 1
    assert not world.stream().discarded


@pytest.mark.parametrize("change", [{"secret": "new"}, {"port": 5223}, {"use_tls": False}, {"username": "other@h"}])
async def test_an_account_that_connects_otherwise_connects_again(change: dict[str, Any]) -> None:
    world = await XmppWorld(client(), client("second")).start()
    await serve(world, client(**change), client("second"))
    first, second = world.streams["gateway"]
    assert first.discarded
    assert world.states() == ["gateway offline"]
    second.bind()
    assert world.states() == ["gateway offline", "gateway online"]
    assert all(getattr(second.settings, name) == value for name, value in change.items())
    assert len(world.streams["second"]) == 1
    world.send()
    assert second.texts() == ["hi"]


async def test_the_second_connection_waits_for_the_end_of_the_first() -> None:
    world = await XmppWorld(client()).start()
    world.technology.apply(XmppSettings(accounts={"gateway": client(secret="new")}))
    world.technology.apply(XmppSettings(accounts={"gateway": client(secret="newer")}))
    await world.settle()
    await world.pass_time(1)
    first, second = world.streams["gateway"]
    assert (first.discarded, second.settings.secret) == (True, "newer")


async def test_what_concerns_no_connection_holds_at_once() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    await serve(world, client(buddies=("romeo@h",), autoregister=False))
    assert (stream.greeted, stream.discarded) == (1, False)
    stream.say("<presence from='romeo@h/p' type='subscribe'/>")
    assert stream.others() == []
    await serve(world, client(show="away"))
    assert (stream.greeted, stream.discarded, stream.settings.show) == (2, False, "away")
    assert world.states() == []


async def test_a_file_that_only_moved_its_lines_changes_nothing() -> None:
    world = await XmppWorld(client()).start()
    await serve(world, client(source=Source("xmpp.conf", 7)))
    assert world.stream().greeted == 1
    assert world.states() == []


async def test_an_account_that_has_no_jid_gets_one() -> None:
    world = await XmppWorld(client("bad", username="a@b@c")).start()
    await serve(world, client("bad"))
    world.stream("bad").bind()
    assert world.state("bad") is EndpointState.ONLINE
    await serve(world, client("bad", username="a@b@c"))
    assert world.state("bad") is EndpointState.OFFLINE
    await serve(world)
    assert world.registry.get("XMPP", "bad") is None


async def test_the_order_of_the_file_decides_who_carries() -> None:
    world = await XmppWorld(component("second", "b.localhost")).start()
    assert world.technology.carrier("romeo@h") == "second"
    await serve(world, component("first", "a.localhost"), component("second", "b.localhost"))
    assert world.technology.carrier("romeo@h") == "first"


async def test_nothing_begins_after_the_end() -> None:
    world = await XmppWorld(client()).start()
    world.technology.apply(XmppSettings(accounts={"gateway": client(secret="new")}))
    await world.technology.stop()
    await world.pass_time(ACK_WAIT)
    assert len(world.streams["gateway"]) == 1


# ---- where an account is reached


async def test_an_online_account_is_reached_at_its_session() -> None:
    world = await XmppWorld(client()).start(online=False)
    assert world.registry.contacts_of("xmpp", "gateway") == []
    world.stream().bind()
    bound_at = world.clock.wall()
    await world.pass_time(5)
    contacts = world.registry.contacts_of("xmpp", "gateway")
    assert contacts is not None
    (contact,) = contacts
    assert (contact.uri, contact.aor) == ("xmpp:gateway@localhost/asterisk-xmpp", "gateway")
    assert (contact.status, contact.expires) == (ContactStatus.REACHABLE, None)
    assert (contact.address, contact.transport) == ("127.0.0.1:5222", "tcp")
    assert contact.registered == pytest.approx(bound_at)
    world.stream().lose()
    assert world.registry.contacts_of("XMPP", "gateway") == []
    assert world.registry.contacts_of("XMPP", "nobody") is None
