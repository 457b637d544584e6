"""The API's own documentation, Swagger 1.1 under ``/ari/api-docs``: made from the route table and the models here.

Client libraries build themselves from it, so every type an event may have is among the models of ``events``.
"""

from __future__ import annotations

from typing import Any

from switchroom.ari.devices import STATES
from switchroom.ari.routes import TABLE, Parameter, Route
from switchroom.model.message import Notification, ReferralState
from switchroom.model.record import MessageState

_SWAGGER = "1.1"
#: The version of ARI that this is compatible with; client libraries know it.
_API_VERSION = "8.0.0"
_RESOURCE_VERSION = "2.0.0"

RESOURCES = {
    "asterisk": "The server",
    "endpoints": "Endpoints: what can be sent a text and be referred",
    "deviceStates": "States of devices",
    "messages": "Texts that were sent or wait",
    "referrals": "Referrals and what came of them",
    "events": "Events over a WebSocket",
    "applications": "Applications, who get events",
}

_PATHS = {
    "/asterisk/info": "What the server is",
    "/asterisk/ping": "Whether the server is there",
    "/asterisk/reload": "The configuration files, read again",
    "/asterisk/config/dynamic/{configClass}/{objectType}/{id}": "A configuration object",
    "/endpoints": "All endpoints",
    "/endpoints/sendMessage": "A text to whoever is named",
    "/endpoints/refer": "A referral of whoever is named",
    "/endpoints/{tech}": "Endpoints of one technology",
    "/endpoints/{tech}/{resource}": "One endpoint",
    "/endpoints/{tech}/{resource}/contacts": "Where an endpoint is reached",
    "/endpoints/{tech}/{resource}/sendMessage": "A text to an endpoint",
    "/endpoints/{tech}/{resource}/refer": "A referral of an endpoint",
    "/messages": "Texts that were sent or wait",
    "/messages/{messageId}": "One of them",
    "/referrals/{referralId}": "A referral",
    "/deviceStates": "Devices whose state clients set",
    "/deviceStates/{deviceName}": "One device",
    "/events": "The WebSocket of events",
    "/events/user/{eventName}": "An event of the client's making",
    "/applications": "All applications",
    "/applications/{applicationName}": "One application",
    "/applications/{applicationName}/subscription": "What an application is subscribed to",
    "/applications/{applicationName}/eventFilter": "Which event types an application gets",
}


def _field(
    kind: str, description: str, *, required: bool = True, values: tuple[str, ...] = (), nullable: bool = False
) -> dict[str, Any]:
    field: dict[str, Any] = {"type": kind, "description": description, "required": required}
    if nullable:
        field["nullable"] = True
    if values:
        field["allowableValues"] = {"valueType": "LIST", "values": list(values)}
    return field


def _model(name: str, description: str, /, **fields: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "description": description, "properties": fields}


_ENDPOINT = _model(
    "Endpoint",
    "Something outside that can be reached.",
    technology=_field("string", "Its technology"),
    resource=_field("string", "Its name within the technology"),
    state=_field("string", "Whether it can be reached", required=False, values=("unknown", "offline", "online")),
    channel_ids=_field("List[string]", "Its calls"),
)

_TEXT_MESSAGE = _model(
    "TextMessage",
    "A text.",
    **{
        "from": _field("string", "Who sent it"),
        "to": _field("string", "Whom it was sent to, with technology"),
        "body": _field("string", "The text"),
        "variables": _field("object", "Header fields it came with, and how", required=False),
    },
)

_DEVICE_STATE = _model(
    "DeviceState",
    "A device and its state.",
    name=_field("string", "The device's name"),
    state=_field("string", "Its state", values=("UNKNOWN", *STATES)),
)

_COMMON = {
    "type": _field("string", "The event's type"),
    "asterisk_id": _field("string", "The server it comes from", required=False),
    "application": _field("string", "The application it is sent to"),
    "timestamp": _field("Date", "When it happened"),
}


