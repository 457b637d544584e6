"""Reliable delivery: the two sequences of one call (RFC 5456 7).

Every full frame but ACK, INVAL, VNAK, TXCNT and TXACC takes the next number of its direction, and is sent again
until a frame of the other side says by its iseqno that it has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, auto

from switchroom.wire.iax2.frames import FullFrame, repeat_frame, write_frame
from switchroom.wire.iax2.limits import RETRIES
from switchroom.wire.iax2.numbers import Command, FrameType

#: Milliseconds between the timestamps of two frames of one moment; they must grow (RFC 5456 7).
_STEP = 3


class Arrival(IntEnum):
    """What a frame that came is to the sequence."""

    FRESH = auto()
    REPEATED = auto()
    AHEAD = auto()
    """One before it was lost."""


class Lost(Exception):
    """A frame was sent as often as may be, and not acknowledged."""


class _Waiting:
    __slots__ = ("data", "due", "oseq", "tries")

    def __init__(self, oseq: int, data: bytes, due: float) -> None:
        self.oseq = oseq
        self.data = data
        self.due = due
        self.tries = 0


class Delivery:
    """One call's frames: numbered, written, acknowledged, repeated. Times are seconds."""

    __slots__ = (
        "_last_stamp",
        "_oseq",
        "_retries",
        "_started",
        "_unacknowledged",
        "iseq",
        "local",
        "remote",
        "repeats",
        "written",
    )

    def __init__(
        self, local: int, remote: int, now: float, *, retries: Sequence[float] = RETRIES, repeats: bool = True
    ) -> None:
        """``repeats`` False: a frame is sent again only when the peer shows that it misses it."""
        self.local = local
        #: 0 until the peer's number is known.
        self.remote = remote
        self.iseq = 0
        self.repeats = repeats
        #: Frames of the sequence written so far.
        self.written = 0
        self._oseq = 0
        self._retries = retries
        self._started = now
        self._last_stamp = 0
        self._unacknowledged: list[_Waiting] = []

    @property
    def settled(self) -> bool:
        """Whether all that was sent has come."""
        return not self._unacknowledged

    @property
    def unacknowledged(self) -> int:
        return len(self._unacknowledged)

    def age(self, now: float) -> float:
        """Seconds since the call began."""
        return now - self._started

    @property
    def due(self) -> float | None:
        """When ``repeat_due`` is to be called; None while nothing waits."""
        if not self.repeats or not self._unacknowledged:
            return None
        return min(waiting.due for waiting in self._unacknowledged)

    # ---- out

    def write(self, kind: FrameType, subclass: int, payload: bytes, now: float, stamp: int | None = None) -> bytes:
        """The next frame of the sequence; ``stamp`` where it must echo another frame's."""
        if stamp is None:
            stamp = self._stamp(now)
        data = write_frame(self.local, self.remote, stamp, self._oseq, self.iseq, kind, subclass, payload)
        self._unacknowledged.append(_Waiting(self._oseq, data, now + self._retries[0]))
        self._oseq = self._oseq + 1 & 0xFF
        self.written += 1
        return data

    def write_ack(self, frame: FullFrame) -> bytes:
        """RFC 5456 6.9.1: the timestamp of the frame, and no number of our own."""
        return write_frame(self.local, frame.source, frame.timestamp, frame.iseq, self.iseq, FrameType.IAX, Command.ACK)

    def write_vnak(self, now: float) -> bytes:
        """RFC 5456 6.9.3: send again from ``iseq`` on."""
        return write_frame(
            self.local, self.remote, self._stamp(now), self._oseq, self.iseq, FrameType.IAX, Command.VNAK
        )

    def begin_again(self) -> None:
        """Both sequences are at their start, nothing waits: a call token was asked for."""
        self._oseq = self.iseq = self.remote = 0
        self._unacknowledged.clear()

    def _stamp(self, now: float) -> int:
        stamp = max(int((now - self._started) * 1000), self._last_stamp + _STEP)
        self._last_stamp = stamp
        return stamp

    # ---- in

    def take(self, frame: FullFrame) -> Arrival:
        """Where a sequenced frame stands; a fresh one is counted."""
        distance = frame.oseq - self.iseq & 0xFF
        if distance:
            return Arrival.AHEAD if distance < 0x80 else Arrival.REPEATED
        self.iseq = self.iseq + 1 & 0xFF
        return Arrival.FRESH

    def acknowledge(self, iseq: int) -> bool:
        """The peer has everything before ``iseq``; whether that is news. A number beyond what was sent is none."""
        waiting = self._unacknowledged
        if not waiting:
            return False
        count = iseq - waiting[0].oseq & 0xFF
        if not 0 < count <= len(waiting):
            return False
        del waiting[:count]
        return True

    # ---- again

    def repeat_due(self, now: float) -> list[bytes]:
        """What is to be sent again now. Raises Lost."""
        again = []
        for waiting in self._unacknowledged:
            if waiting.due <= now:
                waiting.tries += 1
                if waiting.tries >= len(self._retries):
                    raise Lost
                waiting.due = now + self._retries[waiting.tries]
                again.append(repeat_frame(waiting.data, self.iseq))
        return again

    def repeat_all(self) -> list[bytes]:
        """All that is not acknowledged, for a peer that misses it."""
        return [repeat_frame(waiting.data, self.iseq) for waiting in self._unacknowledged]
