"""Threat S35: what others write can not make a line of its own in the log or on a terminal, nor move a cursor there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from support.ari import Ari, ari_client
from support.config import user, write_config
from support.events import events
from support.phone import Phone, SipMessage, phone
from support.server import RunningServer, running_server
from switchroom.cli.events import line
from switchroom.cli.terminal import printable

#: What terminals do on request, what ends lines, what looks like an event of ours, and what pages run.
PAYLOADS = (
    "\x1b[2J\x1b[H",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b[6n",
    "\x1b[?1049h",
    "\x1bc",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\x90q\x9c",
    "\x07",
    "a\x08\x08b",
    "a\x7fb",
    "a\x0bb\x0cc",
    "a\rforged",
    "a\nforged",
    "a\r\n2026-11-23T07:00:00Z [info     ] forged",
    '\n{"event": "forged", "level": "info"}',
    "a\x85forged",
    "a\u2028forged",
    "a\u2029forged",
    "a\x1c\x1d\x1e\x1fb",
    "a\x00b",
    "\u202egnp.exe",
    "\u2066a\u2069",
    "\u200f",
    "\ufeff",
    "\U000e0041",
    "\ufff9a\ufffb",
    "%s%n%x",
    "{0.__class__}",
    "$(id)",
    "`id`",
    "'; DROP TABLE messages; --",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "\\x1b[2J",
    "\ud800",
    "\udcff\udc9b",
)

#: How an event begins in the log for people.
_EVENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[(debug|info|warning|error)\s*\] ")

_COMMAND = (sys.executable, "-m", "switchroom")


class Under(NamedTuple):
    """A server that is under attack."""

    server: RunningServer
    form: str


@pytest.fixture(params=["console", "json"])
async def under(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Under]:
    ours = f"[general]\nlog_format={request.param}\nlog_level=debug\n"
    folder = write_config(tmp_path, pjsip=user("alice") + user("bob"), files={"switchroom.conf": ours})
    async with running_server(folder) as server:
        yield Under(server, request.param)


@pytest.fixture
def reason(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What phones say with their answers, in place of their own words."""
    said = ["OK"]
    answer = Phone._answer

    def answer_rudely(self: Phone, request: SipMessage, status: int) -> bytes:
        return answer(self, request, status).replace(b"Scripted", _raw(re.sub("[\r\n]", " ", said[0])), 1)

    monkeypatch.setattr(Phone, "_answer", answer_rudely)
    return said


async def test_nothing_of_it_gets_into_the_log_or_onto_a_terminal(under: Under, reason: list[str]) -> None:
    server = under.server
    async with (
        ari_client(server.base) as ari,
        events(server.base, "watch", subscribe_all=True) as heard,
        phone("alice", server.sip) as alice,
        phone("bob", server.sip) as bob,
    ):
        await bob.register(password="bobpw")
        bob.answers |= {"REFER": 603, "MESSAGE": 603}
        for number, payload in enumerate(PAYLOADS):
            reason[0] = payload
            refer = "/ari/endpoints/PJSIP/bob/refer?from=alice&refer_to=sip:a@example.org"
            assert (await ari.ask("POST", refer)).status == 202
            await bob.next("REFER")
            await _over_sip(alice, payload, number)
            await _over_ari(ari, payload)
        texts = [event for event in await heard.settled(ari) if event["type"] == "TextMessageReceived"]
        assert len(texts) > len(PAYLOADS) // 2
        shown = [line(event) for event in texts]
        assert [text for text in shown if not text.isprintable()] == []
        await _commands(server)
    _one_event_a_line(under)


