"""Registrations of others, without a state that a stranger could fill (RFC 5456 6.1).

REGREQ -> REGAUTH -> REGREQ with the proof -> REGACK. The challenge and our call number are made from the address,
the peer's number and the name by HMAC, and made again when the answer comes; so nothing is kept of whoever has
proven nothing. What is kept, for half a minute, is who has: the next challenge of the same dialog is another one,
so that an answer holds once, and the very same datagram gets the same REGACK, which is how a lost one is repaired.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Proof, has_proof
from switchroom.wire.iax2.elements import Elements
from switchroom.wire.iax2.frames import FullFrame
from switchroom.wire.iax2.limits import CHALLENGE_SECONDS, FIRST_DERIVED, MAX_CALL_NUMBER, MAX_SPENT
from switchroom.wire.iax2.numbers import Command, Element

_DERIVED: Final = MAX_CALL_NUMBER - FIRST_DERIVED + 1
#: Milliseconds between two frames of a registration, for a timestamp that grows without a clock.
_STEP: Final = 20


class _Dialog(NamedTuple):
    address: Address
    number: int
    username: str
    release: bool


@dataclass(frozen=True, slots=True)
class RegistrationRequested:
    """A REGREQ, or a REGREL (``release``). Comes again for a datagram that is repeated, unless it was confirmed."""

    address: Address
    username: str
    release: bool

    refresh: int
    """Seconds asked for; 0: not said."""

    proven: bool
    """It had a call token of ours: it is where it says."""

    proof: Proof | None
    """Its answer to our challenge; None when this is the first of the dialog."""

    received_at: float
    number: int
    """Our call number in this dialog."""

    frame: FullFrame = field(repr=False)


class _Spent(NamedTuple):
    generation: int
    until: float
    request: bytes
    reply: bytes


class Registrations:
    """The registrar's end of all registrations."""

    __slots__ = ("_epoch", "_secret", "_spent")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of challenges needs at least 16 bytes")
        self._secret = secret
        self._epoch = 0
        #: In the order of their end.
        self._spent: dict[_Dialog, _Spent] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._spent)

    def read(
        self, frame: FullFrame, elements: Elements, address: Address, *, proven: bool, now: float
    ) -> RegistrationRequested | None:
        """A REGREQ or REGREL as an event; None when it belongs to no registration of ours."""
        username = elements.text(Element.USERNAME)
        release = frame.subclass == Command.REGREL
        number = self._number(address, frame.source)
        proof = None
        if frame.destination:
            if frame.destination != number:
                return None
            if has_proof(elements):
                dialog = _Dialog(address, frame.source, username, release)
                bucket = int(now) // CHALLENGE_SECONDS
                proof = Proof.of(elements, (self._challenge(dialog, bucket), self._challenge(dialog, bucket - 1)))
        refresh = elements.number(Element.REFRESH, 2) or 0
        return RegistrationRequested(address, username, release, refresh, proven, proof, now, number, frame)

    def reply_again(self, frame: FullFrame, elements: Elements, address: Address, now: float) -> bytes | None:
        """The REGACK of a datagram that was confirmed a moment ago; None for any other."""
        dialog = _Dialog(address, frame.source, elements.text(Element.USERNAME), frame.subclass == Command.REGREL)
        spent = self._spent.get(dialog)
        if spent is None or spent.until <= now or spent.request != frame.payload:
            return None
        return spent.reply

    def challenge(self, request: RegistrationRequested) -> str:
        """What it is to prove its secret with; the same for each repetition."""
        return self._challenge(_dialog(request), int(request.received_at) // CHALLENGE_SECONDS)

    def confirm(self, request: RegistrationRequested, reply: bytes) -> None:
        """Remembers that the proof was used."""
        now, spent = request.received_at, self._spent
        while spent and (oldest := next(iter(spent))) and spent[oldest].until <= now:
            del spent[oldest]
        dialog = _dialog(request)
        known = spent.pop(dialog, None)
        if len(spent) >= MAX_SPENT:
            # Forgetting must not turn into accepting a replay: all challenges that are out become void.
            spent.clear()
            self._epoch += 1
        generation = known.generation + 1 if known else 1
        spent[dialog] = _Spent(generation, now + 2 * CHALLENGE_SECONDS, request.frame.payload, reply)

    def _number(self, address: Address, number: int) -> int:
        """Our call number in a registration with this address and number; no stranger can guess it."""
        seal = self._seal(b"number %d %d %b" % (number, address.port, address.host.encode()))
        return FIRST_DERIVED + int.from_bytes(seal[:4], "big") % _DERIVED

    def _challenge(self, dialog: _Dialog, bucket: int) -> str:
        """The challenge of one stretch of time."""
        known = self._spent.get(dialog)
        address = dialog.address
        bound = b"challenge %d %d %d %d %d %d %b %b" % (
            bucket,
            self._epoch,
            known.generation if known else 0,
            dialog.release,
            dialog.number,
            address.port,
            address.host.encode(),
            dialog.username.encode("utf-8", "replace"),
        )
        return self._seal(bound)[:8].hex()

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, "sha256")


def _dialog(request: RegistrationRequested) -> _Dialog:
    return _Dialog(request.address, request.frame.source, request.username, request.release)


def answer_place(frame: FullFrame) -> tuple[int, int, int]:
    """Timestamp, oseq and iseq of the answer to a frame of a dialog that is not kept: the peer counts for us."""
    return _STEP * (frame.iseq + 1), frame.iseq, frame.oseq + 1 & 0xFF
