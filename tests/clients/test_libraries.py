"""What programs on ARI client libraries do with endpoints: list them, send them texts, refer them, hear of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from clients.library import (
    ARI_CLIENT,
    LIBRARIES,
    NODE_ARI_CLIENT,
    READ_DOCS,
    Client,
    Failed,
    Library,
    client,
    need_library,
)
from support.config import user, write_config
from support.phone import Phone, phone
from support.server import RunningServer, running_server

ALICE = {"technology": "PJSIP", "resource": "alice", "state": "offline", "channel_ids": []}
BOB = {**ALICE, "resource": "bob"}

#: What is told, in this order, of a phone that registers or that unregisters.
COMING_AND_GOING = ("EndpointStateChange", "PeerStatusChange", "ContactStatusChange")

every_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.folder)
libraries_that_read_docs = pytest.mark.parametrize("library", READ_DOCS, ids=lambda library: library.folder)


class Scene(NamedTuple):
    """A server with the endpoints alice and bob, a phone for alice that is not registered yet, a connected program."""

    server: RunningServer
    alice: Phone
    client: Client

    async def alice_registers(self, expires: int = 3600) -> None:
        assert (await self.alice.register(password="alicepw", expires=expires)).status == 200


@asynccontextmanager
async def scene(
    library: Library, folder: Path, request: pytest.FixtureRequest, *, everything: bool = False
) -> AsyncIterator[Scene]:
    need_library(library, request)
    config = write_config(folder / "config", pjsip=user("alice") + user("bob"))
    async with (
        running_server(config) as server,
        phone("alice", server.sip) as alice,
        client(library, folder) as program,
    ):
        await program.connect(server.base, everything=everything)
        yield Scene(server, alice, program)
        assert server.log_errors() == []


@libraries_that_read_docs
async def test_finds_the_operations_in_api_docs(
    library: Library, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with scene(library, tmp_path, request) as s:
        assert await s.client.do("operations", "endpoints") == [
            *(
                "contacts",
                "get",
                "list",
                "listByTech",
                "refer",
                "referToEndpoint",
                "sendMessage",
                "sendMessageToEndpoint",
            )
        ]
        assert {"subscribe", "unsubscribe"} <= set(await s.client.do("operations", "applications"))


@every_library
async def test_a_wrong_password_is_told(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_library(library, request)
    config = write_config(tmp_path / "config", pjsip="")
    async with running_server(config) as server, client(library, tmp_path) as program:
        with pytest.raises(Failed, match=r"401|Authentication required"):
            await program.connect(server.base, password="guess")


@every_library
async def test_lists_and_gets_endpoints(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        assert await s.client.do("list") == [ALICE, BOB]
        assert await s.client.do("list_by_tech", "PJSIP") == [ALICE, BOB]
        await s.alice_registers()
        assert await s.client.do("get", "PJSIP", "alice") == {**ALICE, "state": "online"}
        assert await s.client.do("get", "PJSIP", "bob") == BOB


@every_library
async def test_sees_the_text_of_an_error(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        for command in (
            ("get", "PJSIP", "nobody"),
            ("get", "PJSIP", "a/b c+d%"),
            ("send", "pjsip:bob", "sip:desk@example.org", "is not registered", None),
            ("refer", "pjsip:nobody", "sip:desk@example.org", "pjsip:alice", None),
        ):
            with pytest.raises(Failed, match="Endpoint not found"):
                await s.client.do(*command)
        with pytest.raises(Failed, match="Event source does not exist"):
            await s.client.do("subscribe", "endpoint:PJSIP/nobody")


@every_library
async def test_sends_texts(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        await s.alice_registers()
        # Some of these are JSON, which matters to a library that sends the text as the whole body and calls it JSON.
        for text in (
            "Zoë & Co: 50% + 1 = ?",
            "two\nlines",
            "42",
            "null",
            '"quoted"',
            "[sic]",
            '["a"]',
            "{sic",
            "☎" * 400,
        ):
            assert await s.client.do("send", "pjsip:alice", "sip:desk@example.org", text, None) is None
            message = await s.alice.next("MESSAGE")
            assert message.body == text
            assert message.first("From").startswith("<sip:desk@example.org>")
            assert message.first("Content-Type") == "text/plain"

        assert await s.client.do("send_to_endpoint", "PJSIP", "alice", "bob", "from a colleague", None) is None
        message = await s.alice.next("MESSAGE")
        assert message.body == "from a colleague"
        assert "sip:bob@" in message.first("From")


@every_library
async def test_sends_variables_with_a_text(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        await s.alice_registers()
        variables = {"X-Ticket": "4711", "Subject": "Zoë's order"}
        await s.client.do("send", "pjsip:alice", "sip:desk@example.org", "It is ready", variables)
        await s.client.do("send_to_endpoint", "PJSIP", "alice", "sip:desk@example.org", "It is ready", variables)
        for _ in range(2):
            message = await s.alice.next("MESSAGE")
            assert message.body == "It is ready"
            assert message.all("X-Ticket") == ["4711"]
            assert message.all("Subject") == ["Zoë's order"]


@every_library
async def test_refers(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        await s.alice_registers()
        desk = "sip:desk@example.org"
        assert await s.client.do("refer", "pjsip:alice", desk, "sip:100@example.org", {"X-Ticket": "4711"}) is None
        refer = await s.alice.next("REFER")
        assert refer.first("Refer-To") == "<sip:100@example.org>"
        assert refer.first("From").startswith("<sip:desk@example.org>")
        assert refer.all("X-Ticket") == ["4711"]

        assert await s.client.do("refer", "pjsip:alice", desk, "sip:101@example.org", None) is None
        assert (await s.alice.next("REFER")).first("Refer-To") == "<sip:101@example.org>"

        assert await s.client.do("refer_endpoint", "PJSIP", "alice", desk, "pjsip:alice") is None
        assert (await s.alice.next("REFER")).first("Refer-To") == f"<{s.alice.contact}>"


@every_library
async def test_hears_a_phone_come_and_go(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        assert await s.client.do("subscribe", "endpoint:PJSIP/alice") == ["PJSIP/alice"]
        await s.client.do("listen", *COMING_AND_GOING)
        await s.alice_registers()
        await s.alice_registers(expires=0)
        heard = [await s.client.hears() for _ in range(6)]
        assert [event["type"] for event, _ in heard] == [*COMING_AND_GOING, *COMING_AND_GOING]
        assert {event["application"] for event, _ in heard} == {"shop"}
        # The libraries read the time; one of them takes only what it can read.
        assert all(event["timestamp"].startswith("20") for event, _ in heard)
        if library is ARI_CLIENT:
            return

        online, offline = {**ALICE, "state": "online"}, ALICE
        assert [endpoint for _, endpoint in heard] == [online] * 3 + [offline] * 3
        peers = [event["peer"] for event, _ in heard if event["type"] == "PeerStatusChange"]
        assert peers == [{"peer_status": "Reachable"}, {"peer_status": "Unreachable"}]
        contacts = [event["contact_info"] for event, _ in heard if event["type"] == "ContactStatusChange"]
        assert [contact["contact_status"] for contact in contacts] == ["NonQualified", "Removed"]
        assert [(contact["uri"], contact["aor"]) for contact in contacts] == [(s.alice.contact, "alice")] * 2


@pytest.mark.parametrize("library", [NODE_ARI_CLIENT, ARI_CLIENT], ids=lambda library: library.folder)
async def test_hears_everything_once(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The third library has no way to ask for everything."""
    async with scene(library, tmp_path, request, everything=True) as s:
        await s.client.do("subscribe", "endpoint:PJSIP/alice")
        await s.client.do("listen", *COMING_AND_GOING, "TextMessageReceived")
        await s.alice_registers()
        assert (await s.alice.message("desk", "hello", password="alicepw")).status == 202
        await s.alice_registers(expires=0)
        heard = [await s.client.hears() for _ in range(7)]
        assert [event["type"] for event, _ in heard] == [*COMING_AND_GOING, "TextMessageReceived", *COMING_AND_GOING]


