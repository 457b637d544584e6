"""Events as JSON, byte for byte."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from switchroom.ari.render import Rendered, Renderer, timestamp
from switchroom.model.endpoint import ContactStatus, Endpoint, EndpointState
from switchroom.model.events import (
    ContactStatusChange,
    EndpointEvent,
    EndpointStateChange,
    PeerStatusChange,
    TextMessageReceived,
)
from switchroom.model.message import ReceivedText
from unit.ari.edge import ENTITY_ID

AT = 1_795_409_254.508
T = b'"timestamp":"2026-11-23T04:47:34.508+0000"'
ERIN = Endpoint("PJSIP", "erin", EndpointState.ONLINE)
E = b'"endpoint":{"technology":"PJSIP","resource":"erin","state":"online","channel_ids":[]}'
A = b'"asterisk_id":"02:fc:00:00:00:01"'
X = b'"application":"x"'


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    os.environ.pop("TZ")
    time.tzset()


def whole(rendered: Rendered | None) -> bytes:
    assert rendered is not None
    return rendered.before + b'"x"' + rendered.after


@pytest.fixture
def renderer() -> Renderer:
    return Renderer(ENTITY_ID)


@pytest.mark.parametrize(
    ("event", "kind", "about"),
    [
        (EndpointStateChange(endpoint=ERIN, at=AT), b"EndpointStateChange", b""),
        (
            PeerStatusChange(endpoint=ERIN, at=AT, peer_status="Reachable"),
            b"PeerStatusChange",
            b',"peer":{"peer_status":"Reachable"}',
        ),
        (
            PeerStatusChange(endpoint=ERIN, at=AT, peer_status="Rejected", cause="Bad", port="4569"),
            b"PeerStatusChange",
            b',"peer":{"peer_status":"Rejected","cause":"Bad","port":"4569"}',
        ),
        (
            ContactStatusChange(
                endpoint=ERIN,
                at=AT,
                uri="sip:erin@127.0.0.1:25101",
                aor="erin",
                contact_status=ContactStatus.NON_QUALIFIED,
                roundtrip_usec=0,
            ),
            b"ContactStatusChange",
            b',"contact_info":{"uri":"sip:erin@127.0.0.1:25101","contact_status":"NonQualified","aor":"erin",'
            b'"roundtrip_usec":"0"}',
        ),
        (
            TextMessageReceived(
                endpoint=ERIN,
                at=AT,
                message=ReceivedText('"Er" <sip:erin@a>', "pjsip:zzz@a", "hellö", {"Via": "1"}),
            ),
            b"TextMessageReceived",
            ',"message":{"from":"\\"Er\\" <sip:erin@a>","to":"pjsip:zzz@a","body":"hellö",'
            '"variables":{"Via":"1"}}'.encode(),
        ),
    ],
)
def test_events_of_the_core(renderer: Renderer, event: EndpointEvent, kind: bytes, about: bytes) -> None:
    assert whole(renderer.event(event)) == b'{"type":"%b",%b,%b%b,%b,%b}' % (kind, T, E, about, A, X)


def test_contacts_of_peers_are_not_shown(renderer: Renderer) -> None:
    event = ContactStatusChange(
        endpoint=ERIN,
        at=AT,
        uri="sip:erin@127.0.0.1",
        aor="erin",
        contact_status=ContactStatus.REACHABLE,
        roundtrip_usec=1,
        shown=False,
    )
    assert renderer.event(event) is None


def test_an_event_nobody_knows(renderer: Renderer) -> None:
    assert renderer.event(EndpointEvent(endpoint=ERIN, at=AT)) is None


def test_text_that_is_not_unicode(renderer: Renderer) -> None:
    event = TextMessageReceived(endpoint=ERIN, at=AT, message=ReceivedText("a\ud800", "b", "c\udfff", {"\ud800": "x"}))
    assert b'"message":{"from":"a?","to":"b","body":"c?","variables":{"?":"x"}}' in whole(renderer.event(event))


def test_device_state_changed(renderer: Renderer) -> None:
    device = b'"device_state":{"name":"PJSIP/erin","state":"NOT_INUSE"}'
    assert whole(renderer.device_state("PJSIP/erin", "NOT_INUSE", AT)) == (
        b'{"type":"DeviceStateChanged",%b,%b,%b,%b}' % (X, T, device, A)
    )


def test_application_replaced(renderer: Renderer) -> None:
    assert whole(renderer.replaced(AT)) == b'{"type":"ApplicationReplaced",%b,%b,%b}' % (T, X, A)


def test_user_event(renderer: Renderer) -> None:
    event = b'"eventname":"Hi","userevent":{"k":[1],"eventname":"Hi"}'
    variables = {"k": [1], "eventname": "lost"}
    assert whole(renderer.user_event("Hi", variables, ERIN, AT)) == (
        b'{"type":"ChannelUserevent",%b,%b,%b,%b,%b}' % (T, event, E, A, X)
    )
    assert b"endpoint" not in whole(renderer.user_event("Hi", {}, None, AT))


@pytest.mark.parametrize(
    ("zone", "at", "text"),
    [
        ("UTC", 0.0, "1970-01-01T00:00:00.000+0000"),
        ("UTC", 1_795_409_254.9999, "2026-11-23T04:47:34.999+0000"),
        ("XXX-05:30", 1_795_409_254.5, "2026-11-23T10:17:34.500+0530"),
    ],
)
def test_timestamp(monkeypatch: pytest.MonkeyPatch, zone: str, at: float, text: str) -> None:
    timestamp(at + 100)  # another second, so that nothing is remembered
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert timestamp(at) == text
    assert timestamp(at) == text
