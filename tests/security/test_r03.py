"""R03: the server is killed or told to end amid its work. Who was told to be registered is so afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from support.ari import ASTERISK, ari_client
from support.config import sip_address, user, write_config
from support.phone import phone
from support.server import running_server
from support.wait import until

_ROUNDS = 6
_PHONES = tuple(f"p{number}" for number in range(_ROUNDS))
#: Clients that send without pause.
_CLIENTS = 4


async def test_no_binding_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    """The server dies the moment a phone has its 200 OK, round after round."""
    config = write_config(tmp_path / "etc", pjsip="".join(user(name) for name in _PHONES))
    state = tmp_path / "state"
    async with AsyncExitStack() as stack:
        for number, name in enumerate(_PHONES):
            async with running_server(config, state=state) as server, ari_client(server.base) as ari:
                for known in _PHONES[:number]:
                    assert await ari.is_state(known, "online")
                made = await stack.enter_async_context(phone(name, sip_address(config)))
                assert (await made.register(password=f"{name}pw")).status == 200
                await server.kill()
        async with running_server(config, state=state) as server, ari_client(server.base) as ari:
            assert [await ari.is_state(name, "online") for name in _PHONES] == [True] * _ROUNDS


async def test_sigterm_under_load_ends_in_order(tmp_path: Path) -> None:
    """WebSockets are told (1001), each text that was answered 202 is delivered, now or by the next server."""
    config = write_config(tmp_path / "etc", pjsip=user("bob"))
    state = tmp_path / "state"
    promised: set[str] = set()

    async def client(session: aiohttp.ClientSession, base: str) -> None:
        while True:
            try:
                async with session.put(f"{base}/ari/endpoints/PJSIP/bob/sendMessage?from=load&body=x") as answer:
                    if answer.status == 202:
                        promised.add(answer.headers["Location"].rpartition("/")[2])
                    else:
                        assert answer.status == 409, await answer.text()
            except aiohttp.ClientError:
                return

    async with phone("bob", sip_address(config)) as bob:
        login = aiohttp.encode_basic_auth(*ASTERISK)
        async with (
            running_server(config, state=state) as server,
            aiohttp.ClientSession(headers={"Authorization": login}) as session,
            session.ws_connect(f"{server.base}/ari/events?app=watch&subscribeAll=true") as events,
        ):
            assert (await bob.register(password="bobpw")).status == 200
            clients = [asyncio.create_task(client(session, server.base)) for _ in range(_CLIENTS)]
            await until(lambda: len(promised) > 50, "fifty texts")
            os.kill(server.pid, signal.SIGTERM)
            async for _ in events:
                pass
            assert events.close_code == 1001
            await asyncio.gather(*clients)
        seen = {request.first("Message-ID") for request in bob.received}
        async with running_server(config, state=state) as server:

            def all_came() -> bool:
                bob.read()
                seen.update(request.first("Message-ID") for request in bob.received)
                return promised <= seen

            await until(all_came, "what was promised")
