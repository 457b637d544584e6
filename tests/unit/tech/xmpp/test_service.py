"""Texts that come: what applications see, and what goes on to other technologies."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.xmpp_world import XmppWorld, client, component
from switchroom.core.addresses import Address
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, Full
from switchroom.model.message import Referral
from switchroom.tech.xmpp import service

TEXT = "<message from='romeo@localhost/phone' to='gateway@localhost' type='{}' id='1'><body>hi</body></message>"
TO_ALICE = (
    "<message from='romeo@localhost/phone' to='alice@sip.localhost/x' type='chat' id='1'>"
    "<body>hi</body><request xmlns='urn:xmpp:receipts'/></message>"
)


@pytest.mark.parametrize("kind", ["chat", "normal", "headline"])
async def test_texts_are_shown(kind: str) -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(TEXT.format(kind))
    assert world.received() == [("xmpp:romeo@localhost/phone", "xmpp:gateway@localhost", "hi")]


@pytest.mark.parametrize("kind", ["error", "groupchat"])
async def test_bounces_and_rooms_are_no_texts(kind: str) -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(TEXT.format(kind))
    assert world.received() == []


async def test_the_name_is_the_one_of_the_configuration() -> None:
    world = await XmppWorld(client(username="gateway@localhost/desk")).start()
    world.stream().say(TEXT.format("chat").replace("gateway@localhost", "gateway@localhost/none"))
    assert world.received() == [("xmpp:romeo@localhost/phone", "xmpp:gateway@localhost/desk", "hi")]


async def test_echoes_are_no_texts() -> None:
    world = await XmppWorld(client(), component()).start()
    echo = TEXT.format("chat").replace("romeo@localhost/phone", "{}")
    world.stream().say(echo.format("gateway@localhost/asterisk-xmpp"))
    world.stream("sip").say(TO_ALICE.replace("romeo@localhost", "bob@sip.localhost"))
    assert world.received() == []
    world.stream().say(echo.format("gateway@localhost/telephone"))
    assert len(world.received()) == 1


@pytest.mark.parametrize("to", ["other@localhost", "gateway@elsewhere"])
async def test_texts_for_others_are_not_taken(to: str) -> None:
    world = await XmppWorld(client(), component()).start()
    world.stream().say(TEXT.format("chat").replace("gateway@localhost", to))
    world.stream("sip").say(TO_ALICE.replace("sip.localhost", "sip.elsewhere"))
    assert world.received() == []


async def test_buddies_are_named() -> None:
    world = await XmppWorld(client(buddies=("romeo@localhost",))).start()
    world.stream().say(TEXT.format("chat"))
    (event,) = world.heard
    assert event.message.variables == {"XMPP_BUDDY": "romeo@localhost"}  # type: ignore[attr-defined]


async def test_texts_can_be_turned_off() -> None:
    world = await XmppWorld(client(receive_texts=False)).start()
    world.stream().say(TEXT.format("chat"))
    assert world.heard == []


@pytest.mark.parametrize("listening", [True, False])
async def test_a_receipt_is_given_for_what_was_taken(listening: bool) -> None:
    world = await XmppWorld(component()).start()
    world.listening = listening
    world.stream("sip").say(TO_ALICE)
    (answer,) = world.stream("sip").others()
    assert answer.attrib["to"] == "romeo@localhost/phone"
    if listening:
        receipt = answer.find("{urn:xmpp:receipts}received")
        assert receipt is not None
        assert receipt.get("id") == "1"
        assert answer.get("from") == "alice@sip.localhost"
    else:
        assert answer.get("type") == "error"


async def test_a_client_does_not_answer_for_its_server() -> None:
    world = await XmppWorld(client()).start()
    world.listening = False
    world.stream().say(TEXT.format("chat"))
    assert world.stream().posted == []


async def test_nothing_is_referred() -> None:
    world = await XmppWorld(client()).start()
    referral = Referral(id="1", technology="XMPP", destination="gateway", sender="alice", refer_to="bob")
    with pytest.raises(EndpointNotFound):
        world.technology.refer(referral)


def test_a_server_without_accounts_does_not_load_the_library() -> None:
    look = "import sys, switchroom.server; sys.exit('slixmpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False, timeout=60).returncode == 0


# ---- to other technologies


async def with_alice() -> XmppWorld:
    world = await XmppWorld(client(), component()).start()
    world.registry.add(EndpointId("PJSIP", "alice"))
    return world


@pytest.mark.parametrize("listening", [True, False])
async def test_a_text_for_a_phone_goes_there(listening: bool) -> None:
    world = await with_alice()
    world.listening = listening
    world.stream("sip").say(TO_ALICE)
    await world.settle()
    assert world.outlet.sent == [("PJSIP/alice", "sip:romeo%40localhost@pbx", "hi")]
    assert len(world.received()) == listening
    (answer,) = world.stream("sip").others()
    assert answer.find("{urn:xmpp:receipts}received") is not None


async def test_a_phone_finds_who_it_answers() -> None:
    world = await with_alice()
    romeo = world.crossing.find("romeo@localhost", "PJSIP")
    assert romeo is not None
    await world.crossing.forward(Address(EndpointId("PJSIP", "alice")), romeo, "back", {}, max_forwards=70)
    ((to, sender, body),) = world.outlet.sent
    world.send(to.removeprefix("XMPP:"), sender, body)
    text = next(e for e in world.stream("sip").posted if e.get("type") == "chat")
    assert (text.get("from"), text.get("to")) == ("alice@sip.localhost", "romeo@localhost")


async def test_answers_to_a_client_go_to_who_wrote_through_it() -> None:
    world = await XmppWorld(client()).start()
    alice = EndpointId("PJSIP", "alice")
    world.registry.add(alice)
    world.stream().say(TEXT.format("chat"))
    await world.settle()
    assert world.outlet.sent == []
    romeo = world.crossing.find("romeo@localhost", "PJSIP")
    assert romeo is not None
    await world.crossing.forward(Address(alice), romeo, "hello", {}, max_forwards=70)
    assert world.outlet.sent == [("XMPP:gateway/romeo@localhost", "gateway", "hello")]
    world.stream().say(TEXT.format("chat"))
    await world.settle()
    assert world.outlet.sent[1:] == [("PJSIP/alice", "sip:romeo%40localhost@pbx", "hi")]


async def test_a_name_that_is_no_endpoint_is_shown_only() -> None:
    world = await with_alice()
    world.stream("sip").say(TO_ALICE.replace("alice@", "bob@"))
    world.stream("sip").say(TO_ALICE.replace("alice@", ""))
    await world.settle()
    assert world.outlet.sent == []
    assert len(world.received()) == 2


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (EndpointNotFound(), "recipient-unavailable"),
        (Full("full"), "resource-constraint"),
        (RuntimeError("a store that fails"), "internal-server-error"),
    ],
)
async def test_who_can_not_be_reached_is_told_to_the_sender(error: Exception, condition: str) -> None:
    world = await with_alice()
    world.outlet.error = error
    world.stream("sip").say(TO_ALICE)
    await world.settle()
    (answer,) = world.stream("sip").others()
    assert (answer.get("type"), answer.get("id")) == ("error", "1")
    assert condition in [child.tag.rpartition("}")[2] for child in answer[0]]


async def test_texts_that_are_being_handed_over_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_SWITCHING", 2)
    world = await with_alice()
    world.outlet.gate.clear()
    for number in range(3):
        world.stream("sip").say(TO_ALICE.replace("hi", f"text {number}"))
    await world.settle()
    assert [e.get("type") for e in world.stream("sip").others()] == ["error"]
    world.outlet.gate.set()
    await world.settle()
    assert len(world.outlet.sent) == 2
