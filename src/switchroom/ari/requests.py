"""REST requests over a WebSocket: RESTRequest in, RESTResponse out, with the rights the WebSocket was opened with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from switchroom.ari import parameters
from switchroom.ari.authentication import SERVICE
from switchroom.ari.call import FORM_TYPE, JSON_TYPE, Call, Services
from switchroom.ari.errors import Refusal, refusal_of
from switchroom.ari.limits import BODY_BYTES, REST_ID_LENGTH, REST_REQUESTS
from switchroom.ari.reply import Reply, encode, error_body
from switchroom.core.security import Offence
from switchroom.model.errors import DomainError, InvalidReferTo

if TYPE_CHECKING:
    from switchroom.model.settings import AriUser

_log = structlog.get_logger("switchroom.ari.requests")

_METHODS = frozenset(("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"))
_TYPES = {JSON_TYPE: parameters.json, FORM_TYPE: parameters.form}
_UNPARSABLE = "Failed to parse request message JSON"
_BAD = "Bad request"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Unfit(Exception):
    """A request that is none; the text is the answer's message."""


class Peer(Protocol):
    """Who asks: a WebSocket that came in, or one that we opened."""

    #: The other side's address.
    peer: str

    def send(self, payload: bytes) -> None:
        """Sends a text frame; never waits, never raises."""
        ...


class RestRequest(NamedTuple):
    """A request, understood."""

    method: str
    #: Without its query.
    uri: str
    pairs: list[tuple[str, str]]
    media_type: str
    body: bytes


class Conversation:
    """The requests of one WebSocket. Some are at work at a time; each is answered when it is done."""

    def __init__(
        self,
        services: Services,
        peer: Peer,
        identify: Callable[[], Awaitable[AriUser]],
        application: str,
        base: str | None = None,
    ) -> None:
        """``identify`` is asked for every request, so that a user who is gone has no rights any more.
        ``application`` is what answers name; ``base`` the API's address as the client wrote it.
        """
        self._services = services
        self._peer = peer
        self._identify = identify
        self._application = application
        self._base = base
        self._room = asyncio.Semaphore(REST_REQUESTS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, text: str) -> None:
        """Starts on a text frame; returns when another may come."""
        await self._room.acquire()
        task = asyncio.create_task(self._serve(text))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def _serve(self, text: str) -> None:
        given = _open(text)
        if given is None:
            self._send({}, Reply(400), _UNPARSABLE)
            return
        phrase = ""
        try:
            reply = await self._answer(_understand(given, strict=self._services.ours.strict))
        except Unfit as wrong:
            reply, phrase = Reply(400, error_body(str(wrong))), _BAD
        except Refusal as refusal:
            reply = _refused(refusal)
        except DomainError as error:
            if isinstance(error, InvalidReferTo):
                self._services.security.tell(Offence.REFUSED_REFER_TO, self._peer.peer, SERVICE)
            reply = _refused(refusal_of(error))
        except Exception:
            _log.exception("a request over a WebSocket failed", peer=self._peer.peer)
            reply = Reply(500, error_body("Internal server error"))
        if given.get("method") == "HEAD":
            reply.content = b""
        self._send(given, reply, phrase or _PHRASES.get(reply.status, ""))

    def _send(self, given: dict[str, Any], reply: Reply, phrase: str) -> None:
        answer: dict[str, Any] = {
            "transaction_id": _id(given.get("transaction_id")),
            "request_id": _id(given.get("request_id")),
            "status_code": reply.status,
            "reason_phrase": phrase,
            "uri": _uri(given.get("uri")),
        }
        if reply.content:
            answer |= {"content_type": reply.media.decode(), "message_body": reply.content.decode()}
        services = self._services
        self._peer.send(services.renderer.response(answer, self._application, services.clock.wall()))

    async def _answer(self, request: RestRequest) -> Reply:
        """The way of an HTTP request, from the question who asks."""
        gate = self._services.gate
        user = await self._identify()
        gate.authorize(user, request.method, self._peer.peer)
        below = "/" if request.uri.startswith("/") else f"/{request.uri}"
        if gate.documented(below):
            return gate.document(request.method, below, self._base)
        node, values = gate.place(below)
        if request.method == "OPTIONS":
            return Reply(204)
        route = gate.route(node, request.method, user)
        if len(request.body) > BODY_BYTES:
            raise Refusal(413, "Request body too large")
        call = Call(self._services, user, values, request.pairs, request.media_type, request.body)
        reply = await route.operation(call)
        if not isinstance(reply, Reply):
            raise Refusal(406, "Use HTTP GET")
        return reply


def _refused(refusal: Refusal) -> Reply:
    return Reply(refusal.status, error_body(refusal.message))


def _open(text: str) -> dict[str, Any] | None:
    """The JSON object of a frame; an array is an object without keys, as in Asterisk. None for anything else."""
    try:
        given = parameters.json(text.encode())
    except (Refusal, UnicodeEncodeError):
        return None
    if isinstance(given, dict):
        return given
    return {} if isinstance(given, list) else None


def _id(given: Any) -> str:
    return given[:REST_ID_LENGTH] if isinstance(given, str) else ""


def _uri(given: Any) -> str:
    return given.partition("?")[0] if isinstance(given, str) else ""


def _understand(given: dict[str, Any], *, strict: bool) -> RestRequest:
    """The checks in Asterisk's order; raises Unfit."""
    kind = given.get("type")
    if not isinstance(kind, str) or not kind:
        raise Unfit("No 'type' property.")
    if kind != "RESTRequest":
        raise Unfit("Unknown request type.")
    uri = given.get("uri")
    if not isinstance(uri, str) or not uri:
        raise Unfit("Empty or missing 'uri' property.")
    method = given.get("method")
    if not isinstance(method, str) or method not in _METHODS:
        raise Unfit("Unknown or missing 'method' property.")
    path, _, query = uri.partition("?")
    pairs = _pairs(query) + _query_strings(given.get("query_strings"))
    media_type, body = _body(given, strict=strict)
    if method == "GET" and path == "events":
        raise Unfit("Can't upgrade to websocket from a websocket")
    return RestRequest(method, path, pairs, media_type, body)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parameters.pairs(query)
    except Refusal as refusal:
        raise Unfit(refusal.message) from None


def _query_strings(given: Any) -> list[tuple[str, str]]:
    """``[{"name": ..., "value": ...}]``; what is no array is ignored, as in Asterisk."""
    if not isinstance(given, list):
        return []
    pairs = []
    for pair in given:
        name, value = (pair.get("name"), pair.get("value")) if isinstance(pair, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str):
            raise Unfit("Unable to parse 'query_strings' array.")
        pairs.append((name, value))
    return pairs


def _body(given: dict[str, Any], *, strict: bool) -> tuple[str, bytes]:
    """Media type and body. An object is taken for its own JSON: to ignore it, as Asterisk does, mangles the request."""
    body = given.get("message_body")
    if body is None or body == "":
        return "", b""
    if not isinstance(body, str):
        if strict:
            raise Unfit("'message_body' must be a string.")
        return JSON_TYPE, encode(body)
    media_type = given.get("content_type")
    if media_type is None:
        raise Unfit("No 'content_type' for 'message_body'.")
    read = _TYPES.get(media_type) if isinstance(media_type, str) else None
    if read is None:
        raise Unfit("Unknown content type.")
    data = body.encode()
    try:
        value = read(data)
    except Refusal:
        value = None
    if not isinstance(value, dict | list):
        raise Unfit(f"Unable to parse 'message_body' as '{media_type}'.")
    return str(media_type), data
