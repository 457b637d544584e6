"""Who is told of as an offender, and who is not: a phone that does as phones do never is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from support.sip_world import HERE, Sent, SipWorld, aor, auth, authorized, phone, request, settings
from switchroom.core.limits import SECURITY_LINES_PER_SOURCE
from switchroom.model.settings import AccessRule, SipAclSettings, SipEndpointSettings
from switchroom.tech.sip.limits import MAX_FAILURES

EVERYBODY = (AccessRule(False, ip_network("0.0.0.0/0")),)


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


async def world(*endpoints: SipEndpointSettings, **more: object) -> SipWorld:
    return await SipWorld(
        settings(*(endpoints or (phone("alice"),)), aors=[aor("alice")], auths=[auth("alice")], **more)  # type: ignore[arg-type]
    ).start()


def told(w: SipWorld, lines: list[EventDict]) -> list[tuple[str, str, str, str]]:
    """What was logged so far: offence, source, service, account."""
    w.pass_time(0.0)
    return [
        (line["offence"], line["source"], line["service"], line["account"])
        for line in lines
        if line["event"] == "security event"
    ]


def ask(w: SipWorld, name: str, password: str = "", *, source: str = "192.0.2.9:5090") -> None:
    """Challenge and answer."""
    text = request("OPTIONS", name)
    (first,) = w.receive(text, source)
    w.receive(authorized(text, first.response, name, password), source)


async def test_a_phone_that_registers_is_none(lines: list[EventDict]) -> None:
    w = await world()
    assert w.register("alice", "<sip:alice@192.0.2.9:5090>").status == 200
    assert told(w, lines) == []


async def test_a_wrong_password(lines: list[EventDict]) -> None:
    w = await world()
    ask(w, "alice", "guess", source="192.0.2.66:5060")
    assert told(w, lines) == [("failed_authentication", "192.0.2.66", "PJSIP", "alice")]


async def test_a_name_nobody_has_with_and_without_a_password(lines: list[EventDict]) -> None:
    w = await world()
    w.receive(request("INVITE", "100"))
    assert told(w, lines) == [("unknown_user", "192.0.2.9", "PJSIP", "100")]
    ask(w, "200", "guess")
    assert told(w, lines)[1:] == [("unknown_user", "192.0.2.9", "PJSIP", "200")] * 2


async def test_the_answer_leaves_before_anything_is_written(lines: list[EventDict]) -> None:
    """SECURITY.md S10: a line takes time, which must not tell who exists."""
    w = await world()
    (answer,) = w.receive(request("OPTIONS", "100"))
    assert answer.response.status == 401
    assert lines == []
    assert len(told(w, lines)) == 1


async def test_who_is_named_by_their_credentials_is_nobody_until_then(lines: list[EventDict]) -> None:
    w = await world(phone("alice", identify_by=("auth_username",)))
    text = request("OPTIONS", "4711")
    (first,) = w.receive(text)
    w.receive(authorized(text, first.response, "alice"))
    assert told(w, lines) == []
    ask(w, "4711", "guess")
    assert told(w, lines) == [("unknown_user", "192.0.2.9", "PJSIP", "4711")]


async def test_a_nonce_of_before_the_restart_is_no_offence(lines: list[EventDict]) -> None:
    """Or every phone of an office would offend at once."""
    w = await world()
    text = request("OPTIONS", "alice")
    (first,) = w.receive(text)
    old = Sent(re.sub(rb'nonce="[^"]*"', b'nonce="' + b"A" * 24 + b'"', first.data), *first.to)
    (answer,) = w.receive(authorized(text, old.response, "alice"))
    assert answer.response.status == 401
    assert told(w, lines) == []
    (answer,) = w.receive(authorized(text, answer.response, "alice"))
    assert answer.response.status == 200


async def test_guessing_until_nothing_is_looked_at(lines: list[EventDict]) -> None:
    w = await world()
    for number in range(MAX_FAILURES + 3):
        ask(w, "alice", f"guess{number}")
    found = told(w, lines)
    assert found == [("failed_authentication", "192.0.2.9", "PJSIP", "alice")] * SECURITY_LINES_PER_SOURCE
    w.pass_time(60.0)
    assert lines[-1]["event"] == "security events were left out"
    assert lines[-1]["count"] == MAX_FAILURES + 3 - SECURITY_LINES_PER_SOURCE


async def test_a_source_that_an_access_list_forbids(lines: list[EventDict]) -> None:
    w = await world(acls={"all": SipAclSettings(name="all", source=HERE, rules=EVERYBODY)})
    w.receive(request("REGISTER", "alice"))
    assert told(w, lines) == [("source_refused", "192.0.2.9", "PJSIP", "")]
    w = await world(phone("alice", acl=EVERYBODY))
    w.receive(request("REGISTER", "alice"))
    assert told(w, lines)[1:] == [("unknown_user", "192.0.2.9", "PJSIP", "alice")]
