"""Connections: how many, how long silent, with and without TLS, from where."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_network
from typing import Any

import pytest

from support.certificates import Certificate, self_signed
from support.wait import until
from switchroom.model.settings import AccessRule, PathRestriction, Source
from unit.ari.edge import RW, Edge, Wire, request, running

PING = "/ari/asterisk/ping"
RESOURCES = "/ari/api-docs/resources.json"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("http"))


def contexts(certificate: Certificate) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.cert, certificate.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate.cert)
    return server, client


async def secured(edge: Edge, client: ssl.SSLContext) -> Wire:
    assert edge.service.tls_address is not None
    host, port = edge.service.tls_address
    return Wire(*await asyncio.open_connection(host, port, ssl=client, server_hostname="localhost"))


async def test_both_listeners_serve_the_same(certificate: Certificate) -> None:
    server, client = contexts(certificate)
    async with running(http={"tls_bind_port": 0}, tls=server) as edge:
        wire = await secured(edge, client)
        wire.send(request("GET", RESOURCES, {"Authorization": RW}))
        assert (await wire.answer()).json["basePath"] == "https://ari.example/ari"
        await wire.close()
        assert (await edge.ask("GET", RESOURCES)).json["basePath"] == "http://ari.example/ari"


async def test_events_over_tls(certificate: Certificate) -> None:
    server, client = contexts(certificate)
    async with running(http={"tls_bind_port": 0}, tls=server) as edge:
        wire = await secured(edge, client)
        wire.send(
            request(
                "GET",
                "/ari/events?app=a&subscribeAll=true",
                {
                    "Upgrade": "websocket",
                    "Connection": "Upgrade",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Version": "13",
                    "Authorization": RW,
                },
            )
        )
        assert (await wire.answer()).status == 101
        edge.register("bob")
        assert (await wire.event())["type"] == "EndpointStateChange"
        await wire.close()


async def test_no_tls_before_1_2(certificate: Certificate) -> None:
    server, client = contexts(certificate)
    async with running(http={"tls_bind_port": 0}, tls=server) as edge:
        client.minimum_version = ssl.TLSVersion.TLSv1_2
        wire = await secured(edge, client)
        assert wire.writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        await wire.close()


async def test_without_tls_there_is_one_listener(edge: Edge) -> None:
    assert edge.service.tls_address is None
    assert len(edge.service._servers) == 1


@pytest.mark.parametrize(
    ("trusted", "header", "scheme"),
    [
        ((), "https", "http"),
        ((ip_network("192.0.2.0/24"),), "https", "http"),
        ((ip_network("::1/128"), ip_network("127.0.0.0/8")), "https", "https"),
        ((ip_network("127.0.0.0/8"),), "HTTPS", "https"),
        ((ip_network("127.0.0.0/8"),), "http", "http"),
        ((ip_network("127.0.0.0/8"),), "gopher", "http"),
        ((ip_network("127.0.0.0/8"),), "https, http", "http"),
        ((ip_network("127.0.0.0/8"),), "", "http"),
    ],
)
async def test_a_trusted_proxy_says_the_scheme(trusted: Any, header: str, scheme: str) -> None:
    async with running(ours={"trusted_proxies": trusted}) as edge:
        answer = await edge.ask("GET", RESOURCES, headers={"X-Forwarded-Proto": header})
        assert answer.json["basePath"] == f"{scheme}://ari.example/ari"


DENIED = (AccessRule(False, ip_network("0.0.0.0/0")),)
HERE = (*DENIED, AccessRule(True, ip_network("127.0.0.1/32")))


def restriction(path: str, acl: tuple[AccessRule, ...]) -> PathRestriction:
    return PathRestriction(name=path, source=Source("http.conf", 1), acl=acl)


@pytest.mark.parametrize(
    ("restrictions", "path", "status"),
    [
        ([("/ari/asterisk", DENIED)], PING, 403),
        ([("/ari/asterisk", DENIED)], "/ari/endpoints", 200),
        ([("/ari/asterisk", HERE)], PING, 200),
        ([("/ari", HERE), ("/ari/asterisk", DENIED)], PING, 403),
        ([("/ari", DENIED), ("/ari/asterisk", HERE)], PING, 403),
        ([("/", DENIED)], "/elsewhere", 403),
        ([("/ari/Asterisk", DENIED)], PING, 200),
        ([("/ari/asterisk/pi", DENIED)], PING, 403),
    ],
)
async def test_paths_may_be_restricted(restrictions: list[Any], path: str, status: int) -> None:
    found = tuple(restriction(name, acl) for name, acl in restrictions)
    async with running(http={"restrictions": found}) as edge:
        answer = await edge.ask("GET", path)
        assert answer.status == status
        # Before anything is asked about the user.
        assert (await edge.ask("GET", path, auth=None)).status == (403 if status == 403 else 401)


async def test_a_restriction_is_compared_with_the_whole_path() -> None:
    async with running(http={"prefix": "/pbx", "restrictions": (restriction("/pbx/ari", DENIED),)}) as edge:
        assert (await edge.ask("GET", f"/pbx{PING}")).status == 403
        assert (await edge.ask("GET", "/other")).status == 404


async def test_whoever_comes_too_many_is_told_so() -> None:
    async with running(http={"sessionlimit": 2}) as edge:
        wires = [await edge.listen("/ari/events?app=a"), await edge.listen("/ari/events?app=b")]
        answer = await edge.ask("GET", PING)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        await wires.pop().close()
        await until(lambda: edge.service._connections.count == 1, "a place to be free")
        assert (await edge.ask("GET", PING)).status == 200
        await wires.pop().close()


async def test_who_says_nothing_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(http={"sessionlimit": 3}) as edge:
        busy = await edge.listen("/ari/events?app=a")
        silent = [await edge.open(), await edge.open()]
        await until(lambda: edge.service._connections.count == 3, "the connections to be there")
        assert (await edge.ask("GET", PING)).status == 503
        monkeypatch.setattr("switchroom.ari.connections.SILENT_SECONDS", 0.0)
        assert (await edge.ask("GET", PING)).status == 200
        assert (await silent[0].answer()).status == 503
        assert await silent[0].ended()
        silent[1].send(request("GET", PING, {"Authorization": RW}))
        assert (await silent[1].answer()).status == 200
        # It has asked, so it stays.
        third = await edge.open()
        await until(lambda: edge.service._connections.count == 3, "the third connection")
        assert (await edge.ask("GET", PING)).status == 200
        assert (await third.answer()).status == 503
        edge.register("bob")
        await busy.close()
        for wire in (*silent, third):
            await wire.close()


async def test_ari_can_be_switched_off() -> None:
    async with running(ari={"enabled": False}) as edge:
        assert (await edge.ask("GET", PING)).status == 404
