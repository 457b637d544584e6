"""/metrics of a real server: each number after the traffic that makes it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.config import sip_address, user, write_config
from support.phone import answer_challenge, phone
from support.wait import until
from switchroom import __version__
from switchroom.conf import read_directory
from switchroom.server import Server

LOGIN = {"Authorization": aiohttp.encode_basic_auth("asterisk", "asterisk")}


class Scrape:
    """The samples of one answer."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """A value; 0 for what has none yet, as nothing happened."""
        return self._samples.get((f"switchroom_{name}", frozenset(labels.items())), 0.0)


class Served:
    """A server in this process, with a client of its own."""

    def __init__(self, server: Server, base: str, client: aiohttp.ClientSession, folder: Path) -> None:
        self.server = server
        self.base = base
        self.client = client
        self.sip = sip_address(folder)

    async def ask(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.client.get(f"{self.base}{path}", **more) as answer:
            return answer.status, await answer.text()

    async def scrape(self) -> Scrape:
        status, text = await self.ask("/metrics", headers=LOGIN)
        assert status == 200, text
        return Scrape(text)

    async def send(self, to: str, body: str = "hello", **parameters: str) -> int:
        url = f"{self.base}/ari/endpoints/PJSIP/{to}/sendMessage"
        async with self.client.put(url, params={"from": "bob", "body": body, **parameters}, headers=LOGIN) as answer:
            return answer.status

    async def until(self, name: str, value: float, **labels: str) -> Scrape:
        """The first scrape that shows the value."""
        found: list[Scrape] = []

        async def shown() -> bool:
            found.append(await self.scrape())
            return found[-1](name, **labels) == value

        await until(shown, f"{name} {labels} to be {value}")
        return found[-1]


@asynccontextmanager
async def served(
    folder: Path, *, state: bool = True, files: Mapping[str, str] | None = None, pjsip: str = ""
) -> AsyncIterator[Served]:
    write_config(folder, pjsip=pjsip or user("alice") + user("bob"), files=files)
    configuration, _ = read_directory(folder)
    if state:
        (folder / "state").mkdir()
    async with AsyncExitStack() as closing, aiohttp.ClientSession() as client:
        server = Server(configuration, folder / "state" if state else None, folder)
        running = await server.start(closing)
        yield Served(server, running.base, client, folder)


async def test_registrations(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        before = await world.scrape()
        assert before("endpoints", technology="PJSIP", state="offline") == 2
        assert before("contacts", technology="PJSIP", status="NonQualified") == 0
        assert (await alice.register(password="alicepw")).status == 200
        after = await world.scrape()
        assert after("endpoints", technology="PJSIP", state="online") == 1
        assert after("contacts", technology="PJSIP", status="NonQualified") == 1
        assert after("sip_requests_total", technology="PJSIP", method="REGISTER", status="401") == 1
        assert after("sip_requests_total", technology="PJSIP", method="REGISTER", status="200") == 1
        assert after("sip_requests_received_total", technology="PJSIP") == 2
        assert after("udp_received_total") == after("udp_sent_total") == 2
        assert after("events_published_total", event="ContactStatusChange") == 1
        assert after("security_events_total", offence="failed_authentication") == 0
        assert (await alice.register(password="alicepw", expires=0)).status == 200
        assert (await world.scrape())("contacts", technology="PJSIP", status="NonQualified") == 0


async def test_methods_of_strangers_are_one_label(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        for method in ("PROPFIND", "MKCOL", "LOCK"):
            assert (await alice.request(method, "bob", password="alicepw")).status == 501
            async with world.client.request(method, f"{world.base}/ari/endpoints", headers=LOGIN) as answer:
                assert answer.status == 405
        shown = await world.scrape()
        assert shown("sip_requests_total", technology="PJSIP", method="other", status="501") == 3
        assert shown("http_requests_total", method="other", status="405") == 3
        labels = {sample.labels["method"] for sample in shown.families["switchroom_sip_requests"].samples}
        assert labels == {"other"}


async def test_texts_that_arrive_fail_and_wait(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        await alice.register(password="alicepw")
        for _ in range(3):
            assert await world.send("alice") == 202
            await alice.next("MESSAGE")
        alice.answers["MESSAGE"] = 488
        assert await world.send("alice") == 202
        assert await world.send("bob", offline="store") == 202
        assert await world.send("bob") == 404
        shown = await world.until("messages_ended_total", 1, technology="PJSIP", state="failed")
        assert shown("messages_ended_total", technology="PJSIP", state="delivered") == 3
        assert shown("messages_ended_total", technology="PJSIP", state="expired") == 0
        assert shown("messages_accepted_total", technology="PJSIP") == 5
        assert (shown("messages_open", state="waiting"), shown("messages_open", state="sending")) == (1, 0)
        assert shown("message_delivery_seconds_count") == 3
        assert shown("message_delivery_seconds_bucket", le="+Inf") == 3
        assert 0 < shown("message_delivery_seconds_sum") < 30
        assert shown("sip_outcomes_total", technology="PJSIP", method="MESSAGE", status="200") == 3
        assert shown("sip_outcomes_total", technology="PJSIP", method="MESSAGE", status="488") == 1
        assert shown("http_requests_total", method="PUT", status="202") == 5
        assert shown("http_requests_total", method="PUT", status="404") == 1
        assert shown("store_commits_total") >= 5
        assert shown("store_commit_seconds_total") > 0
        assert (shown("store_failures_total"), shown("store_usable")) == (0, 1)


async def test_what_a_phone_answers_does_not_become_a_label(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        await alice.register(password="alicepw")
        for status in (611, 612, 613):
            alice.answers["MESSAGE"] = status
            await world.send("alice")
            await alice.next("MESSAGE")
        await world.until("sip_outcomes_total", 3, technology="PJSIP", method="MESSAGE", status="6xx")


async def test_calls_that_pass_through(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice, phone("bob", world.sip) as bob:
        for caller in (alice, bob):
            await caller.register(password=f"{caller.name}pw")
        bob.answers["INVITE"] = None
        contact = [f"Contact: <{alice.contact}>"]
        challenge = (await alice.request("INVITE", "bob", headers=contact)).first("Proxy-Authenticate")
        proof = f"Proxy-{answer_challenge(challenge, 'INVITE', f'sip:bob@{world.sip}', 'alice', 'alicepw')}"
        call = asyncio.create_task(alice.request("INVITE", "bob", headers=[*contact, proof], within=20.0))
        invite = await bob.next("INVITE")
        bob.sock.sendto(bob._answer(invite, 180), world.sip)
        await world.until("channels", 2)
        bob.sock.sendto(bob._answer(invite, 486), world.sip)
        assert (await call).status == 486
        shown = await world.until("channels", 0)
        assert shown("sip_outcomes_total", technology="PJSIP", method="INVITE", status="486") == 1
        assert shown("sip_requests_total", technology="PJSIP", method="INVITE", status="486") == 1


async def test_referrals(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        await alice.register(password="alicepw")
        url = f"{world.base}/ari/endpoints/PJSIP/alice/refer"
        async with world.client.post(url, params={"from": "bob", "refer_to": "sip:x@y.z"}, headers=LOGIN) as answer:
            assert answer.status == 202
        shown = await world.until("referrals_total", 1, state="accepted")
        assert (shown("referrals_total", state="sent"), shown("referrals_total", state="answered")) == (1, 0)
        assert shown("sip_outcomes_total", technology="PJSIP", method="REFER", status="202") == 1


async def test_events_and_the_websockets_they_go_to(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice:
        url = f"{world.base}/ari/events?app=desk&subscribeAll=true"
        async with world.client.ws_connect(url, headers=LOGIN) as events:
            assert (await world.scrape())("websockets") == 1
            await alice.register(password="alicepw")
            seen = [(await events.receive_json())["type"]]
            while seen[-1] != "ContactStatusChange":
                seen.append((await events.receive_json())["type"])
            shown = await world.scrape()
            assert shown("events_sent_total") == len(seen)
            assert (shown("events_lost_total"), shown("websockets_dropped_total")) == (0, 0)
        await world.until("websockets", 0)


async def test_offences(tmp_path: Path) -> None:
    async with served(tmp_path) as world, phone("alice", world.sip) as alice, phone("eve", world.sip) as eve:
        assert (await alice.register(password="wrong")).status == 401
        assert (await eve.register(password="evepw")).status == 401
        wrong = {"Authorization": aiohttp.encode_basic_auth("asterisk", "wrong")}
        assert (await world.ask("/ari/endpoints", headers=wrong))[0] == 401
        shown = await world.scrape()
        # Eve asked twice, without and with a password.
        assert shown("security_events_total", offence="unknown_user") == 2
        assert shown("security_events_total", offence="failed_authentication") == 2
        assert shown("security_events_left_out_total") == 0


async def test_a_server_as_it_starts(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        shown = await world.scrape()
        assert shown("info", version=__version__) == 1
        assert shown("messages_ended_total", technology="PJSIP", state="delivered") == 0
        assert "switchroom_messages_ended" in shown.families
        assert shown.families["process_resident_memory_bytes"].samples[0].value > 10_000_000
        await world.until("loop_lag_seconds_count", 1)


async def test_without_a_state_folder_there_is_no_store_to_show(tmp_path: Path) -> None:
    async with served(tmp_path, state=False) as world:
        shown = await world.scrape()
        assert not [name for name in shown.families if name.startswith("switchroom_store")]
        assert (await world.ask("/readyz"))[0] == 200


@pytest.mark.parametrize(("setting", "stranger", "login"), [("yes", 401, 200), ("open", 200, 200), ("no", 404, 404)])
async def test_who_may_read_them(tmp_path: Path, setting: str, stranger: int, login: int) -> None:
    files = {"switchroom.conf": f"[general]\nmetrics = {setting}\nconsole = no\n"}
    async with served(tmp_path, files=files) as world:
        assert (await world.ask("/metrics"))[0] == stranger
        assert (await world.ask("/metrics", headers=LOGIN))[0] == login
        assert (await world.ask("/healthz"))[0] == 200


async def test_a_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        assert await world.ask("/readyz") == (200, '{"status":"ready"}')
        await world.server.drain()
        assert await world.ask("/readyz") == (503, '{"status":"unready","reasons":["the server is stopping"]}')
        assert (await world.ask("/healthz"))[0] == 200


async def test_a_store_that_fails_makes_it_unready(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        world.server._store.database._writer.trouble = "disk full at a place nobody is told of"  # type: ignore[union-attr]
        status, text = await world.ask("/readyz")
        assert (status, "the store can not be written" in text, "disk" in text) == (503, True, False)
        assert (await world.scrape())("store_usable") == 0


def test_the_client_library_waits_for_the_first_scrape() -> None:
    """Who is never scraped does not pay for it; asked of a process of its own, as tests import everything."""
    code = "import sys, switchroom.server; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
