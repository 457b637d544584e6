"""Every view of the console, as it looks with an office full of phones: in light and dark, wide and on a phone.

With ``SWITCHROOM_PICTURES`` set the pictures of docs/pictures are made anew; that takes five minutes, in which
something happens for the plots to show.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from support.ari import Ari, ari_client
from support.config import free_port, user
from support.phone import Phone, phone
from support.server import running_server
from support.transports import write_transports
from wire.chromium import Tab
from wire.console import PROGRESS, console, notify, register, say, tell

PICTURES = Path(__file__).parents[2] / "docs/pictures"
#: Seconds of life before the pictures, when they are asked for.
LIFE = 280.0
WANTED = "SWITCHROOM_PICTURES" in os.environ

MAKES = [
    "Yealink SIP-T46U 108.86.0.45",
    "snomD785/10.1.175.16",
    "PolyVVX-VVX_450-UA/6.4.6",
    "Linphone/5.2.0 (Debian)",
    "Grandstream GXP2170 1.0.11.64",
    "baresip v1.0.0 (x86_64/Linux)",
]
NAMES = [
    *("adrian", "agnes", "albert", "alice", "amara", "anton", "anya", "arthur", "beatrice", "boris"),
    *("carol", "cecile", "chen", "clara", "conrad", "dmitri", "dora", "edith", "eitan", "elena"),
    *("emeka", "erik", "esther", "farid", "felix", "fiona", "frieda", "gita", "greta", "hana"),
    *("henrik", "hugo", "ida", "ingrid", "iris", "ivan", "jana", "jonas", "judith", "kai"),
    *("katya", "lars", "leila", "lina", "louis", "lucia", "magnus", "maren", "mateo", "mina"),
    *("nadia", "nils", "noor", "olga", "otto", "paula", "pavel", "petra"),
]
TEXTS = [
    "Your parcel is at the desk",
    "Standup moved to 10:30",
    "Zoë is on line two",
    "Fire drill at noon, please leave by the east stairs",
    "Lunch?",
    "The demo is up, have a look",
    "Call me when you are back",
    "Ticket 4711 is yours",
]
#: Phones that take no texts now, and what they say.
BUSY = {"boris": (486, "Busy Here"), "edith": (603, "Decline"), "kai": (415, "Unsupported Media Type")}

#: How the page is looked at: width, height, dark, phone.
LOOKS: dict[str, dict[str, Any]] = {
    "": {"width": 1280, "height": 800},
    "-dark": {"width": 1280, "height": 800, "dark": True},
    "-phone": {"width": 390, "height": 780, "phone": True},
}
#: Views whose pictures are kept in every look; of the others the first is enough.
EVERY_LOOK = ("console-endpoints", "console-activity")
#: What scrolls to the side where only the rows may.
TOO_WIDE = "document.querySelector('main').scrollWidth > document.querySelector('main').clientWidth"


class Office:
    """Phones that come, write to each other and are written to."""

    def __init__(self, ari: Ari, phones: dict[str, Phone], chance: random.Random) -> None:
        self.ari = ari
        self.phones = phones
        self.chance = chance

    async def send(self, text: str, to: str = "", sender: str = "") -> None:
        to, sender = to or self.chance.choice(list(self.phones)), sender or self.chance.choice(list(self.phones))
        path = f"/ari/endpoints/PJSIP/{to}/sendMessage?from=pjsip:{sender}&body={quote(text)}"
        assert (await self.ari.ask("PUT", path)).status == 202

    async def live(self, seconds: float) -> None:
        """Passes time in which texts are sent, now more and now less, and phones come and go."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            for _ in range(self.chance.choice((0, 1, 1, 2, 6))):
                await self.send(self.chance.choice(TEXTS))
            if self.chance.random() < 0.3:
                name = self.chance.choice(list(self.phones)[10:])
                await self.phones[name].register(password=f"{name}pw", expires=0)
                await register(self.phones[name], self.chance.choice(MAKES))
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))


