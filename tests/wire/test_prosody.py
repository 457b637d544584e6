"""Prosody, a server many people run: texts both ways, presence, receipts, restart, what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID

from support.certificates import expired, self_signed
from support.config import Address, free_port
from support.iax_client import iax_peer, now
from support.phone import phone
from support.programs import need_program
from support.prosody import ACCOUNTS, Prosody
from support.wait import until
from wire.romeo import World, cable, switchroom, xmpp_conf

BOTH = pytest.mark.parametrize("world", ["plain", "tls"], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    path = need_program("prosody", request)
    certificate = self_signed(tmp_path, "localhost") if getattr(request, "param", "plain") == "tls" else None
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", certificate)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(prosody.running())
        world = await stack.enter_async_context(switchroom(prosody, tmp_path, certificate))
        await world.romeo.come()
        for name in ("gateway", "sip"):
            await world.until_state(name, "online")
        yield world
        assert world.server.log_errors() == []


@BOTH
async def test_texts_go_both_ways(world: World) -> None:
    romeo = world.romeo
    assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "Zoë <b>&\n😀\x07") == 202
    assert await romeo.text() == ("gateway@localhost/asterisk-xmpp", "Zoë <b>&\n😀")
    assert await world.say("XMPP:romeo@localhost/phone", "gateway@localhost", "to the phone") == 202
    assert await romeo.text() == ("gateway@localhost/asterisk-xmpp", "to the phone")

    for kind in ("chat", "normal", "headline"):
        romeo.send_message(JID("gateway@localhost"), f"a {kind}", mtype=kind)
        text = await world.heard.next_of("TextMessageReceived")
        assert text["endpoint"] == {
            "technology": "XMPP",
            "resource": "gateway",
            "state": "online",
            "channel_ids": [],
        }
        assert text["message"] == {
            "from": "xmpp:romeo@localhost/phone",
            "to": "xmpp:gateway@localhost",
            "body": f"a {kind}",
            "variables": {},
        }


async def test_what_can_not_be_sent_is_refused(world: World) -> None:
    assert await world.say("xmpp:romeo@localhost", "sip:alice@example.org", "x") == 404
    assert await world.say("xmpp:romeo@localhost", "xmpp:wrong", "x") == 404
    assert await world.say("xmpp:a b@localhost", "xmpp:gateway", "x") == 400
    answer = await world.ari.ask("PUT", "/ari/endpoints/XMPP/gateway/sendMessage?from=xmpp:gateway&body=to+myself")
    assert answer.status == 202
    answer = await world.ari.ask("POST", "/ari/endpoints/XMPP/gateway/refer?from=alice&refer_to=alice")
    assert answer.status == 404


async def test_a_component_speaks_for_its_names(world: World) -> None:
    assert await world.say("xmpp:romeo@localhost", "xmpp:desk@sip.localhost", "hello") == 202
    assert await world.romeo.text() == ("desk@sip.localhost", "hello")
    message = world.romeo.make_message("desk@sip.localhost", "hello yourself", mtype="chat")
    message["request_receipt"] = True
    message.send()
    text = await world.heard.next_of("TextMessageReceived")
    assert text["endpoint"]["resource"] == "sip"
    assert text["message"]["to"] == "xmpp:desk@sip.localhost"
    assert await asyncio.wait_for(world.romeo.receipts.get(), 10) == message["id"]


async def delivery(world: World, path: str) -> dict[str, Any]:
    """The delivery of a message, once it has ended."""

    async def over() -> bool:
        return bool((await world.ari.ask("GET", path)).json["state"] == "delivered")

    await until(over, "the end of the delivery")
    (found,) = (await world.ari.ask("GET", path)).json["deliveries"]
    assert isinstance(found, dict)
    return found


async def test_a_receipt_that_comes_late_is_noted_and_told(world: World) -> None:
    assert (await world.ari.ask("POST", "/ari/applications/app/subscription?eventSource=message:")).status == 200
    clerk: Any = world.romeo.plugin["xep_0184"]
    clerk.auto_ack = False
    answer = await world.ari.ask("PUT", "/ari/endpoints/sendMessage?to=xmpp:romeo@localhost&from=gateway&body=hello")
    text = await asyncio.wait_for(world.romeo.got.get(), 10)
    ended = await delivery(world, answer.headers["location"])
    assert (ended["status_code"], "notification" in ended) == (202, False)

    clerk.ack(text)
    told: dict[str, Any] = {}
    while "notification" not in told:
        message = (await world.heard.next_of("TextMessageStatusChange"))["message"]
        assert message["id"] == text["id"]
        (told,) = message["deliveries"]
    noted = await delivery(world, answer.headers["location"])
    assert (noted["status_code"], noted["notification"]) == (202, "delivered")
    assert noted["updated"] == ended["updated"]


async def test_the_receipt_of_somebody_who_was_away_is_noted(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with prosody.running(), switchroom(prosody, tmp_path, None) as world:
        await world.until_state("sip", "online")
        answer = await world.ari.ask(
            "PUT", "/ari/endpoints/sendMessage?to=xmpp:romeo@localhost&from=desk@sip.localhost&body=hello"
        )
        ended = await delivery(world, answer.headers["location"])
        assert (ended["status_code"], "notification" in ended) == (202, False)
        await world.romeo.come()
        assert await world.romeo.text() == ("desk@sip.localhost", "hello")

        async def noted() -> bool:
            return (await delivery(world, answer.headers["location"])).get("notification") == "delivered"

        await until(noted, "the receipt stands in the delivery")
        assert world.server.log_errors() == []


async def test_presence_is_given_to_who_asks(world: World) -> None:
    world.romeo.send_presence_subscription("gateway@localhost")
    world.romeo.send_presence_subscription("desk@sip.localhost")
    wanted = {("subscribed", "gateway@localhost"), ("subscribed", "desk@sip.localhost")}
    while wanted:
        wanted.discard(await asyncio.wait_for(world.romeo.presences.get(), 10))


async def test_a_text_for_a_phone_reaches_it_and_its_answer_comes_back(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        world.romeo.send_message(JID("alice@sip.localhost"), "hello phone", mtype="chat")
        request = await alice.next("MESSAGE")
        assert request.body == "hello phone"
        sender = request.first("From")
        assert "<sip:romeo%40localhost@127.0.0.1" in sender

        answer = await alice.message("romeo%40localhost", "hello romeo", password="alicepw")
        assert answer.status == 202
        assert await world.romeo.text() == ("alice@sip.localhost", "hello romeo")


async def test_a_phone_writes_to_somebody_on_xmpp_whose_answer_comes_back(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        answer = await alice.message("romeo%40localhost", "hello romeo", password="alicepw")
        assert answer.status == 202
        sender, body = await world.romeo.text()
        assert (sender, body) == ("alice@sip.localhost", "hello romeo")

        reply = world.romeo.make_message(JID(sender), "hello alice", mtype="chat")
        reply["request_receipt"] = True
        reply.send()
        request = await alice.next("MESSAGE")
        assert request.body == "hello alice"
        assert "<sip:romeo%40localhost@127.0.0.1" in request.first("From")
        assert await asyncio.wait_for(world.romeo.receipts.get(), 10) == reply["id"]


@BOTH
async def test_what_is_refused_stops_nobody_and_is_told(world: World) -> None:
    for name in ("wrong", "stranger", "impostor"):
        assert (await world.ari.endpoint(name, "XMPP"))["state"] == "offline"
    log = world.server.log()
    assert "refuses name or password: not-authorized" in log
    assert "secret" not in log
    assert ("certificate is refused: self-signed" if world.certificate else "TLS with the server failed") in log


async def test_a_peer_of_iax2_and_somebody_on_xmpp_write_to_each_other(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    address = Address("127.0.0.1", free_port())
    iax = (
        f"[general]\nbindaddr=127.0.0.1\nbindport={address.port}\n[iaxphone]\ntype=friend\nhost=dynamic\nsecret=iaxpw\n"
    )
    async with (
        prosody.running(),
        switchroom(prosody, tmp_path, None, more={"iax.conf": iax}) as world,
        iax_peer(address) as peer,
    ):
        await world.romeo.come()
        await world.until_state("sip", "online")
        peer.register(now())
        await until(lambda: peer.outcomes[-1:] == ["registered for 60"], "the registration")

        message = world.romeo.make_message("iaxphone@sip.localhost", "hello peer", mtype="chat")
        message["request_receipt"] = True
        message.send()
        await until(lambda: peer.texts == ["hello peer"], "the text at the peer")
        assert await asyncio.wait_for(world.romeo.receipts.get(), 10) == message["id"]
        called, number, _ = peer.callers[0]
        assert (called, number) == ("s", "romeo@localhost")

        peer.send_text("hello romeo", now(), called=number)
        assert await world.romeo.text() == ("iaxphone@sip.localhost", "hello romeo")
        assert world.server.log_errors() == []


async def test_accounts_come_and_go_while_others_stay(world: World, tmp_path: Path) -> None:
    conf = tmp_path / "config" / "xmpp.conf"
    gateway, rest = conf.read_text().split("[wrong]")
    server = "serverhost=127.0.0.1\n" + next(line for line in gateway.splitlines() if line.startswith("port=")) + "\n"
    second = f"[second]\ntype=client\n{server}usetls=no\nusername=romeo@localhost/second\nsecret={ACCOUNTS['romeo']}\n"
    conf.write_text(f"; moved\n{gateway}{second}")
    answer = await world.ari.ask("PUT", "/ari/asterisk/reload")
    counts = {name: answer.json[name] for name in ("added", "changed", "removed", "restart_needed")}
    assert counts == {"added": 1, "changed": 0, "removed": 4, "restart_needed": []}
    await world.until_state("second", "online")
    listed = (await world.ari.ask("GET", "/ari/endpoints/XMPP")).json
    assert [endpoint["resource"] for endpoint in listed] == ["gateway", "second"]
    assert await world.say("xmpp:romeo@localhost/phone", "xmpp:second", "from the new one") == 202
    assert await world.romeo.text() == ("romeo@localhost/second", "from the new one")
    assert await world.say("xmpp:romeo@localhost", "xmpp:desk@sip.localhost", "x") == 404

    (contact,) = (await world.ari.ask("GET", "/ari/endpoints/XMPP/second/contacts")).json
    assert (contact["uri"], contact["status"]) == ("xmpp:romeo@localhost/second", "Reachable")
    assert server == f"serverhost={contact['address'].replace(':', chr(10) + 'port=')}\n"

    conf.write_text(f"{gateway}{second}[wrong]{rest}".replace(f"secret={ACCOUNTS['romeo']}", "secret=other"))
    assert (await world.ari.ask("PUT", "/ari/asterisk/reload")).json["changed"] == 1
    await world.until_state("second", "offline")
    await world.until_state("sip", "online")
    assert world.server.log().count("account=gateway jid=") == 1, "the account that stayed connected again"


async def test_an_expired_certificate_is_refused_and_told(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    certificate = expired(tmp_path, "localhost")
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", certificate)
    async with prosody.running(), switchroom(prosody, tmp_path, certificate) as world:

        async def told() -> bool:
            return "certificate is refused: certificate has expired" in world.server.log()

        await until(told, "the log tells of the certificate", 20)
        assert (await world.ari.endpoint("gateway", "XMPP"))["state"] == "offline"
        await world.until_state("sip", "online")
        assert world.server.log_errors() == []


async def test_it_comes_back_with_the_server(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with switchroom(prosody, tmp_path, None) as world:
        assert (await world.ari.endpoint("gateway", "XMPP"))["state"] == "offline"
        assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "too early") in (202, 404)
        async with prosody.running():
            await world.until_state("gateway", "online")
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "kept by its server") == 202
        await world.until_state("gateway", "offline")
        await world.until_state("sip", "offline")
        assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "x") == 404
        async with prosody.running():
            await world.until_state("gateway", "online")
            await world.until_state("sip", "online")
            await world.romeo.come()
            while (await world.romeo.text())[1] != "kept by its server":
                pass
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "there again") == 202
            assert (await world.romeo.text())[1] == "there again"
        assert "can not be reached" in world.server.log()
        assert world.server.log_errors() == []


@pytest.mark.parametrize("offline", ["store", "reject"])
async def test_a_server_that_is_restarted_under_load(
    request: pytest.FixtureRequest, tmp_path: Path, offline: str
) -> None:
    """Every text that was answered 202 has an end that can be asked: it arrives, or where nothing is kept for an
    account that is offline (docs/rulings.md 9) it has failed, and says why.
    """
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with switchroom(prosody, tmp_path, None) as world:
        accepted: list[str] = []

        async def load(first: int) -> set[int]:
            statuses = set()
            for number in range(first, first + 100):
                answer = await world.ari.ask(
                    "PUT",
                    "/ari/endpoints/sendMessage?to=xmpp:romeo@localhost&from=xmpp:gateway"
                    f"&body={number}&offline={offline}",
                )
                statuses.add(answer.status)
                if answer.status == 202:
                    accepted.append(answer.headers["location"])
            return statuses

        async with prosody.running():
            await world.until_state("gateway", "online")
            await world.romeo.come()
            loading = asyncio.create_task(load(0))
            await until(lambda: len(accepted) > 30, "texts on their way")
        assert await loading <= ({202} if offline == "store" else {202, 404})
        await world.until_state("gateway", "offline")
        assert await load(100) == ({202} if offline == "store" else {404})
        async with prosody.running():
            await world.until_state("gateway", "online")
            await world.romeo.come()
            assert await load(200) == {202}

            async def messages() -> list[dict[str, Any]]:
                return [(await world.ari.ask("GET", path)).json for path in accepted]

            async def all_ended() -> bool:
                return {message["state"] for message in await messages()} <= {"delivered", "failed"}

            await until(all_ended, "the end of every message", 60)
            ended = await messages()
            assert {message["state"] for message in ended[-100:]} == {"delivered"}
            failed = [message["deliveries"] for message in ended if message["state"] == "failed"]
            statuses = {delivery["status_code"] for deliveries in failed for delivery in deliveries}
            assert statuses <= (set() if offline == "store" else {480, 503})
        assert world.server.log_errors() == []


async def test_a_session_survives_a_cut_cable(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = need_program("prosody", request)
    (tmp_path / "prosody").mkdir()
    prosody = Prosody(path, tmp_path / "prosody", None)
    async with prosody.running(), cable(prosody.client_port) as way:
        conf = xmpp_conf(prosody, None).replace(f"port={prosody.client_port}", f"port={way.port}")
        async with switchroom(prosody, tmp_path, None, conf) as world:
            await world.until_state("gateway", "online")
            await world.romeo.come()
            # Two texts: after the first it is certain that stream management is on.
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "before") == 202
            assert (await world.romeo.text())[1] == "before"
            way.cut()
            world.romeo.send_message(JID("gateway@localhost"), "while it is cut", mtype="chat")
            assert (await world.heard.next_of("TextMessageReceived", 15))["message"]["body"] == "while it is cut"
            await world.until_state("gateway", "online")
            assert "resumed=True" in world.server.log()
            assert await world.say("xmpp:romeo@localhost", "xmpp:gateway", "after") == 202
            assert (await world.romeo.text())[1] == "after"
