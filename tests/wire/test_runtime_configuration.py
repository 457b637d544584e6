"""The configuration of a running server changes: objects over ARI, files by SIGHUP and by command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.ari import Answer, Ari, ari_client
from support.config import user, write_config
from support.events import Events, events
from support.phone import phone
from support.server import RunningServer, running_server
from support.wait import until

OBJECTS = "/ari/asterisk/config/dynamic/res_pjsip"
JSON = {"Content-Type": "application/json"}


async def put(ari: Ari, kind: str, name: str, **fields: str) -> Answer:
    body = json.dumps({"fields": [{"attribute": key, "value": value} for key, value in fields.items()]})
    return await ari.ask("PUT", f"{OBJECTS}/{kind}/{name}", headers=JSON, body=body.encode())


async def make_endpoint(ari: Ari, name: str, password: str) -> None:
    """The three objects of an endpoint that registers."""
    assert (await put(ari, "auth", name, username=name, password=password)).status == 200
    assert (await put(ari, "aor", name, max_contacts="1", remove_existing="yes")).status == 200
    assert (await put(ari, "endpoint", name, auth=name, aors=name)).status == 200


async def names(ari: Ari) -> list[str]:
    return [endpoint["resource"] for endpoint in (await ari.ask("GET", "/ari/endpoints")).json]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "config", pjsip=user("alice") + user("bob"))


@pytest.fixture
async def server(config: Path) -> AsyncIterator[RunningServer]:
    async with running_server(config) as running:
        yield running


@pytest.fixture
async def ari(server: RunningServer) -> AsyncIterator[Ari]:
    async with ari_client(server.base) as client:
        yield client


@pytest.fixture
async def heard(server: RunningServer) -> AsyncIterator[Events]:
    async with events(server.base, "listener", subscribe_all=True) as listener:
        yield listener


async def told(heard: Events, ari: Ari) -> list[tuple[str, str]]:
    """What was heard about endpoints: type, and what changed."""
    return [(event["type"], _news(event)) for event in await heard.settled(ari) if event["type"] in _NEWS]


_NEWS = ("EndpointStateChange", "PeerStatusChange", "ContactStatusChange")


def _news(event: dict[str, Any]) -> str:
    if event["type"] == "PeerStatusChange":
        return str(event["peer"]["peer_status"])
    if event["type"] == "ContactStatusChange":
        return str(event["contact_info"]["contact_status"])
    return str(event["endpoint"]["state"])


async def test_an_endpoint_made_at_run_time_lives_like_any_other(config: Path) -> None:
    """Made, registered, sent a text, there after a kill without warning, and gone when it is deleted."""
    async with running_server(config) as server, ari_client(server.base) as ari:
        await make_endpoint(ari, "carol", "first")
        assert "carol" in await names(ari)
        async with phone("carol", server.sip) as carol:
            assert (await carol.register(password="wrong")).status == 401
            assert (await carol.register(password="first")).status == 200
            assert await ari.is_state("carol", "online")
            await send(ari, "carol", "hello")
            assert (await carol.next("MESSAGE")).body == "hello"
        await server.kill()
    async with running_server(config) as server, ari_client(server.base) as ari:
        assert "carol" in await names(ari)
        async with phone("carol", server.sip) as carol:
            assert (await carol.register(password="first")).status == 200
            await send(ari, "carol", "again")
            # The first text comes once more when the kill was before its end was on disk.
            while (await carol.next("MESSAGE")).body != "again":
                pass
            for kind in ("endpoint", "aor", "auth"):
                assert (await ari.ask("DELETE", f"{OBJECTS}/{kind}/carol")).status == 204
            assert await names(ari) == ["alice", "bob"]
            assert (await carol.register(password="first")).status == 401
        assert not server.log_errors()
    async with running_server(config) as server, ari_client(server.base) as ari:
        assert await names(ari) == ["alice", "bob"]


async def send(ari: Ari, to: str, text: str) -> None:
    answer = await ari.ask("PUT", f"/ari/endpoints/PJSIP/{to}/sendMessage?from=pjsip:alice&body={quote(text)}")
    assert answer.status == 202, answer


async def test_an_endpoint_that_comes_is_told_and_one_that_goes_is_not(ari: Ari, heard: Events) -> None:
    await put(ari, "endpoint", "carol", aors="carol")
    assert await told(heard, ari) == [("EndpointStateChange", "unknown"), ("EndpointStateChange", "offline")]
    await ari.ask("DELETE", f"{OBJECTS}/endpoint/carol")
    assert await told(heard, ari) == []
    assert (await ari.ask("GET", "/ari/endpoints/PJSIP/carol")).status == 404


async def test_a_contact_of_an_aor_brings_its_endpoint_online(ari: Ari, heard: Events) -> None:
    await put(ari, "endpoint", "carol", aors="carol")
    await told(heard, ari)
    await put(ari, "aor", "carol", contact="sip:127.0.0.1:5061", qualify_frequency="0")
    assert await told(heard, ari) == [
        ("EndpointStateChange", "online"),
        ("PeerStatusChange", "Reachable"),
        ("ContactStatusChange", "NonQualified"),
    ]
    await ari.ask("DELETE", f"{OBJECTS}/aor/carol")
    assert await told(heard, ari) == [
        ("EndpointStateChange", "offline"),
        ("PeerStatusChange", "Unreachable"),
        ("ContactStatusChange", "Removed"),
    ]
    assert await ari.is_state("carol", "offline")


async def test_a_contact_that_is_checked_from_now_on_does_not_count_until_it_answers(
    ari: Ari, heard: Events, server: RunningServer
) -> None:
    async with phone("carol", server.sip) as carol:
        await put(ari, "endpoint", "carol", aors="carol")
        await put(ari, "aor", "carol", contact=carol.contact)
        await told(heard, ari)
        await put(ari, "aor", "carol", qualify_frequency="1")
        await heard.next_of("PeerStatusChange")
        assert (await heard.next_of("PeerStatusChange"))["peer"]["peer_status"] == "Reachable"
        assert carol.qualified
        await told(heard, ari)
        carol.answers["OPTIONS"] = None
        await put(ari, "aor", "carol", qualify_timeout="0.1")
        assert (await heard.next_of("PeerStatusChange"))["peer"]["peer_status"] == "Unreachable"
        await told(heard, ari)
        await put(ari, "aor", "carol", qualify_frequency="0")
        assert await told(heard, ari) == [
            ("EndpointStateChange", "online"),
            ("PeerStatusChange", "Reachable"),
            ("ContactStatusChange", "NonQualified"),
        ]


async def test_an_endpoint_that_changes_to_an_aor_without_answer_is_unreachable(ari: Ari, heard: Events) -> None:
    await put(ari, "endpoint", "carol", allow="ulaw", aors="carol")
    await put(ari, "aor", "carol", contact="sip:127.0.0.1:5061")
    await put(ari, "aor", "other", contact="sip:127.0.0.1:5061", qualify_frequency="60")
    await told(heard, ari)
    assert (await put(ari, "endpoint", "carol", allow="ulaw", aors="other")).status == 200
    assert await told(heard, ari) == [("EndpointStateChange", "offline"), ("PeerStatusChange", "Unreachable")]


async def test_a_new_password_holds_from_the_next_request_on(ari: Ari, server: RunningServer) -> None:
    await make_endpoint(ari, "carol", "first")
    async with phone("carol", server.sip) as carol:
        assert (await carol.register(password="first")).status == 200
        await put(ari, "auth", "carol", password="second")
        assert (await carol.register(password="first")).status == 401
        assert (await carol.register(password="second")).status == 200
        await ari.ask("DELETE", f"{OBJECTS}/auth/carol")
        assert (await carol.register(password="second")).status == 401


async def test_requests_of_an_address_are_those_of_an_endpoint(ari: Ari, server: RunningServer) -> None:
    await put(ari, "endpoint", "trunk", identify_by="ip", aors="trunk")
    await put(ari, "aor", "trunk", max_contacts="1")
    async with phone("trunk", server.sip, "127.0.0.9") as trunk:
        assert (await trunk.register()).status == 401
        await put(ari, "identify", "trunk", endpoint="trunk", match="127.0.0.9")
        assert (await trunk.register()).status == 200
        await put(ari, "identify", "trunk", match="127.0.0.10")
        assert (await trunk.register()).status == 401


# ---- the files, read again


async def test_a_reload_changes_what_changed_and_no_more(
    config: Path, ari: Ari, heard: Events, server: RunningServer
) -> None:
    async with phone("alice", server.sip) as alice, phone("bob", server.sip) as bob:
        assert (await alice.register(password="alicepw")).status == 200
        assert (await bob.register(password="bobpw")).status == 200
        await told(heard, ari)
        text = (config / "pjsip.conf").read_text()
        text = "; moved\n" + text.replace("password=bobpw", "password=other") + user("carol")
        (config / "pjsip.conf").write_text(text)
        answer = await ari.ask("PUT", "/ari/asterisk/reload")
        assert answer.json == {"added": 3, "changed": 1, "removed": 0, "restart_needed": [], "problems": []}
        assert await told(heard, ari) == [("EndpointStateChange", "unknown"), ("EndpointStateChange", "offline")]
        assert await ari.is_state("alice", "online")
        assert await ari.is_state("bob", "online")
        await send(ari, "alice", "still here")
        assert (await alice.next("MESSAGE")).body == "still here"
        assert (await bob.register(password="bobpw")).status == 401
        assert (await bob.register(password="other")).status == 200


async def test_a_reload_takes_away_what_is_not_written_any_more(
    config: Path, ari: Ari, heard: Events, server: RunningServer
) -> None:
    async with phone("bob", server.sip) as bob:
        assert (await bob.register(password="bobpw")).status == 200
        await told(heard, ari)
        text = (config / "pjsip.conf").read_text()
        (config / "pjsip.conf").write_text(text.replace(user("bob"), ""))
        assert (await ari.ask("PUT", "/ari/asterisk/reload")).json["removed"] == 3
        assert await names(ari) == ["alice"]
        assert (await bob.register(password="bobpw")).status == 401


async def test_sighup_reloads(config: Path, ari: Ari, server: RunningServer) -> None:
    with (config / "pjsip.conf").open("a") as file:
        file.write(user("carol"))
    os.kill(server.pid, signal.SIGHUP)

    async def listed() -> bool:
        return "carol" in await names(ari)

    await until(listed, "carol in the list")


async def test_a_configuration_that_can_not_be_used_changes_nothing(
    config: Path, ari: Ari, server: RunningServer
) -> None:
    text = (config / "pjsip.conf").read_text()
    (config / "pjsip.conf").write_text(text.replace(user("bob"), "#include nothing.conf\n"))
    answer = await ari.ask("PUT", "/ari/asterisk/reload")
    assert answer.status == 409
    assert answer.json["message"].startswith("The configuration can not be used, nothing was changed. pjsip.conf:")
    assert "nothing.conf" in answer.json["message"]
    assert await names(ari) == ["alice", "bob"]


async def test_what_a_reload_can_not_change_is_told(config: Path, ari: Ari) -> None:
    for name in ("pjsip.conf", "http.conf"):
        text = (config / name).read_text()
        (config / name).write_text(text.replace("127.0.0.1", "127.0.0.2"))
    answer = await ari.ask("PUT", "/ari/asterisk/reload")
    wanted = ["the transport transport-udp of pjsip.conf", "http.conf"]
    assert answer.json["restart_needed"] == wanted
    assert (await ari.ask("PUT", "/ari/asterisk/reload")).json["restart_needed"] == wanted


async def test_users_of_ari_conf_come_and_go(config: Path, ari: Ari) -> None:
    text = (config / "ari.conf").read_text()
    (config / "ari.conf").write_text(text.replace("[reader]", "[watcher]"))
    assert (await ari.ask("GET", "/ari/endpoints", user=("reader", "readpw"))).status == 200
    await ari.ask("PUT", "/ari/asterisk/reload")
    assert (await ari.ask("GET", "/ari/endpoints", user=("reader", "readpw"))).status == 401
    assert (await ari.ask("GET", "/ari/endpoints", user=("watcher", "readpw"))).status == 200


async def test_an_object_of_the_files_wins_over_one_made_at_run_time(config: Path, ari: Ari) -> None:
    await put(ari, "aor", "carol", max_contacts="7")
    with (config / "pjsip.conf").open("a") as file:
        file.write(user("carol"))
    answer = await ari.ask("PUT", "/ari/asterisk/reload")
    assert answer.json["problems"] == ['the aor "carol" was made at run time and is in pjsip.conf too, which wins']
    fields = (await ari.ask("GET", f"{OBJECTS}/aor/carol")).json
    assert {"attribute": "max_contacts", "value": "5"} in fields
    assert (await ari.ask("DELETE", f"{OBJECTS}/aor/carol")).status == 403


async def test_the_reload_command(config: Path, ari: Ari) -> None:
    with (config / "pjsip.conf").open("a") as file:
        file.write(user("carol"))
    status, output = await command("reload", "--config", str(config))
    assert (status, output) == (0, "Read again: 3 added, 0 changed, 0 removed.\n")
    assert "carol" in await names(ari)
    (config / "pjsip.conf").write_text("[broken\n")
    status, output = await command("reload", "--config", str(config))
    assert status == 2
    assert "nothing was changed" in output


async def command(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switchroom", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()
