"""Real phones call each other through the server: soft phones over UDP, TCP and TLS, browsers over WebSocket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.ari import Ari, ari_client
from support.config import Address, user
from support.events import Events, events
from support.programs import LEFT_OUT, need_package, need_program
from support.server import running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.baresip import Baresip, baresip
from wire.browser import Page, browser, need_browser
from wire.pjsua import Pjsua2, pjsua2

#: What baresip adds to its account to talk as browsers do.
_SECURE = ";mediaenc=dtls_srtp;medianat=ice"


class Office(NamedTuple):
    """A server with the endpoints of a test, and who watches them."""

    ari: Ari
    heard: Events
    #: By transport.
    at: dict[str, Address]

    async def uses(self, **states: str) -> None:
        """Waits until the endpoints are in these states as devices."""

        async def so() -> bool:
            for name, state in states.items():
                if (await self.ari.ask("GET", f"/ari/deviceStates/PJSIP%2F{name}")).json["state"] != state:
                    return False
            return True

        await until(so, str(states))

    async def idle(self, *names: str) -> None:
        """Waits until the endpoints are in no call any more."""
        await self.uses(**dict.fromkeys(names, "NOT_INUSE"))
        listed = (await self.ari.ask("GET", "/ari/endpoints")).json
        assert {name: e["channel_ids"] for e in listed if (name := e["resource"]) in names} == {n: [] for n in names}

    async def channels_told(self) -> dict[str, list[int]]:
        """Of each endpoint, how many channels it had at each change that was told."""
        told: dict[str, list[int]] = {}
        for event in await self.heard.settled(self.ari):
            if event["type"] == "EndpointStateChange":
                told.setdefault(event["endpoint"]["resource"], []).append(len(event["endpoint"]["channel_ids"]))
        return told


@asynccontextmanager
async def office(folder: Path, *names: str, browsers: tuple[str, ...] = ()) -> AsyncIterator[Office]:
    config = write_transports(folder / "config", pjsip="".join(map(user, names)), browsers=browsers)
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
    ):
        yield Office(ari, heard, dict(addresses(config)))
        assert server.log_errors() == []


# ---- soft phones


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_soft_phones_call_each_other(tmp_path: Path, request: pytest.FixtureRequest, transport: str) -> None:
    need_package("pjsua2", request)
    path = need_program("baresip", request)
    async with office(tmp_path, "pia", "bea") as here:
        server = here.at[transport]
        async with (
            pjsua2(tmp_path / "pia", "pia", server, transport) as pia,
            baresip(path, tmp_path / "bea", "bea", "beapw", server, transport) as bea,
        ):
            await here.idle("pia", "bea")
            await here.heard.settled(here.ari)
            # baresip adds the transport itself.
            await _talks(here, pia, bea, f"sip:bea@{server};transport={transport}")
            await _is_held(here, pia, bea, f"sip:pia@{server}")
            await _is_cancelled(here, pia, bea, f"sip:bea@{server};transport={transport}")
            await _is_busy(here, pia, bea, f"sip:pia@{server}")
            assert await here.channels_told() == {"pia": [1, 0] * 3, "bea": [1, 0] * 3}


async def _talks(here: Office, pia: Pjsua2, bea: Baresip, uri: str) -> None:
    """pjsua2 calls and hangs up."""
    pia.do("call", uri)
    await bea.tells("CALL_INCOMING")
    await pia.tells("call", "EARLY", 180)
    await here.uses(pia="INUSE", bea="RINGING")
    await bea.command("accept")
    await pia.tells("call", "CONFIRMED", 200)
    await bea.tells("CALL_ESTABLISHED")
    await here.uses(pia="INUSE", bea="INUSE")
    await pia.tells("hears")
    await bea.run.says("incoming rtp for 'audio' established")
    pia.do("hangup", 0)
    await bea.tells("CALL_CLOSED")
    await here.idle("pia", "bea")


async def _is_held(here: Office, pia: Pjsua2, bea: Baresip, uri: str) -> None:
    """baresip calls; each holds the other one (a re-INVITE in either direction); the called one hangs up."""
    await bea.command("dial", uri)
    await pia.tells("incoming")
    pia.do("answer", 180)
    await bea.tells("CALL_RINGING")
    pia.do("answer", 200)
    await bea.tells("CALL_ESTABLISHED")
    await pia.tells("hears")
    await bea.command("hold")
    await pia.tells("media", "receives")
    await bea.command("resume")
    await pia.tells("media", "both")
    pia.do("hold")
    await pia.tells("media", "sends")
    pia.do("resume")
    await pia.tells("media", "both")
    await here.uses(pia="INUSE", bea="INUSE")
    pia.do("hangup", 0)
    await bea.tells("CALL_CLOSED")
    await here.idle("pia", "bea")


async def _is_cancelled(here: Office, pia: Pjsua2, bea: Baresip, uri: str) -> None:
    """pjsua2 gives up before baresip answers."""
    pia.do("call", uri)
    await bea.tells("CALL_INCOMING")
    await pia.tells("call", "EARLY", 180)
    pia.do("hangup", 0)
    await pia.tells("call", "DISCONNECTED", 487)
    await bea.tells("CALL_CLOSED")
    await here.idle("pia", "bea")


async def _is_busy(here: Office, pia: Pjsua2, bea: Baresip, uri: str) -> None:
    """pjsua2 does not want to talk: nobody rang, so nobody had a channel."""
    await bea.command("dial", uri)
    await pia.tells("incoming")
    pia.do("answer", 486)
    await bea.tells("CALL_CLOSED", "486 Busy Here")
    await here.idle("pia", "bea")


async def test_a_call_is_transferred_by_who_is_in_it(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_package("pjsua2", request)
    async with office(tmp_path, "pia", "pam", "pat") as here:
        server = here.at["udp"]
        async with (
            pjsua2(tmp_path / "pia", "pia", server, "udp") as pia,
            pjsua2(tmp_path / "pam", "pam", here.at["tcp"], "tcp") as pam,
            pjsua2(tmp_path / "pat", "pat", server, "udp") as pat,
        ):
            pia.do("call", f"sip:pam@{server}")
            await pam.tells("incoming")
            pam.do("answer", 200)
            await pia.tells("call", "CONFIRMED", 200)
            there = f"sip:pat@{here.at['tcp']};transport=tcp"
            pia.do("transfer", there)
            await pam.tells("referred", there)
            await pat.tells("incoming")
            pat.do("answer", 180)
            await pia.tells("transfer", 180)
            await here.uses(pia="INUSE", pam="INUSE", pat="RINGING")
            pat.do("answer", 200)
            await pia.tells("transfer", 200)
            await pat.tells("hears")
            pia.do("hangup", 0)
            await here.idle("pia")
            await here.uses(pam="INUSE", pat="INUSE")
            pat.do("hangup", 0)
            await here.idle("pia", "pam", "pat")


# ---- browsers


@pytest.mark.parametrize("protocol", ["ws", "wss"])
async def test_browsers_call_each_other(tmp_path: Path, request: pytest.FixtureRequest, protocol: str) -> None:
    path = need_browser(request)
    async with (
        office(tmp_path, "jo", "sue", browsers=(protocol,)) as here,
        browser(path, tmp_path / "browser") as page,
    ):
        for name, library in (("jo", "jssip"), ("sue", "sipjs")):
            url = f"{protocol}://{here.at[protocol]}/ws"
            await page.do("start", name, library, url, name, f"{name}pw", "127.0.0.1")
            await page.tells(name, "registered", 200)
        await here.idle("jo", "sue")
        await here.heard.settled(here.ari)
        for caller, called in (("jo", "sue"), ("sue", "jo")):
            await _ring(here, page, caller, called)
            await page.do("answer", called)
            for name in (caller, called):
                await page.tells(name, "answered")
                await page.tells(name, "hears")
            await here.uses(jo="INUSE", sue="INUSE")
            await page.do("hangup", called)
            await _is_over(here, page)
            # Given up by the caller, and not wanted by the called one.
            for gives_up in (caller, called):
                await _ring(here, page, caller, called)
                await page.do("hangup", gives_up)
                await _is_over(here, page)
        assert await here.channels_told() == {"jo": [1, 0] * 6, "sue": [1, 0] * 6}


async def _ring(here: Office, page: Page, caller: str, called: str) -> None:
    await page.do("call", caller, f"sip:{called}@127.0.0.1")
    await page.tells(called, "incoming", f"sip:{caller}@127.0.0.1")
    await here.uses(**{caller: "INUSE", called: "RINGING"})


async def _is_over(here: Office, page: Page) -> None:
    for name in ("jo", "sue"):
        await page.tells(name, "ended")
    await here.idle("jo", "sue")


def need_interface(request: pytest.FixtureRequest) -> None:
    """Skips the test on a machine without an address but the loopback interface's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            LEFT_OUT["an address besides 127.0.0.1"].add(request.node.nodeid)
            pytest.skip("the media of baresip and Chromium do not meet on the loopback interface")


