"""Receipts that come when the delivery of their text has ended."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from support.xmpp_world import XmppWorld, client, component
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import EndpointId
from switchroom.model.message import Notification
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings
from switchroom.tech.xmpp import receipts
from switchroom.tech.xmpp.limits import LATE_RECEIPT_WAIT, RECEIPT_WAIT

RECEIPT = "<message from='{}' to='{}'><received xmlns='urn:xmpp:receipts' id='{}'/></message>"
BOUNCE = (
    "<message from='romeo@localhost' to='gateway@localhost' type='error' id='{}'><error type='cancel'>"
    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)
ROMEO = "romeo@localhost/phone"
GATEWAY = EndpointId("XMPP", "gateway")


class NoteBook:
    """See ``tech.xmpp.receipts.Notes``: keeps what it is told, while the gate is open and the disk works."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, EndpointId, str, Notification]] = []
        self.asked = 0
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def note(self, message_id: str, recipient: EndpointId, contact: str, notification: Notification) -> bool:
        self.asked += 1
        await self.gate.wait()
        if self.failing:
            raise StoreUnavailable("the disk is full")
        self.noted.append((message_id, recipient, contact, notification))
        return True

    def messages(self) -> list[str]:
        return [message_id for message_id, *_ in self.noted]


class World(XmppWorld):
    def __init__(self, *accounts: XmppAccountSettings) -> None:
        super().__init__(*accounts)
        self.book = NoteBook()
        self.technology.note_to(self.book)

    async def send_in_silence(self, to: str = "romeo@localhost", sender: str = "gateway") -> str:
        """A text whose delivery ends with the server's word alone."""
        sent = self.send(to, sender)
        await self.pass_time(RECEIPT_WAIT)
        assert (self.reports[-1].delivery.message.id, self.reports[-1].status_code) == (sent, 202)
        return sent

    async def confirm(self, message_id: str, sender: str = ROMEO, *, name: str = "gateway", to: str = "") -> None:
        self.stream(name).say(RECEIPT.format(sender, to or "gateway@localhost", message_id))
        await self.settle()


async def world(*accounts: XmppAccountSettings) -> World:
    made = World(*(accounts or (client(),)))
    await made.start()
    return made


async def test_a_late_receipt_is_noted_once() -> None:
    w = await world()
    sent = await w.send_in_silence()
    for _ in range(2):
        await w.confirm(sent)
    assert w.book.noted == [(sent, GATEWAY, ROMEO, Notification.DELIVERED)]
    assert len(w.reports) == 1


async def test_a_late_receipt_to_a_name_of_a_component() -> None:
    w = await world(component())
    sent = await w.send_in_silence(sender="alice@sip.localhost")
    await w.confirm(sent, name="sip", to="alice@sip.localhost")
    assert w.book.noted == [(sent, EndpointId("XMPP", "sip"), ROMEO, Notification.DELIVERED)]


async def test_further_texts_to_who_sends_none_wait_for_no_receipt_and_have_one_noted() -> None:
    w = await world()
    await w.send_in_silence()
    sent = w.send()
    assert w.outcomes()[1:] == [("hi", "delivered", 202)]
    await w.confirm(sent)
    assert w.book.messages() == [sent]


@pytest.mark.parametrize("stranger", ["mallory@localhost/phone", "localhost", "romeo@elsewhere/phone"])
async def test_the_word_of_others_does_not_count(stranger: str) -> None:
    w = await world()
    sent = await w.send_in_silence()
    await w.confirm(sent, stranger)
    assert w.book.asked == 0
    await w.confirm(sent)
    assert w.book.messages() == [sent]


async def test_nor_does_a_receipt_to_another_account() -> None:
    w = await world(client(), client("other"))
    sent = await w.send_in_silence()
    await w.confirm(sent, name="other", to="other@localhost")
    assert w.book.asked == 0
    await w.confirm(sent)
    assert w.book.messages() == [sent]


@pytest.mark.parametrize("word", [RECEIPT.format(ROMEO, "gateway@localhost", "{}"), BOUNCE])
async def test_what_has_ended_with_the_recipients_word_is_let_be(word: str) -> None:
    w = await world()
    sent = w.send()
    w.stream().say(word.format(sent))
    assert len(w.reports) == 1
    await w.confirm(sent)
    assert w.book.asked == 0


