"""A flood of strangers: REGISTER and INVITE that nobody answers for, each with a branch of its own, from many ports."""

from __future__ import annotations

import multiprocessing.connection
import socket
import time

from sip_load import user

#: Sockets, and datagrams between two looks at the clock.
_PORTS = 200
_BURST = 50


def strangers(pipe: multiprocessing.connection.Connection, host: str, port: int, rate: int, seconds: float) -> None:
    """Floods for so long, ``rate`` datagrams a second or as fast as it can; says "flooding", then how many it sent."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_PORTS)]
    for sock in sockets:
        sock.bind((host, 0))
    pipe.send("flooding")
    begun, sent = time.monotonic(), 0
    while (now := time.monotonic()) < begun + seconds:
        if sent > (now - begun) * rate:
            time.sleep(0.0005)
            continue
        for _ in range(_BURST):
            method = "INVITE" if sent & 1 else "REGISTER"
            name = user(sent % 10_000)
            sockets[sent % _PORTS].sendto(
                (
                    f"{method} sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:9;branch=z9hG4bKflood{sent}\r\n"
                    f"Max-Forwards: 70\r\nFrom: <sip:{name}@{host}>;tag=f{sent}\r\nTo: <sip:{name}@{host}>\r\n"
                    f"Call-ID: flood{sent}\r\nCSeq: 1 {method}\r\nContact: <sip:{name}@{host}:9>\r\n"
                    "Content-Length: 0\r\n\r\n"
                ).encode(),
                (host, port),
            )
            sent += 1
    pipe.send(sent)
