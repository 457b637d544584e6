"""Texts over ARI at a steady rate, over a few connections that stay open; how long each 202 took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from figures import spread

#: Connections; a request takes whichever is free, so a slow answer delays no other request.
_CONNECTIONS = 32
_GIVE_UP = 8.0


def send_paced(
    host: str, port: int, basic: str, paths: Callable[[int], str], count: int, rate: float
) -> dict[str, Any]:
    """PUTs ``paths(0)`` to ``paths(count - 1)``, so many a second, each at its time whatever became of the others.

    Returns ``operations`` that were answered 202, ``failed`` others, and the spread of the seconds until the answer,
    counted from when a request was due.
    """
    return asyncio.run(_send_paced(host, port, basic, paths, count, rate))


async def _send_paced(
    host: str, port: int, basic: str, paths: Callable[[int], str], count: int, rate: float
) -> dict[str, Any]:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, port))
    took: list[float] = []
    failed = 0

    async def ask(number: int, due: float) -> None:
        nonlocal failed
        reader, writer = await free.get()
        writer.write(f"PUT {paths(number)} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {basic}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _GIVE_UP)
        if head.startswith(b"HTTP/1.1 202 "):
            took.append(time.monotonic() - due)
        else:
            failed += 1
        free.put_nowait((reader, writer))

    begun = time.monotonic()
    async with asyncio.TaskGroup() as asking:
        for number in range(count):
            due = begun + number / rate
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            asking.create_task(ask(number, due))
    wall = time.monotonic() - begun
    while not free.empty():
        free.get_nowait()[1].close()
    return {"operations": len(took), "failed": failed, "wall_s": round(wall, 3), **spread(took)}
