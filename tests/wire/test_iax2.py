"""IAX2 over real sockets, with our own kernel as the peer: a call token, dark and back, texts both ways."""

from __future__ import annotations

from pathlib import Path

from support.ari import Ari, ari_client
from support.config import Address, free_port, user, write_config
from support.events import events
from support.iax_client import iax_peer, now
from support.phone import phone
from support.server import running_server
from support.wait import until

IAX = """\
[general]
bindaddr=127.0.0.1
bindport={port}
[iaxphone]
type=friend
host=dynamic
secret=iaxpw
qualify=yes
qualifyfreqok=600
qualifyfreqnotok=300
"""


def configured(folder: Path) -> tuple[Path, Address]:
    """A configuration with the SIP phone alice and the IAX2 peer iaxphone, and where IAX2 is."""
    address = Address("127.0.0.1", free_port())
    files = {"iax.conf": IAX.format(port=address.port)}
    return write_config(folder, pjsip=user("alice"), files=files), address


async def state(ari: Ari) -> str:
    return str((await ari.endpoint("iaxphone", "IAX2"))["state"])


async def is_state(ari: Ari, wanted: str) -> bool:
    return await state(ari) == wanted


async def test_online_dark_and_back(tmp_path: Path) -> None:
    config, address = configured(tmp_path / "config")
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        iax_peer(address) as peer,
    ):
        assert await state(ari) == "unknown"
        answer = await ari.ask("PUT", "/ari/endpoints/IAX2/iaxphone/sendMessage?from=pjsip:alice&body=x")
        assert (answer.status, answer.json) == (404, {"message": "Endpoint not found"})

        peer.register(now())
        status = await heard.next_of("PeerStatusChange")
        assert status["peer"]["peer_status"] == "Registered"
        assert (status["peer"]["address"], type(status["peer"]["port"])) == ("127.0.0.1", str)
        assert await state(ari) == "online"

        peer.deaf = True
        await until(lambda: is_state(ari, "offline"), "the dark peer offline")
        assert (await heard.next_of("PeerStatusChange"))["peer"]["peer_status"] == "Unreachable"
        peer.deaf = False
        await until(lambda: is_state(ari, "online"), "the peer back online")
        back = (await heard.next_of("PeerStatusChange"))["peer"]
        assert (back["peer_status"], type(back["time"])) == ("Reachable", str)

        peer.unregister(now())
        assert (await heard.next_of("PeerStatusChange"))["peer"]["peer_status"] == "Unregistered"
        assert await state(ari) == "offline"
        assert server.log_errors() == []


async def test_texts_both_ways_and_across_to_sip(tmp_path: Path) -> None:
    config, address = configured(tmp_path / "config")
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        phone("alice", server.sip) as alice,
        iax_peer(address) as peer,
    ):
        await alice.register(password="alicepw")
        peer.register(now())
        await until(lambda: is_state(ari, "online"), "iaxphone online")

        answer = await ari.ask(
            "PUT", "/ari/endpoints/sendMessage?to=iax2:iaxphone&from=sip:me@example.org&body=Zo%C3%AB"
        )
        assert answer.status == 202
        await until(lambda: peer.texts == ["Zoë"], "the text at the peer")
        assert peer.callers == [("s", "me", "me@example.org")]
        message = answer.headers["location"]

        async def delivered() -> bool:
            return bool((await ari.ask("GET", message)).json["state"] == "delivered")

        await until(delivered, "the message delivered")

        answered = await alice.message("iaxphone", "over to you", password="alicepw")
        assert answered.status == 202
        await until(lambda: peer.texts[1:] == ["over to you"], "the phone's text at the peer")
        assert peer.callers[1] == ("s", "alice", "alice")

        peer.send_text("thanks", now(), called="alice")
        received = await alice.next("MESSAGE")
        assert received.body == "thanks"
        assert "iaxphone" in received.first("From")
        texts = [await heard.next_of("TextMessageReceived") for _ in range(2)]
        assert [(t["message"]["from"], t["message"]["body"]) for t in texts][1] == ("iax2:iaxphone", "thanks")
        await until(lambda: peer.outcomes[-1] == "delivered", "the acknowledgement")
        assert server.log_errors() == []


async def test_a_text_waits_for_a_peer_that_will_be_back(tmp_path: Path) -> None:
    config, address = configured(tmp_path / "config")
    async with running_server(config) as server, ari_client(server.base) as ari, iax_peer(address) as peer:
        answer = await ari.ask("PUT", "/ari/endpoints/sendMessage?to=iax2:iaxphone&from=alice&body=later&offline=store")
        assert answer.status == 202
        peer.register(now())
        await until(lambda: peer.texts == ["later"], "the text that waited")


async def test_peers_come_and_go_with_the_files(tmp_path: Path) -> None:
    config, address = configured(tmp_path / "config")
    async with running_server(config) as server, ari_client(server.base) as ari, iax_peer(address) as peer:
        peer.register(now())
        await until(lambda: is_state(ari, "online"), "iaxphone online")
        text = (config / "iax.conf").read_text(encoding="utf-8")
        (config / "iax.conf").write_text(text + "[other]\ntype=friend\nhost=dynamic\nsecret=x\n", encoding="utf-8")
        answer = await ari.ask("PUT", "/ari/asterisk/reload")
        assert answer.status == 200, answer
        assert (answer.json["added"], answer.json["changed"], answer.json["removed"]) == (1, 0, 0)
        listed = (await ari.ask("GET", "/ari/endpoints/IAX2")).json
        assert [(e["resource"], e["state"]) for e in listed] == [("iaxphone", "online"), ("other", "unknown")]
        (config / "iax.conf").write_text("[general]\nbindaddr=127.0.0.1\n", encoding="utf-8")
        answer = await ari.ask("PUT", "/ari/asterisk/reload")
        assert answer.json["removed"] == 2
        assert answer.json["restart_needed"] == ["the general section of iax.conf"]
        assert (await ari.ask("GET", "/ari/endpoints/IAX2")).json == []
        assert server.log_errors() == []
