"""XMPP and IAX2 beside each other: a text crosses, its answer finds its way back, and none goes in a circle."""

from __future__ import annotations

import pytest

from support.between_world import BetweenWorld
from support.iax_peer import IaxPeer
from support.virtual import settle
from support.xmpp_world import client, component
from switchroom.core.limits import MAX_ECHOES

ROMEO = "<message from='romeo@example.org/p' to='{}' id='{}' type='chat'><body>{}</body>{}</message>"
WANTS_RECEIPT = "<request xmlns='urn:xmpp:receipts'/>"


async def registered(world: BetweenWorld) -> IaxPeer:
    made = world.add()
    made.register(world.clock.now)
    await settle()
    return made


async def test_from_xmpp_to_iax2_and_back() -> None:
    world = await BetweenWorld().start()
    desk = await registered(world)
    world.stream().say(ROMEO.format("iaxphone@sip.localhost", "1", "hello desk", WANTS_RECEIPT))
    await world.pass_time(1)
    assert desk.texts == ["hello desk"]
    called, number, name = desk.callers[0]
    assert (called, number, name) == ("s", "romeo@example.org", "romeo@example.org")
    (receipt,) = world.stream().others()
    assert receipt.find("{urn:xmpp:receipts}received") is not None

    desk.send_text("hello romeo", world.clock.now, called=number)
    await world.pass_time(1)
    assert world.written() == [("iaxphone@sip.localhost", "romeo@example.org", "hello romeo")]


async def test_from_iax2_to_xmpp_and_back() -> None:
    world = await BetweenWorld().start()
    desk = await registered(world)
    desk.send_text("hello romeo", world.clock.now, called="romeo@example.org")
    await world.pass_time(1)
    ((sender, to, body),) = world.written()
    assert (sender, to, body) == ("iaxphone@sip.localhost", "romeo@example.org", "hello romeo")

    world.stream().say(ROMEO.format(sender, "1", "hello desk", ""))
    await world.pass_time(1)
    assert desk.texts == ["hello desk"]
    assert desk.callers == [("s", "romeo@example.org", "romeo@example.org")]


async def test_through_a_client_the_answer_goes_to_who_wrote_last() -> None:
    world = await BetweenWorld(client()).start()
    desk = await registered(world)
    desk.send_text("hello romeo", world.clock.now, called="romeo@example.org")
    await world.pass_time(1)
    assert world.written("gateway") == [(None, "romeo@example.org", "hello romeo")]
    world.stream("gateway").say(ROMEO.format("gateway@localhost", "1", "hello desk", ""))
    await world.pass_time(1)
    assert desk.texts == ["hello desk"]
    world.stream("gateway").say(ROMEO.format("gateway@localhost", "2", "x", "").replace("romeo", "tybalt"))
    await world.pass_time(1)
    assert desk.texts == ["hello desk"]


async def test_a_peer_that_is_gone_is_told_to_who_writes() -> None:
    world = await BetweenWorld().start()
    world.stream().say(ROMEO.format("iaxphone@sip.localhost", "1", "hello", WANTS_RECEIPT))
    await world.pass_time(1)
    (refusal,) = world.stream().others()
    assert (refusal.get("type"), refusal.get("id"), refusal.get("to")) == ("error", "1", "romeo@example.org/p")


@pytest.mark.parametrize("to", ["juliet@sip.localhost", "romeo@sip.localhost", "gateway@sip.localhost"])
async def test_a_text_does_not_leave_where_it_came_from(to: str) -> None:
    world = await BetweenWorld().start()
    await registered(world)
    world.stream().say(ROMEO.format(to, "1", "round", ""))
    await world.pass_time(1)
    assert world.written() == []


async def test_a_peer_does_not_write_to_itself() -> None:
    world = await BetweenWorld().start()
    desk = await registered(world)
    desk.send_text("round", world.clock.now, called="iaxphone")
    await world.pass_time(1)
    assert desk.texts == []


@pytest.mark.parametrize("begins", ["XMPP", "IAX2"])
async def test_two_that_answer_everything_come_to_an_end(begins: str) -> None:
    """Each side answers each text with the same text, as a robot does."""
    world = await BetweenWorld().start()
    desk = await registered(world)
    if begins == "XMPP":
        world.stream().say(ROMEO.format("iaxphone@sip.localhost", "first", "tick", ""))
    else:
        desk.send_text("tick", world.clock.now, called="romeo@example.org")
    answered, replied = 0, 0
    for _ in range(MAX_ECHOES * 3):
        await world.pass_time(0.05, 0.05)
        for _, number, _ in desk.callers[answered:]:
            desk.send_text("tick", world.clock.now, called=number)
        answered = len(desk.callers)
        for sender, _, _ in world.written()[replied:]:
            replied += 1
            world.stream().say(ROMEO.format(sender, f"r{replied}", "tick", ""))
        # Each is a client that confirms what it gets: the next text need not wait.
        for element in list(world.stream().posted):
            if element.get("type") == "chat":
                world.stream().say(
                    f"<message from='romeo@example.org/p' to='{element.get('from')}'>"
                    f"<received xmlns='urn:xmpp:receipts' id='{element.get('id')}'/></message>"
                )
    assert 2 <= len(desk.texts) <= MAX_ECHOES
    assert 2 <= len(world.written()) <= MAX_ECHOES


async def test_names_that_mean_two_are_told_apart() -> None:
    """An account that has the name of a peer."""
    world = await BetweenWorld(component("iaxphone", "sip.localhost")).start()
    desk = await registered(world)
    world.stream("iaxphone").say(ROMEO.format("IAX2\\2fiaxphone@sip.localhost", "1", "for the peer", ""))
    await world.pass_time(1)
    assert desk.texts == ["for the peer"]
