"""Events as JSON. Each is encoded once; what differs between applications is only their name.

Key order is Asterisk's, which puts ``application`` last in most events and second in some.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import msgspec

from switchroom.ari.reply import encode
from switchroom.model.endpoint import Endpoint
from switchroom.model.events import (
    ContactStatusChange,
    EndpointStateChange,
    Event,
    PeerStatusChange,
    ReferStatusChange,
    TextMessageReceived,
    TextMessageStatusChange,
)
from switchroom.model.record import DeliveryRecord, MessageRecord, ReferralRecord


class Rendered(NamedTuple):
    """An event without the name it goes to: ``before + b'"name"' + after`` is the JSON."""

    type: str
    before: bytes
    after: bytes


_second = 0
_second_text = ""
_zone_text = ""


def timestamp(at: float) -> str:
    """Wall-clock seconds as ARI writes them, ``2026-11-23T04:47:34.508+0000``, in the server's zone."""
    global _second, _second_text, _zone_text  # noqa: PLW0603  # events come in bursts of one second
    milliseconds = int(at * 1000)
    second = milliseconds // 1000
    if second != _second:
        local = time.localtime(second)
        _second_text = time.strftime("%Y-%m-%dT%H:%M:%S", local)
        _zone_text = time.strftime("%z", local)
        _second = second
    return f"{_second_text}.{milliseconds - second * 1000:03d}{_zone_text}"


class Renderer:
    """Writes events of one server, whose ``entity_id`` is every event's ``asterisk_id``."""

    def __init__(self, entity_id: str) -> None:
        self._id = b'"asterisk_id":%b' % encode(entity_id)
        self._last = b',%b,"application":' % self._id

    def event(self, event: Event) -> Rendered | None:
        """An event of the core; None when applications do not see it."""
        if isinstance(event, EndpointStateChange):
            return self._about("EndpointStateChange", event.at, event.endpoint, b"")
        if isinstance(event, ContactStatusChange):
            if not event.shown:
                return None
            contact = {
                "uri": event.uri,
                "contact_status": event.contact_status,
                "aor": event.aor,
                "roundtrip_usec": str(event.roundtrip_usec),
            }
            return self._about(
                "ContactStatusChange", event.at, event.endpoint, b',"contact_info":' + encode_clean(contact)
            )
        if isinstance(event, PeerStatusChange):
            return self._about("PeerStatusChange", event.at, event.endpoint, b',"peer":' + encode_clean(_peer(event)))
        if isinstance(event, TextMessageReceived):
            return self._about(
                "TextMessageReceived", event.at, event.endpoint, b',"message":' + encode_clean(event.message)
            )
        if isinstance(event, TextMessageStatusChange):
            message = encode_clean(message_document(event.message))
            return self._named("TextMessageStatusChange", event.at, b',"message":%b' % message)
        if isinstance(event, ReferStatusChange):
            referral = encode_clean(referral_document(event.referral))
            return self._named("ReferStatusChange", event.at, b',"referral":%b' % referral)
        return None

    def device_state(self, name: str, state: str, at: float) -> Rendered:
        device = encode_clean({"name": name, "state": state})
        return self._named("DeviceStateChanged", at, b',"device_state":%b' % device)

    def replaced(self, at: float) -> Rendered:
        """Another WebSocket registered the application."""
        before = b'{"type":"ApplicationReplaced","timestamp":"%b","application":' % timestamp(at).encode()
        return Rendered("ApplicationReplaced", before, b",%b}" % self._id)

    def registered(self, at: float) -> Rendered:
        """The application is served over a WebSocket that we opened."""
        before = b'{"type":"ApplicationRegistered","timestamp":"%b","application":' % timestamp(at).encode()
        return Rendered("ApplicationRegistered", before, b",%b}" % self._id)

    def unregistered(self, at: float) -> Rendered:
        """The same ends."""
        before = b'{"type":"ApplicationUnregistered","timestamp":"%b","application":' % timestamp(at).encode()
        return Rendered("ApplicationUnregistered", before, b",%b}" % self._id)

    def events_lost(self, lost: int | None, since: float, at: float) -> Rendered:
        """Events for an application since then could not be kept; None: nobody knows how many."""
        count = b',"lost":%d' % lost if lost is not None else b""
        before = b'{"type":"EventsLost","timestamp":"%b"%b,"since":"%b","application":' % (
            timestamp(at).encode(),
            count,
            timestamp(since).encode(),
        )
        return Rendered("EventsLost", before, b",%b}" % self._id)

    def response(self, answer: dict[str, Any], application: str, at: float) -> bytes:
        """The answer to a REST request that came over a WebSocket."""
        return b'{"type":"RESTResponse",%b,"application":%b,"timestamp":"%b",%b}' % (
            encode_clean(answer)[1:-1],
            encode(application),
            timestamp(at).encode(),
            self._id,
        )

    def user_event(self, name: str, variables: dict[str, Any], endpoint: Endpoint | None, at: float) -> Rendered:
        """An event a client made; its own name is among its variables, as in Asterisk."""
        about = b',"endpoint":%b' % encode(endpoint) if endpoint is not None else b""
        before = b'{"type":"ChannelUserevent","timestamp":"%b","eventname":%b,"userevent":%b%b%b' % (
            timestamp(at).encode(),
            encode(name),
            encode_clean({**variables, "eventname": name}),
            about,
            self._last,
        )
        return Rendered("ChannelUserevent", before, b"}")

    def _about(self, kind: str, at: float, endpoint: Endpoint, more: bytes) -> Rendered:
        before = b'{"type":"%b","timestamp":"%b","endpoint":%b%b%b' % (
            kind.encode(),
            timestamp(at).encode(),
            encode(endpoint),
            more,
            self._last,
        )
        return Rendered(kind, before, b"}")

    def _named(self, kind: str, at: float, more: bytes) -> Rendered:
        before = b'{"type":"%b","application":' % kind.encode()
        return Rendered(kind, before, b',"timestamp":"%b"%b,%b}' % (timestamp(at).encode(), more, self._id))


