"""The registry: states follow contacts, and each change tells what it caused, in order."""

from __future__ import annotations

import msgspec
import pytest

from support.sip_world import VirtualClock
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.model.endpoint import Contact, ContactStatus, EndpointId, EndpointState
from switchroom.model.events import ContactStatusChange, EndpointEvent

ALICE, BOB = EndpointId("PJSIP", "alice"), EndpointId("PJSIP", "bob")


@pytest.fixture
def registry() -> Registry:
    registry = Registry(VirtualClock())
    registry.add(BOB, ["bob"])
    registry.add(ALICE, ["alice", "shared"])
    return registry


def aor(registry: Registry, name: str) -> AddressOfRecord:
    found = registry.aor("PJSIP", name)
    assert found is not None
    return found


def contact(name: str = "alice", uri: str = "sip:a@192.0.2.9", **more: object) -> Contact:
    return Contact(**{"aor": name, "uri": uri, **more})  # type: ignore[arg-type]


def told(events: list[EndpointEvent]) -> list[str]:
    return [e.contact_status.value if isinstance(e, ContactStatusChange) else type(e).__name__ for e in events]


def state(registry: Registry, resource: str) -> EndpointState:
    endpoint = registry.get("pjsip", resource)
    assert endpoint is not None
    return endpoint.state


def test_a_contact_takes_the_endpoint_online_and_its_end_offline(registry: Registry) -> None:
    events = registry.bind(aor(registry, "alice"), contact())
    assert told(events) == ["EndpointStateChange", "PeerStatusChange", "NonQualified"]
    assert all(e.endpoint.state is EndpointState.ONLINE for e in events)
    assert told(registry.bind(aor(registry, "shared"), contact("shared"))) == ["NonQualified"]
    assert told(registry.unbind(aor(registry, "alice"), "sip:a@192.0.2.9")) == ["Removed"]
    assert state(registry, "alice") is EndpointState.ONLINE
    events = registry.unbind(aor(registry, "shared"), "sip:a@192.0.2.9")
    assert told(events) == ["EndpointStateChange", "PeerStatusChange", "Removed"]
    assert state(registry, "alice") is EndpointState.OFFLINE
    assert registry.unbind(aor(registry, "shared"), "sip:a@192.0.2.9") == []


def test_a_refresh_keeps_the_status_and_is_told_only_where_asked_for(registry: Registry) -> None:
    bound = aor(registry, "alice")
    registry.bind(bound, contact())
    registry.qualify(bound, "sip:a@192.0.2.9", ContactStatus.REACHABLE, 1234)
    assert registry.bind(bound, contact(user_agent="new")) == []
    (event,) = registry.bind(bound, contact(user_agent="newer"), repeat=True)
    assert isinstance(event, ContactStatusChange)
    assert (event.contact_status, event.roundtrip_usec) == (ContactStatus.REACHABLE, 1234)
    (kept,) = registry.contacts("PJSIP", "alice")
    assert (kept.user_agent, kept.status, kept.roundtrip_usec) == ("newer", ContactStatus.REACHABLE, 1234)


def test_a_qualified_address_is_available_by_its_reachable_contacts(registry: Registry) -> None:
    bound = registry.declare("PJSIP", "alice", qualified=True)
    assert told(registry.bind(bound, contact())) == ["NonQualified"]
    assert state(registry, "alice") is EndpointState.OFFLINE
    events = registry.qualify(bound, "sip:a@192.0.2.9", ContactStatus.REACHABLE, 10)
    assert told(events) == ["EndpointStateChange", "PeerStatusChange", "Reachable"]
    assert registry.qualify(bound, "sip:a@192.0.2.9", ContactStatus.REACHABLE, 20) == []
    assert registry.contacts("PJSIP", "alice")[0].roundtrip_usec == 20
    events = registry.qualify(bound, "sip:a@192.0.2.9", ContactStatus.UNREACHABLE, 0)
    assert told(events) == ["EndpointStateChange", "PeerStatusChange", "Unreachable"]
    assert registry.qualify(bound, "sip:gone@192.0.2.9", ContactStatus.REACHABLE, 1) == []