_DELIVERY = _model(
    "MessageDelivery",
    "A message to one contact.",
    contact=_field("string", "Where it goes"),
    state=_field("string", "How far it got", values=tuple(s.value for s in MessageState)),
    status_code=_field("int", "The last answer's, 0 before there was one"),
    reason=_field("string", "The last answer's"),
    attempts=_field("int", "How often it was sent"),
    updated=_field("Date", "When that was known"),
    notification=_field(
        "string",
        "What the device told of it since",
        required=False,
        values=tuple(n.value for n in Notification),
    ),
    notified=_field("Date", "When the device told it", required=False),
)

_SENT_MESSAGE = _model(
    "SentMessage",
    "A text the server was asked to send.",
    **{
        "id": _field("string", "Its id"),
        "from": _field("string", "The sender, as asked"),
        "to": _field("string", "The destination, as asked, with technology"),
        "body": _field("string", "The text; empty when it ended and keep_body is off"),
        "state": _field("string", "How far it got", values=tuple(s.value for s in MessageState)),
        "created": _field("Date", "When it was accepted"),
        "updated": _field("Date", "When it last changed"),
        "expires": _field("Date", "When it is not worth delivering any more"),
        "deliveries": _field("List[MessageDelivery]", "How far it got at each contact"),
    },
)

_REFERRAL = _model(
    "Referral",
    "A request that an endpoint contacts another.",
    **{
        "id": _field("string", "Its id"),
        "from": _field("string", "Who asks, as asked"),
        "to": _field("string", "Who is to contact another, with technology"),
        "refer_to": _field("string", "Whom to contact"),
        "state": _field("string", "How far it got", values=tuple(s.value for s in ReferralState)),
        "status_code": _field("int", "The last status the phone told, 0 before there was one"),
        "reason": _field("string", "The last reason the phone told"),
        "created": _field("Date", "When it was sent"),
        "updated": _field("Date", "When it last changed"),
    },
)

#: Every event an application may get.
EVENTS = (
    _model(
        "ApplicationReplaced",
        "Another WebSocket registered the application; this one gets no more of its events.",
    ),
    _model("ApplicationRegistered", "A WebSocket that the server opened serves the application."),
    _model("ApplicationUnregistered", "It does not any more."),
    _model(
        "ChannelUserevent",
        "An event a client made.",
        eventname=_field("string", "Its name"),
        userevent=_field("object", "What it says"),
        endpoint=_field("Endpoint", "The endpoint it is about", required=False),
    ),
    _model(
        "ContactStatusChange",
        "A contact of an endpoint came, went, or became reachable or unreachable.",
        endpoint=_field("Endpoint", "The endpoint"),
        contact_info=_field("ContactInfo", "The contact"),
    ),
    _model(
        "DeviceStateChanged",
        "A device has a new state.",
        device_state=_field("DeviceState", "The device and its state"),
    ),
    _model(
        "EndpointStateChange",
        "An endpoint's state or calls changed.",
        endpoint=_field("Endpoint", "The endpoint"),
    ),
    _model(
        "EventsLost",
        "Events for an application that resumes could not be kept.",
        lost=_field("int", "How many; not there when nobody knows", required=False),
        since=_field("Date", "When its last WebSocket ended"),
    ),
    _model(
        "PeerStatusChange",
        "An endpoint as a whole became reachable or unreachable.",
        endpoint=_field("Endpoint", "The endpoint"),
        peer=_field("Peer", "What is known of it"),
    ),
    _model(
        "RESTResponse",
        "The answer to a request over the WebSocket.",
        transaction_id=_field("string", "As the request had it"),
        request_id=_field("string", "As the request had it"),
        status_code=_field("int", "The status, as over HTTP"),
        reason_phrase=_field("string", "Its phrase"),
        uri=_field("string", "The request's, without its query"),
        content_type=_field("string", "Of the body, when there is one", required=False),
        message_body=_field("string", "The body, when there is one", required=False),
    ),
    _model(
        "TextMessageReceived",
        "An endpoint sent a text.",
        message=_field("TextMessage", "The text"),
        endpoint=_field("Endpoint", "The endpoint", required=False),
    ),
    _model(
        "TextMessageStatusChange",
        "A text the server was asked to send got further.",
        message=_field("SentMessage", "The text and its deliveries"),
    ),
    _model(
        "ReferStatusChange",
        "A referral got further.",
        referral=_field("Referral", "The referral"),
    ),
)

