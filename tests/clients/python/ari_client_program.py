"""A program on PyPI's ari-client, written as its README says. Speaks as ``node/ari_client.js`` does, but of an event of
an endpoint the library shows no more than its type, its time and its application.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from ari_client import AriClient  # type: ignore[import-not-found]


def tell(*what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def told(event: Any) -> None:
    tell("event", event.model_dump(mode="json"), None)


class Commands:
    """One method a command."""

    client: Any = None

    async def connect(self, url: str, user: str, password: str, app: str, everything: bool) -> None:
        where = urlsplit(url)
        self.client = AriClient(host=where.hostname, port=where.port, ari_user=user, ari_password=password)
        await self.client.connect(app=app, subscribe_to_all=everything)

    async def close(self) -> None:
        if self.client is not None and self.client.ws is not None:
            await self.client.disconnect()

    async def list(self) -> Any:
        return [endpoint.model_dump() for endpoint in await self.client.ari.list_endpoints()]

    async def list_by_tech(self, tech: str) -> Any:
        return [endpoint.model_dump() for endpoint in await self.client.ari.list_endpoints_by_tech(tech)]

    async def get(self, tech: str, resource: str) -> Any:
        return (await self.client.ari.get_endpoint(tech, resource)).model_dump()

    async def send(self, to: str, sender: str, text: str, variables: dict[str, str] | None) -> Any:
        return await self.client.ari.send_message(to, sender, text, variables)

    async def send_to_endpoint(
        self, tech: str, resource: str, sender: str, text: str, variables: dict[str, str] | None
    ) -> Any:
        return await self.client.ari.send_message_to_endpoint(tech, resource, sender, text, variables)

    async def refer(self, to: str, sender: str, refer_to: str, variables: dict[str, str] | None) -> Any:
        return await self.client.ari.refer(to, sender, refer_to, variables=variables)

    async def refer_endpoint(self, tech: str, resource: str, sender: str, refer_to: str) -> Any:
        return await self.client.ari.refer_to_endpoint(tech, resource, sender, refer_to)

    async def subscribe(self, source: str) -> Any:
        return (await self.client.ari.subscribe_application(source)).endpoint_ids

    async def unsubscribe(self, source: str) -> Any:
        return (await self.client.ari.unsubscribe_application(source)).endpoint_ids

    async def listen(self, *types: str) -> None:
        for kind in types:
            self.client.on_event(kind)(told)


async def main() -> None:
    commands = Commands()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *arguments = json.loads(line)
        try:
            result = await getattr(commands, command)(*arguments)
        except Exception as error:  # what a program would show its user
            tell("failed", str(error))
        else:
            tell("done", result)
    await commands.close()


asyncio.run(main())