async def _over_sip(alice: Phone, payload: str, number: int) -> None:
    """As far as it can be sent there, in every value that a phone chooses; raw where it breaks the message."""
    text = re.sub("[\r\n\0]", " ", _raw(payload).decode("utf-8", "surrogateescape"))
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    agent = f"User-Agent: {text}"
    await alice.request(
        "REGISTER",
        "alice",
        uri=f"sip:{alice.server}",
        headers=[f'Contact: "{quoted}" <{alice.contact};x={number}>', agent, "Expires: 60"],
        password="alicepw",
    )
    sender = f'"{quoted}" <sip:alice@{alice.server.host}>'
    kind = "Content-Type: text/plain;charset=utf-8"
    body = payload.encode("utf-8", "replace").decode()
    await alice.request("MESSAGE", "bob", sender=sender, headers=[kind, agent], body=body, password="alicepw")
    for user_part in (quote(_raw(payload)), "nobody"):
        await alice.request("MESSAGE", user_part, headers=[kind, agent, f"Subject: {text}"], body=body)
    for raw in (payload, f"MESSAGE {payload} SIP/2.0\r\n\r\n", f"SIP/2.0 200 {payload}\r\nVia: {payload}\r\n\r\n"):
        alice.sock.sendto(_raw(raw), alice.server)
    assert (await alice.request("OPTIONS", "alice")).status in (200, 401)  # it has read all that was before


def _raw(text: str) -> bytes:
    """Its bytes, whether they are Unicode or not."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


async def _over_ari(ari: Ari, payload: str) -> None:
    """In paths, queries and bodies, of users who are known and of others."""
    escaped = quote(_raw(payload), safe="")
    asked = (
        ("GET", f"/ari/endpoints/PJSIP/{escaped}"),
        ("GET", f"/ari/{escaped}?{escaped}={escaped}"),
        ("PUT", f"/ari/endpoints/PJSIP/bob/sendMessage?from=alice&body={escaped}"),
        ("PUT", f"/ari/endpoints/sendMessage?to={escaped}&from={escaped}&body=x"),
        ("POST", f"/ari/endpoints/refer?to=pjsip:bob&from=alice&refer_to={escaped}"),
        ("POST", f"/ari/events/user/{escaped}?application=watch"),
        ("POST", f"/ari/applications/{escaped}/subscription?eventSource={escaped}"),
        ("PUT", f"/ari/deviceStates/Stasis:{escaped}?deviceState=INUSE"),
    )
    for method, path in asked:
        answer = await ari.ask(method, path)
        assert answer.status < 500, (path, answer)
        assert b"\x1b" not in answer.body
    name = re.sub("[^!-~]", "?", payload)
    assert (await ari.ask("GET", "/ari/endpoints", user=(name, "wrong"))).status == 401


async def _commands(server: RunningServer) -> None:
    """What the commands write that show all this."""
    environment = {
        **os.environ,
        "SWITCHROOM_URL": server.base,
        "SWITCHROOM_USER": "asterisk",
        "SWITCHROOM_PASSWORD": "asterisk",
    }
    listed = (await _written(environment, "messages", "list", "--limit", "1000")).splitlines()
    assert len(listed) > len(PAYLOADS) // 2
    newest = listed[1].split()[0]
    for words in (
        ("endpoints",),
        ("endpoint", "PJSIP/alice"),
        ("messages", "show", newest),
        ("messages", "export"),
        ("endpoint", "PJSIP/alice", "--json"),
    ):
        written = await _written(environment, *words)
        assert written
        if "--json" in words or "export" in words:
            assert all(isinstance(json.loads(each), dict) for each in written.splitlines())


async def _written(environment: dict[str, str], *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(*_COMMAND, *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    text = out.decode()
    odd = [each for each in text.split("\n") if not each.isprintable()]
    assert odd == []
    return text


def _one_event_a_line(under: Under) -> None:
    """Every line of the log is an event that the server wrote, without a character that is not printable."""
    lines = under.server.log().removesuffix("\n").split("\n")
    assert len(lines) > len(PAYLOADS)
    assert [each for each in lines if not each.isprintable()] == []
    assert under.server.log_errors() == []
    if under.form == "console":
        assert [each for each in lines if not _EVENT.match(each)] == []
    else:
        parsed = [json.loads(each) for each in lines]
        assert [each for each in parsed if not {"event", "level", "timestamp"} <= each.keys()] == []
        assert [each for each in parsed if each["event"] == "forged"] == []


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_the_terminal_gets_one_printable_line(payload: str) -> None:
    shown = printable(payload)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    for character in payload:
        if ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F:
            assert f"\\x{ord(character):02x}" in shown
