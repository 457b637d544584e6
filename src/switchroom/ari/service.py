"""The service: one HTTP server, and every request's way through it.

The order of checks is the security model. Nothing of a request's body is looked at before its sender is
known, and nothing of the API before the sender may see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.web import RequestPayloadError

from switchroom.ari import parameters
from switchroom.ari.applications import Applications
from switchroom.ari.authentication import Authenticator
from switchroom.ari.call import FORM_TYPE, JSON_TYPE, Call, Services
from switchroom.ari.connections import Connections
from switchroom.ari.devices import Devices
from switchroom.ari.docs import Documentation
from switchroom.ari.errors import Refusal, refusal_of
from switchroom.ari.limits import BODY_BYTES, BODY_SECONDS, CLOSE_SECONDS
from switchroom.ari.origins import Origins, preflight
from switchroom.ari.render import Renderer
from switchroom.ari.reply import JSON, Head, Reply, encode, error_body
from switchroom.ari.routes import Node, Role, Route, Router
from switchroom.ari.sockets import Sockets
from switchroom.core.access import permits
from switchroom.core.bus import Bus
from switchroom.core.configuration import LiveObjects
from switchroom.core.messages import Messages
from switchroom.core.ports import Clock
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.model.errors import DomainError
from switchroom.model.settings import AriSettings, AriUser, HttpSettings, SwitchroomSettings

_log = structlog.get_logger("switchroom.ari.service")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_ROOT = "/ari"
DOCUMENTS = "/api-docs/"
_READING = frozenset(("GET", "HEAD", "OPTIONS"))


class AriService:
    """Serves ARI on one address. ``start`` and ``stop`` once each, in one loop."""

    def __init__(
        self,
        settings: HttpSettings,
        ari: AriSettings,
        ours: SwitchroomSettings,
        registry: Registry,
        messages: Messages,
        referrals: Referrals,
        bus: Bus,
        entity_id: str,
        clock: Clock,
        objects: LiveObjects,
    ) -> None:
        self._settings = settings
        self._ari = ari
        self._strict = ours.strict
        self._root = f"{settings.prefix}{_ROOT}".lower()
        self._mounts: list[tuple[str, Handler]] = []
        self._head = Head(settings.servername)
        self._router = Router(strict=ours.strict)
        self._documentation = Documentation()
        self._clock = clock
        self._authenticator = Authenticator(ari, clock)
        self._origins = Origins(ari.allowed_origins)
        renderer = Renderer(entity_id)
        self.sockets = Sockets(settings.servername, pretty=ari.pretty)
        self.applications = Applications(renderer, clock)
        self._services = Services(
            registry=registry,
            messages=messages,
            referrals=referrals,
            applications=self.applications,
            devices=Devices(registry),
            objects=objects,
            renderer=renderer,
            sockets=self.sockets,
            clock=clock,
            ours=ours,
            entity_id=entity_id,
            started=clock.wall(),
        )
        self._connections = Connections(self._handle, settings, self._head)
        self._server: asyncio.Server | None = None
        bus.attach(self.applications)

    def mount(self, prefix: str, handler: Handler) -> None:
        """Serves everything at and below ``prefix`` (below http.conf's own) by ``handler``; the longest prefix wins.

        The handler does its own authentication; ``/ari`` can not be mounted over.
        """
        self._mounts.append((f"{self._settings.prefix}{prefix.rstrip('/')}", handler))
        self._mounts.sort(key=lambda mount: -len(mount[0]))

    def reconfigure(self, ari: AriSettings) -> None:
        """Serves by another ari.conf: who may come in, from which pages. Open WebSockets stay."""
        self._ari = ari
        self._authenticator = Authenticator(ari, self._clock)
        self._origins = Origins(ari.allowed_origins)

    async def start(self) -> tuple[str, int]:
        """Listens; returns the address bound. OSError when it can not be."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connections, self._settings.bind_host, self._settings.bind_port, reuse_address=True, backlog=1024
        )
        self.sockets.start()
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Closes the listener, the WebSockets (1001) and what still runs, in about two seconds at most."""
        if self._server is not None:
            self._server.close()
        # WebSockets first: a connection that is told to close does not hear the peer's goodbye any more.
        await self.sockets.stop()
        self._connections.pre_shutdown()
        await self._connections.shutdown(CLOSE_SECONDS / 2)

    # ---- one request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request; whatever goes wrong is an answer too."""
        path, _, query = request.raw_path.partition("?")
        origin = request.headers.get("Origin")
        cors = self._origins.headers(origin) if origin is not None else b""
        try:
            response = await self._answer(request, path, query, origin)
        except Refusal as refusal:
            response = _refused(refusal)
        except DomainError as error:
            response = _refused(refusal_of(error))
        except Exception:
            if request.transport is None:
                raise  # nobody is left to be answered
            _log.exception("a request failed", method=request.method, path=path, peer=request.remote)
            response = Reply(500, error_body("Internal server error"))
        if isinstance(response, Reply):
            response.head = self._head
            response.lines = cors + response.lines
            if self._settings.session_keep_alive == 0:
                response.close = True
            if self._ari.pretty and response.media is JSON and response.content:
                response.content = msgspec.json.format(response.content, indent=2)
        return response

    async def _answer(self, request: web.BaseRequest, path: str, query: str, origin: str | None) -> web.StreamResponse:
        below = self._below_root(path)
        if below is None:
            return await self._mounted(request, path)
        pairs = parameters.pairs(query)
        headers = request.headers
        authorization = headers.get("Authorization")
        method = request.method
        if (
            origin is not None
            and method == "OPTIONS"
            and not self._strict
            and "Access-Control-Request-Method" in headers
        ):
            # A browser asks without credentials; the answer tells what is documented anyway.
            return _options(request, None if _documented(below) else self._find(below)[0])
        user = self._authenticator.recall(authorization)
        if user is None:
            user = await self._authenticator.identify(authorization, pairs, request.remote or "")
        self._authorize(request, user, method, origin)
        if below.endswith("/") and below != "/":
            raise Refusal(404, f"ARI URLs do not end with a slash. Try {_ROOT}{below.rstrip('/')}")
        if _documented(below):
            return self._document(request, below[len(DOCUMENTS) :])
        node, values = self._find(below)
        if method == "OPTIONS":
            return _options(request, node)
        route = node.routes.get(method)
        if route is None:
            raise Refusal(405, "Invalid method", _allow(node))
        if route.role is Role.WRITE and user.read_only:
            raise Refusal(403, "Write access denied")
        if route.upgrade:
            self._check_page(request, origin)
        return await self._operate(request, route, user, values, pairs)

    async def _operate(
        self,
        request: web.BaseRequest,
        route: Route,
        user: AriUser,
        values: tuple[str, ...],
        pairs: list[tuple[str, str]],
    ) -> web.StreamResponse:
        body = await _read_body(request) if request.can_read_body else b""
        media_type = _media_type(request) if body else ""
        return await route.operation(Call(self._services, user, values, pairs, media_type, body, request))

    # ---- steps

    def _below_root(self, path: str) -> str | None:
        """What follows ``/ari`` (in any case), None for a path elsewhere. A root without anything is ``/``."""
        root = self._root
        if path[: len(root)].lower() != root:
            return None
        below = path[len(root) :]
        return below if below[:1] == "/" else None if below else "/"

    async def _mounted(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        for prefix, handler in self._mounts:
            if path.startswith(f"{prefix}/") or path == prefix:
                return await handler(request)
        raise Refusal(404, "Resource not found")

    def _authorize(self, request: web.BaseRequest, user: AriUser, method: str, origin: str | None) -> None:
        """What a known user may not do, before anything is said about paths."""
        if user.acl and not permits(user.acl, request.remote or ""):
            raise Refusal(403, "Access denied by ACL")
        if method not in _READING:
            if user.read_only:
                raise Refusal(403, "Write access denied")
            self._check_page(request, origin)

    def _check_page(self, request: web.BaseRequest, origin: str | None) -> None:
        """A browser sends kept credentials for any page; only pages that are ours or listed may use them."""
        if origin is not None and not self._origins.allows(origin, request.headers.get("Host")):
            raise Refusal(403, "The origin is not allowed")

    def _find(self, below: str) -> tuple[Node, tuple[str, ...]]:
        found = (self._router.root, ()) if below == "/" else self._router.find(below)
        if found is None:
            raise Refusal(404, "Resource not found")
        return found

    def _document(self, request: web.BaseRequest, name: str) -> Reply:
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "Unsupported method", b"Allow: GET\r\n")
        host = request.headers.get("Host")
        base = f"{request.scheme}://{host}{self._settings.prefix}{_ROOT}" if host and host.isascii() else None
        document = self._documentation.get(name, base)
        if document is None:
            raise Refusal(404, "Resource not found")
        return Reply(200, encode(document))