def test_the_listing_is_sorted_and_always_as_things_are(registry: Registry) -> None:
    assert [e.resource for e in registry.endpoints()] == ["alice", "bob"]
    registry.add(EndpointId("SIP", "zoe"), state=EndpointState.UNKNOWN)
    for technology, names in ((None, ["alice", "bob", "zoe"]), ("PJSIP", ["alice", "bob"]), ("IAX2", [])):
        assert [e["resource"] for e in msgspec.json.decode(registry.listing(technology))] == names
    registry.bind(aor(registry, "bob"), contact("bob"))
    states = {e["resource"]: e["state"] for e in msgspec.json.decode(registry.listing())}
    assert states == {"alice": "offline", "bob": "online", "zoe": "unknown"}
    assert registry.fragment("pjsip", "bob") == (
        b'{"technology":"PJSIP","resource":"bob","state":"online","channel_ids":[]}',
        registry.revision,
    )
    registry.remove(BOB)
    assert [e.resource for e in registry.endpoints()] == ["alice", "zoe"]
    assert registry.get("PJSIP", "bob") is None
    assert registry.bind(aor(registry, "bob"), contact("bob", "sip:new@192.0.2.9")) == []


def test_the_technology_is_found_in_any_spelling_and_the_resource_in_its_own(registry: Registry) -> None:
    assert registry.technology("pjsip") == "PJSIP"
    assert registry.technology("xmpp") is None
    assert registry.get("pJsIp", "alice") is not None
    assert registry.get("PJSIP", "Alice") is None


def test_an_address_of_record_named_twice_tells_once(registry: Registry) -> None:
    registry.add(EndpointId("PJSIP", "twice"), ["x", "x"])
    assert told(registry.bind(aor(registry, "x"), contact("x"))).count("NonQualified") == 1


def test_an_endpoint_added_again_takes_the_place_of_the_first(registry: Registry) -> None:
    registry.add(ALICE, ["alice"])
    assert told(registry.bind(aor(registry, "alice"), contact())) == [
        "EndpointStateChange",
        "PeerStatusChange",
        "NonQualified",
    ]
    assert [e.resource for e in registry.endpoints()] == ["alice", "bob"]


def test_an_endpoint_with_other_addresses_of_record_is_as_they_are(registry: Registry) -> None:
    registry.bind(aor(registry, "alice"), contact())
    assert registry.relink(ALICE, ["alice", "shared"]) == []
    assert registry.relink(ALICE, ["shared", "alice", "shared"]) == []
    assert told(registry.relink(ALICE, ["shared"])) == ["EndpointStateChange", "PeerStatusChange"]
    assert state(registry, "alice") is EndpointState.OFFLINE
    assert aor(registry, "alice").endpoints == []
    assert told(registry.relink(ALICE, ["alice"])) == ["EndpointStateChange", "PeerStatusChange"]
    assert told(registry.relink(BOB, ["alice"])) == ["EndpointStateChange", "PeerStatusChange"]
    assert told(registry.unbind(aor(registry, "alice"), "sip:a@192.0.2.9"))[-2:] == ["Removed", "Removed"]


def test_an_address_of_record_goes_with_its_contacts(registry: Registry) -> None:
    bound = aor(registry, "alice")
    registry.bind(bound, contact())
    registry.bind(bound, contact(uri="sip:b@192.0.2.9"))
    assert told(registry.drop("PJSIP", "alice")) == ["Removed", "EndpointStateChange", "PeerStatusChange", "Removed"]
    assert registry.aor("PJSIP", "alice") is None
    assert state(registry, "alice") is EndpointState.OFFLINE
    assert registry.drop("PJSIP", "alice") == []
    assert told(registry.bind(aor(registry, "shared"), contact("shared")))[0] == "EndpointStateChange"


def test_contacts_that_must_answer_from_now_on_do_not_count_until_they_do(registry: Registry) -> None:
    bound = aor(registry, "alice")
    registry.bind(bound, contact())
    assert registry.require(bound, qualified=False) == []
    assert told(registry.require(bound, qualified=True)) == ["EndpointStateChange", "PeerStatusChange"]
    assert state(registry, "alice") is EndpointState.OFFLINE
    registry.qualify(bound, "sip:a@192.0.2.9", ContactStatus.UNREACHABLE, 0)
    events = registry.require(bound, qualified=False)
    assert told(events) == ["EndpointStateChange", "PeerStatusChange", "NonQualified"]
    assert state(registry, "alice") is EndpointState.ONLINE