@every_library
async def test_hears_a_text(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s:
        await s.alice_registers()
        await s.client.do("subscribe", "endpoint:PJSIP/alice")
        await s.client.do("listen", "TextMessageReceived")
        assert (await s.alice.message("desk", "Zoë calls\nagain", password="alicepw")).status == 202
        event, endpoint = await s.client.hears()
        assert (event["type"], event["application"]) == ("TextMessageReceived", "shop")
        if library is not ARI_CLIENT:
            message = event["message"]
            assert message["body"] == "Zoë calls\nagain"
            assert (message["from"], message["to"]) == ("<sip:alice@127.0.0.1>", "pjsip:desk@127.0.0.1")
            assert endpoint == {**ALICE, "state": "online"}

        assert await s.client.do("unsubscribe", "endpoint:PJSIP/alice") == []
        assert (await s.alice.message("desk", "nobody hears this", password="alicepw")).status == 404


@libraries_that_read_docs
async def test_watches_one_endpoint(library: Library, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with scene(library, tmp_path, request) as s, phone("bob", s.server.sip) as bob:
        await s.client.do("subscribe", "endpoint:PJSIP")
        await s.client.do("watch", "PJSIP", "alice", "PeerStatusChange")
        assert (await bob.register(password="bobpw")).status == 200
        await s.alice_registers()
        event, endpoint = await s.client.hears()
        assert event["endpoint"] == endpoint == {**ALICE, "state": "online"}
