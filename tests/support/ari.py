"""A plain ARI client: sends what it is given as it is."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec
from yarl import URL

#: The read-write user of the configurations for tests.
ASTERISK = ("asterisk", "asterisk")
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=15)


class Answer(NamedTuple):
    """An HTTP response. ``json`` is None for a body that is empty or not JSON; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


class Ari:
    """One server's ARI, as one user."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self.base = base

    async def ask(
        self,
        method: str,
        path: str,
        *,
        user: tuple[str, str] | None = ASTERISK,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One exchange. ``path`` begins with ``/ari`` and is sent byte for byte, query included."""
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = _basic(*user)
        async with self._session.request(
            method,
            URL(self.base + path, encoded=True),
            headers=sent,
            data=body,
            skip_auto_headers=("Content-Type", "User-Agent"),
            allow_redirects=False,
        ) as response:
            raw = await response.read()
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, raw, _json(raw))

    async def endpoint(self, resource: str, technology: str = "PJSIP") -> Any:
        """The endpoint object."""
        return (await self.ask("GET", f"/ari/endpoints/{technology}/{resource}")).json

    async def is_state(self, resource: str, state: str) -> bool:
        """Whether the PJSIP endpoint is in ``state`` now."""
        return bool((await self.endpoint(resource))["state"] == state)


@asynccontextmanager
async def ari_client(base: str) -> AsyncIterator[Ari]:
    """An ARI client for the server at ``base``."""
    async with aiohttp.ClientSession(timeout=_ANSWER_WITHIN) as session:
        yield Ari(session, base)


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
