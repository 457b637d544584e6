"""Real phones are referred, and what comes of it is told: outside a call, and inside one that the server makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from support.ari import Ari, ari_client
from support.config import Address, user
from support.programs import need_package, need_program
from support.server import running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.baresip import baresip
from wire.browser import browser, need_browser
from wire.pjsua import pjsua2

#: Who seems to call a phone that is called to be referred.
DESK = "sip:desk@example.org"

#: Seconds for a phone that ignores a REFER to be called, and for all that follows.
_WITHIN = 30.0


class Office(NamedTuple):
    """A server with the endpoints of a test."""

    ari: Ari
    #: By transport.
    at: dict[str, Address]

    async def refer(self, to: str, refer_to: str, **more: str) -> str:
        """Where the referral can be followed."""
        query = urlencode({"to": f"pjsip:{to}", "from": DESK, "refer_to": refer_to, **more})
        answer = await self.ari.ask("POST", f"/ari/endpoints/refer?{query}")
        assert answer.status == 202, answer.body
        return answer.headers["location"]

    async def state(self, referral: str) -> Any:
        return (await self.ari.ask("GET", referral)).json

    async def reaches(self, referral: str, state: str, status: int) -> None:
        """Waits until the referral is in this state, with this status."""
        last: Any = None

        async def there() -> bool:
            nonlocal last
            last = await self.state(referral)
            return (last["state"], last["status_code"]) == (state, status)

        try:
            await until(there, f"{state} {status}", _WITHIN)
        except AssertionError:
            raise AssertionError(f"the referral is not {state} {status}, but {last}") from None


@asynccontextmanager
async def office(folder: Path, *names: str, browsers: tuple[str, ...] = ()) -> AsyncIterator[Office]:
    config = write_transports(folder / "config", pjsip="".join(map(user, names)), browsers=browsers)
    async with running_server(config) as server, ari_client(server.base) as ari:
        yield Office(ari, dict(addresses(config)))
        assert server.log_errors() == []


async def online(here: Office, *names: str) -> None:
    for name in names:

        async def there(name: str = name) -> bool:
            return await here.ari.is_state(name, "online")

        await until(there, f"{name} online")


# ---- soft phones, which take a REFER inside a call alone


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_pjsua2_is_called_and_calls_through_us(
    tmp_path: Path, request: pytest.FixtureRequest, transport: str
) -> None:
    """It ignores a REFER outside a call."""
    need_package("pjsua2", request)
    async with (
        office(tmp_path, "pia", "pat") as here,
        pjsua2(tmp_path / "pia", "pia", here.at[transport], transport) as pia,
        pjsua2(tmp_path / "pat", "pat", here.at["udp"], "udp") as pat,
    ):
        referral = await here.refer("pia", "pjsip:pat", fallback="invite", to_self="true")
        await pia.tells("incoming", f"<{DESK}>")
        pia.do("answer", 180)
        await here.reaches(referral, "sent", 180)
        pia.do("answer", 200)
        await pia.tells("media", "none")
        await pia.tells("referred")
        await pat.tells("incoming")
        pat.do("answer", 180)
        await here.reaches(referral, "ringing", 180)
        pat.do("answer", 200)
        await here.reaches(referral, "answered", 200)
        await pat.tells("hears")
        # The server's call is over, the one it asked for is not.
        await pia.tells("call", "DISCONNECTED", 200)
        pat.do("hangup", 0)


async def test_pjsua2_calls_past_us(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_package("pjsua2", request)
    async with (
        office(tmp_path, "pia", "pat") as here,
        pjsua2(tmp_path / "pia", "pia", here.at["udp"], "udp") as pia,
        pjsua2(tmp_path / "pat", "pat", here.at["udp"], "udp") as pat,
    ):
        referral = await here.refer("pia", "pjsip:pat", fallback="invite")
        await pia.tells("incoming", f"<{DESK}>")
        pia.do("answer", 200)
        await pat.tells("incoming")
        pat.do("answer", 486)
        await here.reaches(referral, "failed", 486)
        await pia.tells("call", "DISCONNECTED", 200)


async def test_pjsua2_that_wants_encrypted_media_is_called_once_more(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It refuses what we offer (488), and then offers itself."""
    need_package("pjsua2", request)
    async with (
        office(tmp_path, "pia", "pat") as here,
        pjsua2(tmp_path / "pia", "pia", here.at["udp"], "udp", "srtp") as pia,
        pjsua2(tmp_path / "pat", "pat", here.at["udp"], "udp", "srtp") as pat,
    ):
        referral = await here.refer("pia", "pjsip:pat", fallback="invite", to_self="true")
        await pia.tells("incoming", f"<{DESK}>")
        pia.do("answer", 200)
        await pat.tells("incoming")
        pat.do("answer", 200)
        await here.reaches(referral, "answered", 200)
        await pat.tells("hears")
        pat.do("hangup", 0)


