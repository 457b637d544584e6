"""The sockets IAX2 is spoken on: opened as iax.conf says, and joined to the technology.

Part of the composition root, as ``net`` and ``tech`` know nothing of each other.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from switchroom.net.udp import UdpListener
from switchroom.tech.iax2.service import IaxTechnology


async def open_socket(iax: IaxTechnology, host: str, port: int, closing: AsyncExitStack) -> tuple[str, int]:
    """Where it listens now.

    Raises:
        OSError: the address is not ours, the port is taken or not allowed.
    """
    local = f"{host}:{port}"

    def refused(peer: str, peer_port: int, reason: OSError) -> None:
        iax.unreachable(peer, peer_port, local)

    receive = partial(iax.receive, local=local)
    udp = await UdpListener.open(host, port, receive, after=_nothing, error=refused)
    closing.callback(udp.close)
    iax.attach(local, udp.address[0], udp.send)
    return udp.address


def _nothing() -> None:
    """Each datagram's work is done when it was received; a batch needs no more."""
