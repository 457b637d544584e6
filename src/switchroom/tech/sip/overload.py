"""What is left undone when more comes than can be done: new work of people who have not said yet who they are.

A request without credentials costs a challenge and leads to another request. Those who hold a challenge already, calls
that are under way and answers go on, so what was begun is brought to its end. Who is not answered asks again a little
later (RFC 3261 17.1), and that is what makes room.
"""

from __future__ import annotations

from switchroom.tech.sip.directory import Directory

#: Requests that begin something.
_BEGIN = (b"REGISTER ", b"INVITE ", b"MESSAGE ", b"OPTIONS ", b"SUBSCRIBE ", b"PUBLISH ", b"REFER ")
#: In each spelling of Authorization and Proxy-Authorization that is seen; and what a dialog that leads through us has.
_CREDENTIALS = (b"uthorization:", b"UTHORIZATION:", b"uthorization :")
_ROUTE = b"\nRoute:"


class Overload:
    """Decides on datagrams as they came, before anything is spent on them."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        #: What was left undone.
        self.shed = 0

    def sheds(self, data: bytes, host: str, port: int) -> bool:
        """Whether a datagram is left alone; only asked while there is too much to do."""
        if not data.startswith(_BEGIN) or _ROUTE in data or any(name in data for name in _CREDENTIALS):
            return False
        if self._directory.by_source(host, port) is not None:
            return False  # a trunk, which is known by its address and asked for nothing
        self.shed += 1
        return True
