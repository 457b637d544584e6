"""S28: who may do what. The matrix is made from the route table, so a new route is in it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from switchroom.ari.routes import TABLE, Role, Route
from unit.ari.edge import RO, RW, Edge, basic, handshake, running
from unit.ari.test_outbound import application, event, heard, settings

WHO: dict[str, tuple[str, str] | None] = {
    "none": None,
    "bad": ("asterisk", "wrong"),
    "read-only": ("reader", "readpw"),
    "read-write": ("asterisk", "asterisk"),
}
VALUES = {
    "tech": "PJSIP",
    "resource": "carol",
    "deviceName": "Stasis:x",
    "eventName": "e",
    "applicationName": "a",
    "configClass": "res_pjsip",
    "objectType": "aor",
    "id": "x",
    "messageId": "m",
    "referralId": "r",
}


def methods(route: Route) -> list[str]:
    """The route's own method, its alias, and HEAD where GET is."""
    more = ["HEAD"] if route.method == "GET" and not route.upgrade else []
    return [route.method, *([route.alias] if route.alias else []), *more]


MATRIX = [
    pytest.param(route, method, who, how, id=f"{method} {route.path} {who} {how}")
    for route in TABLE
    for method in methods(route)
    for who in WHO
    for how in ("basic", "api_key")
]


async def status(edge: Edge, route: Route, method: str, who: str, how: str) -> int:
    path = "/ari" + route.path.format(**VALUES)
    credentials = WHO[who]
    auth = basic(*credentials) if credentials and how == "basic" else None
    if credentials and how == "api_key":
        path += "?api_key=" + ":".join(credentials)
    if not route.upgrade:
        return (await edge.ask(method, path, auth=auth)).status
    wire = await edge.open()
    wire.send(handshake(f"{path}{'&' if '?' in path else '?'}app=a", auth))
    answer = await wire.answer()
    await wire.close()
    return answer.status


@pytest.mark.parametrize(("route", "method", "who", "how"), MATRIX)
async def test_matrix(route: Route, method: str, who: str, how: str) -> None:
    async with running() as edge:
        got = await status(edge, route, method, who, how)
        if who in ("none", "bad"):
            assert got == 401
        elif who == "read-only" and route.role is Role.WRITE:
            assert got == 403
            assert not edge.pjsip.messages
            assert not edge.pjsip.referrals
        else:
            # Allowed: what comes back is the operation's own answer.
            assert got not in (401, 403, 405)
            assert got < 500


def requests() -> list[tuple[Route, dict[str, str]]]:
    """Every operation but the WebSocket itself, as a request over one."""
    return [
        (route, {"type": "RESTRequest", "method": method, "uri": route.path[1:].format(**VALUES)})
        for route in TABLE
        if not route.upgrade
        for method in methods(route)
    ]


def check(edge: Edge, route: Route, got: int, *, read_only: bool) -> None:
    if read_only and route.role is Role.WRITE:
        assert got == 403, route
        assert not edge.pjsip.messages
        assert not edge.pjsip.referrals
    else:
        assert got not in (401, 403, 405), route
        assert got < 500, route


@pytest.mark.parametrize("how", ["basic", "api_key"])
@pytest.mark.parametrize("who", ["read-only", "read-write"])
async def test_matrix_over_a_websocket(who: str, how: str) -> None:
    credentials = WHO[who]
    assert credentials is not None
    key = f"&api_key={':'.join(credentials)}" if how == "api_key" else ""
    async with running() as edge:
        wire = await edge.listen(f"/ari/events?app=b{key}", auth=basic(*credentials) if how == "basic" else None)
        for route, request in requests():
            wire.frame(0x1, msgspec.json.encode(request))
            check(edge, route, (await wire.event())["status_code"], read_only=who == "read-only")
        await wire.close()


@pytest.mark.parametrize("who", ["reader", "asterisk"])
async def test_matrix_over_a_websocket_that_we_opened(who: str) -> None:
    async with application() as there, running(ari=settings(there.port, local_user=who)) as edge:
        socket = await asyncio.wait_for(there.open.get(), 10)
        await heard(socket, 2)
        for route, request in requests():
            await socket.send_str(msgspec.json.encode(request).decode())
            check(edge, route, (await event(socket))["status_code"], read_only=who == "reader")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "TRACE", "CONNECT"])
@pytest.mark.parametrize("path", ["/ari/endpoints", "/ari/nope", "/ari/api-docs/endpoints.json", "/ari"])
async def test_read_only_is_refused_before_anything_is_said_about_paths(method: str, path: str) -> None:
    async with running() as edge:
        assert (await edge.ask(method, path, auth=RO)).status == 403


async def test_a_refused_request_changes_nothing() -> None:
    async with running() as edge:
        wire = await edge.listen("/ari/events?app=a", auth=RO)
        for auth in (None, RO, basic("asterisk", "wrong")):
            await edge.ask("POST", "/ari/applications/a/subscription?eventSource=endpoint:", auth=auth)
            await edge.ask("PUT", "/ari/applications/a/eventFilter", body=b'{"allowed":[{"type":"A"}]}', auth=auth)
            await edge.ask("PUT", "/ari/deviceStates/Stasis:x?deviceState=INUSE", auth=auth)
            await edge.ask("PUT", "/ari/asterisk/config/dynamic/res_pjsip/aor/x", auth=auth)
            await edge.ask("PUT", "/ari/endpoints/PJSIP/carol/sendMessage?from=x", auth=auth)
            await edge.ask("POST", "/ari/endpoints/PJSIP/carol/refer?from=x&refer_to=alice", auth=auth)
        document = (await edge.ask("GET", "/ari/applications/a", auth=RW)).json
        assert not any(value for key, value in document.items() if key != "name")
        assert (await edge.ask("GET", "/ari/deviceStates", auth=RW)).json == []
        assert (await edge.ask("GET", "/ari/asterisk/config/dynamic/res_pjsip/aor/x", auth=RW)).status == 404
        assert not edge.pjsip.messages
        assert not edge.pjsip.referrals
        await wire.close()
