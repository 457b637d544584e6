"""Who hears what, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from switchroom.ari import applications as module
from switchroom.ari.applications import Application, Applications
from switchroom.ari.render import Renderer
from switchroom.model.endpoint import DeviceUse, Endpoint, EndpointId, EndpointState
from switchroom.model.errors import Overloaded
from switchroom.model.events import (
    DeviceUseChange,
    EndpointEvent,
    EndpointStateChange,
    PeerStatusChange,
    TextMessageReceived,
)
from switchroom.model.message import ReceivedText
from unit.ari.edge import ENTITY_ID, FakeClock

CAROL, BOB = EndpointId("PJSIP", "carol"), EndpointId("PJSIP", "bob")
PEER = EndpointId("IAX2", "peer")


class Ear:
    """A WebSocket that keeps what it is sent."""

    def __init__(self) -> None:
        self.applications: list[Application] = []
        self.heard: list[tuple[str, str]] = []
        self.peer = "192.0.2.1"
        self.unsent: Sequence[bytes] = ()
        self.torn = False

    def replay(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self.send(payload)

    def send(self, payload: bytes) -> None:
        event: dict[str, Any] = msgspec.json.decode(payload)
        self.heard.append((event["type"], event["application"]))

    def take(self) -> list[tuple[str, str]]:
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def apps() -> Applications:
    return Applications(Renderer(ENTITY_ID), FakeClock())


def join(apps: Applications, *names: str, everything: bool = False) -> Any:
    ear: Any = Ear()
    apps.admit(names)
    apps.join(names, ear, everything=everything)
    return ear


def named(apps: Applications, name: str) -> Application:
    application = apps.get(name)
    assert application is not None
    return application


def subscribe(apps: Applications, name: str, *sources: str) -> None:
    apps.subscribe(named(apps, name), [(kind, target) for kind, _, target in (s.partition(":") for s in sources)])


def endpoint(id_: EndpointId, state: EndpointState = EndpointState.ONLINE) -> Endpoint:
    return Endpoint(*id_, state)


def peer(id_: EndpointId = CAROL) -> EndpointEvent:
    return PeerStatusChange(endpoint=endpoint(id_), at=0.0, peer_status="Reachable")


def state(id_: EndpointId = CAROL, to: EndpointState = EndpointState.ONLINE) -> EndpointEvent:
    return EndpointStateChange(endpoint=endpoint(id_, to), at=0.0)


@pytest.mark.parametrize(
    ("sources", "hears"),
    [
        ((), False),
        (("endpoint:PJSIP/carol",), True),
        (("endpoint:PJSIP",), True),
        (("endpoint:",), True),
        (("endpoint:PJSIP/bob",), False),
        (("endpoint:IAX2",), False),
        (("deviceState:PJSIP/carol", "channel:", "bridge:"), False),
        (("endpoint:PJSIP/carol", "endpoint:PJSIP", "endpoint:"), True),
    ],
)
def test_each_event_once_however_subscriptions_overlap(
    apps: Applications, sources: tuple[str, ...], hears: bool
) -> None:
    ear = join(apps, "a")
    subscribe(apps, "a", *sources)
    for event in (
        state(),
        peer(),
        TextMessageReceived(endpoint=endpoint(CAROL), at=0.0, message=ReceivedText("", "", "", {})),
    ):
        apps.hear(event)
        assert [kind for kind, _ in ear.take() if kind != "DeviceStateChanged"] == [type(event).__name__] * hears
    assert apps.takes(CAROL) is hears


def test_a_new_subscription_counts_at_once(apps: Applications) -> None:
    ear = join(apps, "a")
    apps.hear(peer())
    subscribe(apps, "a", "endpoint:")
    apps.hear(peer())
    apps.unsubscribe(named(apps, "a"), [("endpoint", "")])
    apps.hear(peer())
    assert ear.take() == [("PeerStatusChange", "a")]


def test_several_applications_on_one_socket(apps: Applications) -> None:
    ear = join(apps, "a", "b", "a")
    subscribe(apps, "a", "endpoint:PJSIP")
    subscribe(apps, "b", "endpoint:PJSIP/carol")
    apps.hear(peer())
    assert ear.take() == [("PeerStatusChange", "a"), ("PeerStatusChange", "b")]


def test_device_states_are_told_when_they_change(apps: Applications) -> None:
    one, everything = join(apps, "one"), join(apps, "all", everything=True)
    subscribe(apps, "one", "deviceState:PJSIP/carol", "deviceState:")
    for event in (state(to=EndpointState.UNKNOWN), state(to=EndpointState.OFFLINE), state(), state(), state(BOB)):
        apps.hear(event)
    assert one.take() == [("DeviceStateChanged", "one")] * 3
    assert [kind for kind, _ in everything.take() if kind == "DeviceStateChanged"] == ["DeviceStateChanged"] * 3
    busy = Endpoint("PJSIP", "bob", EndpointState.ONLINE, ("1",))
    apps.hear(EndpointStateChange(endpoint=busy, at=0.0, use=DeviceUse.RINGING))
    for use in (DeviceUse.RINGING, DeviceUse.INUSE):
        apps.hear(DeviceUseChange(endpoint=busy, at=0.0, use=use))
    assert one.take() == [("DeviceStateChanged", "one")] * 2


def test_a_filter_holds_back(apps: Applications) -> None:
    ear = join(apps, "a", everything=True)
    application = named(apps, "a")
    application.filter([{"type": "PeerStatusChange"}], [])
    apps.hear(peer())
    apps.hear(state())
    assert ear.take() == [("PeerStatusChange", "a")]
    assert not apps.takes(CAROL)
    application.filter([{"type": "PeerStatusChange"}], [{"type": "PeerStatusChange"}])
    apps.hear(peer())
    assert ear.take() == []
    application.filter([], [])
    apps.hear(peer())
    assert ear.take() == [("PeerStatusChange", "a")]


def test_a_replaced_socket_is_told_and_the_new_one_takes_over(apps: Applications) -> None:
    old = join(apps, "a", "b")
    subscribe(apps, "a", "endpoint:")
    new = join(apps, "a")
    assert old.take() == [("ApplicationReplaced", "a")]
    apps.hear(peer())
    assert (old.take(), new.take()) == ([], [("PeerStatusChange", "a")])
    assert [application.name for application in old.applications] == ["b"]


def test_a_late_dying_socket_takes_nothing_from_the_new_one(apps: Applications) -> None:
    old = join(apps, "a")
    subscribe(apps, "a", "endpoint:")
    new = join(apps, "a")
    apps.leave(old)
    apps.hear(peer())
    assert new.take() == [("PeerStatusChange", "a")]


def test_subscriptions_outlive_the_socket_and_what_subscribed_all_does_not(apps: Applications) -> None:
    for name in ("asked", "all", "both", "none", "device"):
        ear = join(apps, name, everything=name in ("all", "both"))
        if name in ("asked", "both"):
            subscribe(apps, name, "endpoint:")
        if name == "device":
            subscribe(apps, name, "deviceState:PJSIP/carol")
        apps.leave(ear)
    assert [application.name for application in apps.all()] == ["asked", "both", "device"]
    assert named(apps, "both").document()["endpoint_ids"] == ["__AST_ENDPOINT_ALL_TOPIC"]
    assert named(apps, "both").document()["device_names"] == []
    assert not apps.takes(CAROL), "nobody is connected"
    apps.hear(peer())
    ear = join(apps, "asked")
    apps.hear(peer())
    assert ear.take() == [("PeerStatusChange", "asked")], "what happened meanwhile is not repeated"


def test_subscribe_all_holds_on_reconnect(apps: Applications) -> None:
    ear = join(apps, "a", everything=True)
    subscribe(apps, "a", "endpoint:PJSIP/bob")
    apps.leave(ear)
    ear = join(apps, "a", everything=True)
    apps.hear(state())
    assert ear.take() == [("EndpointStateChange", "a"), ("DeviceStateChanged", "a")]
    assert named(apps, "a").document() == {
        "name": "a",
        "channel_ids": ["__AST_CHANNEL_ALL_TOPIC"],
        "bridge_ids": ["__AST_BRIDGE_ALL_TOPIC"],
        "endpoint_ids": ["PJSIP/bob", "__AST_ENDPOINT_ALL_TOPIC"],
        "device_names": ["__AST_DEVICE_STATE_ALL_TOPIC"],
        "events_allowed": [],
        "events_disallowed": [],
    }


def test_an_inactive_application_goes_with_its_last_subscription(apps: Applications) -> None:
    ear = join(apps, "a")
    subscribe(apps, "a", "endpoint:", "endpoint:PJSIP")
    apps.leave(ear)
    application = named(apps, "a")
    apps.unsubscribe(application, [("endpoint", "")])
    assert apps.get("a") is application
    apps.unsubscribe(application, [("endpoint", "PJSIP")])
    assert apps.get("a") is None
    apps.unsubscribe(application, [("endpoint", "PJSIP")])


def test_applications_are_bounded(apps: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APPLICATIONS", 3)
    for name in ("first", "second"):
        ear = join(apps, name)
        subscribe(apps, name, "endpoint:")
        apps.leave(ear)
    join(apps, "third")
    join(apps, "fourth")
    assert [application.name for application in apps.all()] == ["fourth", "second", "third"]
    with pytest.raises(Overloaded):
        apps.admit(["fifth", "sixth"])
    assert [application.name for application in apps.all()] == ["fourth", "second", "third"]


def test_subscriptions_are_bounded(apps: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUBSCRIPTIONS", 2)
    join(apps, "a")
    subscribe(apps, "a", "deviceState:1", "deviceState:2")
    with pytest.raises(Overloaded):
        subscribe(apps, "a", "deviceState:2", "deviceState:3")
    assert named(apps, "a").document()["device_names"] == ["1", "2"]


def test_devices_nobody_watches_are_not_remembered_without_end(
    apps: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEVICES", 5)
    for i in range(50):
        apps.device_changed(f"Stasis:{i}", "INUSE", 0.0)
    assert len(apps._watching) <= 6
