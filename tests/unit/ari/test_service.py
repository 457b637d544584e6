"""The way of a request: order of checks, bodies, bounds, mounts, start and stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog
from aiohttp import web

from support.wait import until
from switchroom.ari import service
from switchroom.ari.limits import BODY_BYTES
from switchroom.ari.reply import Reply
from unit.ari.edge import RO, RW, Edge, request, running

CAROL = "/ari/endpoints/PJSIP/carol"


@pytest.mark.parametrize(
    ("method", "path", "auth", "status"),
    [
        ("GET", "/ari/nope", None, 401),
        ("PUT", "/ari/nope", RO, 403),
        ("PATCH", "/ari/endpoints", RO, 403),
        ("DELETE", "/ari/endpoints/", RO, 403),
        ("OPTIONS", "/ari/endpoints", RO, 204),
        ("HEAD", "/ari/endpoints", RO, 200),
        ("GET", "/ari/nope", RW, 404),
        ("PATCH", "/ari/endpoints", RW, 405),
        ("GET", "/ari", RW, 405),
        ("GET", "/ari/", RW, 405),
        ("OPTIONS", "/ari", RW, 204),
        ("GET", "/ARI/endpoints", RW, 200),
        ("GET", "/ari/Endpoints", RW, 404),
        ("GET", "/ariendpoints", RW, 404),
        ("GET", "/", RW, 404),
        ("GET", "/other", None, 404),
        ("GET", "http://ari.example/ari/endpoints", RW, 404),
    ],
)
async def test_order_of_checks(edge: Edge, method: str, path: str, auth: str | None, status: int) -> None:
    answer = await edge.ask(method, path, auth=auth)
    assert answer.status == status
    if status >= 400 and method != "HEAD":
        assert isinstance(answer.message, str)


async def test_texts_of_refusals(edge: Edge) -> None:
    assert (await edge.ask("GET", "/ari/nope")).message == "Resource not found"
    answer = await edge.ask("GET", "/ari/endpoints/PJSIP/")
    assert answer.message == "ARI URLs do not end with a slash. Try /ari/endpoints/PJSIP"
    answer = await edge.ask("PUT", CAROL)
    assert (answer.message, answer.headers["allow"]) == ("Invalid method", "OPTIONS,GET")
    assert (await edge.ask("PUT", CAROL, auth=RO)).message == "Write access denied"


async def test_a_body_is_read_after_authentication_only(edge: Edge) -> None:
    for path in ("/ari/nope", f"{CAROL}/sendMessage"):
        assert (await edge.ask("PUT", path, body=b"{", auth=None)).status == 401
        assert (await edge.ask("PUT", path, body=b"x" * (BODY_BYTES + 1), auth=None)).status == 401


def form(length: int) -> bytes:
    return b"from=x&body=".ljust(length, b"y")


FORM = "application/x-www-form-urlencoded"


async def test_body_limit(edge: Edge) -> None:
    path = f"{CAROL}/sendMessage"
    assert (await edge.ask("PUT", path, headers={"Content-Type": FORM}, body=form(BODY_BYTES))).status == 202
    answer = await edge.ask("PUT", path, headers={"Content-Type": FORM}, body=form(BODY_BYTES + 1))
    assert (answer.status, answer.message, answer.headers["connection"]) == (413, "Request body too large", "close")


async def chunked(edge: Edge, chunks: list[bytes], **headers: str) -> int:
    wire = await edge.open()
    sent = {"Authorization": RW, "Transfer-Encoding": "chunked", "Content-Type": FORM, **headers}
    wire.send(request("PUT", f"{CAROL}/sendMessage", sent))
    for chunk in chunks:
        wire.send(chunk)
        await asyncio.sleep(0)
    status = (await wire.answer()).status
    await wire.close()
    return status


def chunk(data: bytes) -> bytes:
    return b"%x;ext=1\r\n%b\r\n" % (len(data), data)


async def test_chunked_bodies(edge: Edge) -> None:
    assert await chunked(edge, [chunk(b"from=x&"), chunk(b"body=whole"), b"0\r\nTrailer: x\r\n\r\n"]) == 202
    assert edge.pjsip.messages[0].body == "whole"
    assert await chunked(edge, [chunk(b"y" * 30_000), chunk(b"y" * 30_000), b"0\r\n\r\n"]) == 413
    assert await chunked(edge, [b"zz\r\n"]) == 400


async def test_a_body_that_takes_too_long(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BODY_SECONDS", 0.01)
    wire = await edge.open()
    wire.send(request("PUT", f"{CAROL}/sendMessage", {"Authorization": RW, "Content-Length": "10"}) + b"abc")
    assert (await wire.answer()).status == 408
    await wire.close()


async def test_expect_continue(edge: Edge) -> None:
    wire = await edge.open()
    headers = {"Authorization": RW, "Content-Type": FORM, "Content-Length": "6", "Expect": "100-continue"}
    wire.send(request("PUT", f"{CAROL}/sendMessage", headers))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(b"from=x")
    assert (await wire.answer()).status == 202
    await wire.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"get /ari HTTP/1.1\r\n\r\n",
        b"GET /ari HTTP/9.9\r\n\r\n",
        b"GET /ari HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /ari HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /ari HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /ari HTTP/1.1\r\nA: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ari HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
async def test_what_is_no_http_is_answered_in_json_and_closed(edge: Edge, raw: bytes) -> None:
    wire = await edge.open()
    wire.send(raw)
    answer = await wire.answer()
    assert (answer.status, answer.json) == (400, {"message": "Bad request"})
    assert answer.headers["connection"] == "close"
    assert await wire.ended()
    await wire.close()


async def test_an_error_of_ours_is_an_answer_and_a_log_line(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(edge.registry, "fragment", fail)
    with structlog.testing.capture_logs() as logs:
        answer = await edge.ask("GET", f"{CAROL}?api_key=asterisk:asterisk")
    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})
    assert [(entry["event"], entry["path"], entry["log_level"]) for entry in logs] == [
        ("a request failed", CAROL, "error")
    ]
    assert "asterisk:asterisk" not in repr(logs)
    monkeypatch.undo()
    assert (await edge.ask("GET", CAROL)).status == 200


async def test_session_limit() -> None:
    async with running(http={"sessionlimit": 2}) as edge:
        wires = [await edge.open() for _ in range(2)]
        for wire in wires:
            wire.send(request("GET", CAROL, {"Authorization": RW}))
            assert (await wire.answer()).status == 200
        answer = await edge.ask("GET", CAROL)
        assert (answer.status, answer.message) == (503, "Too many connections")
        await wires[0].close()

        async def room() -> bool:
            return (await edge.ask("GET", CAROL)).status == 200

        await until(room, "room for another connection")
        await wires[1].close()


async def test_far_beyond_the_session_limit_nothing_is_answered() -> None:
    async with running(http={"sessionlimit": 1}) as edge:
        wires = [await edge.open() for _ in range(3)]
        assert await wires[2].ended()
        for wire in wires:
            await wire.close()


async def test_prefix() -> None:
    async with running(http={"prefix": "/pbx"}) as edge:
        assert (await edge.ask("GET", "/pbx/ari/endpoints")).status == 200
        assert (await edge.ask("GET", "/PBX/ari/endpoints")).status == 200
        assert (await edge.ask("GET", "/ari/endpoints")).status == 404


async def test_mounts() -> None:
    def mount(name: str) -> Any:
        async def handler(asked: web.BaseRequest) -> web.StreamResponse:
            return Reply(200, name.encode(), content_type=b"text/plain")

        return handler

    def before(edge: Edge) -> None:
        edge.service.mount("/metrics", mount("metrics"))
        edge.service.mount("/", mount("console"))
        edge.service.mount("/metrics/deep", mount("deep"))

    async with running(before=before) as edge:
        for path, body in (
            ("/metrics", b"metrics"),
            ("/metrics/x", b"metrics"),
            ("/metrics/deep?x", b"deep"),
            ("/metricsx", b"console"),
            ("/", b"console"),
            ("/index.html", b"console"),
        ):
            assert (await edge.ask("GET", path, auth=None)).body == body
        assert (await edge.ask("GET", "/ari/endpoints", auth=None)).status == 401


async def test_stop_says_goodbye() -> None:
    async with running() as edge:
        wire = await edge.listen("/ari/events?app=a")
        stopping = asyncio.create_task(edge.service.stop())
        assert await wire.close_code() == 1001
        wire.frame(0x8, b"\x03\xe9")
        assert await wire.ended()
        await asyncio.wait_for(stopping, 5)
        with pytest.raises(ConnectionRefusedError):
            await edge.open()
        await wire.close()


async def test_stop_does_not_wait_for_who_does_not_answer() -> None:
    async with running() as edge:
        wire = await edge.listen("/ari/events?app=a")
        await asyncio.wait_for(edge.service.stop(), 5)
        assert await wire.close_code() == 1001
        await wire.close()


async def test_a_port_that_is_taken() -> None:
    async with running() as edge:
        with pytest.raises(OSError, match="address already in use"):
            async with running(http={"bind_port": edge.port}):
                pass


async def test_these_tests_run_on_the_loop_of_the_server(edge: Edge) -> None:
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"


async def test_half_a_request_is_not_waited_for_without_end() -> None:
    async with running(http={"session_keep_alive": 0.05}) as edge:
        for start in (b"", b"GET /ari HTTP/1.1\r\nA: "):
            wire = await edge.open()
            wire.send(start)
            assert await asyncio.wait_for(wire.ended(), 5)
            await wire.close()


async def test_responses_nobody_reads_do_not_pile_up(edge: Edge) -> None:
    """A client that sends requests and reads nothing is served no further than its buffers reach."""
    wire = await edge.open()
    reading: Any = wire.writer.transport
    reading.pause_reading()
    ask = request("GET", "/ari/endpoints", {"Authorization": RW}) * 100

    async def flood() -> None:
        while True:
            wire.send(ask)
            await wire.writer.drain()

    flooding = asyncio.create_task(flood())
    (connection,) = edge.service._connections.connections
    await until(lambda: connection._reading_paused or connection._buffer_paused, "the requests to stop")
    transport = connection.transport
    assert transport is not None
    assert transport.get_write_buffer_size() < 200_000
    assert (await edge.ask("GET", CAROL)).status == 200
    flooding.cancel()
    await asyncio.wait((flooding,))
    await wire.close()


async def test_a_response_nobody_takes_ends_the_connection(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.ari.reply.RESPONSE_SECONDS", 0.05)
    monkeypatch.setattr(edge.registry, "listing", lambda technology: b"x" * 20_000_000)
    wire = await edge.open()
    reading: Any = wire.writer.transport
    reading.pause_reading()
    wire.send(request("GET", "/ari/endpoints", {"Authorization": RW}))
    await until(lambda: bool(edge.service._connections.requests_count), "the request to be served")
    await until(lambda: not edge.service._connections.count, "the connection to be ended")
    await wire.close()