def _peer(event: PeerStatusChange) -> dict[str, str]:
    """ARI model ``Peer``: what the technology did not say is left out."""
    optional = {"cause": event.cause, "address": event.address, "port": event.port, "time": event.time}
    return {"peer_status": event.peer_status} | {key: value for key, value in optional.items() if value is not None}


def message_document(record: MessageRecord) -> dict[str, Any]:
    """A message we were asked to send, and how far it got (docs/ari.md)."""
    return {
        "id": record.id,
        "from": record.sender,
        "to": f"{record.technology.lower()}:{record.destination}",
        "body": record.body,
        "state": record.state.value,
        "created": timestamp(record.created),
        "updated": timestamp(record.updated),
        "expires": timestamp(record.expires),
        "deliveries": [_delivery(delivery) for delivery in record.deliveries],
    }


def _delivery(delivery: DeliveryRecord) -> dict[str, Any]:
    document = {
        "contact": delivery.contact,
        "state": delivery.state.value,
        "status_code": delivery.status_code,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "updated": timestamp(delivery.updated),
    }
    if delivery.notification is not None:
        document["notification"] = delivery.notification.value
        document["notified"] = timestamp(delivery.notified)
    return document


def referral_document(record: ReferralRecord) -> dict[str, Any]:
    """A referral, and how far it got (docs/ari.md)."""
    return {
        "id": record.id,
        "from": record.sender,
        "to": f"{record.technology.lower()}:{record.destination}",
        "refer_to": record.refer_to,
        "state": record.state.value,
        "status_code": record.status_code,
        "reason": record.reason,
        "created": timestamp(record.created),
        "updated": timestamp(record.updated),
    }


def encode_clean(value: Any) -> bytes:
    """As JSON; a text that came from the network and is not Unicode loses what is not."""
    try:
        return encode(value)
    except UnicodeEncodeError:
        return encode(_clean(msgspec.to_builtins(value)))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
