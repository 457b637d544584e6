"""Texts to accounts whose server is away: kept when that is wanted, and their end is known."""

from __future__ import annotations

import pytest

from support.messages_world import ListJournal
from support.xmpp_world import XmppWorld, client
from switchroom.core.messages import Messages, SendOptions
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import EndpointState
from switchroom.model.errors import MessageNotFound, NoContact
from switchroom.model.events import TextMessageStatusChange
from switchroom.model.message import Notification
from switchroom.tech.xmpp.limits import ACK_WAIT, RECEIPT_WAIT

KEPT = SendOptions(offline=True)


class Service:
    def __init__(self, world: XmppWorld, journal: ListJournal) -> None:
        self.world = world
        technologies = Technologies()
        technologies.add(world.technology)
        self.messages = Messages(technologies, journal, world.clock, world.schedule, world.bus)
        world.bus.attach(self.messages, last=True)
        world.technology.note_to(self.messages)

    async def send(self, body: str = "hi", options: SendOptions = KEPT) -> str:
        return (await self.messages.send("xmpp:romeo@localhost", "gateway", body, {}, options)).id

    async def state(self, message_id: str) -> str:
        await self.world.settle()
        return (await self.messages.find(message_id)).state.value

    async def come_back(self) -> None:
        """The server is there again, and the account with it."""
        while self.world.state() is EndpointState.OFFLINE:
            await self.world.pass_time(1)
            self.world.stream().bind()
        await self.world.pass_time(RECEIPT_WAIT)


async def service(*, journal: ListJournal | None = None) -> Service:
    world = XmppWorld(client())
    made = Service(world, journal or ListJournal())
    await made.messages.restore()
    await world.start()
    made.messages.start()
    await world.settle()
    return made


async def test_a_text_is_kept_until_the_account_is_back() -> None:
    made = await service()
    made.world.stream().lose()
    with pytest.raises(NoContact):
        await made.send(options=SendOptions(offline=False))
    ids = [await made.send(str(number)) for number in range(3)]
    assert [await made.state(i) for i in ids] == ["queued"] * 3
    await made.come_back()
    await made.world.pass_time(1)
    assert made.world.stream().texts() == ["0", "1", "2"]
    assert [await made.state(i) for i in ids] == ["delivered"] * 3


async def test_a_text_the_server_took_with_it_is_sent_again() -> None:
    made = await service()
    made.world.stream().answers = False
    sent = await made.send()
    assert made.world.stream().texts() == ["hi"]
    made.world.stream().lose()
    await made.world.pass_time(ACK_WAIT + 10)
    assert await made.state(sent) == "queued"
    await made.come_back()
    assert made.world.stream().texts() == ["hi"]
    assert await made.state(sent) == "delivered"


async def test_an_error_is_the_end() -> None:
    made = await service()
    sent = await made.send()
    made.world.stream().say(
        f"<message from='romeo@localhost' type='error' id='{sent}'><error type='cancel'>"
        "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    assert await made.state(sent) == "failed"
    (delivery,) = (await made.messages.find(sent)).deliveries
    assert (delivery.contact, delivery.status_code, delivery.reason) == ("romeo@localhost", 404, "item-not-found")


async def test_what_was_on_its_way_when_the_process_died_goes_out_at_the_next_start() -> None:
    journal = ListJournal()
    before = await service(journal=journal)
    before.world.stream().answers = False
    sent = await before.send(options=SendOptions(offline=False))
    journal.cut_off()

    world = XmppWorld(client())
    after = Service(world, journal)
    await after.messages.restore()
    await world.start(online=False)
    after.messages.start()
    await world.settle()
    world.stream().bind()
    assert world.stream().texts() == ["hi"]
    await world.pass_time(RECEIPT_WAIT)
    assert await after.state(sent) == "delivered"


RECEIPT = "<message from='{}' to='gateway@localhost'><received xmlns='urn:xmpp:receipts' id='{}'/></message>"


async def test_a_receipt_that_comes_late_stands_in_the_delivery_and_is_told() -> None:
    made = await service()
    sent = await made.send()
    await made.world.pass_time(RECEIPT_WAIT)
    (delivery,) = (await made.messages.find(sent)).deliveries
    assert (delivery.state, delivery.status_code, delivery.notification) == ("delivered", 202, None)
    ended = delivery.updated
    await made.world.pass_time(3_600)
    made.world.heard.clear()

    for sender in ("mallory@localhost/phone", "romeo@localhost/phone", "romeo@localhost/tablet"):
        made.world.stream().say(RECEIPT.format(sender, sent))
        await made.world.settle()
    record = await made.messages.find(sent)
    (delivery,) = record.deliveries
    assert (record.state, delivery.state, delivery.status_code) == ("delivered", "delivered", 202)
    assert (delivery.notification, delivery.notified) == (Notification.DELIVERED, made.world.clock.wall())
    assert (delivery.updated, record.updated) == (ended, made.world.clock.wall())
    (told,) = [event for event in made.world.heard if isinstance(event, TextMessageStatusChange)]
    assert (told.message.id, told.notified) == (sent, True)


async def test_the_receipt_for_a_message_that_is_kept_no_more_is_let_be() -> None:
    journal = ListJournal()
    made = await service(journal=journal)
    sent = await made.send()
    await made.world.pass_time(RECEIPT_WAIT)
    await journal.purge(made.world.clock.wall() + 1)
    with pytest.raises(MessageNotFound):
        await made.messages.find(sent)
    made.world.heard.clear()
    journal.finds = 0
    made.world.stream().say(RECEIPT.format("romeo@localhost/phone", sent))
    await made.world.settle()
    assert journal.finds == 1
    assert made.world.heard == []
