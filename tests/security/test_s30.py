"""S30: odd paths, sent as they are. There is nothing to traverse, and each is answered 400 or 404."""

from __future__ import annotations

import itertools

from unit.ari.edge import RW, Edge, running

_ODD = [
    "..",
    "%2e%2e",
    "%2E%2e",
    "..%2f",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cetc",
    "..\\..",
    "....//",
    "%00",
    "a%00b",
    "%0d%0aX:%20y",
    "%0a",
    "%ff",
    "%c0%ae%c0%ae",
    "%ed%a0%80",
    "%",
    "%2",
    "%zz",
    ";x=1",
    "carol;x=1",
    "carol%3bx=1",
    "carol#x",
    "*",
    "~",
    "'",
    '"',
    "<script>",
    "{format}",
    "${x}",
    "x" * 8_192,
    "%2f" * 1_000,
    "a/" * 1_000,
    "%25%32%65",
    "%u002e",
    "\x7f",
    "é",
    "\udcff",
    "\udcc0\udcae",
]
_WHERE = [
    "/{}",
    "/ari/{}",
    "/ari/endpoints/PJSIP/{}",
    "/ari/endpoints/{}/carol",
    "/ari/endpoints/PJSIP/carol/{}",
    "/ari/api-docs/{}",
    "/ari/applications/{}",
    "/{}/ari/endpoints",
]
_WHOLE = [
    "//",
    "//ari",
    "//ari/endpoints",
    "/ari//endpoints",
    "/ari/endpoints//PJSIP/carol",
    "/ari/endpoints/PJSIP//carol",
    "/ari/./endpoints",
    "/ari/../ari/endpoints",
    "/./ari/endpoints",
    "/ari/endpoints/../endpoints",
    "/ari/endpoints/.",
    "/%61ri/endpoints",
    "/ari%2fendpoints",
    "/ari/endpoints/PJSIP/carol/",
    "/ari/endpoints%20",
    "/ari/endpoints;x=1",
    "/ari;x=1/endpoints",
    "/ari.json",
    "/arix",
    "*",
    "ari/endpoints",
    "http://127.0.0.1/ari/endpoints",
    "file:///etc/passwd",
    "/static/../../etc/passwd",
    "/httpstatus",
    "/metrics",
    "/ari/api-docs/",
    "/ari/api-docs//resources.json",
    "/ari/api-docs/./resources.json",
    "/ari/api-docs/endpoints.json/",
    "/ari/api-docs/endpoints.json%00",
    "/ari/api-docs/ENDPOINTS.json",
]
PATHS = [*_WHOLE, *(where.format(odd) for where, odd in itertools.product(_WHERE, _ODD))]


def test_there_are_enough() -> None:
    assert len(set(PATHS)) >= 200


async def ask(edge: Edge, path: str) -> int:
    wire = await edge.open()
    wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {RW}\r\n\r\n".encode("utf-8", "surrogateescape"))
    answer = await wire.answer()
    assert isinstance(answer.message, str)
    assert b"root:" not in answer.body
    await wire.close()
    return answer.status


async def test_every_path_is_answered_400_or_404() -> None:
    async with running() as edge:
        wrong = {path[:80]: status for path in PATHS if (status := await ask(edge, path)) not in (400, 404)}
        assert wrong == {}
        assert (await edge.ask("GET", "/ari/endpoints/PJSIP/carol")).status == 200


async def test_a_name_like_a_path_is_a_name() -> None:
    """An encoded slash is a character of a resource; the resource is looked up, nothing else."""
    async with running() as edge:
        answer = await edge.ask("GET", "/ari/endpoints/PJSIP/..%2f..")
        assert (answer.status, answer.message) == (404, "Endpoint not found")
        answer = await edge.ask("GET", "/ari/deviceStates/..%2f..%2fetc%2fpasswd")
        assert answer.json == {"name": "../../etc/passwd", "state": "INVALID"}
