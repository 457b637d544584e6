"""Who may do what, and where a path leads: all of a request's way that does not depend on how it came."""

from __future__ import annotations

from typing import Any

from switchroom.ari import openapi
from switchroom.ari.authentication import SERVICE, Authenticator
from switchroom.ari.docs import Documentation
from switchroom.ari.errors import Refusal
from switchroom.ari.reply import Reply, encode
from switchroom.ari.router import Node, Router
from switchroom.ari.routes import Role, Route
from switchroom.core.access import permits
from switchroom.core.security import Offence, SecurityLog
from switchroom.model.settings import AriUser

ROOT = "/ari"
_DOCUMENTS = "/api-docs/"
_READING = frozenset(("GET", "HEAD", "OPTIONS"))


def reads(method: str) -> bool:
    """Whether a method only looks."""
    return method in _READING


class Gate:
    """The checks that HTTP requests and those over WebSockets pass alike."""

    def __init__(self, authenticator: Authenticator, security: SecurityLog, *, strict: bool) -> None:
        #: Another one when ari.conf is read again.
        self.authenticator = authenticator
        self._security = security
        self._router = Router(strict=strict)
        self._documentation = Documentation()

    def authorize(self, user: AriUser, method: str, source: str) -> None:
        """What a known user may not do, before anything is said about paths."""
        if user.acl and not permits(user.acl, source):
            self._security.tell(Offence.SOURCE_REFUSED, source, SERVICE, user.name)
            raise Refusal(403, "Access denied by ACL")
        if user.read_only and method not in _READING:
            raise Refusal(403, "Write access denied")

    def documented(self, below: str) -> bool:
        """Whether a path below the root belongs to the documentation."""
        return below.startswith(_DOCUMENTS)

    def document(self, method: str, below: str, base: str | None) -> Reply:
        """A file of the documentation; ``base`` is the address of the API as the client wrote it."""
        if below.endswith("/"):
            raise _nothing(below)
        if method not in ("GET", "HEAD"):
            raise Refusal(405, "Unsupported method", b"Allow: GET\r\n")
        name = below[len(_DOCUMENTS) :]
        document: dict[str, Any] | None = (
            openapi.document(base) if name == openapi.NAME else self._documentation.get(name, base)
        )
        if document is None:
            raise Refusal(404, "Resource not found")
        return Reply(200, encode(document))

    def place(self, below: str) -> tuple[Node, tuple[str, ...]]:
        """The place a raw path below the root names, and its variable segments."""
        found = (self._router.root, ()) if below == "/" else self._router.find(below)
        if found is None:
            raise _nothing(below)
        return found

    def route(self, node: Node, method: str, user: AriUser) -> Route:
        """The operation there, if it exists and the user may have it."""
        route = node.routes.get(method)
        if route is None:
            raise Refusal(405, "Invalid method", allow(node))
        if route.role is Role.WRITE and user.read_only:
            raise Refusal(403, "Write access denied")
        return route


def _nothing(below: str) -> Refusal:
    if below.endswith("/"):
        return Refusal(404, f"ARI URLs do not end with a slash. Try {ROOT}{below.rstrip('/')}")
    return Refusal(404, "Resource not found")


def allow(node: Node) -> bytes:
    """The Allow header of a place."""
    return b"Allow: %b\r\n" % node.allow.encode()
