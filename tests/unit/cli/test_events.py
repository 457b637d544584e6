"""``switchroom events``: each event in one line; tests/wire/test_command_line.py listens to a server."""

from __future__ import annotations

from typing import Any

import pytest

from switchroom.cli.events import line

ENDPOINT = {"technology": "PJSIP", "resource": "alice", "state": "online", "channel_ids": []}


def event(kind: str, **more: Any) -> dict[str, Any]:
    common = {"timestamp": "2026-11-23T07:00:00.123+0000", "application": "a", "asterisk_id": "i"}
    return {"type": kind, **common, **more}


@pytest.mark.parametrize(
    ("heard", "shown"),
    [
        (event("EndpointStateChange", endpoint=ENDPOINT), "EndpointStateChange  PJSIP/alice  online"),
        (
            event("PeerStatusChange", endpoint=ENDPOINT, peer={"peer_status": "Reachable"}),
            "PeerStatusChange  PJSIP/alice  Reachable",
        ),
        (
            event("ContactStatusChange", endpoint=ENDPOINT, contact_info={"uri": "sip:a", "contact_status": "Removed"}),
            "ContactStatusChange  PJSIP/alice  sip:a Removed",
        ),
        (
            event("TextMessageReceived", endpoint=ENDPOINT, message={"from": "f", "to": "t", "body": "a\n" + "b" * 99}),
            f"TextMessageReceived  PJSIP/alice  f -> t: a\\x0a{'b' * 58}...",
        ),
        (
            event("TextMessageStatusChange", message={"id": "m", "to": "t", "state": "delivered"}),
            "TextMessageStatusChange  m -> t: delivered",
        ),
        (
            event(
                "ReferStatusChange",
                referral={"id": "r", "to": "t", "state": "failed", "status_code": 603, "reason": "No\x1b"},
            ),
            "ReferStatusChange  r -> t: 603 No\\x1b, failed",
        ),
        (
            event("DeviceStateChanged", device_state={"name": "Stasis:x", "state": "INUSE"}),
            "DeviceStateChanged  Stasis:x INUSE",
        ),
        (event("ChannelUserevent", eventname="x", userevent={"a": "\x9b"}), 'ChannelUserevent  {"eventname": "x",'),
        (event("EndpointStateChange", endpoint={"state": 1, "technology": "PJSIP", "resource": "a"}), "PJSIP/a  {}"),
        ({"type": "\x1b[2J"}, "\\x1b[2J  {}"),
    ],
)
def test_an_event_is_one_line(heard: dict[str, Any], shown: str) -> None:
    written = line(heard)
    assert written.isprintable()
    assert shown in written
    if "timestamp" in heard:
        assert written.startswith("07:00:00.123  ")


@pytest.mark.usefixtures("terminal")
def test_the_news_is_painted() -> None:
    heard = event("EndpointStateChange", endpoint=ENDPOINT)
    assert line(heard) == "07:00:00.123  EndpointStateChange  PJSIP/alice  \x1b[32monline\x1b[0m"
