"""Who needs a call token: by the peer's own word, else by where it comes from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from switchroom.wire.iax2.frames import write_frame
from switchroom.wire.iax2.numbers import Command, FrameType

#: REGREQ of iaxphone, without a call token.
WITHOUT = write_frame(7, 0, 3, 0, 0, FrameType.IAX, Command.REGREQ, b"\x06\x08iaxphone\x13\x02\x00\x3c")


def answer(w: IaxWorld) -> int:
    (data,) = w.inject(WITHOUT)
    return data[11]


@pytest.mark.parametrize(
    ("wanted", "exempt", "expected"),
    [
        ("", "198.51.100.0/24", Command.REGREJ),
        ("", "192.0.2.0/24", Command.REGAUTH),
        ("", "::/0", Command.REGREJ),
        ("yes", "192.0.2.0/24", Command.REGREJ),
        ("no", "198.51.100.0/24", Command.REGAUTH),
        ("auto", "198.51.100.0/24", Command.REGAUTH),
    ],
)
async def test_without_a_token(wanted: str, exempt: str, expected: Command) -> None:
    w = await IaxWorld(peer(call_token=wanted), call_token_optional=(ip_network(exempt),)).start()
    assert answer(w) == expected


async def test_auto_means_yes_from_the_first_token_of_the_peer_itself_on() -> None:
    w = await IaxWorld(peer(call_token="auto")).start()
    stranger = w.add(PHONE._replace(host="203.0.113.7"), secret="wrong")
    stranger.register(w.clock.now)
    assert answer(w) == Command.REGAUTH
    w.add().register(w.clock.now)
    assert answer(w) == Command.REGREJ


async def test_a_token_that_is_shown_must_be_right_also_where_none_is_needed() -> None:
    w = await IaxWorld(peer(call_token="no")).start()
    (data,) = w.inject(WITHOUT + b"\x36\x03bad")
    assert data[11] == Command.REGREJ