@pytest.mark.parametrize(("library", "transport"), [("jssip", "udp"), ("sipjs", "tls")])
async def test_a_browser_and_a_soft_phone_talk(
    tmp_path: Path, request: pytest.FixtureRequest, library: str, transport: str
) -> None:
    """With ICE and DTLS-SRTP, of which the server knows nothing."""
    path = need_browser(request)
    soft = need_program("baresip", request)
    need_interface(request)
    async with office(tmp_path, "jo", "bea", browsers=("ws",)) as here:
        server = here.at[transport]
        async with (
            browser(path, tmp_path / "browser", loopback=False) as page,
            baresip(soft, tmp_path / "bea", "bea", "beapw", server, transport, _SECURE) as bea,
        ):
            await page.do("start", "jo", library, f"ws://{here.at['ws']}/ws", "jo", "jopw", "127.0.0.1")
            await page.tells("jo", "registered", 200)
            await here.idle("jo", "bea")
            await page.do("call", "jo", "sip:bea@127.0.0.1")
            await bea.tells("CALL_INCOMING")
            await page.tells("jo", "progress", 180)
            await here.uses(jo="INUSE", bea="RINGING")
            await bea.command("accept")
            await page.tells("jo", "answered")
            await page.tells("jo", "hears")
            await bea.run.says("incoming rtp for 'audio' established")
            await page.do("hangup", "jo")
            await bea.tells("CALL_CLOSED")
            await page.tells("jo", "ended")
            await here.idle("jo", "bea")
            await bea.command("dial", f"sip:jo@{server}")
            await page.tells("jo", "incoming", f"sip:bea@{server}")
            await page.do("answer", "jo")
            await bea.tells("CALL_ESTABLISHED")
            await page.tells("jo", "answered")
            await page.tells("jo", "hears")
            await bea.command("hangup")
            await page.tells("jo", "ended")
            await here.idle("jo", "bea")


