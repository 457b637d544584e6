"""A stack under observation, and somebody who writes frames to it by hand."""

from __future__ import annotations

from itertools import count

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.calls import Event
from switchroom.wire.iax2.frames import FullFrame, parse_frame, write_frame
from switchroom.wire.iax2.numbers import Command, FrameType
from switchroom.wire.iax2.registration import RegistrationRequested
from switchroom.wire.iax2.stack import Stack

HERE = Address("192.0.2.9", 4569)


class Client:
    """``now`` is the time of both."""

    def __init__(self, **limits: int) -> None:
        numbers = count(100)
        self.stack = Stack(secret=b"a secret of sixteen bytes", number=lambda: next(numbers), **limits)
        self.now = 1000.0

    def say(
        self,
        command: int,
        payload: bytes = b"",
        *,
        s: int = 7,
        d: int = 0,
        o: int = 0,
        i: int = 0,
        kind: FrameType = FrameType.IAX,
        ts: int = 3,
        source: Address = HERE,
    ) -> list[FullFrame]:
        """Sends a frame; what the stack answers."""
        return self.raw(write_frame(s, d, ts, o, i, kind, command, payload), source)

    def raw(self, data: bytes, source: Address = HERE) -> list[FullFrame]:
        self.stack.receive(data, source, self.now)
        return self.sent()

    def sent(self) -> list[FullFrame]:
        frames = []
        while (out := self.stack.to_send()) is not None:
            frame = parse_frame(out[0])
            assert isinstance(frame, FullFrame)
            frames.append(frame)
        return frames

    def events(self) -> list[Event | RegistrationRequested]:
        events = []
        while (event := self.stack.next_event()) is not None:
            events.append(event)
        return events

    def pass_time(self, seconds: float) -> list[FullFrame]:
        """Timers are handled at their moment."""
        end = self.now + seconds
        while (due := self.stack.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.stack.handle_timer(self.now)
        self.now = end
        return self.sent()


def commands(frames: list[FullFrame]) -> list[str]:
    return [Command(f.subclass).name if f.kind == FrameType.IAX else FrameType(f.kind).name for f in frames]
