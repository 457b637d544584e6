"""``IaxPeer`` on a real socket: its datagrams and its timers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.config import Address as Place
from support.iax_peer import IaxPeer
from switchroom.wire.iax2.address import Address

#: Seconds between two looks at the peer's timers.
_TICK = 0.05


class _Socket(asyncio.DatagramProtocol):
    peer: IaxPeer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.peer.receive(data, Address(addr[0], addr[1]), now())


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def iax_peer(
    server: Place, name: str = "iaxphone", secret: str = "iaxpw", port: int = 0
) -> AsyncIterator[IaxPeer]:
    """A peer of the server; port 0 is any."""
    transport, socket = await asyncio.get_running_loop().create_datagram_endpoint(_Socket, ("127.0.0.1", port))
    peer = IaxPeer(Address(*server), lambda data, to: transport.sendto(data, (to.host, to.port)), name, secret)
    socket.peer = peer

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            peer.handle_timer(now())

    ticking = asyncio.create_task(tick())
    try:
        yield peer
    finally:
        ticking.cancel()
        transport.close()