@pytest.mark.parametrize("library", ["jssip", "sipjs"])
async def test_pjsua2_rings_a_browser_and_refuses_what_it_offers(
    tmp_path: Path, request: pytest.FixtureRequest, library: str
) -> None:
    """They can not talk: pjsua2 as it is built for Python knows no DTLS-SRTP."""
    path = need_browser(request)
    need_package("pjsua2", request)
    async with (
        office(tmp_path, "jo", "pia", browsers=("ws",)) as here,
        browser(path, tmp_path / "browser") as page,
        pjsua2(tmp_path / "pia", "pia", here.at["tcp"], "tcp") as pia,
    ):
        await page.do("start", "jo", library, f"ws://{here.at['ws']}/ws", "jo", "jopw", "127.0.0.1")
        await page.tells("jo", "registered", 200)
        for gives_up in ("pia", "jo"):
            pia.do("call", f"sip:jo@{here.at['tcp']};transport=tcp")
            await page.tells("jo", "incoming", "sip:pia@127.0.0.1")
            await pia.tells("call", "EARLY", 180)
            await here.uses(jo="RINGING", pia="INUSE")
            if gives_up == "pia":
                pia.do("hangup", 0)
            else:
                await page.do("hangup", "jo")
            await pia.tells("call", "DISCONNECTED", 487 if gives_up == "pia" else 486)
            await page.tells("jo", "ended")
            await here.idle("jo", "pia")
        await page.do("call", "jo", "sip:pia@127.0.0.1")
        await page.tells("jo", "ended")
        await here.idle("jo", "pia")
