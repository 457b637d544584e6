"""`switchroom messages` against a server that answers as ARI does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from switchroom.cli import messages

from .conftest import Switchroom
from .double import Asked, Said, answering


def message(number: int) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "from": "alice",
        "to": "pjsip:bob",
        "body": f"text {number}\x1b[2J",
        "state": "queued",
        "created": "2026-11-23T07:00:00.000+0000",
        "updated": "2026-11-23T07:00:00.000+0000",
        "expires": "2026-11-30T07:00:00.000+0000",
        "deliveries": [
            {"contact": "sip:bob@192.0.2.1", "state": "queued", "status_code": 503, "reason": "Busy", "attempts": 1},
            {"contact": "sip:bob@192.0.2.2", "state": "queued", "status_code": 0, "reason": "", "attempts": 0},
        ],
    }


def answer(asked: Asked) -> Said:
    """Seven messages, m6 to m0; m0 can not be taken back."""
    if asked.method == "DELETE":
        return Said(409, {"message": "The message is sending"}) if asked.path == "/ari/messages/m0" else Said(204)
    if asked.path == "/ari/messages":
        after = int(asked.parameters.get("after", "m7")[1:])
        found = [message(n) for n in reversed(range(after))] if asked.parameters.get("state") != "failed" else []
        return Said(200, found[: int(asked.parameters["limit"])])
    if asked.path == "/ari/messages/m1":
        return Said(200, message(1))
    return Said(404, {"message": "Message not found"})


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch, asterisk: None) -> Iterator[str]:
    monkeypatch.setattr(messages, "_PAGE", 3)
    with answering(answer) as double:
        monkeypatch.setenv("SWITCHROOM_URL", double.url)
        yield double.url


@pytest.mark.usefixtures("url")
def test_list(switchroom: Switchroom) -> None:
    status, out, err = switchroom("messages", "list", "--limit", "4")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["ID", "m6", "m5", "m4", "m3"]
    assert "pjsip:bob  text 6\\x1b[2J\n" in out
    assert switchroom("messages", "list", "--state", "failed").out == ""


@pytest.mark.usefixtures("url")
def test_show(switchroom: Switchroom) -> None:
    status, out, _ = switchroom("messages", "show", "m1")
    assert status == 0
    assert "sip:bob@192.0.2.1: queued, 503 Busy, 1 attempt\n" in out
    assert "sip:bob@192.0.2.2: queued, no answer yet, 0 attempts\n" in out
    assert switchroom("messages", "show", "m/9") == (2, "", "switchroom: Message not found\n")


@pytest.mark.usefixtures("url")
def test_cancel(switchroom: Switchroom) -> None:
    assert switchroom("messages", "cancel", "m1", "m2") == (0, "m1: cancelled\nm2: cancelled\n", "")
    status, out, err = switchroom("messages", "cancel", "m0", "m1")
    assert (status, out, err) == (2, "m1: cancelled\n", "switchroom: m0: The message is sending\n")


@pytest.mark.usefixtures("url")
def test_export(switchroom: Switchroom) -> None:
    status, out, err = switchroom("messages", "export")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [message(n) for n in reversed(range(7))]


@pytest.mark.usefixtures("url")
def test_json_is_what_the_server_says(switchroom: Switchroom) -> None:
    assert json.loads(switchroom("messages", "show", "m1", "--json").out) == message(1)
    listed = switchroom("messages", "list", "--limit", "2", "--json").out
    assert [json.loads(line) for line in listed.splitlines()] == [message(6), message(5)]


@pytest.mark.usefixtures("url", "terminal")
def test_an_export_shows_on_a_terminal_how_far_it_is(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.cli.progress._WORTH", 0.0)
    monkeypatch.setattr("switchroom.cli.progress._EVERY", 1e-9)
    status, out, err = switchroom("messages", "export")
    assert (status, out.count("\n")) == (0, 7)
    assert "\r\x1b[KExporting [" in err
    assert "7 messages" in err
    assert err.endswith("\r\x1b[K")
    monkeypatch.setenv("NO_COLOR", "1")
    assert switchroom("messages", "export").err == ""
