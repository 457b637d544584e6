"""Web pages and what they may."""

from __future__ import annotations

import pytest

from switchroom.ari.origins import Origins
from unit.ari.edge import RW, Edge, handshake, running

GOOD, EVIL = "http://good.example", "http://evil.example"
CAROL = "/ari/endpoints/PJSIP/carol"


@pytest.mark.parametrize("path", [CAROL, "/ari/nope", "/ari/endpoints/"])
@pytest.mark.parametrize("auth", [RW, None])
async def test_a_listed_origin_reads_every_answer(edge: Edge, path: str, auth: str | None) -> None:
    headers = (await edge.ask("GET", path, headers={"origin": GOOD}, auth=auth)).headers
    assert headers["access-control-allow-origin"] == GOOD
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "Origin"


async def test_a_foreign_origin_reads_none(edge: Edge) -> None:
    answer = await edge.ask("GET", CAROL, headers={"Origin": EVIL})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("auth", [RW, None])
async def test_preflight_needs_no_credentials(edge: Edge, auth: str | None) -> None:
    answer = await edge.ask(
        "OPTIONS",
        f"{CAROL}/sendMessage",
        headers={
            "Origin": GOOD,
            "access-control-request-method": "PUT",
            "Access-Control-Request-Headers": "X-Custom, Content-Type",
        },
        auth=auth,
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "OPTIONS,PUT"
    assert answer.headers["access-control-allow-methods"] == "OPTIONS,PUT,POST"
    assert answer.headers["access-control-allow-headers"] == "X-Custom, Content-Type"
    assert answer.headers["access-control-allow-origin"] == GOOD


async def test_preflight_from_elsewhere_or_for_what_is_not_there(edge: Edge) -> None:
    foreign = {"Origin": EVIL, "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in (await edge.ask("OPTIONS", CAROL, headers=foreign, auth=None)).headers
    wrong = {"Origin": GOOD, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "X"}
    headers = (await edge.ask("OPTIONS", CAROL, headers=wrong, auth=None)).headers
    assert "access-control-allow-methods" not in headers
    assert "access-control-allow-headers" not in headers
    assert (await edge.ask("OPTIONS", "/ari/nope", headers=wrong, auth=None)).status == 404
    docs = {"Origin": GOOD, "Access-Control-Request-Method": "GET"}
    answer = await edge.ask("OPTIONS", "/ari/api-docs/endpoints.json", headers=docs, auth=None)
    assert answer.headers["access-control-allow-methods"] == "OPTIONS,GET"


async def test_options_without_credentials_is_no_preflight(edge: Edge) -> None:
    assert (await edge.ask("OPTIONS", CAROL, auth=None)).status == 401
    assert (await edge.ask("OPTIONS", CAROL, headers={"Origin": GOOD}, auth=None)).status == 401
    async with running(strict=True) as strict:
        asked = {"Origin": GOOD, "Access-Control-Request-Method": "GET"}
        assert (await strict.ask("OPTIONS", CAROL, headers=asked, auth=None)).status == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (GOOD, 202),
        ("http://ari.example", 202),
        ("https://ARI.example", 202),
        (EVIL, 403),
        ("null", 403),
        ("http://good.example.evil.example", 403),
        ("http://good.example:81", 403),
        ("HTTP://GOOD.EXAMPLE", 403),
        ("chrome-extension://ari.example", 403),
    ],
)
async def test_only_known_pages_change_things(edge: Edge, origin: str, status: int) -> None:
    path = f"{CAROL}/sendMessage?from=x&body=hi"
    assert (await edge.ask("PUT", path, headers={"Origin": origin})).status == status
    wire = await edge.open()
    wire.send(handshake("/ari/events?app=page", headers={"Origin": origin}))
    assert (await wire.answer()).status == (101 if status == 202 else 403)
    await wire.close()


async def test_any_origin_comes_without_kept_credentials() -> None:
    async with running(ari={"allowed_origins": ("*",)}) as edge:
        headers = (await edge.ask("GET", CAROL, headers={"Origin": EVIL})).headers
        assert headers["access-control-allow-origin"] == EVIL
        assert "access-control-allow-credentials" not in headers


def test_listed_origins_are_trimmed() -> None:
    assert Origins((" http://a ", "")).allows("http://a", None)
    assert not Origins(()).allows("http://a", None)
