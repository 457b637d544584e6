"""Channels: shown with their endpoint in order, and what they make of it as a device."""

from __future__ import annotations

import pytest

from support.virtual import VirtualClock
from switchroom.core.bus import Bus
from switchroom.core.channels import Channels, ChannelState
from switchroom.core.registry import Registry
from switchroom.model.endpoint import DeviceUse, EndpointId, EndpointState
from switchroom.model.events import DeviceUseChange, EndpointStateChange, Event

ALICE, BOB = EndpointId("PJSIP", "alice"), EndpointId("PJSIP", "bob")
RINGING, CALLING, UP = ChannelState.RINGING, ChannelState.CALLING, ChannelState.UP


class Office:
    """Two endpoints, and what is told of them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bus = Bus()
        self.registry = Registry(self.clock)
        for endpoint in (ALICE, BOB):
            self.registry.add(endpoint)
        self.told: list[Event] = []
        self.bus.attach(self)
        self.channels = Channels(self.registry, self.bus, self.clock)

    def takes(self, endpoint: EndpointId) -> bool:
        return False

    def hear(self, event: Event) -> None:
        self.told.append(event)

    def take(self) -> list[Event]:
        told, self.told = self.told, []
        return told

    def shown(self, endpoint: EndpointId = ALICE) -> tuple[str, ...]:
        found = self.registry.get(*endpoint)
        assert found is not None
        return found.channel_ids


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_channel_is_named_by_when_it_was_opened_and_how_many_were_before(office: Office) -> None:
    epoch = int(office.clock.wall())
    assert office.channels.open(ALICE, CALLING) == f"{epoch}.0"
    office.clock.now += 7.9
    assert office.channels.open(BOB, RINGING) == f"{int(epoch + 7.9)}.1"


def test_channels_are_shown_in_the_order_they_were_opened_each_change_told_once(office: Office) -> None:
    revision = office.registry.revision
    first, second = office.channels.open(ALICE, CALLING), office.channels.open(ALICE, RINGING)
    assert office.shown() == (first, second)
    assert office.registry.revision == revision + 2
    fragment, revised = office.registry.fragment(*ALICE) or (b"", 0)
    assert f'"channel_ids":["{first}","{second}"]'.encode() in fragment
    assert revised == office.registry.revision
    assert fragment in office.registry.listing()
    office.channels.close(first)
    office.channels.close(first)
    office.channels.close(second)
    told = office.take()
    assert all(isinstance(event, EndpointStateChange) for event in told)
    assert [event.endpoint.channel_ids for event in told if isinstance(event, EndpointStateChange)] == [
        (first,),
        (first, second),
        (second,),
        (),
    ]
    assert office.shown() == office.shown(BOB) == ()
    assert office.registry.fragment(*ALICE) is not None
    assert b'"channel_ids":[]' in office.registry.listing()
    assert (len(office.channels), office.registry.use(ALICE)) == (0, None)


def test_an_answer_changes_the_device_and_not_the_endpoint(office: Office) -> None:
    channel = office.channels.open(ALICE, RINGING)
    office.take()
    revision = office.registry.revision
    office.channels.turn(channel, UP)
    office.channels.turn(channel, UP)
    (event,) = office.take()
    assert isinstance(event, DeviceUseChange)
    assert (event.use, event.endpoint.channel_ids) == (DeviceUse.INUSE, (channel,))
    assert office.registry.revision == revision
    office.channels.close(channel)
    office.take()
    office.channels.turn(channel, UP)
    assert office.take() == []


@pytest.mark.parametrize(
    ("states", "busy_at", "use"),
    [
        ([RINGING], 0, DeviceUse.RINGING),
        ([RINGING, RINGING], 1, DeviceUse.RINGING),
        ([CALLING], 0, DeviceUse.INUSE),
        ([UP, CALLING], 0, DeviceUse.INUSE),
        ([UP, RINGING], 0, DeviceUse.RINGINUSE),
        ([RINGING, UP], 2, DeviceUse.RINGINUSE),
        ([UP], 2, DeviceUse.INUSE),
        ([UP, RINGING], 1, DeviceUse.BUSY),
        ([CALLING, UP], 2, DeviceUse.BUSY),
        ([UP, UP, UP], 2, DeviceUse.BUSY),
    ],
)
def test_what_channels_make_of_a_device(
    office: Office, states: list[ChannelState], busy_at: int, use: DeviceUse
) -> None:
    office.channels.attach("PJSIP", {"alice": busy_at, "bob": 0}.__getitem__)
    for state in states:
        office.channels.open(ALICE, state)
    assert (office.registry.use(ALICE), office.registry.use(BOB)) == (use, None)
    told = office.take()[-1]
    assert isinstance(told, EndpointStateChange)
    assert told.use is use


def test_a_state_change_during_a_call_keeps_its_channels(office: Office) -> None:
    channel = office.channels.open(ALICE, UP)
    (event,) = office.registry.turn(ALICE, EndpointState.ONLINE)
    assert isinstance(event, EndpointStateChange)
    assert (event.endpoint.channel_ids, event.use) == ((channel,), DeviceUse.INUSE)


def test_an_endpoint_that_a_reload_took_away_ends_its_calls_unseen(office: Office) -> None:
    channel, other = office.channels.open(ALICE, UP), office.channels.open(ALICE, RINGING)
    office.registry.remove(ALICE)
    office.take()
    office.channels.turn(other, UP)
    office.channels.close(other)
    assert (office.take(), office.registry.use(ALICE), len(office.channels)) == ([], None, 1)
    office.registry.add(ALICE)
    assert office.shown() == ()
    office.take()
    office.channels.close(channel)
    assert (office.take(), len(office.channels)) == ([], 0)
