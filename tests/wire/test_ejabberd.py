"""ejabberd, the other server many people run: what is particular to a server, once.

Left out unless it is asked for, as docs/xmpp.md says how: Prosody plays this part in every run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from slixmpp import JID

from support.certificates import self_signed
from support.ejabberd import Ejabberd
from support.phone import phone
from support.programs import need_program
from support.wait import until
from wire.romeo import World, cable, switchroom, xmpp_conf

pytestmark = pytest.mark.skipif(
    os.environ.get("SWITCHROOM_EJABBERD") != "1", reason="SWITCHROOM_EJABBERD=1 asks for it (docs/xmpp.md)"
)

PLAIN_AND_TLS = pytest.mark.parametrize("world", ["plain", "tls"], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    erlang = need_program("erl", request)
    certificate = self_signed(tmp_path, "localhost") if getattr(request, "param", "tls") == "tls" else None
    (tmp_path / "ejabberd").mkdir()
    ejabberd = Ejabberd(erlang, tmp_path / "ejabberd", certificate)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ejabberd.running())
        world = await stack.enter_async_context(switchroom(ejabberd, tmp_path, certificate))
        await world.romeo.come()
        for name in ("gateway", "sip"):
            await world.until_state(name, "online")
        yield world
        assert world.server.log_errors() == []


@PLAIN_AND_TLS
async def test_texts_and_receipts_go_both_ways(world: World) -> None:
    answer = await world.ari.ask(
        "PUT", "/ari/endpoints/sendMessage?to=xmpp:romeo@localhost&from=xmpp:gateway&body=Zo%C3%AB+%3Cb%3E"
    )
    assert answer.status == 202
    assert await world.romeo.text() == ("gateway@localhost/asterisk-xmpp", "Zoë <b>")

    async def receipt_came() -> bool:
        (delivery,) = (await world.ari.ask("GET", answer.headers["location"])).json["deliveries"]
        return (delivery["state"], delivery["status_code"]) == ("delivered", 200)

    await until(receipt_came, "a receipt", 10)

    message = world.romeo.make_message("gateway@localhost", "hello", mtype="chat")
    message["request_receipt"] = True
    message.send()
    text = (await world.heard.next_of("TextMessageReceived"))["message"]
    assert (text["from"], text["to"]) == ("xmpp:romeo@localhost/phone", "xmpp:gateway@localhost")
    assert text["body"] == "hello"
    assert await asyncio.wait_for(world.romeo.receipts.get(), 10) == message["id"]


async def test_a_component_carries_texts_and_presence_for_its_names(world: World) -> None:
    romeo = world.romeo
    romeo.send_presence_subscription("gateway@localhost")
    romeo.send_presence_subscription("desk@sip.localhost")
    wanted = {("subscribed", "gateway@localhost"), ("subscribed", "desk@sip.localhost")}
    while wanted:
        wanted.discard(await asyncio.wait_for(romeo.presences.get(), 10))

    assert await world.say("xmpp:romeo@localhost", "xmpp:desk@sip.localhost", "hello") == 202
    assert await romeo.text() == ("desk@sip.localhost", "hello")
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        romeo.send_message(JID("alice@sip.localhost"), "hello phone", mtype="chat")
        assert (await alice.next("MESSAGE")).body == "hello phone"
        assert (await alice.message("romeo%40localhost", "hello romeo", password="alicepw")).status == 202
        assert await romeo.text() == ("alice@sip.localhost", "hello romeo")


async def test_what_is_refused_stops_nobody_and_is_told(world: World) -> None:
    def told() -> bool:
        log = world.server.log()
        return "refuses name or password: not-authorized" in log and "certificate is refused: self-signed" in log

    await until(told, "what was refused", 10)
    for name in ("wrong", "stranger", "impostor"):
        assert (await world.ari.endpoint(name, "XMPP"))["state"] == "offline"
    assert await world.say("xmpp:nobody@localhost", "xmpp:gateway", "x") == 202
    assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "after all") == 202
    assert (await world.romeo.text())[1] == "after all"


async def test_a_session_survives_a_cut_cable(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    erlang = need_program("erl", request)
    (tmp_path / "ejabberd").mkdir()
    ejabberd = Ejabberd(erlang, tmp_path / "ejabberd", None)
    async with ejabberd.running(), cable(ejabberd.client_port) as way:
        conf = xmpp_conf(ejabberd, None).replace(f"port={ejabberd.client_port}", f"port={way.port}")
        async with switchroom(ejabberd, tmp_path, None, conf) as world:
            await world.until_state("gateway", "online")
            await world.romeo.come()
            # Two texts: after the first it is certain that stream management is on.
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "before") == 202
            assert (await world.romeo.text())[1] == "before"
            way.cut()
            world.romeo.send_message(JID("gateway@localhost"), "while it is cut", mtype="chat")
            assert (await world.heard.next_of("TextMessageReceived", 15))["message"]["body"] == "while it is cut"
            assert "resumed=True" in world.server.log()
            await world.until_state("gateway", "online")
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "after") == 202
            assert (await world.romeo.text())[1] == "after"
