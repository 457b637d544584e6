"""S32: requests made from the API's own description, right and wrong ones. None is a fault of ours, every answer is as
described.

``SWITCHROOM_EXAMPLES`` says how many for each operation; ``make soak`` takes 500.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import schemathesis.checks
import structlog
import uvloop
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks

from switchroom.ari import openapi
from switchroom.ari.routes import TABLE
from unit.ari.edge import RW, Edge, running

EXAMPLES = int(os.environ.get("SWITCHROOM_EXAMPLES", "15"))

schema = schemathesis.openapi.from_dict(openapi.document("http://127.0.0.1:1/ari"))

#: Everything a single answer can be checked for. Left out are: that what fits the description is taken and what does
#: not is refused (a name may fit and yet be nobody's; unknown keys are ignored, and 1 is a word for true), that no
#: other method works (POST does for sendMessage, for a client that exists), and what needs several requests.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.missing_required_header,
]


class Background:
    """A service in a thread of its own: the client of these tests blocks."""

    def __init__(self) -> None:
        self.port = 0
        self.logs: list[Any] = []
        self._ready = threading.Event()
        self._loop = uvloop.new_event_loop()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with running(before=_inhabit) as edge:
            self.port = edge.port
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def _inhabit(edge: Edge) -> None:
    edge.service.applications.expect(["a"], everything=True)


@pytest.fixture(scope="module")
def service() -> Iterator[Background]:
    with structlog.testing.capture_logs() as logs:
        background = Background()
        yield background
        background.close()
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_operation(case: schemathesis.Case[Any], service: Background) -> None:
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{service.port}/ari", headers={"Authorization": RW}, checks=CHECKS
    )


def test_every_route_is_described() -> None:
    described = {(method.upper(), path) for path, found in schema.raw_schema["paths"].items() for method in found}
    assert described == {(route.method, route.path) for route in TABLE}
