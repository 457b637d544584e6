"""The router: finds the place a path names in the tree made from the route table."""

from __future__ import annotations

from switchroom.ari import parameters
from switchroom.ari.routes import TABLE, Route


class Node:
    """A place in the tree of paths."""

    __slots__ = ("children", "routes", "wildcard")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.wildcard: Node | None = None
        self.routes: dict[str, Route] = {}

    @property
    def allow(self) -> str:
        """Methods for the Allow header, in Asterisk's order."""
        return ",".join(["OPTIONS", *(m for m in ("GET", "POST", "PUT", "DELETE") if m in self._documented())])

    @property
    def methods(self) -> str:
        """Everything that works, for browsers that ask first."""
        return ",".join([self.allow, *(m for m in self.routes if m not in self._documented() and m != "HEAD")])

    def _documented(self) -> set[str]:
        return {route.method for route in self.routes.values()}


class Router:
    """Finds the place a path names. A name beats a variable segment, as in Asterisk."""

    def __init__(self, table: tuple[Route, ...] = TABLE, *, strict: bool = False) -> None:
        self._strict = strict
        self.root = Node()
        for route in table:
            node = self.root
            for name in route.path.split("/")[1:]:
                if name.startswith("{"):
                    node.wildcard = node.wildcard or Node()
                    node = node.wildcard
                else:
                    node = node.children.setdefault(name, Node())
            node.routes[route.method] = route
            if strict:
                continue
            if route.alias:
                node.routes.setdefault(route.alias, route)
            if route.method == "GET" and not route.upgrade:
                node.routes["HEAD"] = route

    def find(self, path: str) -> tuple[Node, tuple[str, ...]] | None:
        """The place of a raw path below ``/ari`` and its variable segments, decoded; None for no place.

        The path is split before it is decoded, so an encoded slash is part of a name; except between
        technology and resource, where some clients encode it (docs/rulings.md 11).
        """
        segments = path.split("/")[1:]
        if len(segments) > 1 and segments[0] == "endpoints" and "%" in segments[1] and not self._strict:
            technology, slash, resource = segments[1].replace("%2f", "%2F").partition("%2F")
            if slash:
                segments[1:2] = [technology, resource]
        node = self.root
        values: list[str] = []
        for raw in segments:
            name = parameters.segment(raw)
            if not name:
                return None
            child = node.children.get(name)
            if child is None:
                child = node.wildcard
                if child is None:
                    return None
                values.append(name)
            node = child
        return node, tuple(values)
