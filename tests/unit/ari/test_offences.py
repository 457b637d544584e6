"""Who is told of as an offender at the HTTP edge."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from switchroom.model.errors import InvalidReferTo
from switchroom.model.message import Referral
from switchroom.model.settings import AccessRule, PathRestriction, Source
from unit.ari.edge import RW, Edge, basic, running

REFER = "/ari/endpoints/PJSIP/carol/refer?from=alice&refer_to=mailto:a@b.example"


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


async def told(lines: list[EventDict]) -> list[tuple[str, str, str, str]]:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [
        (line["offence"], line["source"], line["service"], line["account"])
        for line in lines
        if line["event"] == "security event"
    ]


async def test_logins(edge: Edge, lines: list[EventDict]) -> None:
    assert (await edge.ask("GET", "/ari/endpoints", auth=None)).status == 401  # as every browser begins
    assert (await edge.ask("GET", "/ari/endpoints")).status == 200
    assert await told(lines) == []
    for name in ("asterisk", "nobody"):
        assert (await edge.ask("GET", "/ari/endpoints", auth=basic(name, "wrong"))).status == 401
    assert (await edge.ask("GET", "/ari/endpoints?api_key=asterisk:secret", auth=None)).status == 401
    assert await told(lines) == [
        ("failed_authentication", "127.0.0.1", "ARI", "asterisk"),
        ("unknown_user", "127.0.0.1", "ARI", "nobody"),
        ("failed_authentication", "127.0.0.1", "ARI", "asterisk"),
    ]
    assert "secret" not in repr(lines)
    assert "wrong" not in repr(lines)


async def test_guessing_until_nothing_is_looked_at(edge: Edge, lines: list[EventDict]) -> None:
    for number in range(12):
        await edge.ask("GET", "/ari/endpoints", auth=basic("asterisk", f"guess{number}"))
    counts = edge.service._security.counts
    assert (counts["failed_authentication"], counts["too_many_failures"]) == (10, 2)  # type: ignore[index]


async def test_sources_that_access_lists_forbid(lines: list[EventDict]) -> None:
    nobody = (AccessRule(False, ip_network("0.0.0.0/0")),)
    restrictions = (PathRestriction(name="/ari/sounds", source=Source("http.conf", 1), acl=nobody),)
    async with running(http={"restrictions": restrictions}) as edge:
        assert (await edge.ask("GET", "/ari/endpoints", auth=basic("far", "far"))).status == 403
        assert (await edge.ask("GET", "/ari/sounds")).status == 403
        assert await told(lines) == [
            ("source_refused", "127.0.0.1", "ARI", "far"),
            ("source_refused", "127.0.0.1", "ARI", ""),
        ]


async def test_pages_of_others(edge: Edge, lines: list[EventDict]) -> None:
    evil = {"Origin": "http://evil.example"}
    path = "/ari/endpoints/PJSIP/carol/sendMessage?from=alice"
    assert (await edge.ask("PUT", path, headers=evil)).status == 403
    assert await told(lines) == [("foreign_page", "127.0.0.1", "ARI", "")]


async def test_referrals_to_what_nobody_may_be_referred_to(
    edge: Edge, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(referral: Referral) -> Any:
        raise InvalidReferTo("refer_to is neither an endpoint nor a sip, sips or tel URI")

    monkeypatch.setattr(edge.pjsip, "refer", refuse)
    assert (await edge.ask("POST", REFER)).status == 400
    assert await told(lines) == [("refused_refer_to", "127.0.0.1", "ARI", "")]
    wire = await edge.listen("/ari/events?app=desk", auth=RW)
    wire.frame(0x1, msgspec.json.encode({"type": "RESTRequest", "method": "POST", "uri": REFER.removeprefix("/ari/")}))
    assert (await wire.event())["status_code"] == 400
    assert len(await told(lines)) == 2
    await wire.close()
