"""Frames: the head of a datagram, understood and written (RFC 5456 8.1).

``parse_frame`` is the only way in: a datagram becomes a frame or a FrameError.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.numbers import UNSEQUENCED, Command, FrameType

_HEAD: Final = struct.Struct(">HHIBBBB")
_MINI: Final = struct.Struct(">HH")
_FLAG: Final = 0x8000
_NUMBER: Final = 0x7FFF
_POWER: Final = 0x80
#: What an exponent of two can be: formats have 64 bits.
_MAX_POWER: Final = 63

HEAD_BYTES: Final = _HEAD.size


class FullFrame(NamedTuple):
    """RFC 5456 8.1.1. ``timestamp`` is milliseconds since the sender's first frame of the call."""

    source: int
    #: 0: the sender does not know our number yet.
    destination: int
    retransmitted: bool
    timestamp: int
    oseq: int
    iseq: int
    kind: int
    #: A power of two is written out; -1 for 0xff.
    subclass: int
    payload: bytes

    def is_command(self, command: Command) -> bool:
        return self.kind == FrameType.IAX and self.subclass == command

    @property
    def sequenced(self) -> bool:
        """Whether it has a place in the sequence, and so is to be acknowledged."""
        return self.kind != FrameType.IAX or self.subclass not in UNSEQUENCED


class MiniFrame(NamedTuple):
    """RFC 5456 8.1.2: audio. ``timestamp`` is the low 16 bits."""

    source: int
    timestamp: int
    payload: bytes


class MetaFrame(NamedTuple):
    """RFC 5456 8.1.3: video, or the mini frames of several calls together (a trunk)."""

    payload: bytes


def parse_frame(data: bytes) -> FullFrame | MiniFrame | MetaFrame:
    """The frame in a datagram; the payload of a full frame is not looked into.

    Raises:
        FrameError: too short, or a full frame from call number 0.
    """
    if len(data) < _MINI.size:
        raise FrameError("shorter than any frame")
    first, second = _MINI.unpack_from(data)
    if not first & _FLAG:
        return MiniFrame(first, second, data[_MINI.size :]) if first else MetaFrame(data[2:])
    if len(data) < HEAD_BYTES:
        raise FrameError("shorter than a full frame's head")
    source, destination, timestamp, oseq, iseq, kind, subclass = _HEAD.unpack_from(data)
    if not source & _NUMBER:
        raise FrameError("from call number 0")
    if subclass & _POWER:
        subclass = _power(subclass)
    return FullFrame(
        source & _NUMBER,
        destination & _NUMBER,
        bool(destination & _FLAG),
        timestamp,
        oseq,
        iseq,
        kind,
        subclass,
        data[HEAD_BYTES:],
    )


def _power(subclass: int) -> int:
    if subclass == 0xFF:
        return -1
    exponent = subclass & ~_POWER
    if exponent > _MAX_POWER:
        raise FrameError("a subclass beyond 2**63")
    return 1 << exponent


def write_frame(
    source: int,
    destination: int,
    timestamp: int,
    oseq: int,
    iseq: int,
    kind: FrameType,
    subclass: int,
    payload: bytes = b"",
) -> bytes:
    """A full frame; subclasses here are all below 128 and need no power."""
    head = _HEAD.pack(source | _FLAG, destination, timestamp & 0xFFFFFFFF, oseq, iseq, kind, subclass)
    return head + payload


def repeat_frame(data: bytes, iseq: int) -> bytes:
    """A frame once more: with the R bit, and what was received meanwhile (RFC 5456 8.1.1)."""
    again = bytearray(data)
    again[2] |= _FLAG >> 8
    again[9] = iseq
    return bytes(again)
