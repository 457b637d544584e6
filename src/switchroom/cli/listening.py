"""The WebSocket of events, opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from yarl import URL

from switchroom.cli.account import Account
from switchroom.cli.client import PATIENCE, authorization, escaped, root_of, tls_context, understood
from switchroom.cli.terminal import Refused, Unreachable
from switchroom.cli.trouble import denied, unreachable

#: Seconds before the first attempt to connect again, and the most there are: each time twice as many.
_PAUSES = 0.25, 15.0

#: Seconds between pings: who does not answer one has gone.
_PING = 20.0

#: Bytes of one event: a text of 64 KiB, escaped.
_EVENT_BYTES = 1 << 20


class Opened(NamedTuple):
    """The WebSocket is open. ``again``: after another one; ``lossless``: what happened in between will come."""

    again: bool
    lossless: bool


class Broken(NamedTuple):
    """The WebSocket was lost, or could not be opened again; the next attempt is in ``pause`` seconds."""

    why: str
    pause: float


Heard = Opened | Broken | dict[str, Any]


class Subscription(NamedTuple):
    """What an application listens to; endpoints and devices, all of them, when no source is named (docs/events.md)."""

    application: str
    sources: Sequence[str] = ()
    resumes: bool = False


class Listener:
    """A server's ARI for commands that go on until they are stopped. Use as a context."""

    def __init__(self, account: Account) -> None:
        """Raises Refused when the file of authorities can not be used."""
        self._account = account
        self._base = URL(account.url).with_path(root_of(account), encoded=True)
        self._secure = tls_context(account) if self._base.scheme == "https" else True

    async def __aenter__(self) -> Listener:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": authorization(self._account)}, timeout=aiohttp.ClientTimeout(total=PATIENCE)
        )
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """As ``client.Server.ask``. Raises Refused."""
        try:
            async with self._session.request(
                method, self._place(path), json=body, ssl=self._secure, allow_redirects=False
            ) as response:
                return understood(self._account, response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._trouble(error) from None

    async def listen(self, subscription: Subscription) -> AsyncGenerator[Heard, None]:
        """Events for ever, and what becomes of the WebSocket meanwhile.

        Raises:
            Refused: the first attempt failed, or further ones are of no use: the user has gone, or the application
                is another client's now.
        """
        again, pause = False, _PAUSES[0]
        while True:
            try:
                lossless = again and await self._remembers(subscription)
                async with await self._open(subscription) as socket:
                    if subscription.sources and not lossless:
                        path = f"/applications/{escaped(subscription.application)}/subscription"
                        await self.ask("POST", path, {"eventSource": list(subscription.sources)})
                    yield Opened(again, lossless)
                    again, pause = True, _PAUSES[0]
                    async for frame in socket:
                        if frame.type is aiohttp.WSMsgType.TEXT:
                            yield _event(frame.data, subscription)
                    why = self._why(socket.close_code)
            except Unreachable as lost:
                if not again:
                    raise
                why = str(lost)
            # Clients of one server shall not come back all at once.
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311
            yield Broken(why, wait)
            await asyncio.sleep(wait)
            pause = min(pause * 2, _PAUSES[1])

    async def _remembers(self, subscription: Subscription) -> bool:
        """Whether the server kept what the application missed: it was not restarted meanwhile, nor is it too late."""
        if not subscription.resumes:
            return False
        try:
            await self.ask("GET", f"/applications/{escaped(subscription.application)}")
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    async def _open(self, subscription: Subscription) -> aiohttp.ClientWebSocketResponse:
        account = self._account
        # Asked first, because a refused handshake does not tell why.
        await self.ask("GET", "/asterisk/ping")
        query = f"?app={quote(subscription.application, safe='')}"
        query += "" if subscription.sources else "&subscribeAll=true"
        query += "&resume=true" if subscription.resumes else ""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._session.ws_connect(
                    self._place(f"/events{query}"),
                    protocols=("ari",),
                    heartbeat=_PING,
                    max_msg_size=_EVENT_BYTES,
                    ssl=self._secure,
                )
        except aiohttp.WSServerHandshakeError as refused:
            if refused.status == 400:
                text = f'the application "{subscription.application}" is refused: a name is short, printable, not empty'
                raise Refused(text, 400) from None
            said = {403: "The origin is not allowed", 503: "Too many applications"}.get(refused.status)
            raise denied(account.url, account.user, refused.status, said) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._trouble(error) from None

    def _place(self, below: str) -> URL:
        return URL(f"{self._base}{below}", encoded=True)

    def _trouble(self, error: Exception) -> Refused:
        """What an exception of aiohttp means, by the one that it wraps."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return unreachable(self._account.url, error.certificate_error)
        if isinstance(error, aiohttp.ClientConnectorError):
            return unreachable(self._account.url, error.os_error)
        return unreachable(self._account.url, error if isinstance(error, OSError) else ConnectionError())

    def _why(self, code: int | None) -> str:
        url = self._account.url
        if code == aiohttp.WSCloseCode.GOING_AWAY:
            return f"the server at {url} stops"
        if code == aiohttp.WSCloseCode.TRY_AGAIN_LATER:
            return f"the server at {url} ended the connection: events were not read fast enough"
        return f"the server at {url} was lost"


def _event(data: str, subscription: Subscription) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise Refused("what came over the WebSocket is no event: is it another server?")
    if event["type"] == "ApplicationReplaced":
        raise Refused(f"another client listens as {subscription.application} now: give another --app, or end that one")
    return event
