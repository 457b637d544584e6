"""A program on PyPI's aioari, written as its README says. Speaks as ``node/ari_client.js`` does."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aioari  # type: ignore[import-not-found]


def tell(*what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def told(endpoint: Any, event: dict[str, Any]) -> None:
    tell("event", event, endpoint.json)


def content(text: str, variables: dict[str, str] | None) -> dict[str, Any]:
    return {"body": text, **({"variables": variables} if variables else {})}


class Commands:
    """One method a command."""

    ari: Any = None
    app: str
    running: asyncio.Task[None]

    async def connect(self, url: str, user: str, password: str, app: str, everything: bool) -> None:
        assert not everything, "the library has no way to ask for everything"
        self.ari = await aioari.connect(url, user, password)
        self.app = app
        self.running = asyncio.create_task(self.ari.run(apps=app))
        while not self.ari.websockets:  # the library tells in no other way that it is connected
            await asyncio.wait([self.running], timeout=0.01)
            if self.running.done():
                await self.running

    async def close(self) -> None:
        if self.ari is not None:
            await self.ari.close()

    async def operations(self, resource: str) -> list[str]:
        return sorted(self.ari.get_repo(resource).api.operations)

    async def list(self) -> Any:
        return [endpoint.json for endpoint in await self.ari.endpoints.list()]

    async def list_by_tech(self, tech: str) -> Any:
        return [endpoint.json for endpoint in await self.ari.endpoints.listByTech(tech=tech)]

    async def get(self, tech: str, resource: str) -> Any:
        return (await self.ari.endpoints.get(tech=tech, resource=resource)).json

    async def send(self, to: str, sender: str, text: str, variables: dict[str, str] | None) -> Any:
        return await self.ari.endpoints.sendMessage(**{"to": to, "from": sender, **content(text, variables)})

    async def send_to_endpoint(
        self, tech: str, resource: str, sender: str, text: str, variables: dict[str, str] | None
    ) -> Any:
        """Through the endpoint object, which offers the operations of its own."""
        endpoint = await self.ari.endpoints.get(tech=tech, resource=resource)
        return await endpoint.sendMessageToEndpoint(**{"from": sender, **content(text, variables)})

    async def refer(self, to: str, sender: str, refer_to: str, variables: dict[str, str] | None) -> Any:
        more = {"variables": variables} if variables else {}
        return await self.ari.endpoints.refer(**{"to": to, "from": sender, "refer_to": refer_to, **more})

    async def refer_endpoint(self, tech: str, resource: str, sender: str, refer_to: str) -> Any:
        endpoint = await self.ari.endpoints.get(tech=tech, resource=resource)
        return await endpoint.referToEndpoint(**{"from": sender, "refer_to": refer_to})

    async def subscribe(self, source: str) -> Any:
        return (await self.ari.applications.subscribe(applicationName=self.app, eventSource=source))["endpoint_ids"]

    async def unsubscribe(self, source: str) -> Any:
        return (await self.ari.applications.unsubscribe(applicationName=self.app, eventSource=source))["endpoint_ids"]

    async def listen(self, *types: str) -> None:
        for kind in types:
            self.ari.on_endpoint_event(kind, told)

    async def watch(self, tech: str, resource: str, kind: str) -> None:
        """Only what happens to one endpoint."""
        (await self.ari.endpoints.get(tech=tech, resource=resource)).on_event(kind, told)


async def main() -> None:
    commands = Commands()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *arguments = json.loads(line)
        try:
            result = await getattr(commands, command)(*arguments)
        except Exception as error:  # what a program would show its user
            tell("failed", getattr(error, "text", None) or repr(error))
        else:
            tell("done", result)
    await commands.close()


asyncio.run(main())
