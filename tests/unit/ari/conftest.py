"""The edge as most tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from unit.ari.edge import Edge, event_loop_policy, running

__all__ = ["event_loop_policy"]


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    async with running() as edge:
        yield edge