def _documented(below: str) -> bool:
    return below.startswith(DOCUMENTS)


def _refused(refusal: Refusal) -> Reply:
    return Reply(refusal.status, error_body(refusal.message), refusal.headers, close=refusal.close)


def _allow(node: Node) -> bytes:
    return b"Allow: %b\r\n" % node.allow.encode()


def _options(request: web.BaseRequest, node: Node | None) -> Reply:
    """What can be done there; None stands for the documentation, which is only read."""
    headers = request.headers
    requested = headers.get("Access-Control-Request-Method")
    lines = _allow(node) if node is not None else b"Allow: OPTIONS,GET\r\n"
    if requested is not None and "Origin" in headers:
        methods = node.methods if node is not None else "OPTIONS,GET"
        lines += preflight(methods, requested, headers.get("Access-Control-Request-Headers"))
    return Reply(204, headers=lines)


def _media_type(request: web.BaseRequest) -> str:
    """``application/json`` or the form type, whatever parameters follow; empty for anything else."""
    given = request.headers.get("Content-Type", "")
    if given == JSON_TYPE:
        return given
    name = given.partition(";")[0].strip().lower()
    return name if name in (JSON_TYPE, FORM_TYPE) else ""


async def _read_body(request: web.BaseRequest) -> bytes:
    """The body, within its bounds of size and time.

    Raises:
        Refusal: 413 too large, 408 too slow, 400 malformed; the connection ends with each.
    """
    if (request.content_length or 0) > BODY_BYTES:
        raise Refusal(413, "Request body too large", close=True)
    content = request.content
    try:
        if content.is_eof():
            body = content.read_nowait()
            if len(body) > BODY_BYTES:
                raise Refusal(413, "Request body too large", close=True)
            return body
        return await asyncio.wait_for(_collect(request, content), BODY_SECONDS)
    except TimeoutError:
        raise Refusal(408, "The request body takes too long", close=True) from None
    except RequestPayloadError:
        raise Refusal(400, "Error parsing request body", close=True) from None


async def _collect(request: web.BaseRequest, content: Any) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    while not content.at_eof():
        body += await content.readany()
        if len(body) > BODY_BYTES:
            raise Refusal(413, "Request body too large", close=True)
    return bytes(body)
