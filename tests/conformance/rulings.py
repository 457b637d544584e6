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
        case "after the peer started and registered":
            # Asterisk looked at the peer before it knew the address, and then did not know; a peer that is online can
            # be called.
            of_devices = [event for event in ruled["events"] if event["type"] == "DeviceStateChanged"]
            last = of_devices[-1] | {"device_state": {"name": "IAX2/iaxphone", "state": "NOT_INUSE"}}
            ruled["events"] = [last, *(event for event in ruled["events"] if event not in of_devices)]
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


#: Texts out of which Asterisk made something else: (to, from) to what comes of them here.
_TAKEN = {
    # Any name by which the account is known is its name, and the technology is written in any case (docs/rulings.md 4).
    ("xmpp:romeo@localhost", "gateway"),
    ("xmpp:romeo@localhost", "xmpp:gateway@localhost"),
    ("xmpp:romeo@localhost", "gateway@localhost"),
    ("xmpp:romeo@localhost", "xmpp:gateway@localhost/x"),
    ("XMPP:romeo@localhost", "xmpp:gateway"),
    # Asterisk wrote to the JID gateway/romeo@localhost; here it is romeo, through the account gateway.
    ("xmpp:gateway/romeo@localhost", "xmpp:gateway"),
}
#: Asterisk answered 202 and wrote what no server delivers: here 404 where there is no address, 400 where it is none.
_REFUSED = {"xmpp:romeo": 404, "xmpp:": 404, "xmpp:a b@localhost": 400, "xmpp:<romeo@localhost>": 400}


def by_the_rulings_of_xmpp(recorded: Mapping[str, Any]) -> Step:
    """A step of the XMPP scenes with what is expected of Switchroom."""
    ruled = dict(recorded)
    parameters = recorded.get("params", {})
    to, sender = parameters.get("to", ""), parameters.get("from", "")
    arrived = {"from": "gateway@localhost/asterisk-xmpp", "to": "romeo@localhost", "type": "chat", "subject": None}
    if ((to, sender) in _TAKEN and ruled["status"] != 202) or to == "xmpp:gateway/romeo@localhost":
        ruled |= {"status": 202, "json": None, "romeo": [arrived | {"body": parameters["body"]}]}
    elif to in _REFUSED:
        ruled["status"] = _REFUSED[to]
        # Its words are free.
        del ruled["json"]
    elif "\x07" in parameters.get("body", ""):
        # The server ended Asterisk's stream; here control characters are left out (docs/rulings.md 17).
        ruled["romeo"] = [arrived | {"body": parameters["body"].replace("\x07", "")}]
    return ruled
