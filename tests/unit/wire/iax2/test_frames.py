"""Heads of frames, read and written."""

from __future__ import annotations

import pytest

from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.frames import FullFrame, MetaFrame, MiniFrame, parse_frame, repeat_frame, write_frame
from switchroom.wire.iax2.numbers import Command, FrameType


def test_a_full_frame_of_iaxmodem() -> None:
    frame = parse_frame(bytes.fromhex("82f90005 00000003 01 01 06 0d 0605616c696365"))
    assert frame == FullFrame(0x2F9, 5, False, 3, 1, 1, FrameType.IAX, Command.REGREQ, b"\x06\x05alice")
    assert frame.is_command(Command.REGREQ)
    assert frame.sequenced


def test_what_is_written_is_read() -> None:
    data = write_frame(7, 9, 2**32 + 5, 255, 3, FrameType.TEXT, 0, b"hi\0")
    assert parse_frame(data) == FullFrame(7, 9, False, 5, 255, 3, FrameType.TEXT, 0, b"hi\0")


def test_a_repeated_frame_has_the_bit_and_what_came_meanwhile() -> None:
    data = write_frame(7, 9, 5, 1, 1, FrameType.IAX, Command.NEW, b"x")
    again = parse_frame(repeat_frame(data, 4))
    assert again == FullFrame(7, 9, True, 5, 1, 4, FrameType.IAX, Command.NEW, b"x")
    assert len(repeat_frame(data, 4)) == len(data)


def test_mini_and_meta_frames() -> None:
    assert parse_frame(bytes.fromhex("02f91234aabb")) == MiniFrame(0x2F9, 0x1234, b"\xaa\xbb")
    assert parse_frame(bytes.fromhex("00008123aa")) == MetaFrame(b"\x81\x23\xaa")


@pytest.mark.parametrize(("subclass", "meant"), [(0x7F, 127), (0x80, 1), (0x82, 4), (0xA2, 1 << 34), (0xFF, -1)])
def test_subclasses_that_are_powers_of_two(subclass: int, meant: int) -> None:
    frame = parse_frame(bytes((0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, subclass)))
    assert isinstance(frame, FullFrame)
    assert frame.subclass == meant


@pytest.mark.parametrize(
    "data", ["", "80", "800100", "80010000" + "00" * 7, "800000000000000000000601", "8001000000000000000002c0"]
)
def test_what_is_no_frame(data: str) -> None:
    with pytest.raises(FrameError):
        parse_frame(bytes.fromhex(data))


@pytest.mark.parametrize("command", [Command.ACK, Command.INVAL, Command.VNAK, Command.TXCNT, Command.TXACC])
def test_five_commands_have_no_place_in_the_sequence(command: Command) -> None:
    frame = parse_frame(write_frame(1, 1, 0, 0, 0, FrameType.IAX, command))
    assert isinstance(frame, FullFrame)
    assert not frame.sequenced
    assert frame._replace(kind=FrameType.TEXT).sequenced
