"""The bus: every event to every listener, in order."""

from __future__ import annotations

from support.sip_world import Ear
from switchroom.core.bus import Bus
from switchroom.model.endpoint import Endpoint, EndpointId, EndpointState
from switchroom.model.events import EndpointStateChange, PeerStatusChange

ALICE = EndpointId("PJSIP", "alice")


def test_everybody_hears_everything_in_order() -> None:
    bus, ears = Bus(), [Ear(), Ear()]
    for ear in ears:
        bus.attach(ear)
    events = [EndpointStateChange(endpoint=Endpoint("PJSIP", n, EndpointState.ONLINE), at=1.0) for n in "ab"]
    bus.publish(iter(events))
    assert [ear.take() for ear in ears] == [events, events]


def test_who_wants_some_kinds_alone_hears_no_others() -> None:
    bus, some, all_, last = Bus(), Ear(), Ear(), Ear()
    change = EndpointStateChange(endpoint=Endpoint("PJSIP", "a", EndpointState.ONLINE), at=1.0)
    peer = PeerStatusChange(endpoint=change.endpoint, at=1.0, peer_status="Reachable")
    bus.attach(last, last=True, only=(PeerStatusChange,))
    bus.attach(some, only=(EndpointStateChange,))
    bus.publish([change])
    bus.attach(all_)
    bus.publish([peer, change])
    assert some.take() == [change, change]
    assert all_.take() == [peer, change]
    assert last.take() == [peer]


def test_a_text_has_a_taker_when_anybody_takes_it() -> None:
    bus, ears = Bus(), [Ear(), Ear()]
    assert not bus.takes(ALICE)
    for ear in ears:
        bus.attach(ear)
    assert not bus.takes(ALICE)
    ears[1].wants = True
    assert bus.takes(ALICE)
