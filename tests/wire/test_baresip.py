"""baresip, a soft phone many desk phones' firmware resembles: registers, receives a text, sends one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import user
from support.events import events
from support.programs import need_program
from support.server import RunningServer, running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.baresip import Baresip, baresip


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_registers_and_takes_and_sends_texts(
    tmp_path: Path, request: pytest.FixtureRequest, transport: str
) -> None:
    path = need_program("baresip", request)
    config = write_transports(tmp_path / "config", pjsip=user("bea", "beapw"))
    address = addresses(config)[transport]
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        baresip(path, tmp_path / "baresip", "bea", "beapw", address, transport) as phone,
    ):
        await until(lambda: ari.is_state("bea", "online"), "bea online")
        assert (await heard.next_of("EndpointStateChange"))["endpoint"]["resource"] == "bea"

        answer = await ari.ask(
            "PUT", "/ari/endpoints/sendMessage?to=pjsip:bea&from=sip:me@example.org&body=Zo%C3%AB+calls"
        )
        assert answer.status == 202
        await phone.run.says('sip:me@example.org: "Zoë calls"')

        await phone.command("message", "on my way, Zoë")
        text = await heard.next_of("TextMessageReceived")
        assert text["endpoint"]["resource"] == "bea"
        assert text["message"]["body"] == "on my way, Zoë"
        assert text["message"]["from"].endswith("<sip:bea@127.0.0.1>")
        assert text["message"]["to"] == "pjsip:desk@127.0.0.1"

        await _unregister(phone, server)
        await until(lambda: ari.is_state("bea", "offline"), "bea offline")
        assert server.log_errors() == []


async def _unregister(phone: Baresip, server: RunningServer) -> None:
    """baresip takes its registration back when it quits; a quit by signal does so too."""
    assert server.alive
    phone.run.process.terminate()
    await phone.run.process.wait()
