"""An ARI events WebSocket that keeps what it hears until a test asks for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from support.ari import ASTERISK, Ari

Event = dict[str, Any]

_MARKS = itertools.count(1)


class Events:
    """The events of one application, in the order they came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, app: str) -> None:
        self._socket = socket
        self.app = app
        #: Heard and not yet asked for.
        self.heard: list[Event] = []
        self._more = asyncio.Condition()
        self._closed = False
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for frame in self._socket:
            async with self._more:
                self.heard.append(msgspec.json.decode(frame.data))
                self._more.notify_all()
        async with self._more:
            self._closed = True
            self._more.notify_all()

    async def next_of(self, kind: str, within: float = 5.0) -> Event:
        """The first event of type ``kind`` not asked for yet; takes it, and only it, from ``heard``.

        Raises:
            AssertionError: none came ``within`` so many seconds, or the socket was closed.
        """
        return await self._next(lambda event: bool(event["type"] == kind), kind, within)

    async def _next(self, wanted: Callable[[Event], bool], what: str, within: float) -> Event:
        try:
            async with asyncio.timeout(within), self._more:
                while True:
                    for event in self.heard:
                        if wanted(event):
                            self.heard.remove(event)
                            return event
                    if self._closed:
                        raise AssertionError(f"the socket was closed before a {what} came")
                    await self._more.wait()
        except TimeoutError:
            kinds = [event["type"] for event in self.heard]
            raise AssertionError(f"no {what} within {within:g} s; heard {kinds}") from None

    async def settled(self, ari: Ari, within: float = 5.0) -> list[Event]:
        """All that was heard up to now. A user event is sent through the server and waited for: what the
        server published before it has arrived before it.
        """
        mark = f"mark{next(_MARKS)}"
        answer = await ari.ask("POST", f"/ari/events/user/{mark}?application={self.app}")
        assert answer.status == 204, answer
        await self._next(lambda event: event.get("eventname") == mark, mark, within)
        heard, self.heard = self.heard, []
        return heard

    async def closed(self, within: float = 5.0) -> int | None:
        """Waits until the server closes the socket; the close code."""
        async with asyncio.timeout(within):
            await self._listening
        return self._socket.close_code

    async def close(self) -> None:
        await self._socket.close()
        await self._listening


@asynccontextmanager
async def events(base: str, app: str, *, subscribe_all: bool = False) -> AsyncIterator[Events]:
    """Connects ``app`` to the server's events."""
    url = f"{base}/ari/events?app={app}&api_key={ASTERISK[0]}:{ASTERISK[1]}"
    if subscribe_all:
        url += "&subscribeAll=true"
    async with aiohttp.ClientSession() as session:
        heard = Events(await session.ws_connect(url), app)
        try:
            yield heard
        finally:
            await heard.close()
