"""Threat S29: secrets of the configuration and credentials of clients are in no log, event, error or repr."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from support.ari import Answer, Ari, ari_client
from support.config import free_port, write_config
from support.phone import phone
from support.server import RunningServer, running_server
from switchroom.cli.account import Account
from switchroom.cli.profile_file import Profile
from switchroom.conf import read_directory

#: One secret for each place that has one; a name is found nowhere else.
SECRETS = (
    "alicepw",
    "md5cred",
    "digest",
    "trunk",
    "writer",
    "reader",
    "hook",
    "peer",
    "remote",
    "peermd5",
    "iax",
    "xmpp",
    "component",
    "wrong",
    "dynamic",
    "changed",
)


def canary(place: str) -> str:
    """A secret with what is escaped in URLs and quoted in logs."""
    return f"Canary-{place}/9+k"


PJSIP = f"""\
[alice]
type=endpoint
auth=alice
aors=alice
outbound_auth=trunk
[alice]
type=auth
auth_type=userpass
username=alice
password={canary("alicepw")}
[alice]
type=aor
max_contacts=5
[trunk]
type=auth
auth_type=userpass
username=trunk
password={canary("trunk")}
[bad]
type=auth
username=bad
md5_cred={canary("md5cred")}
password_digest={canary("digest")}
passwort={canary("digest")}
"""

ARI = f"""\
[general]
enabled=yes
[asterisk]
type=user
password={canary("writer")}
[reader]
type=user
read_only=yes
password={canary("reader")}
passwd={canary("reader")}
[hook]
type=outbound_websocket
websocket_client_id=hook
apps=hook
local_ari_user=asterisk
"""

OTHERS = {
    "websocket_client.conf": "[hook]\ntype=websocket_client\nuri=ws://127.0.0.1:9/hook\nconnection_type=persistent\n"
    f"username=hook\npassword={canary('hook')}\n",
    "sip.conf": "[general]\nbindaddr=127.0.0.1:{port}\n[peer]\ntype=friend\nhost=dynamic\n"
    f"secret={canary('peer')}\nremotesecret={canary('remote')}\nmd5secret={canary('peermd5')}\nsecrett={canary('peer')}\n",
    "iax.conf": f"[general]\nbindaddr=127.0.0.1\nbindport={{port}}\n[box]\ntype=friend\nhost=dynamic\n"
    f"secret={canary('iax')}\n",
    "xmpp.conf": "[romeo]\ntype=client\nserverhost=127.0.0.1\nport=9\nusername=romeo@localhost\n"
    f"secret={canary('xmpp')}\nusetls=no\n"
    "[gate]\ntype=component\nserverhost=127.0.0.1\nport=9\nusername=gate.localhost\n"
    f"secret={canary('component')}\n",
    "switchroom.conf": "[general]\nlog_level=debug\n",
}

WRITER = ("asterisk", canary("writer"))
READER = ("reader", canary("reader"))


def forms(place: str) -> Iterator[str]:
    """A secret as it is, as HTTP carries it, and as what stands for it in SIP."""
    secret = canary(place)
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    for name in ("asterisk", "reader", "alice", "nobody", "hook"):
        yield base64.b64encode(f"{name}:{secret}".encode()).decode()
    for realm in ("asterisk", "switchroom"):
        yield hashlib.md5(f"alice:{realm}:{secret}".encode(), usedforsecurity=False).hexdigest()


FORMS = {form: place for place in SECRETS for form in forms(place)}


def found_in(text: str) -> list[str]:
    """The places whose secrets stand in ``text``."""
    return sorted({place for form, place in FORMS.items() if form in text})


class World(NamedTuple):
    folder: Path
    server: RunningServer
    ari: Ari


def configure(folder: Path) -> Path:
    files = {name: text.replace("{port}", str(free_port())) for name, text in OTHERS.items()}
    return write_config(folder, pjsip=PJSIP, ari=ARI, files=files)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = configure(tmp_path)
    async with running_server(folder) as server, ari_client(server.base) as ari:
        yield World(folder, server, ari)


def test_secrets_are_found_where_they_are() -> None:
    for place in SECRETS:
        for form in forms(place):
            assert place in found_in(f"x {form} y")
    assert found_in(PJSIP) == ["alicepw", "digest", "md5cred", "trunk"]


async def test_logs_events_and_answers(world: World) -> None:
    server, ari = world.server, world.ari
    told: list[str] = []
    async with _listening(server) as heard, phone("alice", server.sip) as alice:
        assert (await alice.register(password=canary("alicepw"))).status == 200
        assert (await alice.register(password=canary("wrong"))).status == 401
        for scheme in (_basic("alice", canary("wrong")), canary("wrong")):
            lines = [f"{name}: {scheme}" for name in ("Authorization", "Proxy-Authorization")]
            text = await alice.request("MESSAGE", "alice", headers=[*lines, "Content-Type: text/plain"], body="x")
            assert text.status in (400, 401)
        sent = await alice.message("alice", "hello", password=canary("alicepw"))
        assert sent.status in (200, 202)
        told += [f"{answer.headers} {answer.body.decode(errors='replace')}" async for answer in _answers(ari)]
        async with aiohttp.ClientSession() as session:
            await _websockets(session, server, told)
        told += [json.dumps(event) for event in await heard()]
    assert any("TextMessageReceived" in each for each in told)
    assert [found for each in told if (found := found_in(each))] == []
    assert found_in(server.log()) == []
    assert "switchroom is ready" in server.log()


async def _answers(ari: Ari) -> AsyncIterator[Answer]:
    """Right and wrong requests, with credentials wherever they can stand."""
    right, wrong = f"asterisk:{canary('writer')}", f"asterisk:{canary('wrong')}"
    for path in (
        "/ari/endpoints",
        "/ari/nothing",
        "/ari/endpoints/",
        "/ari/endpoints/PJSIP/nobody",
        "/ari/events",
        "/x",
    ):
        for key in (quote(right, safe=""), quote(right), quote(wrong, safe=""), right):
            for method in ("GET", "PUT", "TRACE"):
                yield await ari.ask(method, f"{path}?api_key={key}", user=None)
        yield await ari.ask("GET", path, user=("nobody", canary("wrong")))
        yield await ari.ask("GET", path, user=READER)
        yield await ari.ask("GET", f"{path}#{quote(right, safe='')}", user=WRITER)
    place = "/ari/asterisk/config/dynamic/res_pjsip/auth/made"
    made = {"auth_type": "userpass", "username": "made", "password": canary("dynamic")}
    for fields in (made, {"password": canary("changed") + "\r\n"}, {"password": [canary("changed")]}):
        document = {"fields": [{"attribute": name, "value": value} for name, value in fields.items()]}
        written = await ari.ask(
            "PUT",
            place,
            user=WRITER,
            headers={"Content-Type": "application/json"},
            body=json.dumps(document).encode(),
        )
        if written.status != 200:  # who may write sees what was written (SECURITY.md)
            yield written
    yield await ari.ask("GET", place, user=READER)
    for section in ("auth/alice", "auth/trunk", "endpoint/alice"):
        yield await ari.ask("GET", f"/ari/asterisk/config/dynamic/res_pjsip/{section}", user=READER)
    for path in ("/ari/asterisk/info", "/ari/applications", "/ari/endpoints/PJSIP/alice/contacts", "/ari/messages"):
        yield await ari.ask("GET", path, user=WRITER)
    reload = await ari.ask("PUT", "/ari/asterisk/reload", user=WRITER)
    assert (reload.status, reload.json["problems"] != []) == (200, True)
    yield reload


async def _websockets(session: aiohttp.ClientSession, server: RunningServer, told: list[str]) -> None:
    """Handshakes with credentials in the URL, refused ones, too, and a request over one that holds some."""
    for password in (canary("wrong"), canary("writer")):
        url = f"{server.base}/ari/events?app=%20&api_key=asterisk:{quote(password, safe='')}"
        async with session.get(url) as refused:
            told.append(f"{refused.status} {refused.headers} {await refused.text()}")
    key = quote(f"asterisk:{canary('writer')}", safe="")
    async with session.ws_connect(f"{server.base}/ari/events?app=one&api_key={key}") as socket:
        for uri in (f"endpoints?api_key={key}", f"nothing?api_key={key}"):
            await socket.send_json({"type": "RESTRequest", "request_id": "1", "method": "GET", "uri": uri})
            told.append((await socket.receive()).data)
        await socket.send_str(f"{canary('wrong')}")
        told.append((await socket.receive()).data)


@asynccontextmanager
async def _listening(server: RunningServer) -> AsyncIterator[Callable[[], Awaitable[list[Any]]]]:
    """An application that hears everything; what it gives returns all until now."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": _basic(*WRITER)}) as session,
        session.ws_connect(f"{server.base}/ari/events?app=all&subscribeAll=true") as socket,
    ):

        async def heard() -> list[Any]:
            found: list[Any] = []
            async with session.post(f"{server.base}/ari/events/user/mark?application=all") as answer:
                assert answer.status == 204
            while not found or found[-1].get("eventname") != "mark":
                found.append(await socket.receive_json())
            return found

        yield heard


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def test_the_commands(world: World) -> None:
    """Problems of a configuration, refusals, and lists."""
    environment = {
        **os.environ,
        "SWITCHROOM_URL": world.server.base,
        "SWITCHROOM_USER": "asterisk",
        "SWITCHROOM_PASSWORD": canary("writer"),
        "XDG_CONFIG_HOME": str(world.folder / "person"),
    }
    wrong = {**environment, "SWITCHROOM_PASSWORD": canary("wrong")}
    (world.folder / "password").write_text(canary("writer"), encoding="utf-8")
    for words, given, status in (
        (("check", str(world.folder)), environment, 1),
        (("reload", "--config", str(world.folder)), environment, 0),
        (("endpoints",), wrong, 2),
        (("endpoints", "--json"), environment, 0),
        (("endpoint", "PJSIP/nobody"), environment, 2),
        (("endpoints", "--url", f"http://asterisk:{canary('writer')}@127.0.0.1"), environment, 2),
        (("profile", "save", "home", "--password-file", str(world.folder / "password")), environment, 0),
        (("profile", "list"), environment, 0),
        (("mkpasswd",), environment, 0),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switchroom", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=given,
        )
        written, _ = await process.communicate(canary("writer").encode())
        assert process.returncode == status, (words, written)
        assert found_in(written.decode()) == [], words


def test_reprs(tmp_path: Path) -> None:
    """Of every settings structure that holds a secret, and of what holds those."""
    configuration, problems = read_directory(configure(tmp_path))
    assert found_in(" ".join(map(str, problems))) == []
    held: set[str] = set()
    for part in _parts(configuration):
        assert found_in(f"{part!r} {part}") == [], type(part)
        if isinstance(part, msgspec.Struct):
            values = [getattr(part, name) for name in part.__struct_fields__]
            held |= {place for value in values if isinstance(value, str | tuple) for place in found_in(str(value))}
    assert {"alicepw", "trunk", "writer", "reader", "peer", "remote", "iax", "xmpp", "component"} <= held
    for owner in (Account("http://x", "asterisk", canary("writer")), Profile("http://x", "asterisk", canary("writer"))):
        assert found_in(f"{owner!r} {owner} {[owner]}") == []


def _parts(value: object) -> Iterator[object]:
    """``value`` and everything in it, but plain texts and what holds them alone."""
    if isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from _parts(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list | tuple | frozenset | set):
        for item in value:
            yield from _parts(item)
