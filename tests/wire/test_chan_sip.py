"""Real programs at the socket of sip.conf: a crowd of SIPp, and a baresip that texts and calls phones of pjsip.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import Address, free_port, user, write_config
from support.events import events
from support.phone import phone
from support.programs import need_package, need_program
from support.server import running_server
from support.wait import until
from wire.baresip import baresip
from wire.pjsua import pjsua2
from wire.test_sipp import USERS, Sipp, ended


def config(directory: Path, server: Address, *names: str, pjsip: str = "") -> Path:
    """A configuration with friends of these names, and their names and ``pw`` as their secrets."""
    friends = "".join(f"[{name}](phone)\nsecret={name}pw\n" for name in names)
    text = f"[general]\nudpbindaddr={server}\nqualify=yes\n[phone](!)\ntype=friend\nhost=dynamic\n{friends}"
    return write_config(directory, pjsip=pjsip, files={"sip.conf": text})


async def test_a_crowd_registers_and_sends_texts(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = need_program("sipp", request)
    at = Address("127.0.0.1", free_port())
    phones = Address("127.0.0.1", free_port())
    async with (
        running_server(config(tmp_path / "config", at, *USERS)) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        sipp = Sipp(path, tmp_path, at)
        async with sipp.scenario("register", "-key", "contact", str(phones)) as run:
            await ended(run)
        listed = (await ari.ask("GET", "/ari/endpoints/SIP")).json
        assert sorted(e["resource"] for e in listed) == USERS

        def registered() -> list[str]:
            return sorted(e["endpoint"]["resource"] for e in heard.heard if _is(e, "Registered"))

        await until(lambda: len(registered()) >= len(USERS), "a PeerStatusChange of each user")
        assert registered() == USERS

        async with sipp.scenario("message", "-auth_uri", f"desk@{at}") as run:
            await ended(run)

        def texts() -> list[tuple[str, str, str]]:
            came = (e for e in heard.heard if e["type"] == "TextMessageReceived")
            return sorted((e["endpoint"]["technology"], e["endpoint"]["resource"], e["message"]["body"]) for e in came)

        await until(lambda: len(texts()) >= len(USERS), "a text of each user")
        assert texts() == [("SIP", name, f"from {name}") for name in USERS]
        # Nobody was at the address they registered, which the questions found out.
        await until(lambda: sum(_is(e, "Unreachable") for e in heard.heard) == len(USERS), "all of them unreachable")
        assert server.log_errors() == []


def _is(event: dict[str, object], peer_status: str) -> bool:
    peer = event.get("peer")
    return isinstance(peer, dict) and peer["peer_status"] == peer_status


async def test_a_soft_phone_and_a_phone_of_pjsip_text_each_other(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = need_program("baresip", request)
    at = Address("127.0.0.1", free_port())
    async with (
        running_server(config(tmp_path / "config", at, "bea", pjsip=user("desk"))) as server,
        ari_client(server.base) as ari,
        events(server.base, "app") as heard,
        phone("desk", server.sip) as desk,
    ):
        about_bea = "/ari/applications/app/subscription?eventSource=endpoint:SIP/bea"
        assert (await ari.ask("POST", about_bea)).status == 200
        assert (await desk.register(password="deskpw")).status == 200
        async with baresip(path, tmp_path / "baresip", "bea", "beapw", at, "udp") as soft:
            assert (await heard.next_of("PeerStatusChange"))["peer"]["peer_status"] == "Registered"
            reachable = await heard.next_of("PeerStatusChange")
            assert reachable["peer"]["peer_status"] == "Reachable"
            assert int(reachable["peer"]["time"]) > 0

            await soft.command("message", "on my way, Zoë")
            there = await desk.next("MESSAGE")
            assert there.body == "on my way, Zoë"
            assert there.first("From").startswith(f"<sip:bea@{server.sip}>")
            seen = await heard.next_of("TextMessageReceived")
            assert (seen["endpoint"]["technology"], seen["message"]["to"]) == ("SIP", f"sip:desk@{at}")

            assert (await desk.message("bea", "hurry", password="deskpw")).status == 202
            await soft.run.says(f'sip:desk@{at}: "hurry"')

            answer = await ari.ask("PUT", "/ari/endpoints/sendMessage?to=sip:bea&from=pjsip:desk&body=from+ARI")
            assert answer.status == 202
            await soft.run.says(f'sip:desk@{at}: "from ARI"')

            soft.run.process.terminate()
            await soft.run.process.wait()
            gone = await heard.next_of("PeerStatusChange")
            assert gone["peer"] == {"peer_status": "Unregistered", "cause": "Expired"}
        assert server.log_errors() == []


@pytest.mark.parametrize("outward", [True, False], ids=["to_sip", "to_pjsip"])
async def test_phones_of_sip_and_of_pjsip_refer_each_other(tmp_path: Path, outward: bool) -> None:
    at = Address("127.0.0.1", free_port())
    async with (
        running_server(config(tmp_path / "config", at, "bea", "ben", pjsip=user("desk") + user("dora"))) as server,
        phone("desk", server.sip) as desk,
        phone("bea", at) as bea,
    ):
        referrer, referred = (desk, bea) if outward else (bea, desk)
        for each in (desk, bea):
            assert (await each.register(password=f"{each.name}pw")).status == 200

        async def refer(refer_to: str) -> int:
            headers = [f"Contact: <{referrer.contact}>", f"Refer-To: {refer_to}"]
            password = f"{referrer.name}pw"
            return (await referrer.request("REFER", referred.name, headers=headers, password=password)).status

        for meant in (f"<sip:dora@{referred.server}>", f"<sip:ben@{server.sip}>", f"<sip:{referrer.name}@{at}>"):
            assert await refer(meant) == 202
            assert (await referred.next("REFER")).first("Refer-To") == meant
        assert await refer("<tel:+900>") == 403
        assert await refer(f"<sip:{referred.name}@{server.sip}>") == 403
        assert await refer(f"<sip:nobody@{at}>") == 404
        referred.read()
        assert [request.method for request in referred.received] == []
        assert server.log_errors() == []


async def test_a_soft_phone_and_one_of_pjsip_call_each_other(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_package("pjsua2", request)
    path = need_program("baresip", request)
    at = Address("127.0.0.1", free_port())
    async with (
        running_server(config(tmp_path / "config", at, "bea", pjsip=user("pia"))) as server,
        ari_client(server.base) as ari,
        pjsua2(tmp_path / "pia", "pia", server.sip, "udp") as pia,
        baresip(path, tmp_path / "bea", "bea", "beapw", at, "udp") as bea,
    ):

        async def used(pia: str, bea: str) -> None:
            async def so() -> bool:
                shown = [(await ari.ask("GET", f"/ari/deviceStates/{name}")).json["state"] for name in devices]
                return shown == [pia, bea]

            devices = ("PJSIP%2Fpia", "SIP%2Fbea")
            await until(so, f"pia {pia}, bea {bea}")

        await used("NOT_INUSE", "NOT_INUSE")
        pia.do("call", f"sip:bea@{server.sip}")
        await bea.tells("CALL_INCOMING")
        await pia.tells("call", "EARLY", 180)
        await used("INUSE", "RINGING")
        await bea.command("accept")
        await pia.tells("call", "CONFIRMED", 200)
        await pia.tells("hears")
        await bea.run.says("incoming rtp for 'audio' established")
        await bea.command("hold")
        await pia.tells("media", "receives")
        await bea.command("resume")
        await pia.tells("media", "both")
        await used("INUSE", "INUSE")
        await bea.command("hangup")
        await pia.tells("call", "DISCONNECTED", 200)
        await used("NOT_INUSE", "NOT_INUSE")

        await bea.command("dial", f"sip:pia@{at}")
        await pia.tells("incoming")
        pia.do("answer", 180)
        await bea.tells("CALL_RINGING")
        await used("RINGING", "INUSE")
        pia.do("answer", 200)
        await bea.tells("CALL_ESTABLISHED")
        await pia.tells("hears")
        pia.do("hold")
        await pia.tells("media", "sends")
        pia.do("hangup", 0)
        await bea.tells("CALL_CLOSED")
        await used("NOT_INUSE", "NOT_INUSE")
        assert server.log_errors() == []
