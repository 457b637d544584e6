"""The service: one HTTP server, and every request's way through it.

The order of checks is the security model. Nothing of a request's body is looked at before its sender is
known, and nothing of the API before the sender may see it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.web import RequestPayloadError

from switchroom.ari import parameters
from switchroom.ari.applications import Applications
from switchroom.ari.authentication import SERVICE, Authenticator
from switchroom.ari.call import FORM_TYPE, JSON_TYPE, Call, Services
from switchroom.ari.connections import Connection, Connections
from switchroom.ari.devices import Devices
from switchroom.ari.errors import Refusal, refusal_of
from switchroom.ari.gate import ROOT, Gate, allow, reads
from switchroom.ari.limits import BODY_BYTES, BODY_SECONDS, CLOSE_SECONDS, HANDSHAKE_SECONDS
from switchroom.ari.origins import Origins, preflight
from switchroom.ari.outbound import Outbound
from switchroom.ari.render import Renderer
from switchroom.ari.reply import JSON, Head, Reply, error_body
from switchroom.ari.router import Node
from switchroom.ari.routes import Route
from switchroom.ari.sockets import Sockets
from switchroom.core.access import permits
from switchroom.core.bus import Bus
from switchroom.core.configuration import LiveObjects
from switchroom.core.messages import Messages
from switchroom.core.ports import Clock
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.core.security import Offence, SecurityLog
from switchroom.core.tally import Answers
from switchroom.model.errors import DomainError, InvalidReferTo
from switchroom.model.settings import AriSettings, AriUser, HttpSettings, SwitchroomSettings

_log = structlog.get_logger("switchroom.ari.service")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: Host and port as they may stand in a URI (RFC 3986 3.2.2).
_HOST = re.compile(r"[A-Za-z0-9._~-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


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
        *,
        tls: ssl.SSLContext | None = None,
        outbound_tls: Mapping[str, ssl.SSLContext] = {},
        security: SecurityLog | None = None,
    ) -> None:
        """``tls`` for the listener of http.conf's tlsenable; ``outbound_tls`` for outbound WebSockets, by name;
        ``security`` hears of offences.
        """
        self._settings = settings
        self._ari = ari
        self._strict = ours.strict
        self._root = f"{settings.prefix}{ROOT}".lower()
        self._tls = tls
        self._trusted = ours.trusted_proxies
        self._mounts: list[tuple[str, Handler]] = []
        self._rooted: dict[str, Handler] = {}
        self._head = Head(settings.servername)
        self._clock = clock
        self._security = security or SecurityLog(clock, asyncio.get_running_loop())
        self._gate = Gate(Authenticator(ari, clock, self._tell), self._security, strict=ours.strict)
        #: Answers to HTTP requests, refusals among them.
        self.answers = Answers(("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"))
        self._origins = Origins(ari.allowed_origins)
        renderer = Renderer(entity_id)
        self.sockets = Sockets(settings.servername, pretty=ari.pretty)
        self.applications = Applications(renderer, clock, _standing(ours))
        self._services = Services(
            registry=registry,
            messages=messages,
            referrals=referrals,
            applications=self.applications,
            devices=Devices(registry),
            objects=objects,
            renderer=renderer,
            sockets=self.sockets,
            gate=self._gate,
            security=self._security,
            clock=clock,
            ours=ours,
            entity_id=entity_id,
            started=clock.wall(),
            root=f"{settings.prefix}{ROOT}",
            tag=b'ETag: "%x-' % int(clock.wall() * 1000),
        )
        self._outbound = [
            Outbound(outbound, self._services, outbound_tls.get(name)) for name, outbound in ari.outbound.items()
        ]
        self._connections = Connections(self._handle, settings, self._head)
        self._servers: list[asyncio.Server] = []
        #: Where the TLS listener is, None without one.
        self.tls_address: tuple[str, int] | None = None
        bus.attach(self.applications)

    def mount(self, prefix: str, handler: Handler) -> None:
        """Serves everything at and below ``prefix`` (below http.conf's own) by ``handler``; the longest prefix wins.

        The handler does its own authentication; ``/ari`` can not be mounted over.
        """
        self._mounts.append((f"{self._settings.prefix}{prefix.rstrip('/')}", handler))
        self._mounts.sort(key=lambda mount: -len(mount[0]))

    def mount_at_root(self, path: str, handler: Handler) -> None:
        """Serves exactly this path, whatever http.conf's prefix is: for machines that look after servers."""
        self._rooted[path] = handler

    async def login(self, request: web.BaseRequest) -> AriUser:
        """Who sends a request that is not ARI's, for handlers that ask for an ARI user.

        Raises:
            Refusal: 401, 403 or 503.
        """
        source = request.remote or ""
        pairs = parameters.pairs(request.raw_path.partition("?")[2])
        user = await self._gate.authenticator.identify(request.headers.get("Authorization"), pairs, source)
        self._gate.authorize(user, request.method, source)
        return user

    def _tell(self, offence: Offence, source: str, account: str = "") -> None:
        self._security.tell(offence, source, SERVICE, account)

    def reconfigure(self, ari: AriSettings) -> None:
        """Serves by another ari.conf: who may come in, from which pages. Open WebSockets stay."""
        self._ari = ari
        self._gate.authenticator = Authenticator(ari, self._clock, self._tell)
        self._origins = Origins(ari.allowed_origins)

    async def start(self) -> tuple[str, int]:
        """Listens; returns the address bound. OSError when it can not be."""
        settings = self._settings
        if self._tls is not None:
            host = settings.tls_bind_host or settings.bind_host
            self.tls_address = await self._listen(host, settings.tls_bind_port, self._tls)
        address = await self._listen(settings.bind_host, settings.bind_port, None)
        self._connections.start()
        self.sockets.start(self.applications.sweep)
        for outbound in self._outbound:
            outbound.start()
        return address

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._connections,
            host,
            port,
            reuse_address=True,
            backlog=1024,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls is not None else None,
        )
        self._servers.append(server)
        bound_host, bound_port = server.sockets[0].getsockname()[:2]
        return bound_host, bound_port

    @property
    def connections(self) -> int:
        """How many HTTP connections there are, WebSockets among them."""
        return self._connections.count

    async def stop(self) -> None:
        """Closes the listener, the WebSockets (1001) and what still runs, in about two seconds at most."""
        for server in self._servers:
            server.close()
        await asyncio.gather(*(outbound.stop() for outbound in self._outbound))
        # WebSockets first: a connection that is told to close does not hear the peer's goodbye any more.
        await self.sockets.stop()
        self._connections.pre_shutdown()
        await self._connections.shutdown(CLOSE_SECONDS / 2)

    # ---- one request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers any request; whatever goes wrong is an answer too."""
        protocol = request.protocol
        assert isinstance(protocol, Connection)
        if protocol.silent:
            protocol.heard()
        path, _, query = request.raw_path.partition("?")
        origin = request.headers.get("Origin")
        cors = self._origins.headers(origin) if origin is not None else b""
        try:
            response = await self._answer(request, path, query, origin)
        except Refusal as refusal:
            response = _refused(refusal)
        except DomainError as error:
            if isinstance(error, InvalidReferTo):
                self._tell(Offence.REFUSED_REFER_TO, request.remote or "")
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
        self.answers.add(request.method, response.status)
        return response

    async def _answer(self, request: web.BaseRequest, path: str, query: str, origin: str | None) -> web.StreamResponse:
        for restriction in self._settings.restrictions:
            if path.startswith(restriction.name) and not permits(restriction.acl, request.remote or ""):
                self._tell(Offence.SOURCE_REFUSED, request.remote or "")
                raise Refusal(403, "Access denied by ACL", close=True)
        below = self._below_root(path)
        if below is None:
            return await self._mounted(request, path)
        gate = self._gate
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
            return _options(request, None if gate.documented(below) else gate.place(below)[0])
        user = gate.authenticator.recall(authorization)
        if user is None:
            user = await gate.authenticator.identify(authorization, pairs, request.remote or "")
        if user.acl or user.read_only:
            # Only then: to ask for the address is dear.
            gate.authorize(user, method, request.remote or "")
        if not reads(method):
            self._check_page(request, origin)
        if gate.documented(below):
            return gate.document(method, below, self._base(request))
        node, values = gate.place(below)
        if method == "OPTIONS":
            return _options(request, node)
        route = gate.route(node, method, user)
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
        body = b""
        if request.can_read_body:
            body = await _read_body(request, min(BODY_SECONDS, self._settings.session_inactivity))
        media_type = _media_type(request) if body else ""
        base = self._base(request) if route.upgrade else None
        return await route.operation(Call(self._services, user, values, pairs, media_type, body, request, base))

    # ---- steps

    def _below_root(self, path: str) -> str | None:
        """What follows ``/ari`` (in any case), None for a path elsewhere. A root without anything is ``/``."""
        root = self._root
        if path[: len(root)].lower() != root or not self._ari.enabled:
            return None
        below = path[len(root) :]
        return below if below[:1] == "/" else None if below else "/"

    async def _mounted(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        rooted = self._rooted.get(path)
        if rooted is not None:
            return await rooted(request)
        for prefix, handler in self._mounts:
            if path.startswith(f"{prefix}/") or path == prefix:
                return await handler(request)
        raise Refusal(404, "Resource not found")

    def _check_page(self, request: web.BaseRequest, origin: str | None) -> None:
        """A browser sends kept credentials for any page; only pages that are ours or listed may use them."""
        if origin is not None and not self._origins.allows(origin, request.headers.get("Host")):
            self._tell(Offence.FOREIGN_PAGE, request.remote or "")
            raise Refusal(403, "The origin is not allowed")

    def _base(self, request: web.BaseRequest) -> str | None:
        """The API's address as the client sees it; None when it did not name our host, or in no usable way."""
        host = request.headers.get("Host")
        if not host or not _HOST.fullmatch(host):
            return None
        scheme = request.scheme
        forwarded = request.headers.get("X-Forwarded-Proto", "").lower()
        if forwarded in ("http", "https") and _lies_in(request.remote or "", self._trusted):
            scheme = forwarded
        return f"{scheme}://{host}{self._services.root}"


def _standing(ours: SwitchroomSettings) -> dict[str, set[tuple[str, str]]]:
    """The sources of switchroom.conf's applications, as applications keep them. They need not exist yet."""
    standing: dict[str, set[tuple[str, str]]] = {}
    for application, sources in ours.applications.items():
        for source in sources:
            kind, _, target = source.partition(":")
            if kind == "endpoint":
                technology, slash, resource = target.partition("/")
                target = f"{technology.upper()}{slash}{resource}"
            standing.setdefault(application, set()).add((kind, target))
    return standing


def _lies_in(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether one of the networks holds a literal address."""
    if not networks:
        return False
    try:
        address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


def _refused(refusal: Refusal) -> Reply:
    return Reply(refusal.status, error_body(refusal.message), refusal.headers, close=refusal.close)


def _options(request: web.BaseRequest, node: Node | None) -> Reply:
    """What can be done there; None stands for the documentation, which is only read."""
    headers = request.headers
    requested = headers.get("Access-Control-Request-Method")
    lines = allow(node) if node is not None else b"Allow: OPTIONS,GET\r\n"
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


async def _read_body(request: web.BaseRequest, seconds: float) -> bytes:
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
        return await asyncio.wait_for(_collect(request, content), seconds)
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
