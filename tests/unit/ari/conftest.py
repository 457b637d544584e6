"""The edge as most tests use it, on the loop the server runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from unit.ari.edge import Edge, running


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The transports of uvloop are not quite those of the standard library."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    async with running() as edge:
        yield edge
