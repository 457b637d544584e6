"""Peers: told in the words of the older drivers, their state is what was last heard of them."""

from __future__ import annotations

import pytest

from support.sip_world import VirtualClock
from switchroom.core.peers import Peers
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.model.endpoint import Contact, ContactStatus, EndpointId, EndpointState
from switchroom.model.events import ContactStatusChange, EndpointEvent, EndpointStateChange, PeerStatusChange

OLD = EndpointId("SIP", "old")
LIMIT = 2.0


class World:
    def __init__(self, state: EndpointState = EndpointState.OFFLINE) -> None:
        clock = VirtualClock()
        self.registry = Registry(clock)
        self.peers = Peers("SIP", self.registry, clock, lambda aor: LIMIT)
        self.registry.add(OLD, ["old"], state)

    @property
    def aor(self) -> AddressOfRecord:
        found = self.registry.aor("SIP", "old")
        assert found is not None
        return found

    @property
    def state(self) -> str:
        endpoint = self.registry.get(*OLD)
        assert endpoint is not None
        return endpoint.state

    def bind(self, uri: str = "sip:old@192.0.2.9") -> list[str]:
        return told(self.peers.bind(self.aor, contact(uri)))

    def answered(self, milliseconds: float | None, uri: str = "sip:old@192.0.2.9") -> list[str]:
        status = ContactStatus.UNREACHABLE if milliseconds is None else ContactStatus.REACHABLE
        return told(self.peers.qualify(self.aor, uri, status, int((milliseconds or 0) * 1000)))


def contact(uri: str = "sip:old@192.0.2.9", **more: object) -> Contact:
    return Contact(**{"aor": "old", "uri": uri, "address": "192.0.2.9:5090", **more})  # type: ignore[arg-type]


def told(events: list[EndpointEvent]) -> list[str]:
    """What applications see of events: states, and peer statuses with what is said of them."""
    seen = []
    for event in events:
        if isinstance(event, EndpointStateChange):
            seen.append(event.endpoint.state.value)
        elif isinstance(event, PeerStatusChange):
            more = (event.address, event.cause, event.time)
            seen.append(" ".join([event.peer_status, *(text for text in more if text is not None)]))
        else:
            assert isinstance(event, ContactStatusChange)
            assert not event.shown
    return seen


def test_each_registration_is_told_and_the_end_of_the_last() -> None:
    w = World()
    assert w.bind() == ["online", "Registered 192.0.2.9:5090"]
    assert w.bind() == ["online", "Registered 192.0.2.9:5090"]
    assert told(w.peers.unbind(w.aor, "sip:old@192.0.2.9")) == ["offline", "Unregistered Expired"]
    assert told(w.peers.unbind(w.aor, "sip:old@192.0.2.9")) == []


def test_a_registration_that_replaces_another_is_no_end() -> None:
    w = World()
    w.bind()
    w.bind("sip:old@192.0.2.10")
    assert told(w.peers.unbind(w.aor, "sip:old@192.0.2.9")) == []
    assert w.state == "online"


def test_a_static_contact_says_nothing_of_its_peer() -> None:
    w = World(EndpointState.UNKNOWN)
    assert told(w.peers.bind(w.aor, contact(static=True))) == []
    assert w.state == "unknown"
    assert told(w.peers.unbind(w.aor, "sip:old@192.0.2.9")) == []


@pytest.mark.parametrize(
    ("answers", "heard"),
    [
        ([20], ["online", "Reachable 20"]),
        ([0.2], ["online", "Reachable 1"]),
        ([20, 30], []),
        ([3000], ["online", "Lagged 3000"]),
        ([3000, 2500], []),
        ([20, 3000], ["online", "Lagged 3000"]),
        ([3000, 20], ["online", "Reachable 20"]),
        ([None], ["offline", "Unreachable -1"]),
        ([20, None], ["offline", "Unreachable -1"]),
        ([None, None], []),
        ([None, 20], ["online", "Reachable 20"]),
        ([None, 3000], ["online", "Lagged 3000"]),
        ([None, 3000, 20], ["online", "Reachable 20"]),
    ],
)
def test_answers_are_told_when_they_say_something_new(answers: list[float | None], heard: list[str]) -> None:
    w = World()
    w.bind()
    for answer in answers[:-1]:
        w.answered(answer)
    assert w.answered(answers[-1]) == heard


def test_an_answer_of_a_contact_that_is_gone_says_nothing() -> None:
    assert World().answered(20) == []


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (ContactStatus.NON_QUALIFIED, "online"),
        (ContactStatus.REACHABLE, "online"),
        (ContactStatus.UNREACHABLE, "offline"),
    ],
)
def test_after_a_restart_a_peer_is_where_it_was(status: ContactStatus, state: str) -> None:
    w = World()
    assert told(w.peers.restore(w.aor, contact(status=status))) == [state]
    assert w.state == state
