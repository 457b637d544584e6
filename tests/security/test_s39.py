"""S39: IAX2: forged and replayed registrations, exhausted call numbers, amplification, lengths that lie."""

from __future__ import annotations

from itertools import product

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from switchroom.conf.acl import DENY_ALL
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.elements import Elements, write_number, write_raw, write_text
from switchroom.wire.iax2.frames import FullFrame, parse_frame, write_frame
from switchroom.wire.iax2.limits import MAX_ANSWERS_PER_SECOND
from switchroom.wire.iax2.numbers import Command, Element, FrameType

STRANGER = Address("203.0.113.7", 4569)
NAMED = write_text(Element.USERNAME, "iaxphone") + write_number(Element.REFRESH, 60, 2)


def frame(command: int, payload: bytes = b"", *, s: int = 7, d: int = 0, o: int = 0, i: int = 0) -> bytes:
    return write_frame(s, d, 3, o, i, FrameType.IAX, command, payload)


def read(data: bytes) -> FullFrame:
    found = parse_frame(data)
    assert isinstance(found, FullFrame)
    return found


async def world(**more: object) -> IaxWorld:
    return await IaxWorld(peer("iaxphone", **more)).start()


@pytest.mark.parametrize("open_to", [{}, {"call_token": "no"}, {"call_token": "no", "secrets": ()}])
@pytest.mark.parametrize("command", [*Command, 0, 50, 127])
async def test_one_datagram_for_one_and_at_most_twice_the_bytes(command: int, open_to: dict[str, object]) -> None:
    payloads = (b"", write_raw(Element.CALL_TOKEN), NAMED, NAMED + write_raw(Element.CALL_TOKEN), b"\x06\x01x")
    for payload, destination in product(payloads, (0, 1, 5000, 20_000)):
        w = await world(**open_to)
        data = frame(command, payload, d=destination)
        w.inject(data, STRANGER)
        await w.pass_time(100, 5)
        answers = [(sent, to) for sent, to in w.sent if to == STRANGER and not _is_poke(sent)]
        assert len(answers) <= 1
        assert sum(len(sent) for sent, _ in answers) <= 2 * len(data)


def _is_poke(data: bytes) -> bool:
    """Asking a peer that was let in without a secret is no answer to a stranger."""
    return read(data).is_command(Command.POKE)


async def test_nobody_is_asked_before_the_address_is_proven_unless_the_administrator_says_so() -> None:
    w = await world(secrets=())
    w.inject(frame(Command.REGREQ, NAMED), STRANGER)
    assert [read(data).subclass for data, _ in w.sent] == [Command.REGREJ]
    assert w.state() == "unknown"


async def test_ten_thousand_forged_registrations_leave_nothing_and_harm_nobody() -> None:
    w = await world(call_token="no")
    phone = w.add()
    phone.register(w.clock.now)
    w.sent.clear()
    for n in range(10_000):
        source = Address(f"198.51.{n % 250}.{n // 250 % 250}", 1024 + n % 50_000)
        name = "iaxphone" if n % 2 else f"name{n}"
        payload = write_text(Element.USERNAME, name) + (write_raw(Element.CALL_TOKEN) if n % 3 else b"")
        w.inject(frame(Command.REGREQ, payload, s=1 + n % 30_000), source)
    assert len(w.iax._stack) == 0
    assert w.iax._stack.remembered == 1
    assert len(w.iax._registrar._authenticator._failures) == 0
    phone.register(w.clock.now)
    assert phone.outcomes == ["registered for 60"] * 2
    assert w.state() == "online"


async def test_a_flood_of_pokes_from_one_host_is_answered_so_often_a_second() -> None:
    w = await world()
    for n in range(10_000):
        w.inject(frame(Command.POKE), STRANGER._replace(port=1024 + n))
    assert len(w.sent) == MAX_ANSWERS_PER_SECOND
    assert len(w.iax._stack) == 0
    assert len(w.inject(frame(Command.POKE), PHONE)) == 1


