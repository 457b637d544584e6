"""The bus: every event to every listener, in order."""

from __future__ import annotations

from support.sip_world import Ear
from switchroom.core.bus import Bus
from switchroom.model.endpoint import Endpoint, EndpointId, EndpointState
from switchroom.model.events import EndpointStateChange

ALICE = EndpointId("PJSIP", "alice")


def test_everybody_hears_everything_in_order() -> None:
    bus, ears = Bus(), [Ear(), Ear()]
    for ear in ears:
        bus.attach(ear)
    events = [EndpointStateChange(endpoint=Endpoint("PJSIP", n, EndpointState.ONLINE), at=1.0) for n in "ab"]
    bus.publish(iter(events))
    assert [ear.take() for ear in ears] == [events, events]


def test_a_text_has_a_taker_when_anybody_takes_it() -> None:
    bus, ears = Bus(), [Ear(), Ear()]
    assert not bus.takes(ALICE)
    for ear in ears:
        bus.attach(ear)
    assert not bus.takes(ALICE)
    ears[1].wants = True
    assert bus.takes(ALICE)