_CONTACT_INFO = _model(
    "ContactInfo",
    "A contact of an endpoint.",
    uri=_field("string", "Where it is reached"),
    contact_status=_field(
        "string", "Its state", values=("Unreachable", "Reachable", "Unknown", "NonQualified", "Removed")
    ),
    aor=_field("string", "The address of record it belongs to"),
    roundtrip_usec=_field("string", "Microseconds until it answered", required=False),
)

_CONTACT = _model(
    "Contact",
    "A place where an endpoint is reached.",
    uri=_field("string", "The URI requests go to"),
    aor=_field("string", "The address of record it belongs to"),
    status=_field("string", "Its state", values=("Unreachable", "Reachable", "Unknown", "NonQualified")),
    roundtrip_usec=_field("string", "Microseconds until it answered"),
    user_agent=_field("string", "What it calls itself"),
    transport=_field("string", "udp, tcp, tls, ws or wss; empty when the URI decides"),
    address=_field("string", "Host and port it registered from; empty when it is configured"),
    registered=_field("Date", "When it registered last; null when it is configured", nullable=True),
    expires=_field("Date", "When its registration ends; null when it is configured", nullable=True),
)

_PEER = _model(
    "Peer",
    "An endpoint as its technology sees it.",
    peer_status=_field("string", "Its state"),
    cause=_field("string", "Why", required=False),
    address=_field("string", "Its address", required=False),
    port=_field("string", "Its port", required=False),
    time=_field("string", "How long it took to answer", required=False),
)

_APPLICATION = _model(
    "Application",
    "Who gets events.",
    name=_field("string", "Its name"),
    channel_ids=_field("List[string]", "Channels it is subscribed to"),
    bridge_ids=_field("List[string]", "Bridges it is subscribed to"),
    endpoint_ids=_field("List[string]", "Endpoints ({tech}/{resource}) and technologies it is subscribed to"),
    device_names=_field("List[string]", "Devices it is subscribed to"),
    events_allowed=_field("List[object]", "Event types it gets, all when empty"),
    events_disallowed=_field("List[object]", "Event types it does not get"),
)

_SECTIONS = {
    "build": ("BuildInfo", "What it was built for", ("os", "kernel", "machine", "options", "date", "user")),
    "system": ("SystemInfo", "Version and identity", ("version", "entity_id")),
    "config": ("ConfigInfo", "Settings", ("name", "default_language")),
    "status": ("StatusInfo", "Since when", ("startup_time", "last_reload_time")),
}


def _by_id(*models: dict[str, Any]) -> dict[str, Any]:
    return {model["id"]: model for model in models}


def _event_models() -> dict[str, Any]:
    message = {
        **_model(
            "Message", "What is sent over the WebSocket.", type=_COMMON["type"], asterisk_id=_COMMON["asterisk_id"]
        ),
        "discriminator": "type",
        "subTypes": ["Event"],
    }
    event = {
        **_model("Event", "Something happened.", application=_COMMON["application"], timestamp=_COMMON["timestamp"]),
        "subTypes": [model["id"] for model in EVENTS],
    }
    used = (_CONTACT_INFO, _DELIVERY, _DEVICE_STATE, _ENDPOINT, _PEER, _REFERRAL, _SENT_MESSAGE, _TEXT_MESSAGE)
    return _by_id(message, event, *EVENTS, *used)


