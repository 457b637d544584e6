"""What is particular to npm's ari-client, the most used library: what it sends, and how it comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from clients.library import NODE_ARI_CLIENT, Client, client, need_library
from clients.relay import Relay, relay
from support.config import ARI, user, write_config
from support.phone import Phone, phone
from support.server import running_server

#: Each of its signs would change the meaning of a URL that it stood in as it is.
PASSWORD = "p@ss:w/rd&x=1+2%41?#"


class Scene(NamedTuple):
    """A program that is connected through a relay, and alice's registered phone."""

    client: Client
    alice: Phone
    relay: Relay


@asynccontextmanager
async def scene(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    need_library(NODE_ARI_CLIENT, request)
    ari = ARI.replace("password = asterisk", f"password = {PASSWORD}")
    config = write_config(folder / "config", pjsip=user("alice"), ari=ari)
    async with (
        running_server(config) as server,
        relay(server.base) as between,
        phone("alice", server.sip) as alice,
        client(NODE_ARI_CLIENT, folder) as program,
    ):
        assert (await alice.register(password="alicepw")).status == 200
        await program.connect(between.base, password=PASSWORD)
        yield Scene(program, alice, between)
        assert server.log_errors() == []


async def test_goes_where_the_base_path_says(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """It asks for api-docs without credentials first, and sends later requests to the ``basePath`` it read there."""
    async with scene(tmp_path, request) as s:
        first, rest = bytes(s.relay.sent).split(b"\r\n\r\n", 1)
        assert first.startswith(b"GET /ari/api-docs/resources.json ")
        assert b"authorization" not in first.lower()
        assert b"authorization: basic" in rest.lower()
        s.relay.sent.clear()
        assert len(await s.client.do("list")) == 1
        assert s.relay.sent.startswith(b"GET /ari/endpoints ")


async def test_sends_a_text_as_a_body_that_it_calls_json(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(tmp_path, request) as s:
        s.relay.sent.clear()
        await s.client.do("send", "pjsip:alice", "sip:desk@example.org", "plain words", None)
        assert (await s.alice.next("MESSAGE")).body == "plain words"
        head, body = bytes(s.relay.sent).split(b"\r\n\r\n", 1)
        assert body == b"plain words"
        assert b"body=" not in head
        assert b"content-type: application/json" in head.lower()


@pytest.mark.parametrize("first_to_know", ["server", "library"])
async def test_comes_back_to_its_subscriptions(
    first_to_know: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its WebSocket is lost; it opens another one and does not subscribe again. That the server may hear of the end of
    the first one later than of the second takes nothing from the second.
    """
    async with scene(tmp_path, request) as s:
        await s.client.do("subscribe", "endpoint:PJSIP/alice")
        await s.client.do("listen", "TextMessageReceived")
        s.relay.sent.clear()
        if first_to_know == "server":
            s.relay.end_all()
            await s.client.do("reconnected")
        else:
            s.relay.lose_clients()
            await s.client.do("reconnected")
            await s.relay.end_halves()
        assert b"/subscription" not in s.relay.sent
        assert (await s.alice.message("desk", "still there?", password="alicepw")).status == 202
        event, _ = await s.client.hears()
        assert event["message"]["body"] == "still there?"


async def test_its_pings_are_answered(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(tmp_path, request) as s:
        await s.client.do("ping")
