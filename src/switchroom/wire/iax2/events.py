"""What the stack tells its user, in the order it happened. ``context`` is what the user gave at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Proof
from switchroom.wire.iax2.call import Call
from switchroom.wire.iax2.frames import FullFrame


@dataclass(frozen=True, slots=True)
class CallOffered:
    """A NEW: somebody calls. Nothing is kept of it until it is challenged or accepted."""

    address: Address
    username: str
    called: str
    caller_number: str
    caller_name: str
    format: int
    """The audio format it would speak in; some single one."""

    proven: bool
    """It had a call token of ours."""

    received_at: float
    frame: FullFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallProven:
    """A caller answers our challenge: accept or reject the call now."""

    call: Call
    offer: CallOffered
    proof: Proof
    received_at: float


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A text in a call that was accepted."""

    call: Call
    offer: CallOffered
    text: bytes
    """Without the NUL at its end, and what follows."""


@dataclass(frozen=True, slots=True)
class TextDelivered:
    """The peer has acknowledged our text."""

    context: object


@dataclass(frozen=True, slots=True)
class TextFailed:
    """The peer did not take our text."""

    context: object
    cause: int
    """Q.850; 0: it never answered, or not in time."""

    reason: str
    """The peer's own words, or ours."""


@dataclass(frozen=True, slots=True)
class Pong:
    """A poke was answered."""

    context: object
    roundtrip: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class NoPong:
    """A poke was not answered in time."""

    context: object


@dataclass(frozen=True, slots=True)
class Registered:
    """We are registered elsewhere."""

    context: object
    refresh: int
    """Seconds it holds."""


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """We are not."""

    context: object
    cause: int
    """As in ``TextFailed``."""

    reason: str
