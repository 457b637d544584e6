"""The console as a person uses it: in Chromium, with real phones at a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from support.ari import ari_client
from support.config import ARI, Address, free_port, http_address, user, write_config
from support.phone import phone
from support.programs import need_program
from support.server import running_server
from wire.chromium import Tab, chromium
from wire.console import PROGRESS, console, give_login, log_in, notify, phones, register, say, tell

ROW = ".row[id='row-{}']"


def others(tab: Tab, *expected: str) -> list[str]:
    """What the browser complained of beyond the errors that a server answers, or that there is none."""
    return [said for said in tab.complaints if not any(words in said for words in expected)]


async def test_a_wrong_password_and_a_lost_server_say_what_to_do(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice"))
    async with chromium(need_program("chromium", request), tmp_path / "browser") as tab:
        async with running_server(config) as server:
            await tab.open(f"{server.base}/")
            await tab.says("Log in", "h1")
            await give_login(tab, "asterisk", "guessed")
            await tab.says("Wrong user or password", "[role=alert]")
            assert await tab.evaluate("sessionStorage.length") == 0
            await give_login(tab, "asterisk", "asterisk")
            await tab.says("alice", ".rows")
            # What the tab keeps is gone with the login.
            await tab.click(".foot .quiet")
            await tab.says("Log in", "h1")
            assert await tab.evaluate("sessionStorage.length") == 0
        await give_login(tab, "asterisk", "asterisk")
        await tab.says("The server does not answer", "[role=alert]")


async def test_an_endpoint_turns_online_and_its_page_follows(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    qualified = user("alice").replace("[alice](aor)\n", "[alice](aor)\nqualify_frequency=60\n")
    config = write_config(tmp_path / "config", pjsip=qualified + user("bob"))
    async with (
        running_server(config) as server,
        console(tmp_path / "browser", request, server) as tab,
        phone("alice", server.sip) as alice,
    ):
        await tab.says("2 endpoints")
        await tab.says("offline", ROW.format(0))
        assert (await register(alice, "Desk phone/4.2")).status == 200
        await tab.says("online", ROW.format(0))
        await tab.says("Desk phone/4.2", ROW.format(0))
        await tab.says("ms", ROW.format(0))
        await tab.says("1", ".choice button:nth-child(2) b")

        # By keyboard: the search, the filters, the rows.
        await tab.press("/")
        await tab.shows("document.activeElement.type === 'search'")
        await tab.type("input[type=search]", "desk 4.2")
        await tab.says("1 of 2 endpoints")
        await tab.type("input[type=search]", "nobody")
        await tab.says("Nothing matches")
        await tab.type("input[type=search]", "")
        await tab.click(".choice button:nth-child(3)")
        await tab.says("1 of 2 endpoints")
        await tab.says("bob", ROW.format(0))
        await tab.click(".choice button:nth-child(1)")
        await tab.says("bob", ROW.format(1))
        await tab.evaluate("document.querySelector('[role=grid]').focus()")
        await tab.press("ArrowDown")
        await tab.press("Home")
        await tab.press("Enter")
        await tab.says("alice", "h1")
        await tab.says(alice.contact, ".contact")
        await tab.says("Desk phone/4.2", ".contact")
        await tab.says("Reachable", ".contact")
        await tab.says("EndpointStateChange", ".endpoint .items")

        await alice.register(password="alicepw", expires=0)
        await tab.says("offline", ".view-head")
        await tab.says("Nothing is registered", ".endpoint")
        await tab.go("#/endpoints/PJSIP/nobody")
        await tab.says("There is no such endpoint")
        # The browser tells of each answer that is an error.
        assert others(tab, "404 (Not Found)") == []
        tab.complaints.clear()


async def test_a_text_is_delivered_or_says_why_not(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice") + user("bob") + user("carol"))
    async with (
        running_server(config) as server,
        phones(["alice", "bob"], server.sip) as town,
        console(tmp_path / "browser", request, server) as tab,
        phone("carol", server.sip) as carol,
    ):
        town["bob"].answers["MESSAGE"] = 488
        say(town["bob"], "Not Acceptable Here")
        await tab.go("#/endpoints/PJSIP/alice")
        await tab.click(".actions a")
        await tab.shows("document.querySelector('input[name=to]').value === 'pjsip:alice'")
        await tab.type("input[name=from]", "sip:desk@example.org")
        await tab.type("textarea[name=text]", "Zoë is on line two")
        await tab.click(".more summary")
        await tab.type("textarea[name=headers]", "X-Order: 4711\nnot a header")
        await tab.click("form .primary")
        await tab.says("This is not a header: not a header", "[role=alert]")
        await tab.type("textarea[name=headers]", "X-Order: 4711")
        await tab.click("form .primary")
        text = await town["alice"].next("MESSAGE")
        assert (text.body, text.first("X-Order")) == ("Zoë is on line two", "4711")
        await tab.says("delivered", f"{PROGRESS}[data-state=delivered] .track")
        await tab.says(town["alice"].contact, f"{PROGRESS} .deliveries")

        await tab.type("input[name=to]", "pjsip:bob")
        await tab.type("textarea[name=text]", "Lunch?")
        await tab.click("form .primary")
        await tab.says("488 Not Acceptable Here", f"{PROGRESS}[data-state=failed] .reason")
        await tab.says("488 Not Acceptable Here", ".items .message[data-state=failed]")

        # Somebody who is offline: refused, or kept until there is a phone.
        await tab.type("input[name=to]", "pjsip:carol")
        await tab.type("textarea[name=text]", "When you are back")
        await tab.click("form .primary")
        await tab.shows("document.querySelector('form [role=alert]')")
        assert others(tab, "404 (Not Found)") == []
        tab.complaints.clear()
        await tab.click("input[name=offline]")
        await tab.click("form .primary")
        await tab.says("queued", f"{PROGRESS}[data-state=queued] .track")
        await register(carol)
        assert (await carol.next("MESSAGE")).body == "When you are back"
        await tab.says("delivered", f"{PROGRESS}[data-state=delivered] .track")

        # What somebody else sends is seen too, and can be taken back while it waits.
        await carol.register(password="carolpw", expires=0)
        async with ari_client(server.base) as ari:
            path = "/ari/endpoints/PJSIP/carol/sendMessage?from=pjsip:bob&body=By+program&offline=store"
            assert (await ari.ask("PUT", path)).status == 202
        await tab.click(".items .message[data-state=queued] summary")
        await tab.says("By program", ".items .message[data-state=queued]")
        await tab.click(".items .message[data-state=queued] button")
        await tab.says("By program", ".items .message[data-state=cancelled]")


async def test_what_phones_tell_of_a_text_is_seen_as_it_comes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice"))
    async with (
        running_server(config) as server,
        phone("alice", server.sip) as desk,
        phone("alice", server.sip) as mobile,
        console(tmp_path / "browser", request, server) as tab,
    ):
        devices = [desk, mobile]
        for each in devices:
            await register(each)
        await tab.go("#/messages?to=pjsip%3Aalice")
        await tab.type("input[name=from]", "sip:desk@example.org")
        await tab.type("textarea[name=text]", "Zoë is on line two")
        await tab.click(".more summary")
        await tab.type("textarea[name=headers]", "imdn.Disposition-Notification: positive-delivery, display")
        await tab.click("form .primary")
        texts = [await each.next("MESSAGE") for each in devices]
        assert texts[0].first("Content-Type").startswith("message/cpim")
        await tab.says("delivered", f"{PROGRESS}[data-state=delivered] .track")
        assert await tab.evaluate("document.querySelector('.told, .pill.bad')") is None

        # Each delivery shows what its device told, the message the most of it.
        for each, told, seen in (
            (desk, "failed", "not received"),
            (mobile, "delivered", "received"),
            (desk, "displayed", "displayed"),
        ):
            await tell(each, texts[devices.index(each)], told)
            await tab.says(seen, ".items .message summary .pill:last-child")
            await tab.says(seen, f"{PROGRESS} [data-contact='{each.contact}'] .pill:last-child")
        await tab.says("received", f"{PROGRESS} [data-contact='{mobile.contact}'] .pill:last-child")

        await tab.go("#/events")
        await tab.says("to pjsip:alice: delivered, displayed", "[role=log]")
        # What the server knows is shown to a page that was not there when it was told.
        await tab.call("Page.reload")
        await tab.says("Live", ".connection")
        await tab.go("#/messages")
        await tab.says("displayed", ".items .message .told")


async def test_a_referral_is_followed_to_its_end(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice") + user("bob"))
    async with (
        running_server(config) as server,
        phones(["alice", "bob"], server.sip) as town,
        console(tmp_path / "browser", request, server) as tab,
    ):
        await tab.go("#/referrals?to=pjsip%3Aalice")
        await tab.type("input[name=refer_to]", "pjsip:bob")
        await tab.type("input[name=from]", "pjsip:bob")
        await tab.click("form .primary")
        refer = await town["alice"].next("REFER")
        await tab.says("accepted", f"{PROGRESS}[data-state=accepted] .track .now")
        for serial, (status, state) in enumerate((("100 Trying", "trying"), ("180 Ringing", "ringing")), 1):
            notify(town["alice"], refer, serial, status)
            await tab.says(state, f"{PROGRESS}[data-state={state}] .track .now")
        notify(town["alice"], refer, 3, "200 OK", last=True)
        await tab.says("answered", f"{PROGRESS}[data-state=answered] .track .done:last-child")

        town["alice"].answers["REFER"] = 603
        say(town["alice"], "Decline")
        await tab.click("form .primary")
        await tab.says("603 Decline", f"{PROGRESS}[data-state=failed] .reason")
        await tab.says("answered", ".items .message[data-state=answered]")


async def test_events_stream_stop_and_are_filtered(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice") + user("bob"))
    async with (
        running_server(config) as server,
        console(tmp_path / "browser", request, server) as tab,
        phone("alice", server.sip) as alice,
        phone("bob", server.sip) as bob,
    ):
        await tab.go("#/events")
        await tab.says("No events yet")
        await register(alice)
        await tab.says("PJSIP/alice is online", "[role=log]")
        await tab.click(".filters button")
        await register(bob)
        await tab.says("while paused", ".filters")
        assert "bob" not in await tab.evaluate("document.querySelector('[role=log]').innerText")
        await tab.click(".filters button")
        await tab.says("PJSIP/bob is online", "[role=log]")
        await tab.type(".filters input", "alice endpointstate")
        await tab.shows("[...document.querySelectorAll('.event')].every(e => e.innerText.includes('alice'))")
        await tab.click(".event summary")
        await tab.says('"resource": "alice"', ".event pre")
        await tab.type(".filters input", "")
        await tab.evaluate(
            "(s => { s.value = 'DeviceStateChanged'; s.dispatchEvent(new Event('change', {bubbles: true})); })"
            "(document.querySelector('select'))"
        )
        await tab.shows("[...document.querySelectorAll('.event')].every(e => e.innerText.includes('DeviceState'))")


async def test_plots_show_what_happened(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice") + user("bob"))
    async with (
        running_server(config) as server,
        console(tmp_path / "browser", request, server) as tab,
        phones(["alice", "bob"], server.sip) as town,
        ari_client(server.base) as ari,
    ):
        town["bob"].answers["MESSAGE"] = 486
        say(town["bob"], "Busy Here")
        for name in ("alice", "alice", "bob"):
            path = f"/ari/endpoints/PJSIP/{name}/sendMessage?from=sip:desk@example.org&body=Hello"
            assert (await ari.ask("PUT", path)).status == 202
        await tab.go("#/activity")
        await tab.says("2 came", ".plot:nth-child(1)")
        await tab.says("at most", ".plot:nth-child(2)")
        await tab.says("half within", ".plot:nth-child(3)")
        await tab.says("486 Busy Here", ".plot:nth-child(4)")
        assert await tab.evaluate("document.querySelectorAll('.plot canvas').length") == 3
        # A page that is reloaded knows what the server knows.
        await tab.call("Page.reload")
        await tab.says("486 Busy Here", ".plot:nth-child(4)")
        await tab.says("Nothing in this time", ".plot:nth-child(1)")


async def test_five_thousand_endpoints_are_listed_and_scrolled(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    names = [f"phone{number:04}" for number in range(5_000)]
    config = write_config(tmp_path / "config", pjsip="".join(map(user, names)))
    async with (
        running_server(config) as server,
        console(tmp_path / "browser", request, server) as tab,
        phone("phone4999", server.sip) as last,
    ):
        await tab.says("5,000 endpoints")
        await tab.says("phone0000", ROW.format(0))
        grid = "document.querySelector('[role=grid]')"
        assert await tab.evaluate(f"{grid}.getAttribute('aria-rowcount')") == "5001"
        assert await tab.evaluate("document.querySelectorAll('.row').length") < 60
        await tab.evaluate(f"{grid}.scrollTop = {grid}.scrollHeight")
        await tab.says("phone4999", ROW.format(4999))
        await register(last)
        await tab.says("online", ROW.format(4999))
        await tab.says("Desk phone/1.0", ROW.format(4999))
        await tab.evaluate(f"{grid}.focus()")
        await tab.press("Home")
        await tab.says("phone0000", ROW.format(0))
        await tab.press("End")
        await tab.says("phone4999", ".row.active")
        await tab.type("input[type=search]", "phone123")
        await tab.says("10 of 5,000 endpoints")
        await tab.click(".choice button:nth-child(2)")
        await tab.type("input[type=search]", "")
        await tab.says("1 of 5,000 endpoints")
        await tab.says("phone4999", ROW.format(0))
        # The first view is small however many there are.
        assert tab.received < 150 * 1024


async def test_the_server_comes_back_under_the_page(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice") + user("bob"))
    async with chromium(need_program("chromium", request), tmp_path / "browser") as tab:
        async with running_server(config) as server, phone("alice", server.sip) as alice:
            await log_in(tab, server.base)
            await register(alice)
            await tab.says("online", ROW.format(0))
        await tab.says("Lost", ".connection")
        await tab.says("The server does not answer. What you see is how it was.", "main > [role=alert]")
        async with running_server(config) as server, phone("bob", server.sip) as bob:
            await tab.says("Live", ".connection")
            await tab.shows("!document.querySelector('main > [role=alert]')")
            await register(bob)
            await tab.says("online", ROW.format(1))
            # Who was taken off ari.conf meanwhile is asked to log in again.
        ari = (config / "ari.conf").read_text().replace("password = asterisk", "password = changed")
        (config / "ari.conf").write_text(ari)
        async with running_server(config):
            await tab.says("The server does not accept this login any more", "[role=alert]")
    assert others(tab, "ERR_CONNECTION", "401 (Unauthorized)", "WebSocket connection to") == []


async def test_who_may_only_read_is_told_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice"))
    async with (
        running_server(config) as server,
        chromium(need_program("chromium", request), tmp_path / "browser") as tab,
        phone("alice", server.sip) as alice,
    ):
        await log_in(tab, server.base, "reader", "readpw")
        await tab.says("read only", ".connection")
        await register(alice)
        await tab.says("online", ROW.format(0))
        await tab.go("#/messages")
        await tab.says("This user may look and not change anything", "form .notice")
        await tab.shows("document.querySelector('form .primary').disabled")


@asynccontextmanager
async def proxy(server: Address) -> AsyncIterator[str]:
    """A reverse proxy that forgets for which host it was asked; its own address."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.Response:
            headers = {name: value for name, value in request.headers.items() if name != "Host"}
            url = f"http://{server}{request.raw_path}"
            async with session.request(request.method, url, headers=headers, data=await request.read()) as answer:
                body = await answer.read()
                kept = {k: v for k, v in answer.headers.items() if k not in ("Content-Length", "Transfer-Encoding")}
                return web.Response(status=answer.status, headers=kept, body=body)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


