"""The recorded world on free ports: one server, seven phones, and every recorded port mapped to one of ours."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.ari import Ari, ari_client
from support.config import Address, free_port
from support.phone import Phone, phone
from support.server import RunningServer, running_server
from support.wait import until

DATA = Path(__file__).parent / "data"

#: Recorded port of each phone: (name, user it answers as). The old phone is one of sip.conf.
PHONES = {
    5090: ("alice", "alice"),
    5091: ("carol", "carol"),
    5092: ("dave1", "dave"),
    5093: ("dave2", "dave"),
    5094: ("trunk", "trunk"),
    5095: ("static", "static"),
    5097: ("oldphone", "oldphone"),
}
#: Recorded ports the server binds: SIP, chan_sip, IAX2, HTTP.
SERVER_PORTS = (5060, 5070, 4569, 8088)
#: Recorded port of the XMPP server, where nobody is unless a test brings one.
XMPP_PORT = 5222

_PORT_IN_CONFIG = re.compile(r"(?<=[:=])(\d{4})\b")
_PORT_IN_TEXT = re.compile(r"(127\.0\.0\.1(?::|%3A))(\d{4})\b")


@dataclass
class World:
    """``phones`` by the name the cases call them."""

    server: RunningServer
    ari: Ari
    phones: dict[str, Phone]
    #: Recorded port to ours.
    ports: dict[int, int]

    def here(self, text: str) -> str:
        """Recorded text with the ports of this world."""
        return _PORT_IN_TEXT.sub(lambda m: m[1] + str(self.ports.get(int(m[2]), int(m[2]))), text)


def about_phones(event: Mapping[str, Any]) -> bool:
    """Whether an event is about a SIP endpoint: of those some are asked whether they are there, whatever is played."""
    return event.get("endpoint", {}).get("technology") in ("PJSIP", "SIP")


@asynccontextmanager
async def recorded_world(directory: Path) -> AsyncIterator[World]:
    """Starts server and phones; both of dave's phones are known to answer."""
    async with AsyncExitStack() as stack:
        ports = {recorded: free_port() for recorded in (*SERVER_PORTS, XMPP_PORT)}
        phones = {}
        for recorded, (name, user) in PHONES.items():
            server_port = ports[5070 if name == "oldphone" else 5060]
            made = await stack.enter_async_context(phone(user, Address("127.0.0.1", server_port)))
            ports[recorded] = made.address.port
            phones[name] = made
        _write_config(directory, ports)
        server = await stack.enter_async_context(running_server(directory))
        ari = await stack.enter_async_context(ari_client(server.base))
        dave = (phones["dave1"], phones["dave2"])
        await until(lambda: all(made.qualified for made in dave), "an OPTIONS at both of dave's phones")
        await until(lambda: ari.is_state("dave", "online"), "dave online")
        yield World(server, ari, phones, ports)


@asynccontextmanager
async def recorded_server(directory: Path, ports: dict[int, int]) -> AsyncIterator[RunningServer]:
    """The server alone. ``ports``: recorded port to ours, for those who talk to it; the others are any."""
    _write_config(directory, {recorded: free_port() for recorded in (*SERVER_PORTS, XMPP_PORT)} | ports)
    async with running_server(directory) as server:
        yield server


def _write_config(directory: Path, ports: dict[int, int]) -> None:
    shutil.copytree(DATA / "etc", directory, dirs_exist_ok=True)
    for file in directory.glob("*.conf"):
        text = file.read_text(encoding="utf-8")
        file.write_text(_PORT_IN_CONFIG.sub(lambda m: str(ports.get(int(m[1]), int(m[1]))), text), encoding="utf-8")
