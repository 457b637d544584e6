"""baresip, a soft phone many desk phones' firmware resembles: registers, receives a text, sends one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import Address, free_port, user
from support.events import events
from support.programs import need_program
from support.server import RunningServer, running_server
from support.transports import addresses, write_transports
from support.wait import until
from wire.process import Program, program

#: Headless: no sound, no video, no terminal. ``contact`` sends texts, ``menu`` prints those that come.
CONFIG = """\
poll_method epoll
module_path {modules}
sip_listen {listen}
net_interface 127.0.0.1
module_tmp account.so
module_app contact.so
module_app menu.so
module stdio.so
module ctrl_tcp.so
ctrl_tcp_listen {control}
"""


class Baresip:
    """A running baresip; ``command`` speaks its netstring-framed JSON control protocol."""

    def __init__(self, run: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.run = run
        self._reader = reader
        self._writer = writer

    async def command(self, name: str, parameters: str = "") -> None:
        """Carries out a command and waits until it is done."""
        sent = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._writer.write(b"%d:%s," % (len(sent), sent))
        async with asyncio.timeout(10):
            while True:
                size = int((await self._reader.readuntil(b":"))[:-1])
                heard = json.loads((await self._reader.readexactly(size + 1))[:-1])
                if heard.get("response") and heard.get("token") == name:
                    assert heard["ok"], heard
                    return


@asynccontextmanager
async def baresip(
    path: str, folder: Path, name: str, password: str, server: Address, transport: str
) -> AsyncIterator[Baresip]:
    """A baresip with one account and the one contact ``desk`` at the server."""
    control = Address("127.0.0.1", free_port())
    account = f"<sip:{name}@{server};transport={transport}>;auth_user={name};auth_pass={password}"
    # Without it texts leave by UDP, however the phone registered.
    account += f';outbound="sip:{server};transport={transport}"'
    _configure(folder, Path(path), control, account, server)
    async with program(path, "-f", str(folder), folder=folder) as run:
        await run.says("baresip is ready")
        reader, writer = await asyncio.open_connection(*control)
        try:
            yield Baresip(run, reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


def _configure(folder: Path, binary: Path, control: Address, account: str, server: Address) -> None:
    folder.mkdir()
    desk = f"sip:desk@{server}"
    files = {
        "config": CONFIG.format(
            modules=binary.resolve().parent.parent / "lib/baresip/modules",
            listen=f"127.0.0.1:{free_port()}",
            control=control,
        ),
        "accounts": f"{account};regint=60\n",
        "contacts": f'"Desk" <{desk}>\n',
        "current_contact": desk,
    }
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")


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
