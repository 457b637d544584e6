"""/healthz, /readyz and /metrics: at the root, whatever else the HTTP server serves, and saying no secrets."""

from __future__ import annotations

import pytest

from switchroom.ari.health import Health
from switchroom.ari.limits import OPEN_METRICS_SECONDS
from unit.ari.edge import RO, RW, Edge, basic, running

PATHS = ("/healthz", "/readyz", "/metrics")


class World:
    """Health on an edge."""

    def __init__(self, *, protected: bool = True) -> None:
        self.reasons: list[str] = []
        self.scrapes = 0
        self._protected = protected

    def metrics(self) -> bytes:
        self.scrapes += 1
        return b"up 1\n"

    def mount(self, edge: Edge) -> None:
        service = edge.service
        login = service.login if self._protected else None
        health = Health(lambda: self.reasons, self.metrics, login, edge.clock)
        service.mount_at_root("/healthz", health.healthz)
        service.mount_at_root("/readyz", health.readyz)
        service.mount_at_root("/metrics", health.metrics)


async def test_health_needs_no_login() -> None:
    world = World()
    async with running(before=world.mount) as edge:
        for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
            answer = await edge.ask("GET", path, auth=None)
            assert (answer.status, answer.json) == (200, {"status": status})
            assert answer.headers["content-type"] == "application/json"
            assert "no-store" in answer.headers["cache-control"]
            head = await edge.ask("HEAD", path, auth=None)
            assert (head.status, head.body) == (200, b"")


async def test_reasons_make_it_unready_and_leave_it_alive() -> None:
    world = World()
    world.reasons = ["the store can not be written", "the server is stopping"]
    async with running(before=world.mount) as edge:
        answer = await edge.ask("GET", "/readyz", auth=None)
        assert (answer.status, answer.json) == (503, {"status": "unready", "reasons": world.reasons})
        assert (await edge.ask("GET", "/healthz", auth=None)).status == 200
        world.reasons = []
        assert (await edge.ask("GET", "/readyz", auth=None)).status == 200


async def test_metrics_need_a_login_of_any_role() -> None:
    world = World()
    async with running(before=world.mount) as edge:
        stranger = await edge.ask("GET", "/metrics", auth=None)
        assert stranger.status == 401
        assert stranger.headers["www-authenticate"].startswith("Basic ")
        assert (await edge.ask("GET", "/metrics", auth=basic("asterisk", "wrong"))).status == 401
        assert (await edge.ask("GET", "/metrics", auth=basic("far", "far"))).status == 403  # its acl
        assert world.scrapes == 0
        for auth in (RW, RO):
            answer = await edge.ask("GET", "/metrics", auth=auth)
            assert (answer.status, answer.body) == (200, b"up 1\n")
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await edge.ask("GET", "/metrics?api_key=reader:readpw", auth=None)).status == 200


async def test_strangers_do_not_make_the_server_count_all_day() -> None:
    world = World(protected=False)
    async with running(before=world.mount) as edge:
        for _ in range(5):
            assert (await edge.ask("GET", "/metrics", auth=None)).body == b"up 1\n"
        assert world.scrapes == 1
        edge.clock.now += OPEN_METRICS_SECONDS
        assert (await edge.ask("GET", "/metrics", auth=None)).body == b"up 1\n"
        assert world.scrapes == 2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"])
async def test_they_are_read_and_nothing_else(path: str, method: str) -> None:
    world = World()
    async with running(before=world.mount) as edge:
        answer = await edge.ask(method, path)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
        assert world.scrapes == 0


@pytest.mark.parametrize("path", PATHS)
async def test_they_are_at_the_root_and_only_there(path: str) -> None:
    async with running(http={"prefix": "/asterisk"}, ari={"pretty": True}, before=World().mount) as edge:
        assert (await edge.ask("GET", path)).status == 200
        for other in (f"/asterisk{path}", f"{path}/", f"{path}/x", f"/ari{path}", path.upper(), f"{path}%2f"):
            assert (await edge.ask("GET", other)).status == 404, other


async def test_the_api_goes_first() -> None:
    """Health can not stand where ARI is."""
    async with running(before=World().mount) as edge:
        assert (await edge.ask("GET", "/ari/healthz")).status == 404
