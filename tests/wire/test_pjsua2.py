"""pjsua2, the library inside many soft phones: registers, receives a text, sends one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import user
from support.events import events
from support.programs import need_package
from support.server import running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.process import program

PHONE = Path(__file__).parent / "pjsua2_phone.py"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_registers_and_takes_and_sends_texts(
    tmp_path: Path, request: pytest.FixtureRequest, transport: str
) -> None:
    need_package("pjsua2", request)
    config = write_transports(tmp_path / "config", pjsip=user("pia", "piapw"))
    address = addresses(config)[transport]
    folder = tmp_path / "pjsua2"
    folder.mkdir()
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        program(sys.executable, str(PHONE), "pia", "piapw", str(address), transport, folder=folder) as phone,
    ):
        await phone.says('["registered", 200]')
        await until(lambda: ari.is_state("pia", "online"), "pia online")
        assert (await heard.next_of("EndpointStateChange"))["endpoint"]["resource"] == "pia"

        answer = await ari.ask(
            "PUT", "/ari/endpoints/sendMessage?to=pjsip:pia&from=sip:me@example.org&body=Zo%C3%AB+calls"
        )
        assert answer.status == 202
        await phone.says(json.dumps(["message", "<sip:me@example.org>", "text/plain", "Zoë calls"]))

        phone.tell(json.dumps(["send", f"sip:desk@{address};transport={transport}", "on my way, Zoë"]))
        text = await heard.next_of("TextMessageReceived")
        assert text["endpoint"]["resource"] == "pia"
        assert text["message"]["body"] == "on my way, Zoë"
        assert text["message"]["from"] == "<sip:pia@127.0.0.1>"
        assert text["message"]["to"] == "pjsip:desk@127.0.0.1"
        await phone.says('["sent", 202]')

        phone.tell(json.dumps(["unregister"]))
        await phone.says('["unregistered", 200]')
        await until(lambda: ari.is_state("pia", "offline"), "pia offline")
        assert server.log_errors() == []