async def test_a_replayed_registration_changes_nothing() -> None:
    w = await world()
    phone = w.add()
    phone.register(w.clock.now)
    replay = [data for data, _ in w.heard if read(data).is_command(Command.REGREQ)]
    phone.unregister(w.clock.now)
    assert w.state() == "offline"
    for data, source in product(replay, (PHONE, STRANGER)):
        w.inject(data, source)
    await w.pass_time(40)
    for data in replay:
        w.inject(data, PHONE)
    assert w.state() == "offline"
    assert w.statuses[1:] == ["Unregistered"]


async def test_a_replayed_release_changes_nothing() -> None:
    w = await world()
    phone = w.add()
    phone.register(w.clock.now)
    phone.unregister(w.clock.now)
    replay = [data for data, _ in w.heard if read(data).is_command(Command.REGREL)]
    phone.register(w.clock.now)
    for data, source in product(replay, (PHONE, STRANGER)):
        w.inject(data, source)
    assert w.state() == "online"


async def test_a_token_holds_for_its_address_and_its_time() -> None:
    w = await world()
    (given,) = w.inject(frame(Command.REGREQ, NAMED + write_raw(Element.CALL_TOKEN)), STRANGER)
    token = Elements(read(given).payload).raw(Element.CALL_TOKEN) or b""
    asked = frame(Command.REGREQ, NAMED + write_raw(Element.CALL_TOKEN, token))
    assert [read(data).subclass for data in w.inject(asked, PHONE)] == [Command.REGREJ]
    assert [read(data).subclass for data in w.inject(asked, STRANGER)] == [Command.REGAUTH]
    await w.pass_time(10)
    assert [read(data).subclass for data in w.inject(asked, STRANGER)] == [Command.REGREJ]


async def test_a_call_without_a_token_is_no_lever_either() -> None:
    w = await world(call_token="no")
    new = write_number(Element.VERSION, 2, 2) + write_text(Element.USERNAME, "iaxphone") + b"\xf0\x20" + bytes(32)
    (challenge,) = w.inject(frame(Command.NEW, new), STRANGER)
    ours = read(challenge).source
    for kind, command, destination, o in product(
        (FrameType.IAX, FrameType.VOICE, FrameType.TEXT), (*Command, 99), (0, ours), (0, 1, 2)
    ):
        if kind == FrameType.IAX and command in (Command.HANGUP, Command.REJECT, Command.INVAL, Command.POKE):
            continue
        data = write_frame(7, destination, 3, o, 0, kind, command)
        answers = w.inject(data, STRANGER)
        assert len(answers) <= 1
        assert sum(map(len, answers)) <= 2 * len(data), (kind, command, destination, o)


async def test_calls_without_a_token_can_not_take_all_numbers() -> None:
    w = await IaxWorld(peer(call_token="no"), max_call_numbers=50, max_unproven=100).start()
    new = write_number(Element.VERSION, 2, 2) + write_text(Element.USERNAME, "iaxphone")
    for n in range(5_000):
        w.inject(frame(Command.NEW, new, s=1 + n), STRANGER._replace(host=f"198.51.100.{n % 40}"))
    assert len(w.iax._stack) == 100
    # One with a token is not in their way.
    phone = w.add()
    phone.send_text("still here", w.clock.now)
    assert [text.body for text in w.texts] == ["still here"]
    await w.pass_time(11)
    assert len(w.iax._stack) == 0


async def test_an_address_that_is_not_permitted_learns_no_more_than_a_stranger() -> None:
    denied, unknown = await world(acl=DENY_ALL), await world()
    seen = []
    for w, name in ((denied, "iaxphone"), (unknown, "somebody")):
        phone = w.add(name=name)
        phone.register(w.clock.now)
        phone.send_text("x", w.clock.now)
        seen.append(([len(data) for data, _ in w.sent], phone.outcomes))
    assert seen[0] == seen[1]
    assert seen[0][1] == ["29 Registration Refused", "50 No authority found"]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 16, 17, 254, 255])
@pytest.mark.parametrize("element", [*Element, 0, 99, 255])
async def test_lengths_that_lie_are_met_with_silence(element: int, length: int) -> None:
    w = await world(call_token="no")
    for command in (Command.REGREQ, Command.NEW, Command.REGREL):
        w.inject(frame(command, bytes((element, length)) + b"x" * (length - 1)))
        w.inject(frame(command, bytes((element, length)) + b"x" * length))
        w.inject(frame(command, NAMED + bytes((element,))))
    assert w.state() == "unknown"
