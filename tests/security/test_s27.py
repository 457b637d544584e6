"""S27: other people's web pages in a user's browser. They can neither listen, nor change anything, nor read answers."""

from __future__ import annotations

import re

import pytest

from switchroom.ari.routes import TABLE, Role, Route
from unit.ari.edge import Edge, basic, handshake, running

GOOD, OURS = "http://good.example", "http://ari.example"
FOREIGN = [
    "http://evil.example",
    "null",
    "https://good.example",
    "http://good.example:80",
    "http://good.example.evil.example",
    "http://evil.example/http://good.example",
    "HTTP://GOOD.EXAMPLE",
    "http://good.example/",
    " http://good.example.",
    "good.example",
    "http://sub.good.example",
    "http://ari.example:81",
    "http://ari.example@evil.example",
    "file://",
    "*",
    "",
    "a" * 4_000,
]
WRITES = [route for route in TABLE if route.role is Role.WRITE]


async def listens(edge: Edge, origin: str | None, *, key: bool = False) -> int:
    """The status of a WebSocket handshake, with a Basic header or a key in the URL."""
    headers = {"Origin": origin} if origin is not None else {}
    path = "/ari/events?app=a" + ("&api_key=asterisk:asterisk" if key else "")
    wire = await edge.open()
    wire.send(handshake(path, None if key else basic("asterisk", "asterisk"), headers))
    status = (await wire.answer()).status
    await wire.close()
    return status


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_can_not_listen(origin: str, key: bool) -> None:
    async with running() as edge:
        assert await listens(edge, origin, key=key) == 403
        assert edge.service.applications.get("a") is None


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("origin", [None, GOOD, OURS])
async def test_programs_and_pages_that_are_listed_or_ours_can(origin: str | None, key: bool) -> None:
    async with running() as edge:
        assert await listens(edge, origin, key=key) == 101


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_foreign_page_can_not_change_anything(route: Route, origin: str) -> None:
    path = re.sub(r"{\w+}", "x", route.path)
    async with running() as edge:
        for content in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            headers = {"Origin": origin, "Content-Type": content}
            answer = await edge.ask(route.method, f"/ari{path}", headers=headers, body=b"{}")
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers
        assert not edge.pjsip.messages
        assert not edge.pjsip.referrals


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_can_not_read_answers(origin: str) -> None:
    async with running() as edge:
        answer = await edge.ask("GET", "/ari/endpoints", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"


async def test_everybody_and_credentials_do_not_go_together() -> None:
    async with running(ari={"allowed_origins": ("*",)}) as edge:
        answer = await edge.ask("GET", "/ari/endpoints", headers={"Origin": "http://any.example"})
        assert answer.headers["access-control-allow-origin"] == "http://any.example"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "asked", "methods"),
    [
        (GOOD, "PUT", "OPTIONS,PUT,POST"),
        (GOOD, "POST", "OPTIONS,PUT,POST"),
        (GOOD, "DELETE", None),
        (GOOD, "put", None),
        ("http://evil.example", "PUT", None),
        ("null", "PUT", None),
    ],
)
async def test_preflights(origin: str, asked: str, methods: str | None) -> None:
    async with running() as edge:
        answer = await edge.ask(
            "OPTIONS",
            "/ari/endpoints/sendMessage",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": asked,
                "Access-Control-Request-Headers": "authorization, content-type",
            },
            auth=None,
        )
        assert answer.status == 204
        allowed = answer.headers.get("access-control-allow-methods")
        if origin == GOOD:
            assert allowed == methods
            assert answer.headers["access-control-allow-origin"] == GOOD
        else:
            assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_puts_nothing_into_the_answer() -> None:
    async with running() as edge:
        answer = await edge.ask(
            "OPTIONS",
            "/ari/endpoints",
            headers={
                "Origin": GOOD,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "a;b<script>",
            },
            auth=None,
        )
        assert "access-control-allow-headers" not in answer.headers
