"""Messages and keep-alives of connections, and connections that do not speak SIP."""

from __future__ import annotations

import pytest

from support.sip_world import VirtualClock, VirtualTimers
from switchroom.tech.sip.limits import MESSAGES_PER_TURN
from switchroom.tech.sip.streams import Frames, Streams
from switchroom.wire.sip.flow import Flow

FLOW = Flow("tcp", "t", "192.0.2.9", 5090)
MESSAGE = b"OPTIONS sip:h SIP/2.0\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nab"


class Wire:
    """A connection that remembers what is done to it."""

    def __init__(self) -> None:
        self.host, self.port = FLOW.host, FLOW.port
        self.context: object = None
        self.sent: list[bytes] = []
        self.proven = self.paused = False
        self.reason = ""

    def send(self, data: bytes) -> bool:
        self.sent.append(data)
        return True

    def prove(self) -> None:
        self.proven = True

    def close(self, reason: str) -> None:
        self.reason = self.reason or reason

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class World:
    def __init__(self) -> None:
        self.timers = VirtualTimers(VirtualClock())
        self.received: list[tuple[bytes, Flow]] = []
        self.ended: list[Flow] = []
        self.wire = Wire()
        self.streams = Streams("tcp", "t", self.take, self.ended.append, self.timers)
        self.frames = Frames("ws", "w", self.take, self.ended.append)

    def take(self, data: bytes, flow: Flow) -> None:
        self.received.append((data, flow))

    def turn(self) -> None:
        """One turn of the loop."""
        due, self.timers.alarms = self.timers.alarms, []
        for alarm in due:
            alarm.action()


@pytest.fixture
def world() -> World:
    return World()


def test_messages_are_cut_wherever_the_bytes_break(world: World) -> None:
    whole = MESSAGE + ANSWER
    for cut in range(1, len(whole)):
        world.received.clear()
        world.wire = Wire()
        world.streams.receive_bytes(whole[:cut], world.wire)
        world.streams.receive_bytes(whole[cut:], world.wire)
        assert world.received == [(MESSAGE, FLOW), (ANSWER, FLOW)]
    assert world.wire.proven
    assert not world.wire.reason


def test_a_ping_is_answered_and_proves_nothing(world: World) -> None:
    world.streams.receive_bytes(b"\r\n\r\n", world.wire)
    assert world.wire.sent == [b"\r\n"]
    world.streams.receive_bytes(b"\r\n", world.wire)
    assert world.wire.sent == [b"\r\n"]
    assert not world.wire.proven
    assert world.received == []
    world.streams.receive_bytes(MESSAGE + b"\r\n\r\n", world.wire)
    assert world.wire.sent == [b"\r\n", b"\r\n"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 2147483648\r\n\r\n",
        b"x" * 70_000,
    ],
    ids=["HTTP", "TLS", "no length", "2 GiB", "endless head"],
)
def test_what_can_not_be_followed_is_closed(world: World, data: bytes) -> None:
    world.streams.receive_bytes(data, world.wire)
    assert world.wire.reason
    assert world.received == []
    assert not world.wire.proven


def test_what_came_before_a_fault_is_worked_on(world: World) -> None:
    world.streams.receive_bytes(MESSAGE + b"nonsense\r\n\r\n", world.wire)
    assert world.received == [(MESSAGE, FLOW)]
    assert world.wire.reason


def test_a_pipeline_waits_its_turn(world: World) -> None:
    count = 2 * MESSAGES_PER_TURN + 5
    world.streams.receive_bytes(MESSAGE * count, world.wire)
    assert len(world.received) == MESSAGES_PER_TURN
    assert world.wire.paused
    world.streams.receive_bytes(ANSWER, world.wire)
    world.turn()
    assert len(world.received) == 2 * MESSAGES_PER_TURN
    assert world.wire.paused
    world.turn()
    assert [data for data, _ in world.received] == [MESSAGE] * count + [ANSWER]
    assert not world.wire.paused
    assert world.timers.alarms == []


def test_a_pipeline_that_ends_in_a_fault_is_worked_on_to_there(world: World) -> None:
    world.streams.receive_bytes(MESSAGE * (MESSAGES_PER_TURN + 1), world.wire)
    world.streams.receive_bytes(b"nonsense\r\n\r\n", world.wire)
    assert not world.wire.reason
    world.turn()
    assert len(world.received) == MESSAGES_PER_TURN + 1
    assert world.wire.reason


def test_nothing_of_a_closed_connection_is_worked_on(world: World) -> None:
    world.streams.receive_bytes(MESSAGE * (MESSAGES_PER_TURN + 1), world.wire)
    world.streams.closed(world.wire, "gone")
    world.turn()
    assert len(world.received) == MESSAGES_PER_TURN
    assert world.ended == [FLOW]


def test_a_frame_is_a_message(world: World) -> None:
    flow = Flow("ws", "w", FLOW.host, FLOW.port)
    world.frames.receive(b"OPTIONS sip:h SIP/2.0\r\n\r\n", world.wire)
    assert world.received == [(b"OPTIONS sip:h SIP/2.0\r\n\r\n", flow)]
    assert world.wire.proven
    world.frames.receive(b"\r\n\r\n", world.wire)
    world.frames.receive(b"\r\n", world.wire)
    assert world.wire.sent == [b"\r\n"]
    world.frames.closed(world.wire, "gone")
    assert world.ended == [flow]


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xfe"])
def test_a_frame_that_is_not_sip_is_the_last(world: World, data: bytes) -> None:
    world.frames.receive(data, world.wire)
    assert world.wire.reason == "the peer does not speak SIP"
    assert world.received == []