async def test_a_page_from_elsewhere_is_told_what_to_do(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice"), ari=ARI)
    async with (
        running_server(config),
        proxy(http_address(config)) as outside,
        chromium(need_program("chromium", request), tmp_path / "browser") as tab,
    ):
        await tab.open(f"{outside}/")
        await tab.says("Log in", "h1")
        await give_login(tab, "asterisk", "asterisk")
        await tab.says(f"The server refuses pages from {outside}", "main > [role=alert]")
        await tab.says("allowed_origins", "main > [role=alert]")
        await tab.says("alice", ".rows")


async def test_it_is_below_the_prefix_of_http_conf(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = write_config(tmp_path / "config", pjsip=user("alice"))
    http = (config / "http.conf").read_text()
    (config / "http.conf").write_text(f"{http}prefix=pbx\n")
    async with (
        running_server(config) as server,
        chromium(need_program("chromium", request), tmp_path / "browser") as tab,
    ):
        await log_in(tab, f"{server.base}/pbx")
        await tab.says("alice", ".rows")
        assert tab.complaints == []
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.base}/pbx", allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (308, "/pbx/")
            async with session.get(f"{server.base}/") as answer:
                assert answer.status == 404


async def test_a_setting_turns_it_off(tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "config", pjsip=user("alice"), files={"switchroom.conf": "[general]\nconsole = no\n"}
    )
    async with running_server(config) as server, aiohttp.ClientSession() as session:
        for path in ("/", "/main.js"):
            async with session.get(f"{server.base}{path}") as answer:
                assert answer.status == 404
