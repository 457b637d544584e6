"""baresip, a soft phone without sound, video or terminal, told what to do over its control protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.config import Address, free_port
from wire.process import Program, program

#: ``contact`` sends texts, ``menu`` prints those that come and has the commands of calls. It sends a
#: sine; what it is sent goes nowhere. ``ausine`` has one format.
CONFIG = """\
poll_method epoll
module_path {modules}
sip_listen {listen}
net_interface 127.0.0.1
rtcp_mux yes
ring_aufile none
ringback_aufile none
audio_source ausine,440
ausrc_srate 48000
ausrc_channels 2
module_tmp account.so
module_app contact.so
module_app menu.so
module stdio.so
module ausine.so
module g711.so
module ice.so
module srtp.so
module dtls_srtp.so
module ctrl_tcp.so
ctrl_tcp_listen {control}
"""

#: Seconds for baresip to carry out a command, or to tell what is to happen.
_WITHIN = 10.0


class Baresip:
    """A running baresip; speaks its netstring-framed JSON control protocol and keeps what it tells."""

    def __init__(self, run: Program, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.run = run
        self._reader = reader
        self._writer = writer
        self._told: list[tuple[str, str]] = []

    async def command(self, name: str, parameters: str = "") -> None:
        """Carries out a command and waits until it is done."""
        sent = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._writer.write(b"%d:%s," % (len(sent), sent))
        async with asyncio.timeout(_WITHIN):
            while True:
                heard = await self._hear()
                if heard.get("response") and heard.get("token") == name:
                    assert heard["ok"], heard
                    return

    async def tells(self, kind: str, parameter: str = "") -> None:
        """Waits until it tells an event of this type, ``CALL_INCOMING``, whose parameter contains this; forgets it
        and what it told before.
        """
        try:
            async with asyncio.timeout(_WITHIN):
                while True:
                    for index, (told, what) in enumerate(self._told):
                        if told == kind and parameter in what:
                            del self._told[: index + 1]
                            return
                    await self._hear()
        except TimeoutError:
            raise AssertionError(f"baresip did not tell {kind} {parameter}, but {self._told}") from None

    async def _hear(self) -> dict[str, str]:
        size = int((await self._reader.readuntil(b":"))[:-1])
        heard: dict[str, str] = json.loads((await self._reader.readexactly(size + 1))[:-1])
        if heard.get("event"):
            self._told.append((heard["type"], heard.get("param", "")))
        return heard


@asynccontextmanager
async def baresip(
    path: str, folder: Path, name: str, password: str, server: Address, transport: str, media: str = ""
) -> AsyncIterator[Baresip]:
    """A baresip with one account and the one contact ``desk`` at the server; ``media``: parameters of the account."""
    control = Address("127.0.0.1", free_port())
    account = f"<sip:{name}@{server};transport={transport}>;auth_user={name};auth_pass={password}"
    # Without it texts leave by UDP, however the phone registered.
    account += f';outbound="sip:{server};transport={transport}"'
    _configure(folder, Path(path), control, account + media, server)
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
