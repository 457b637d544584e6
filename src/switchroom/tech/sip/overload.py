"""What is left undone when more comes than can be done: new work of people who have not said yet who they are.

A request without credentials costs a challenge and leads to another request. Those who hold a challenge already, phones
that have proven themselves before, calls that are under way and answers go on, so what was begun is brought to its end.
Who is not answered asks again a little later (RFC 3261 17.1), and that is what makes room.

Credentials are not looked at here, only whether there are any: whoever makes some up is not left alone, but is counted
as a failure and refused soon after (``authentication.Failures``).
"""

from __future__ import annotations

from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.limits import PROVEN_BITS, PROVEN_FOR

#: Requests that begin something.
_BEGIN = (b"REGISTER ", b"INVITE ", b"MESSAGE ", b"OPTIONS ", b"SUBSCRIBE ", b"PUBLISH ", b"REFER ")
#: In each spelling of Authorization and Proxy-Authorization that is seen; and what a dialog that leads through us has.
_CREDENTIALS = (b"uthorization:", b"UTHORIZATION:", b"uthorization :")
_ROUTE = b"\nRoute:"


class Proven:
    """Addresses that proved who they are of late: a Bloom filter, for it need not be exact, and costs 64 KiB however
    many there are. Which bits stand for an address nobody outside can know, as Python's hashes are salted.
    """

    def __init__(self) -> None:
        #: The bits of this time and of the one before.
        self._bits, self._before = bytearray(PROVEN_BITS // 8), bytearray(PROVEN_BITS // 8)
        self._turns_at = 0.0

    def add(self, host: str, port: int, now: float) -> None:
        """``now`` is monotonic."""
        if now >= self._turns_at:
            self._turns_at = now + PROVEN_FOR
            self._bits, self._before = bytearray(PROVEN_BITS // 8), self._bits
        for place in _places(host, port):
            self._bits[place >> 3] |= 1 << (place & 7)

    def holds(self, host: str, port: int) -> bool:
        return any(
            all(bits[place >> 3] >> (place & 7) & 1 for place in _places(host, port))
            for bits in (self._bits, self._before)
        )


def _places(host: str, port: int) -> tuple[int, int]:
    number = hash((host, port))
    return number % PROVEN_BITS, (number >> 24) % PROVEN_BITS


class Overload:
    """Decides on datagrams as they came, before anything is spent on them."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.proven = Proven()
        #: What was left undone.
        self.shed = 0

    def sheds(self, data: bytes, host: str, port: int) -> bool:
        """Whether a datagram is left alone; only asked while there is too much to do."""
        if not data.startswith(_BEGIN) or _ROUTE in data or any(name in data for name in _CREDENTIALS):
            return False
        if self._directory.by_source(host, port) is not None or self.proven.holds(host, port):
            return False  # a trunk, which is known by its address and asked for nothing; or a phone that is known
        self.shed += 1
        return True
