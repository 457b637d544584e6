"""Waiting on conditions, never on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

#: Between two looks at a condition that nobody announces, in seconds.
_LOOK_EVERY = 0.02


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, within: float = 10.0) -> None:
    """Returns once ``condition`` holds.

    Raises:
        AssertionError: it did not hold ``within`` so many seconds; the text says ``what`` was waited for.
    """
    end = time.monotonic() + within
    while True:
        holds = condition()
        if not isinstance(holds, bool):
            holds = await holds
        if holds:
            return
        if time.monotonic() > end:
            raise AssertionError(f"waited {within:g} s in vain for {what}")
        await asyncio.sleep(_LOOK_EVERY)
