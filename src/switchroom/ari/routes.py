"""The one table of routes. The router, the Allow headers, the rights of users and the documentation come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from aiohttp import web

from switchroom.ari import asterisk, configuration, devices, endpoints, events, limits, messages, subscriptions
from switchroom.ari.call import Call
from switchroom.core.limits import MAX_LIFE
from switchroom.model.message import Fallback
from switchroom.model.record import MessageState

Operation = Callable[[Call], Awaitable[web.StreamResponse]]


class Role(Enum):
    """What a user must be allowed to do."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A documented parameter. ``place`` is ``path``, ``query`` or ``body``."""

    name: str
    place: str
    description: str
    required: bool = False
    multiple: bool = False
    type: str = "string"
    default: str | bool | None = None
    values: tuple[str, ...] = ()
    #: What OpenAPI can say of the value, or of each of several, beyond its type.
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: how it is reached, who may, and what its documentation says."""

    method: str
    path: str
    nickname: str
    operation: Operation
    role: Role
    summary: str
    response: str
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[tuple[int, str], ...] = ()
    upgrade: bool = False
    #: Response headers that mean something here, with what they mean.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Status of success; 0: 200 with a response, 204 without.
    success: int = 0
    #: Another method that does the same, unless strict (docs/rulings.md 11). Not in Allow, not documented.
    alias: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.role, Role):
            raise TypeError(f"{self.method} {self.path} has no role")
        if (self.role is Role.READ) != (self.method == "GET"):
            raise ValueError(f"{self.method} {self.path}: GET reads, everything else writes")

    @property
    def status(self) -> int:
        """Status of success."""
        if self.upgrade:
            return 101
        return self.success or (204 if self.response == "void" else 200)


_VARIABLES = Parameter(
    "variables",
    "body",
    'Header fields to add: {"variables": {"Name": "value"}}, strings only. Those that route or identify the '
    "request are never set.",
    type="containers",
)
_TO = Parameter("to", "query", "An endpoint (pjsip:alice), one of its contacts, or a URI, after the technology.", True)
_FROM = Parameter("from", "query", "The sender: an endpoint, a URI, or a name with a URI.", True)
_BODY = Parameter("body", "query", "The text.")
_OPTIONS = (
    Parameter("message_id", "query", "An id of the client's own: the same id and content again is the same message."),
    Parameter("offline", "query", "What becomes of it while there is no contact.", values=("reject", "store")),
    Parameter(
        "expires",
        "query",
        "Seconds it is worth delivering.",
        type="int",
        schema={"minimum": 1, "maximum": int(MAX_LIFE)},
    ),
)
_REFER_TO = Parameter("refer_to", "query", "Whom to contact: an endpoint or a URI.", True)
_TO_SELF = Parameter("to_self", "query", "Contact the endpoint through this server.", type="boolean", default=False)
_DISPLAY_NAME = Parameter("display_name", "body", "The name shown for refer_to.")
_FALLBACK = Parameter(
    "fallback",
    "query",
    "invite: a phone that does not take the referral as it is is called, and referred inside the call.",
    default="none",
    values=tuple(Fallback),
)
_TECH = Parameter("tech", "path", "A technology, in any case.", True)
_RESOURCE = Parameter("resource", "path", "An endpoint's name.", True)
_PAGE = (
    Parameter("state", "query", "Only endpoints in this state.", values=("unknown", "offline", "online")),
    Parameter(
        "limit",
        "query",
        "At most so many; the Link header leads to the rest.",
        type="int",
        schema={"minimum": 1, "maximum": limits.PAGE},
    ),
    Parameter(
        "after",
        "query",
        "Only those that come after this one, {tech}/{resource}.",
        schema={"pattern": "^[^/\0]*/[^\0]*$"},
    ),
)
_TAG = {"ETag": "What If-None-Match compares with"}
_LINK = {"Link": "The next page, when there is one: rel=next"}
_NO_PAGE = (400, "A parameter can not be used")
_SEND_ERRORS = ((400, "A parameter is missing or can not be used"), (404, "Endpoint not found"))
_KEEP_ERRORS = (
    *_SEND_ERRORS,
    (409, "The message_id is another message's, or too many wait for this endpoint"),
    (507, "Too many messages wait"),
)
_FOLLOW = {"Location": "Where it can be followed"}
_MESSAGE_ID = Parameter("messageId", "path", "The message's id.", True)
_APPLICATION = Parameter("applicationName", "path", "An application's name.", True)
_NO_APPLICATION = (404, "Application not found")
_SOURCES = Parameter(
    "eventSource",
    "query",
    "endpoint:{tech}/{resource}, endpoint:{tech}, endpoint:, deviceState:{name}, deviceState:, channel: or bridge:",
    True,
    multiple=True,
)
_OBJECT = (
    Parameter("configClass", "path", "What it configures: res_pjsip.", True),
    Parameter("objectType", "path", "The kind of object: endpoint, auth, aor and others.", True),
    Parameter("id", "path", "The object's name.", True),
)
_NO_OBJECT = (404, "The class, type or object does not exist")
_DEVICE = Parameter("deviceName", "path", "A device's name.", True)

TABLE: Final = (
    Route(
        "GET",
        "/asterisk/info",
        "getInfo",
        asterisk.info,
        Role.READ,
        "What this server is.",
        "AsteriskInfo",
        (
            Parameter(
                "only",
                "query",
                "Sections to return, all when absent.",
                multiple=True,
                values=("build", "system", "config", "status"),
            ),
        ),
    ),
    Route(
        "GET", "/asterisk/ping", "ping", asterisk.ping, Role.READ, "Answers when the server is there.", "AsteriskPing"
    ),
    Route(
        "PUT",
        "/asterisk/reload",
        "reload",
        configuration.reload,
        Role.WRITE,
        "Reads the configuration files again and applies what is different.",
        "Reload",
        errors=((409, "The files can not be used, nothing was changed"),),
    ),
    Route(
        "GET",
        "/asterisk/config/dynamic/{configClass}/{objectType}/{id}",
        "getObject",
        configuration.get_object,
        Role.READ,
        "A configuration object: all its fields, passwords for those only who may write.",
        "List[ConfigTuple]",
        _OBJECT,
        (_NO_OBJECT,),
    ),
    Route(
        "PUT",
        "/asterisk/config/dynamic/{configClass}/{objectType}/{id}",
        "updateObject",
        configuration.update_object,
        Role.WRITE,
        "Makes a configuration object, or updates one that was made so.",
        "List[ConfigTuple]",
        (
            *_OBJECT,
            Parameter(
                "fields",
                "body",
                'What to set: {"fields": [{"attribute": ..., "value": ...}]}; all of it is taken or nothing.',
                type="containers",
            ),
        ),
        ((400, "A field is missing or can not be used"), (403, "Only the files can change the object"), _NO_OBJECT),
    ),
    Route(
        "DELETE",
        "/asterisk/config/dynamic/{configClass}/{objectType}/{id}",
        "deleteObject",
        configuration.delete_object,
        Role.WRITE,
        "Deletes a configuration object that was made so.",
        "void",
        _OBJECT,
        ((403, "Only the files can change the object"), _NO_OBJECT),
    ),
    Route(
        "GET",
        "/endpoints",
        "list",
        endpoints.list_endpoints,
        Role.READ,
        "All endpoints, or a page of them.",
        "List[Endpoint]",
        _PAGE,
        (_NO_PAGE,),
        headers=_TAG | _LINK,
    ),
    Route(
        "PUT",
        "/endpoints/sendMessage",
        "sendMessage",
        endpoints.send_message,
        Role.WRITE,
        "Sends a text to an endpoint or a URI.",
        "void",
        (_TO, _FROM, _BODY, _VARIABLES, *_OPTIONS),
        _KEEP_ERRORS,
        headers=_FOLLOW,
        success=202,
        alias="POST",
    ),
    Route(
        "POST",
        "/endpoints/refer",
        "refer",
        endpoints.refer,
        Role.WRITE,
        "Asks an endpoint or a URI to contact another.",
        "void",
        (_TO, _FROM, _REFER_TO, _TO_SELF, _VARIABLES, _DISPLAY_NAME, _FALLBACK),
        _SEND_ERRORS,
        headers=_FOLLOW,
        success=202,
    ),
    Route(
        "GET",
        "/endpoints/{tech}",
        "listByTech",
        endpoints.list_by_tech,
        Role.READ,
        "All endpoints of a technology.",
        "List[Endpoint]",
        (_TECH, *_PAGE),
        (_NO_PAGE, (404, "No endpoint has this technology")),
        headers=_TAG | _LINK,
    ),
    Route(
        "GET",
        "/endpoints/{tech}/{resource}",
        "get",
        endpoints.get,
        Role.READ,
        "One endpoint.",
        "Endpoint",
        (_TECH, _RESOURCE),
        ((400, "A parameter can not be used"), (404, "Endpoint not found")),
        headers=_TAG,
    ),
    Route(
        "GET",
        "/endpoints/{tech}/{resource}/contacts",
        "contacts",
        endpoints.contacts,
        Role.READ,
        "Where an endpoint is reached.",
        "List[Contact]",
        (_TECH, _RESOURCE),
        ((404, "Endpoint not found"),),
    ),
    Route(
        "PUT",
        "/endpoints/{tech}/{resource}/sendMessage",
        "sendMessageToEndpoint",
        endpoints.send_message_to_endpoint,
        Role.WRITE,
        "Sends a text to an endpoint.",
        "void",
        (_TECH, _RESOURCE, _FROM, _BODY, _VARIABLES, *_OPTIONS),
        _KEEP_ERRORS,
        headers=_FOLLOW,
        success=202,
        alias="POST",
    ),
    Route(
        "POST",
        "/endpoints/{tech}/{resource}/refer",
        "referToEndpoint",
        endpoints.refer_to_endpoint,
        Role.WRITE,
        "Asks an endpoint to contact another.",
        "void",
        (_TECH, _RESOURCE, _FROM, _REFER_TO, _TO_SELF, _VARIABLES, _DISPLAY_NAME, _FALLBACK),
        _SEND_ERRORS,
        headers=_FOLLOW,
        success=202,
    ),
    Route(
        "GET",
        "/messages",
        "list",
        messages.list_messages,
        Role.READ,
        "Messages that were sent or wait, the newest first.",
        "List[SentMessage]",
        (
            Parameter(
                "endpoint",
                "query",
                "Only those to this endpoint, {tech}/{resource}.",
                schema={"pattern": "^[^/\0]+/[^\0]+$"},
            ),
            Parameter("state", "query", "Only those in this state.", values=tuple(s.value for s in MessageState)),
            Parameter(
                "limit",
                "query",
                "At most so many; the Link header leads to the rest.",
                type="int",
                schema={"minimum": 1, "maximum": limits.MESSAGES},
            ),
            Parameter("after", "query", "Only those that come after the one with this id."),
        ),
        (_NO_PAGE,),
        headers=_LINK,
    ),
    Route(
        "GET",
        "/messages/{messageId}",
        "get",
        messages.get_message,
        Role.READ,
        "One message, and how far it got.",
        "SentMessage",
        (_MESSAGE_ID,),
        ((404, "Message not found"),),
    ),
    Route(
        "DELETE",
        "/messages/{messageId}",
        "cancel",
        messages.cancel_message,
        Role.WRITE,
        "Takes back what is still queued.",
        "void",
        (_MESSAGE_ID,),
        ((404, "Message not found"), (409, "Something of it was sent, or it has ended")),
    ),
    Route(
        "GET",
        "/referrals/{referralId}",
        "get",
        messages.get_referral,
        Role.READ,
        "One referral, and how far it got.",
        "Referral",
        (Parameter("referralId", "path", "The referral's id.", True),),
        ((404, "Referral not found"),),
    ),
    Route(
        "GET",
        "/deviceStates",
        "list",
        devices.list_devices,
        Role.READ,
        "The device states that clients set.",
        "List[DeviceState]",
    ),
    Route(
        "GET",
        "/deviceStates/{deviceName}",
        "get",
        devices.get_device,
        Role.READ,
        "The state of any device.",
        "DeviceState",
        (_DEVICE,),
    ),
    Route(
        "PUT",
        "/deviceStates/{deviceName}",
        "update",
        devices.update_device,
        Role.WRITE,
        "Sets the state of a device named Stasis:.",
        "void",
        (_DEVICE, Parameter("deviceState", "query", "The new state.", True, values=devices.STATES)),
        (
            (400, "The state is unknown"),
            (404, "Device name is missing"),
            (409, "The device is not named Stasis:"),
        ),
    ),
    Route(
        "DELETE",
        "/deviceStates/{deviceName}",
        "delete",
        devices.delete_device,
        Role.WRITE,
        "Forgets a device named Stasis:.",
        "void",
        (_DEVICE,),
        ((404, "Device name is missing"), (409, "The device is not named Stasis:")),
    ),
    Route(
        "GET",
        "/events",
        "eventWebsocket",
        events.listen,
        Role.READ,
        "Events of applications, over a WebSocket.",
        "Message",
        (
            Parameter("app", "query", "Applications to register, by name.", True, multiple=True),
            Parameter("subscribeAll", "query", "Subscribe them to everything.", type="boolean", default=False),
            Parameter(
                "resume",
                "query",
                "Send what they missed since their last WebSocket, and keep what they miss after this one.",
                type="boolean",
                default=False,
            ),
        ),
        (
            (400, "No application, or a WebSocket handshake that is none"),
            (403, "The page is of a foreign origin"),
            (426, "No WebSocket handshake"),
        ),
        upgrade=True,
    ),
    Route(
        "POST",
        "/events/user/{eventName}",
        "userEvent",
        events.user_event,
        Role.WRITE,
        "Sends an event of the client's making to an application.",
        "void",
        (
            Parameter("eventName", "path", "The event's name.", True),
            Parameter("application", "query", "The application that gets it.", True),
            Parameter("source", "query", "Endpoints it is about: endpoint:{tech}/{resource}", multiple=True),
            Parameter("variables", "body", 'What it says: {"variables": {"key": ...}}', type="containers"),
        ),
        (
            (400, "A parameter is missing or can not be used"),
            _NO_APPLICATION,
            (422, "Event source was not found"),
        ),
    ),
    Route(
        "GET",
        "/applications",
        "list",
        subscriptions.list_applications,
        Role.READ,
        "All applications.",
        "List[Application]",
    ),
    Route(
        "GET",
        "/applications/{applicationName}",
        "get",
        subscriptions.get_application,
        Role.READ,
        "One application.",
        "Application",
        (_APPLICATION,),
        (_NO_APPLICATION,),
    ),
    Route(
        "POST",
        "/applications/{applicationName}/subscription",
        "subscribe",
        subscriptions.subscribe,
        Role.WRITE,
        "Subscribes an application to event sources: all of them or none.",
        "Application",
        (_APPLICATION, _SOURCES),
        ((400, "No event source, or one of no known kind"), _NO_APPLICATION, (422, "Event source does not exist")),
    ),
    Route(
        "DELETE",
        "/applications/{applicationName}/subscription",
        "unsubscribe",
        subscriptions.unsubscribe,
        Role.WRITE,
        "Takes subscriptions back: all of them or none.",
        "Application",
        (_APPLICATION, _SOURCES),
        (
            (400, "No event source, or one of no known kind"),
            _NO_APPLICATION,
            (422, "Event source was not subscribed to"),
        ),
    ),
    Route(
        "PUT",
        "/applications/{applicationName}/eventFilter",
        "filter",
        subscriptions.filter_events,
        Role.WRITE,
        "Chooses the event types an application gets.",
        "Application",
        (
            _APPLICATION,
            Parameter(
                "filter",
                "body",
                'Lists of {"type": ...} under the keys allowed and disallowed; an empty body lets everything through.',
                type="object",
            ),
        ),
        ((400, "A list is no list of objects with a type"), _NO_APPLICATION),
    ),
)