LATE_ERROR = (
    "<message from='{}' to='gateway@localhost' type='error' id='{}'><error type='wait'>"
    "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)


@pytest.mark.parametrize("sender", ["romeo@localhost", "localhost"])
async def test_a_late_error_of_the_recipient_or_its_server_is_noted_once(sender: str) -> None:
    w = await world()
    sent = await w.send_in_silence()
    for _ in range(2):
        w.stream().say(LATE_ERROR.format(sender, sent))
        await w.settle()
    assert w.book.noted == [(sent, GATEWAY, sender, Notification.FAILED)]


@pytest.mark.parametrize("sender", ["mallory@localhost", "elsewhere.example", "sub.localhost"])
async def test_a_late_error_of_anybody_else_is_let_be(sender: str) -> None:
    w = await world()
    sent = await w.send_in_silence()
    w.stream().say(LATE_ERROR.format(sender, sent))
    await w.settle()
    assert w.book.asked == 0


async def test_the_server_of_a_recipient_sends_no_receipts_for_it() -> None:
    w = await world()
    sent = await w.send_in_silence()
    await w.confirm(sent, "localhost")
    assert w.book.asked == 0


async def test_a_text_that_the_server_did_not_take_is_not_marked() -> None:
    w = await world()
    w.stream().answers = False
    sent = w.send()
    await w.technology.stop()
    assert w.outcomes() == [("hi", "failed", 503)]
    assert sent not in w.technology._late_receipts._awaited


async def test_a_receipt_counts_for_so_long() -> None:
    w = await world()
    in_time, too_late = await w.send_in_silence(), await w.send_in_silence("juliet@localhost")
    w.clock.now += LATE_RECEIPT_WAIT - RECEIPT_WAIT - 1
    await w.confirm(in_time)
    w.clock.now += RECEIPT_WAIT + 1
    await w.confirm(too_late, "juliet@localhost/phone")
    assert w.book.messages() == [in_time]


async def test_what_is_too_old_is_forgotten_with_the_next_text() -> None:
    w = await world()
    for number in range(5):
        await w.send_in_silence(f"r{number}@localhost")
    w.clock.now += LATE_RECEIPT_WAIT
    w.stream().bind()
    sent = await w.send_in_silence()
    assert list(w.technology._late_receipts._awaited) == [sent]


async def test_what_is_remembered_of_all_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MAX_LATE_RECEIPTS", 10)
    w = await world(client(), client("other"))
    sent = [w.send(sender=("gateway", "other")[number % 2]) for number in range(30)]
    await w.pass_time(RECEIPT_WAIT)
    assert len(w.technology._late_receipts._awaited) == 10
    for number, message_id in enumerate(sent):
        name = ("gateway", "other")[number % 2]
        await w.confirm(message_id, name=name, to=f"{name}@localhost")
    assert w.book.messages() == sent[-10:]


async def test_very_many_at_once_are_noted_one_after_the_other() -> None:
    w = await world()
    sent = [w.send(body=str(number)) for number in range(200)]
    await w.pass_time(RECEIPT_WAIT)
    w.book.gate.clear()
    for message_id in sent:
        await w.confirm(message_id)
    assert w.book.asked == 1
    w.book.gate.set()
    await w.settle()
    assert w.book.messages() == sent


async def test_a_disk_that_is_full_costs_that_note_alone() -> None:
    w = await world()
    sent = [w.send(body=str(number)) for number in range(2)]
    await w.pass_time(RECEIPT_WAIT)
    w.book.failing = True
    with capture_logs() as logs:
        await w.confirm(sent[0])
    assert [(line["event"], line["message"]) for line in logs] == [("a receipt is not noted", sent[0])]
    w.book.failing = False
    await w.confirm(sent[1])
    assert w.book.messages() == sent[1:]


async def test_an_account_that_is_connected_anew_is_told_what_is_late_for_the_old_one() -> None:
    w = await world()
    sent = await w.send_in_silence()
    w.technology.apply(XmppSettings(accounts={"gateway": replace(client(), secret="other")}))
    await w.pass_time(1)
    w.stream().bind()
    await w.confirm(sent)
    assert w.book.messages() == [sent]


async def test_the_end_waits_for_no_note() -> None:
    w = await world()
    sent = await w.send_in_silence()
    w.book.gate.clear()
    await w.confirm(sent)
    assert w.book.asked == 1
    async with asyncio.timeout(5):
        await w.technology.stop()
    w.book.gate.set()
    await w.settle()
    assert w.book.noted == []


async def test_where_nobody_keeps_messages_nothing_is_noted() -> None:
    w = await XmppWorld(client()).start()
    sent = w.send()
    await w.pass_time(RECEIPT_WAIT)
    w.stream().say(RECEIPT.format(ROMEO, "gateway@localhost", sent))
    await w.settle()
    assert w.technology._late_receipts._noting is None
