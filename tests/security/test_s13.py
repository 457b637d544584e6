"""S13: what is not authenticated is not relayed, not shown, and changes nothing; names are not borrowed."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import SERVER, SipWorld, aor, auth, authorized, phone, request, settings

#: Who is asked by a proxy is asked so (RFC 3261 22.3).
CHALLENGES = {"INVITE": 407}
METHODS = ["MESSAGE", "REFER", "SUBSCRIBE", "PUBLISH", "NOTIFY", "INFO", "INVITE", "UPDATE", "PRACK", "BYE", "REGISTER"]


async def world() -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice"),
            phone("bob"),
            phone("carol"),
            aors=[aor("alice"), aor("bob"), aor("carol", contact=("sip:carol@192.0.2.5",))],
            auths=[auth("alice"), auth("bob"), auth("carol")],
        )
    ).start()
    w.ear.wants = True
    w.sent()
    return w


def text(method: str, user: str) -> str:
    return request(
        method,
        user,
        target=f"sip:carol@{SERVER}",
        to=f"<sip:carol@{SERVER}>",
        extra="Content-Type: text/plain\nRefer-To: <sip:x@y.example>\nEvent: refer\nContact: <sip:m@192.0.2.9>\n",
        body="hi",
    )


async def outcome(w: SipWorld, message: str) -> list[int]:
    """Statuses answered; anything sent to somebody else, or told, fails the test."""
    sent = w.receive(message)
    await asyncio.sleep(0)
    sent += w.sent()
    assert all(s.to == ("192.0.2.9", 5090) for s in sent)
    assert not w.ear.take()
    return [s.response.status for s in sent]


@pytest.mark.parametrize("method", METHODS)
async def test_without_credentials(method: str) -> None:
    assert await outcome(await world(), text(method, "alice")) == [CHALLENGES.get(method, 401)]


@pytest.mark.parametrize("method", METHODS)
async def test_with_a_wrong_password(method: str) -> None:
    w = await world()
    message = text(method, "alice")
    (challenge,) = w.receive(message)
    assert await outcome(w, authorized(message, challenge.response, "alice", "wrong")) == [CHALLENGES.get(method, 401)]


@pytest.mark.parametrize("method", METHODS)
async def test_with_right_credentials_and_the_name_of_another(method: str) -> None:
    w = await world()
    message = text(method, "bob")
    (challenge,) = w.receive(message)
    assert await outcome(w, authorized(message, challenge.response, "alice")) == [CHALLENGES.get(method, 401)]


async def test_with_right_credentials_for_another_request() -> None:
    """A captured Authorization does not carry over to another method or target."""
    w = await world()
    register = request("REGISTER", "alice")
    (challenge,) = w.receive(register)
    (line,) = [
        x for x in authorized(register, challenge.response, "alice").split("\n") if x.startswith("Authorization")
    ]
    stolen = text("MESSAGE", "alice").replace("\nContent-Length", f"\n{line}\nContent-Length", 1)
    assert await outcome(w, stolen) == [401]


async def test_the_right_ones_pass() -> None:
    w = await world()
    message = text("MESSAGE", "alice")
    (challenge,) = w.receive(message)
    assert w.receive(authorized(message, challenge.response, "alice")) == []
    await asyncio.sleep(0)
    passed, answer = w.sent()
    assert (passed.request.method, answer.response.status) == ("MESSAGE", 202)
    assert len(w.ear.take()) == 1