async def test_nobody_takes_the_call_of_the_server(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_package("pjsua2", request)
    async with (
        office(tmp_path, "pia", "pat") as here,
        pjsua2(tmp_path / "pia", "pia", here.at["udp"], "udp") as pia,
    ):
        referral = await here.refer("pia", "pjsip:pat", fallback="invite", to_self="true")
        await pia.tells("incoming", f"<{DESK}>")
        pia.do("answer", 603)
        await here.reaches(referral, "failed", 603)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("to_self", ["true", "false"])
async def test_baresip_is_called_and_referred(
    tmp_path: Path, request: pytest.FixtureRequest, transport: str, to_self: str
) -> None:
    """It answers 501 to a REFER outside a call."""
    need_package("pjsua2", request)
    path = need_program("baresip", request)
    async with (
        office(tmp_path, "bea", "pat") as here,
        baresip(path, tmp_path / "bea", "bea", "beapw", here.at[transport], transport) as bea,
        pjsua2(tmp_path / "pat", "pat", here.at["udp"], "udp") as pat,
    ):
        await online(here, "bea")
        referral = await here.refer("bea", "pjsip:pat", fallback="invite", to_self=to_self)
        await bea.tells("CALL_INCOMING")
        await here.reaches(referral, "sent", 180)
        await bea.command("accept")
        await pat.tells("incoming")
        pat.do("answer", 200)
        await here.reaches(referral, "answered", 200)
        await pat.tells("hears")
        pat.do("hangup", 0)


# ---- browsers


@pytest.mark.parametrize("protocol", ["ws", "wss"])
async def test_sipjs_is_referred_outside_a_call(tmp_path: Path, request: pytest.FixtureRequest, protocol: str) -> None:
    """It takes the REFER, and never says what came of it."""
    path = need_browser(request)
    async with (
        office(tmp_path, "sue", "jo", browsers=(protocol,)) as here,
        browser(path, tmp_path / "browser") as page,
    ):
        url = f"{protocol}://{here.at[protocol]}/ws"
        for name, library in (("sue", "sipjs"), ("jo", "jssip")):
            await page.do("start", name, library, url, name, f"{name}pw", "127.0.0.1")
            await page.tells(name, "registered", 200)
        referral = await here.refer("sue", "pjsip:jo", fallback="invite", to_self="true")
        target = f"sip:jo@{here.at[protocol]};transport=ws"
        await page.tells("sue", "referred", f"<{target}>")
        await here.reaches(referral, "accepted", 200)
        await page.do("call", "sue", target)
        await page.tells("jo", "incoming", "sip:sue@127.0.0.1")
        await page.do("answer", "jo")
        await page.tells("sue", "hears")
        await page.do("hangup", "jo")
        await page.tells("sue", "ended")


@pytest.mark.parametrize("protocol", ["ws", "wss"])
async def test_jssip_is_called_and_referred(tmp_path: Path, request: pytest.FixtureRequest, protocol: str) -> None:
    """It answers 405 to a REFER outside a call."""
    path = need_browser(request)
    async with (
        office(tmp_path, "sue", "jo", browsers=(protocol,)) as here,
        browser(path, tmp_path / "browser") as page,
    ):
        url = f"{protocol}://{here.at[protocol]}/ws"
        for name, library in (("sue", "sipjs"), ("jo", "jssip")):
            await page.do("start", name, library, url, name, f"{name}pw", "127.0.0.1")
            await page.tells(name, "registered", 200)
        referral = await here.refer("jo", "pjsip:sue", fallback="invite", to_self="true")
        await page.tells("jo", "incoming", DESK)
        await here.reaches(referral, "sent", 180)
        await page.do("answer", "jo")
        await page.tells("jo", "answered")
        await page.tells("jo", "referred", f"<sip:sue@{here.at[protocol]};transport=ws>")
        await page.tells("sue", "incoming", "sip:jo@127.0.0.1")
        await here.reaches(referral, "ringing", 180)
        await page.do("answer", "sue")
        await page.tells("sue", "hears")
        await here.reaches(referral, "answered", 200)
        # The server's call is over, the one it asked for is not.
        await page.tells("jo", "ended")
        await page.do("hangup", "sue")
        await page.tells("jo", "ended")
