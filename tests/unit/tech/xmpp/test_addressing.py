"""Which account a text goes through, to whom, and as whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.xmpp_world import XmppWorld, client, component
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.tech.xmpp.addressing import Way, escape, unescape
from switchroom.tech.xmpp.limits import MAX_TEXT


@pytest.fixture
async def world() -> XmppWorld:
    world = XmppWorld(client(), client("other", username="pbx@example.org/office"), component())
    for name in ("alice", "d'artagnan"):
        world.registry.add(EndpointId("PJSIP", name))
    return await world.start()


def way(world: XmppWorld, to: str, sender: str, *, by_name: bool = False) -> tuple[str, str, str]:
    """Account, destination and sender."""
    found = world.plan(to, sender, by_name=by_name).route
    assert isinstance(found, Way)
    return found.account.name, found.to.full, found.sender


@pytest.mark.parametrize(
    "sender",
    ["gateway", "xmpp:gateway", "XMPP:gateway", "xmpp:GateWay", "gateway@localhost", "xmpp:gateway@localhost/any"],
)
async def test_an_account_is_named_in_many_ways(world: XmppWorld, sender: str) -> None:
    assert way(world, "romeo@localhost", sender) == ("gateway", "romeo@localhost", "")


@pytest.mark.parametrize("to", ["romeo@localhost/phone", "romeo@localhost/a b", "conference.localhost.org"])
async def test_destinations(world: XmppWorld, to: str) -> None:
    assert way(world, to, "gateway") == ("gateway", to, "")


@pytest.mark.parametrize("by_name", [True, False])
async def test_an_account_as_destination_is_its_own_bare_jid(world: XmppWorld, by_name: bool) -> None:
    assert way(world, "gateway", "xmpp:gateway", by_name=by_name) == ("gateway", "gateway@localhost", "")
    assert way(world, "other", "gateway", by_name=by_name) == ("gateway", "pbx@example.org", "")


async def test_an_account_in_the_destination(world: XmppWorld) -> None:
    assert way(world, "gateway/romeo@localhost", "xmpp:gateway") == ("gateway", "romeo@localhost", "")
    with pytest.raises(EndpointNotFound):
        way(world, "gateway/romeo@localhost", "other")


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("sip", "sip.localhost"),
        ("sip.localhost", "sip.localhost"),
        ("xmpp:alice@sip.localhost", "alice@sip.localhost"),
        ("anybody@sip.localhost/desk", "anybody@sip.localhost/desk"),
    ],
)
async def test_a_component_speaks_for_its_domain(world: XmppWorld, sender: str, shown: str) -> None:
    assert way(world, "romeo@localhost", sender) == ("sip", "romeo@localhost", shown)


async def test_phones_by_the_names_they_have_here(world: XmppWorld) -> None:
    sender = world.technology.sender
    assert sender("alice", "sip") == sender("alice", "") == "alice@sip.localhost"
    assert sender("d'artagnan", "") == r"d\27artagnan@sip.localhost"
    assert sender("alice", "gateway") == "gateway"
    assert way(world, "romeo@localhost", world.addresses.named("pjsip:alice", "XMPP"))[2] == "alice@sip.localhost"


async def test_only_a_component_speaks_for_phones() -> None:
    world = await XmppWorld(client()).start()
    with pytest.raises(EndpointNotFound):
        world.technology.sender("alice", "")
    with pytest.raises(InvalidParameter):
        (await XmppWorld(component()).start()).technology.sender("x" * 2000, "")


async def test_who_carries_texts_to_others(world: XmppWorld) -> None:
    carrier = world.technology.carrier
    assert carrier("romeo@localhost") == "sip"
    for beyond in ("alice@sip.localhost", "localhost", "a b@localhost", "", "alice"):
        assert carrier(beyond) is None
    only = await XmppWorld(client()).start()
    assert only.technology.carrier("romeo@localhost") == "gateway"
    assert only.technology.carrier("gateway@localhost") is None
    two = await XmppWorld(client(), client("other")).start()
    assert two.technology.carrier("romeo@localhost") is None


@pytest.mark.parametrize(
    "sender",
    ["xmpp:romeo@localhost", "pjsip:alice", "sip:a@b", "nobody", "gateway@elsewhere", "localhost", "\x00", "a\nb"],
)
async def test_senders_that_are_no_account(world: XmppWorld, sender: str) -> None:
    with pytest.raises(EndpointNotFound):
        way(world, "romeo@localhost", sender)


async def test_a_sender_is_required(world: XmppWorld) -> None:
    with pytest.raises(InvalidParameter):
        way(world, "romeo@localhost", "")


@pytest.mark.parametrize("to", ["", "romeo", "nobody", "GATEWAY", "gateway/", "gateway/romeo"])
async def test_destinations_that_are_nobody(world: XmppWorld, to: str) -> None:
    with pytest.raises(EndpointNotFound):
        way(world, to, "gateway")


@pytest.mark.parametrize(
    "to", ["a b@localhost", "<romeo@localhost>", "a@b@c", "@localhost", "romeo@localhost/", "r@h\n"]
)
async def test_destinations_that_are_no_jid(world: XmppWorld, to: str) -> None:
    with pytest.raises(InvalidParameter):
        way(world, to, "gateway")


async def test_a_name_is_a_name_and_no_jid(world: XmppWorld) -> None:
    with pytest.raises(EndpointNotFound):
        way(world, "romeo@localhost", "gateway", by_name=True)


async def test_texts_have_a_bound(world: XmppWorld) -> None:
    assert world.plan("romeo@localhost", body="x" * MAX_TEXT)
    with pytest.raises(InvalidParameter):
        world.plan("romeo@localhost", body="ë" * (MAX_TEXT // 2 + 1))


async def test_an_account_that_is_offline_is_refused_by_name(world: XmppWorld) -> None:
    world.stream().lose()
    with pytest.raises(NoContact) as refused:
        world.plan("romeo@localhost")
    assert refused.value.endpoint == EndpointId("XMPP", "gateway")
    assert world.plan("romeo@localhost", "other")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_names_survive_escaping(name: str) -> None:
    escaped = escape(name)
    assert unescape(escaped) == name
    assert not set(escaped) & set(" \"&'/:<>@")
