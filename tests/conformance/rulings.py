"""Where the scenes are meant to differ from what Asterisk did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Event = dict[str, Any]
Step = dict[str, Any]

#: There is no dialplan here, and no channel that carries texts through it.
_NOT_SENT = {"ChannelCreated", "ChannelDialplan"}

#: Credentials are not for applications.
_SECRET_VARIABLES = {"Authorization", "Proxy-Authorization"}


def by_the_rulings(recorded: Mapping[str, Any]) -> Step:
    """A step with what is expected of Switchroom."""
    ruled = dict(recorded)
    for application in ("events", "mine"):
        if application in ruled:
            ruled[application] = list(_events(ruled[application]))
    match ruled["step"]:
        case "both of dave's phones go dark":
            # The first phone found dark leaves dave online; Asterisk took both snapshots after the second.
            first = next(event for event in ruled["events"] if event["type"] == "ContactStatusChange")
            first["endpoint"] = first["endpoint"] | {"state": "online"}
        case "one of dave's phones is back":
            # Asterisk saw the phone come, go and come again, for it lost count of the two contacts.
            ruled["events"] = ruled["events"][:4]
        case "message dave with one phone":
            # Asterisk sent to the phone that was still dark.
            ruled["wire"] = [sent | {"at": "dave2", "uri": "sip:dave@127.0.0.1:5093"} for sent in ruled["wire"]]
        case "message to oldphone":
            # Asterisk took the URI for a name; the sender is who was asked for.
            headers = ruled["wire"][0]["headers"] | {"From": "<sip:me@example.org>"}
            ruled["wire"] = [sent | {"headers": headers} for sent in ruled["wire"]]
    return ruled


def _events(recorded: Iterable[Event]) -> Iterator[Event]:
    """Applications subscribed to everything hear EndpointStateChange too, right before the PeerStatusChange of the
    same change.
    """
    for event in recorded:
        if event["type"] in _NOT_SENT:
            continue
        if event["type"] == "PeerStatusChange":
            yield {"type": "EndpointStateChange", "endpoint": event["endpoint"], "application": event["application"]}
        if "time" in event.get("peer", {}):
            event = event | {"peer": event["peer"] | {"time": str(event["peer"]["time"])}}
        if event["type"] == "TextMessageReceived":
            message = event["message"]
            variables = {k: v for k, v in message["variables"].items() if k not in _SECRET_VARIABLES}
            event = event | {"message": message | {"variables": variables}}
        yield dict(event)
