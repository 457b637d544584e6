"""What becomes of texts that were sent."""

from __future__ import annotations

import pytest

from support.xmpp_world import XmppWorld, client, component
from switchroom.tech.xmpp import outcomes
from switchroom.tech.xmpp.limits import ACK_WAIT, ASK_AFTER, RECEIPT_WAIT, RECONNECT_FIRST

RECEIPT = "<message from='{}' to='gateway@localhost'><received xmlns='urn:xmpp:receipts' id='{}'/></message>"
BOUNCE = (
    "<message from='{}' to='gateway@localhost' type='error' id='{}'><error type='cancel'>"
    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)


async def test_a_receipt() -> None:
    world = await XmppWorld(client()).start()
    stanza_id = world.send()
    assert world.outcomes() == []
    world.stream().say(RECEIPT.format("romeo@localhost/phone", stanza_id))
    assert world.outcomes() == [("hi", "delivered", 200)]
    await world.pass_time(100)
    assert len(world.reports) == 1


async def test_an_error() -> None:
    world = await XmppWorld(client()).start()
    stanza_id = world.send()
    world.stream().say(BOUNCE.format("romeo@localhost", stanza_id))
    assert world.outcomes() == [("hi", "failed", 404)]
    assert world.reports[0].reason == "item-not-found"


async def test_an_error_may_come_from_the_recipients_server() -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(BOUNCE.format("localhost", world.send()))
    assert world.outcomes() == [("hi", "failed", 404)]


@pytest.mark.parametrize(
    "stanza",
    [
        RECEIPT.format("mallory@localhost", "{}"),
        RECEIPT.format("localhost", "{}"),
        BOUNCE.format("mallory@localhost", "{}"),
        BOUNCE.format("elsewhere", "{}"),
        RECEIPT.format("romeo@localhost", "other"),
    ],
)
async def test_the_word_of_others_does_not_count(stanza: str) -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(stanza.format(world.send()))
    assert world.outcomes() == []


async def test_without_a_word_the_servers_is_enough() -> None:
    world = await XmppWorld(client()).start()
    world.send()
    await world.pass_time(RECEIPT_WAIT - 0.1)
    assert world.outcomes() == []
    await world.pass_time(0.2)
    assert world.outcomes() == [("hi", "delivered", 202)]
    world.send(body="again")
    assert world.outcomes()[1:] == [("again", "delivered", 202)]


async def test_who_sends_receipts_after_all_is_waited_for_again() -> None:
    world = await XmppWorld(client()).start()
    stanza_id = world.send()
    await world.pass_time(RECEIPT_WAIT)
    world.stream().say(RECEIPT.format("romeo@localhost/phone", stanza_id))
    world.send(body="again")
    assert len(world.reports) == 1


async def test_what_is_remembered_of_recipients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MAX_KNOWN_RECIPIENTS", 10)
    world = await XmppWorld(client()).start()
    for number in range(30):
        world.send(f"r{number}@localhost")
    await world.pass_time(RECEIPT_WAIT)
    known = world.technology._accounts["gateway"]._outcomes._recipients
    assert list(known) == [f"r{number}@localhost" for number in range(20, 30)]


async def test_one_question_covers_many_texts() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.answers = False
    for number in range(10):
        world.send(body=str(number))
    assert len(stream.posted) == 11
    stream.answer()
    assert len(stream.posted) == 12
    stream.answer()
    assert len(stream.posted) == 12
    await world.pass_time(RECEIPT_WAIT)
    assert [status for _, _, status in world.outcomes()] == [202] * 10


async def test_a_server_that_does_not_take_a_text_is_given_up() -> None:
    world = await XmppWorld(client()).start()
    world.stream().answers = False
    world.send()
    await world.pass_time(ACK_WAIT)
    assert world.outcomes() == [("hi", "failed", 408)]
    assert world.stream().fault == "the server does not answer"