def _asterisk_models() -> dict[str, Any]:
    sections = [
        _model(name, description, **{field: _field("string", field.replace("_", " ")) for field in fields})
        for name, description, fields in _SECTIONS.values()
    ]
    sections[2]["properties"]["setid"] = _field("SetId", "Whom it runs as")
    return _by_id(
        _model(
            "AsteriskInfo",
            "What the server is.",
            **{key: _field(name, text, required=False) for key, (name, text, _) in _SECTIONS.items()},
        ),
        *sections,
        _model("SetId", "User and group.", user=_field("string", "User"), group=_field("string", "Group")),
        _model(
            "AsteriskPing",
            "The server is there.",
            asterisk_id=_field("string", "The server"),
            ping=_field("string", "Always pong"),
            timestamp=_field("string", "The server's time"),
        ),
        _model(
            "ConfigTuple",
            "A field of a configuration object.",
            attribute=_field("string", "Its name, as in pjsip.conf"),
            value=_field("string", "Its value, as in pjsip.conf"),
        ),
        _model(
            "Reload",
            "What reading the files again brought.",
            added=_field("int", "Objects that came"),
            changed=_field("int", "Objects that are different"),
            removed=_field("int", "Objects that are gone"),
            restart_needed=_field("List[string]", "What is different and takes effect at the next start only"),
            problems=_field("List[string]", "What is wrong with the files"),
        ),
    )


_MODELS = {
    "asterisk": _asterisk_models(),
    "endpoints": _by_id(_ENDPOINT, _CONTACT, _TEXT_MESSAGE),
    "deviceStates": _by_id(_DEVICE_STATE),
    "messages": _by_id(_SENT_MESSAGE, _DELIVERY),
    "referrals": _by_id(_REFERRAL),
    "events": _event_models(),
    "applications": _by_id(_APPLICATION),
}


def models() -> dict[str, Any]:
    """All models of all resources by name."""
    return {name: model for found in _MODELS.values() for name, model in found.items()}


def common_fields() -> dict[str, Any]:
    """What every event has."""
    return dict(_COMMON)


class Documentation:
    """The documents by file name; ``base`` is the server's address as the client wrote it."""

    def __init__(self, table: tuple[Route, ...] = TABLE) -> None:
        self._documents = {"resources.json": _listing()}
        for name in RESOURCES:
            routes = [route for route in table if route.path.split("/")[1] == name]
            self._documents[f"{name}.json"] = _declaration(name, routes)

    def get(self, name: str, base: str | None) -> dict[str, Any] | None:
        """The document, with ``basePath`` where it belongs; None when there is no such file."""
        document = self._documents.get(name)
        if document is None:
            return None
        head = {"apiVersion": document["apiVersion"], "swaggerVersion": document["swaggerVersion"]}
        return {**head, **({"basePath": base} if base else {}), **document}


def _listing() -> dict[str, Any]:
    return {
        "apiVersion": _API_VERSION,
        "swaggerVersion": _SWAGGER,
        "apis": [
            {"path": f"/api-docs/{name}.{{format}}", "description": description}
            for name, description in RESOURCES.items()
        ],
    }


def _declaration(name: str, routes: list[Route]) -> dict[str, Any]:
    paths: dict[str, list[Route]] = {}
    for route in routes:
        paths.setdefault(route.path, []).append(route)
    return {
        "apiVersion": _RESOURCE_VERSION,
        "swaggerVersion": _SWAGGER,
        "resourcePath": f"/api-docs/{name}.{{format}}",
        "apis": [
            {"path": path, "description": _PATHS[path], "operations": [_operation(route) for route in found]}
            for path, found in paths.items()
        ],
        "models": _MODELS[name],
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "httpMethod": route.method,
        "summary": route.summary,
        "nickname": route.nickname,
        "responseClass": route.response,
    }
    if route.upgrade:
        operation |= {"upgrade": "websocket", "websocketProtocol": "ari"}
    operation["parameters"] = [_parameter(parameter) for parameter in route.parameters]
    operation["errorResponses"] = [{"code": code, "reason": reason} for code, reason in route.errors]
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "description": parameter.description,
        "paramType": parameter.place,
        "required": parameter.required,
        "allowMultiple": parameter.multiple,
        "dataType": parameter.type,
    }
    if parameter.default is not None:
        described["defaultValue"] = parameter.default
    if parameter.values:
        described["allowableValues"] = {"valueType": "LIST", "values": list(parameter.values)}
    return described