@pytest_asyncio.fixture
async def office(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Office, Tab]]:
    chance = random.Random(7)
    qualified = [user(name).replace(f"[{name}](aor)\n", f"[{name}](aor)\nqualify_frequency=30\n") for name in NAMES]
    config = write_transports(tmp_path / "config", pjsip="".join(qualified) + user("web"), browsers=["ws"])
    desks = "".join(f"[desk-{number}]\ntype=friend\nhost=dynamic\nsecret=x\n" for number in range(301, 316))
    (config / "sip.conf").write_text(f"[general]\nbindaddr=127.0.0.1\nbindport={free_port()}\n{desks}")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(config))
        tab = await stack.enter_async_context(console(tmp_path / "browser", request, server))
        ari = await stack.enter_async_context(ari_client(server.base))
        phones = {}
        for name in NAMES:
            if chance.random() < 0.8 or name in ("alice", *BUSY):
                phones[name] = await stack.enter_async_context(phone(name, server.sip))
                await register(phones[name], chance.choice(MAKES))
                status, reason = BUSY.get(name, (200, "OK"))
                phones[name].answers["MESSAGE"] = status
                say(phones[name], reason)
        say(phones["alice"], "Accepted")
        yield Office(ari, phones, chance), tab
        assert server.log_errors() == []


async def picture(tab: Tab, name: str) -> None:
    """Looks at the view in each way; keeps what is seen when pictures are wanted."""
    for look, window in LOOKS.items():
        await tab.look(**window)
        await tab.evaluate("document.fonts.ready")
        assert not await tab.evaluate(TOO_WIDE), f"{name}{look} is wider than the window"
        if WANTED and (not look or name in EVERY_LOOK):
            await asyncio.sleep(0.5)  # plots and rows follow the window's size
            (PICTURES / f"{name}{look}.png").write_bytes(await tab.picture())
    await tab.look(**LOOKS[""])


async def test_every_view_fits_its_window(office: tuple[Office, Tab]) -> None:
    town, tab = office
    if WANTED:
        PICTURES.mkdir(exist_ok=True)
        await town.live(LIFE)
    for name in BUSY:
        await town.send("Lunch?", to=name)
    await tab.says("ms", ".rows")
    await picture(tab, "console-endpoints")

    await tab.go("#/messages?to=pjsip%3Aalice")
    await tab.type("input[name=from]", "pjsip:paula")
    await tab.type("textarea[name=text]", "Dinner at eight? The table is booked.")
    await tab.click("form .primary")
    await tab.says("delivered", f"{PROGRESS}[data-state=delivered]")
    await tell(town.phones["alice"], town.phones["alice"].received[-1], "displayed")
    await tab.says("displayed", f"{PROGRESS} .told")
    await picture(tab, "console-messages")

    await tab.go("#/referrals?to=pjsip%3Aalice")
    await tab.type("input[name=refer_to]", "pjsip:paula")
    await tab.type("input[name=from]", "pjsip:paula")
    await tab.click("form .primary")
    refer = await town.phones["alice"].next("REFER")
    notify(town.phones["alice"], refer, 1, "180 Ringing")
    await tab.says("ringing", f"{PROGRESS}[data-state=ringing]")
    await picture(tab, "console-referrals")

    await tab.go("#/endpoints/PJSIP/alice")
    await tab.says("Dinner at eight?")
    await tab.says("Reachable", ".contact")
    await picture(tab, "console-endpoint")

    await tab.go("#/events")
    await tab.says("ReferStatusChange", "[role=log]")
    await picture(tab, "console-events")

    await tab.go("#/activity")
    await tab.click(".choice button")
    await tab.says("486 Busy Here", ".bars")
    await tab.shows("document.querySelectorAll('.plot canvas').length === 3")
    await picture(tab, "console-activity")

    await tab.go("#/phone")
    await tab.type("input[name=user]", "web")
    await tab.type("input[name=password]", "webpw")
    await tab.press("Enter")
    await tab.says("registered", ".device")
    await town.send("Are you in today?", to="web", sender="alice")
    await tab.says("Are you in today?", ".bubble")
    await tab.type("input[name=peer]", "alice")
    await tab.type("textarea[name=text]", "In the browser only, but yes")
    await tab.press("Enter")
    await tab.says("accepted", ".mine")
    await picture(tab, "console-phone")

    await tab.click(".foot .quiet")
    await tab.says("Log in", "h1")
    if WANTED:
        (PICTURES / "console-login.png").write_bytes(await tab.picture())
