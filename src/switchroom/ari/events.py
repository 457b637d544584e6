"""The operations on events: listen on a WebSocket, and make one up."""

from __future__ import annotations

import binascii
from base64 import b64decode

import structlog
from aiohttp import web

from switchroom.ari.call import Call
from switchroom.ari.connections import Connection
from switchroom.ari.errors import Refusal
from switchroom.ari.limits import APPLICATION_NAME_BYTES, CLOSE_SECONDS, LIST_VALUES, MESSAGE_BYTES
from switchroom.ari.reply import Reply
from switchroom.ari.requests import Conversation
from switchroom.ari.sockets import INTERNAL_ERROR, Socket
from switchroom.model.endpoint import Endpoint
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import AriUser

_log = structlog.get_logger("switchroom.ari.events")

_VERSIONS = ("13", "8", "7")
_PROTOCOL = "ari"


async def listen(call: Call) -> web.StreamResponse:
    """Upgrades to a WebSocket and serves it to its end. Everything is checked before anything changes."""
    request = call.request
    assert request is not None, "requests over WebSockets do not get here"
    _check_handshake(request)
    names = _names(call)
    everything, resumes = call.flag("subscribeAll"), call.flag("resume")
    services = call.services
    gate = services.gate
    authorization, key = request.headers.get("Authorization"), [pair for pair in call.query if pair[0] == "api_key"]

    async def identify() -> AriUser:
        """Who opened the WebSocket, if still known."""
        return await gate.authenticator.identify(authorization, key, request.remote or "")

    services.applications.admit(names)
    response = web.WebSocketResponse(
        timeout=CLOSE_SECONDS,
        autoclose=False,
        autoping=False,
        compress=False,
        protocols=(_PROTOCOL,),
        max_msg_size=MESSAGE_BYTES,
    )
    response.headers["Server"] = services.sockets.servername
    try:
        await response.prepare(request)
    except web.HTTPException:
        raise Refusal(400, "Not a WebSocket handshake") from None
    connection = request.protocol
    assert isinstance(connection, Connection)
    # Nothing is awaited from the handshake to here: whoever sees it has missed no event.
    socket = Socket(services.sockets, connection, response, request.remote or "")
    try:
        conversation = Conversation(services, socket, identify, names[0], call.base)
        services.applications.join(names, socket, everything=everything, resumes=resumes)
        await socket.listen(conversation.take)
    except Exception:
        # An HTTP answer would be garbage on a WebSocket.
        _log.exception("a WebSocket failed", applications=names, peer=socket.peer)
        socket.close(INTERNAL_ERROR)
    finally:
        socket.forget()
        services.applications.leave(socket)
    return response


def _check_handshake(request: web.BaseRequest) -> None:
    """RFC 6455 4.2.1, and that a subprotocol asked for is ours."""
    headers = request.headers
    if headers.get("Upgrade", "").strip().lower() != "websocket":
        raise Refusal(426, "Events are sent over a WebSocket", b"Upgrade: websocket\r\nConnection: Upgrade\r\n")
    asked = headers.getall("Sec-WebSocket-Protocol", [])
    if asked and _PROTOCOL not in {name.strip() for line in asked for name in line.split(",")}:
        raise Refusal(400, "The only subprotocol is ari")
    if headers.get("Sec-WebSocket-Version") not in _VERSIONS:
        raise Refusal(400, "Unsupported WebSocket version", b"Sec-WebSocket-Version: 7, 8, 13\r\n")
    try:
        key = b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16 or "upgrade" not in headers.get("Connection", "").lower():
        raise Refusal(400, "Not a WebSocket handshake")


def _names(call: Call) -> list[str]:
    """The applications asked for; blanks around a name do not count."""
    text = call.required("app")
    names = [name.strip(" ") for name in text.split(",", LIST_VALUES)]
    if len(names) > LIST_VALUES:
        raise InvalidParameter("Too many applications")
    for name in names:
        if not name or len(name.encode()) > APPLICATION_NAME_BYTES or not name.isprintable():
            raise InvalidParameter(f"An application's name has 1 to {APPLICATION_NAME_BYTES} bytes of printable text")
    return names


async def user_event(call: Call) -> Reply:
    """Sends an event of the client's making to one application."""
    services = call.services
    name = call.required("application")
    application = services.applications.get(name)
    if application is None:
        raise Refusal(404, "Application not found")
    endpoint: Endpoint | None = None
    for source in call.values("source") or ():
        endpoint = _source(call, source)
    variables = call.object("variables")
    if variables is not None and not isinstance(variables, dict):
        raise InvalidParameter("variables must be an object")
    application.tell(services.renderer.user_event(call.path[0], variables or {}, endpoint, services.clock.wall()))
    return Reply(204)


def _source(call: Call, source: str) -> Endpoint:
    kind, colon, target = source.partition(":")
    if not colon or kind not in ("channel", "bridge", "endpoint"):
        raise Refusal(400, "Invalid event source URI scheme")
    technology, _, resource = target.partition("/")
    endpoint = call.services.registry.get(technology, resource) if kind == "endpoint" else None
    if endpoint is None:
        raise Refusal(422, "Event source was not found")
    return endpoint
