"""``switchroom endpoints`` and ``switchroom endpoint``: what is asked for, and how it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchroom.cli.account import Login
from switchroom.cli.completion import complete_endpoint
from switchroom.cli.listening import Opened
from switchroom.cli.watch import Watch

from .conftest import Switchroom
from .double import Asked, Said, answering

pytestmark = pytest.mark.usefixtures("asterisk")


def endpoint(name: str, state: str = "online", technology: str = "PJSIP", *channels: str) -> dict[str, Any]:
    return {"technology": technology, "resource": name, "state": state, "channel_ids": list(channels)}


def contact(**more: Any) -> dict[str, Any]:
    known = {"uri": "sip:a@b", "aor": "a", "status": "Reachable", "roundtrip_usec": "1234", "user_agent": "x\x1b[2J"}
    return {**known, "transport": "udp", "address": "192.0.2.1:5060", "registered": None, "expires": None, **more}


CONTACTS = [contact(), contact(uri="sip:c@d", roundtrip_usec="0", expires="2026-11-23T07:00:00.000+0000")]


def answer(asked: Asked) -> Said:
    if asked.path == "/ari/endpoints/PJSIP/a%20b%2F%C3%BC/contacts":
        return Said(200, CONTACTS)
    if asked.path == "/ari/endpoints/PJSIP/a%20b%2F%C3%BC":
        return Said(200, endpoint("a b/ü", "online", "PJSIP", "1"))
    return Said(200, [endpoint("a", "online", "PJSIP", "1.1", "1.2"), endpoint("b\n", "offline")])


def test_a_list(switchroom: Switchroom) -> None:
    with answering(answer) as double:
        listed = switchroom("endpoints", "p j/sip", "--state", "online", "--url", double.url)
        assert listed == (
            0,
            "ENDPOINT     STATE    CHANNELS\nPJSIP/a      online   1.1, 1.2\nPJSIP/b\\x0a  offline\n",
            "",
        )
        (asked,) = double.requests
        assert (asked.path, asked.parameters) == ("/ari/endpoints/p%20j%2Fsip", {"state": "online"})
        as_json = switchroom("endpoints", "--json", "--url", double.url).out
        assert [json.loads(line) for line in as_json.splitlines()] == answer(asked).document


def test_a_state_that_there_is_not(switchroom: Switchroom) -> None:
    assert "Invalid value for '--state'" in switchroom("endpoints", "--state", "ringing").err


def test_one_endpoint(switchroom: Switchroom) -> None:
    with answering(answer) as double:
        status, out, _ = switchroom("endpoint", "PJSIP/a b/ü", "--url", double.url)
        assert status == 0
        assert [line.split() for line in out.splitlines()] == [
            ["PJSIP/a", "b/ü", "is", "online,", "in", "a", "call."],
            ["CONTACT", "STATUS", "ROUND", "TRIP", "ADDRESS", "USER", "AGENT", "EXPIRES"],
            ["sip:a@b", "Reachable", "1.2", "ms", "192.0.2.1:5060", "x\\x1b[2J"],
            ["sip:c@d", "Reachable", "192.0.2.1:5060", "x\\x1b[2J", "2026-11-23T07:00:00"],
        ]
        shown = json.loads(switchroom("endpoint", "PJSIP/a b/ü", "--json", "--url", double.url).out)
        assert shown == {**endpoint("a b/ü", "online", "PJSIP", "1"), "contacts": CONTACTS}
    assert switchroom("endpoint", "alice") == (2, "", "switchroom: alice is no endpoint, as PJSIP/alice\n")


def test_a_watch_shows_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch("pjsip", None, as_json=False)
    watch._take([endpoint("a"), endpoint("b", "offline")], Opened(False, False))
    assert capsys.readouterr().out.count("\n") == 3
    watch._change(endpoint("a"), "2026-11-23T07:00:00.000+0000")
    watch._change(endpoint("x", technology="IAX2"), "2026-11-23T07:00:00.000+0000")
    assert capsys.readouterr() == ("", "")
    watch._change(endpoint("b\x1b"), "2026-11-23T07:00:00.000+0000")
    assert capsys.readouterr().out == "07:00:00  PJSIP/b\\x1b  new -> online\n"
    watch._take([endpoint("a", "offline")], Opened(True, False))
    written = capsys.readouterr()
    assert written.err == "switchroom: connected again\n"
    assert sorted(written.out.splitlines()) == [
        "meanwhile  PJSIP/a  online -> offline",
        "meanwhile  PJSIP/b  offline -> gone",
        "meanwhile  PJSIP/b\\x1b  online -> gone",
    ]


def test_a_watch_of_one_state_shows_who_comes_and_goes(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(None, "online", as_json=True)
    watch._take([endpoint("a"), endpoint("b", "offline")], Opened(False, False))
    for each in (endpoint("b", "unknown"), endpoint("b"), endpoint("a", "offline"), endpoint("a", "unknown")):
        watch._change(each, "")
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shown == [endpoint("a"), endpoint("b"), endpoint("a", "offline")]


class Typed:
    """What typer knows of a line that is not finished."""

    def __init__(self, **params: str) -> None:
        self.params = dict.fromkeys(Login._fields) | params


def test_names_are_completed_as_far_as_they_can_be_shown() -> None:
    with answering(answer) as double:
        assert complete_endpoint(Typed(url=double.url, user="asterisk"), "PJ") == ["PJSIP/a"]  # type: ignore[arg-type]
        assert complete_endpoint(Typed(url=double.url, user="asterisk"), "PJSIP/x") == []  # type: ignore[arg-type]
    assert complete_endpoint(Typed(url=double.url, user="asterisk"), "PJ") == []  # type: ignore[arg-type]
    with answering(lambda asked: Said(200, {"no": "list"})) as double:
        assert complete_endpoint(Typed(url=double.url, user="asterisk"), "PJ") == []  # type: ignore[arg-type]