async def test_what_a_lost_server_did_not_take_is_sent_again_in_order() -> None:
    world = await XmppWorld(client()).start()
    world.stream().answers = False
    sent = [world.send(body=str(number)) for number in range(3)]
    world.stream().lose()
    await world.pass_time(RECONNECT_FIRST)
    world.stream().bind()
    assert world.stream().texts() == ["0", "1", "2"]
    texts = [e for e in world.stream().posted if e.get("type") == "chat"]
    assert [e.get("id") for e in texts] == sent
    await world.pass_time(RECEIPT_WAIT)
    assert [status for _, _, status in world.outcomes()] == [202] * 3


async def test_what_a_server_took_is_not_sent_again() -> None:
    world = await XmppWorld(client()).start()
    world.send()
    world.stream().lose()
    await world.pass_time(RECONNECT_FIRST)
    world.stream().bind()
    assert world.stream().texts() == []
    await world.pass_time(RECEIPT_WAIT)
    assert world.outcomes() == [("hi", "delivered", 202)]


async def test_a_session_that_goes_on_needs_no_second_sending() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.resumable = True
    stream.answers = False
    world.send()
    stream.lose()
    await world.pass_time(RECONNECT_FIRST)
    stream.answers = True
    stream.bind(resumed=True)
    assert stream.texts() == ["hi"]
    await world.pass_time(RECEIPT_WAIT)
    assert world.outcomes() == [("hi", "delivered", 202)]


async def test_without_a_server_it_has_failed_for_now() -> None:
    world = await XmppWorld(client()).start()
    world.stream().answers = False
    world.send()
    planned = world.plan("romeo@localhost", body="later")
    world.stream().lose()
    await world.pass_time(ACK_WAIT)
    assert world.outcomes() == [("hi", "failed", 503)]
    world.technology.deliver(planned, world.reports.append)
    assert world.outcomes()[1:] == [("later", "failed", 503)]


async def test_while_the_first_connection_is_made_texts_wait_for_it() -> None:
    world = await XmppWorld(client(), client("down")).start(online=False)
    world.send()
    world.send(sender="down", body="down")
    world.stream().bind()
    assert world.stream().texts() == ["hi"]
    world.stream("down").lose()
    assert world.outcomes() == [("down", "failed", 503)]


async def test_a_component_speaks_for_a_name() -> None:
    world = await XmppWorld(component()).start()
    world.send(sender="alice@sip.localhost")
    text, _question = world.stream("sip").posted
    assert text.get("from") == "alice@sip.localhost"
    await world.pass_time(RECEIPT_WAIT)
    assert world.outcomes() == [("hi", "delivered", 202)]


async def test_who_sends_receipts_needs_no_question() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.say(RECEIPT.format("romeo@localhost/phone", world.send()))
    stream.posted.clear()
    for number in range(5):
        stream.say(RECEIPT.format("romeo@localhost/phone", world.send(body=str(number))))
    await world.pass_time(100)
    assert [e.get("type") for e in stream.posted[:5]] == ["chat"] * 5
    # What follows are looks whether the server is there, one each KEEPALIVE.
    assert len(stream.posted) == 5 + 2
    assert [status for _, _, status in world.outcomes()] == [200] * 6


async def test_a_receipt_that_does_not_come_is_asked_after() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.say(RECEIPT.format("romeo@localhost/phone", world.send()))
    stream.posted.clear()
    world.send(body="lost")
    assert [e.get("type") for e in stream.posted] == ["chat"]
    await world.pass_time(ASK_AFTER)
    assert [e.tag for e in stream.posted[1:]] == ["question"]
    await world.pass_time(RECEIPT_WAIT)
    assert world.outcomes()[1:] == [("lost", "delivered", 202)]


async def test_a_receipt_that_does_not_come_because_the_server_is_gone() -> None:
    world = await XmppWorld(client()).start()
    stream = world.stream()
    stream.say(RECEIPT.format("romeo@localhost/phone", world.send()))
    world.send(body="lost")
    stream.lose()
    await world.pass_time(RECONNECT_FIRST)
    world.stream().bind()
    assert world.stream().texts() == ["lost"]
    await world.pass_time(RECEIPT_WAIT)
    assert world.outcomes()[1:] == [("lost", "delivered", 202)]
