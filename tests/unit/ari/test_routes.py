"""The table of routes and the router made from it."""

from __future__ import annotations

from typing import Any

import pytest

from switchroom.ari import asterisk
from switchroom.ari.routes import TABLE, Role, Route, Router


def route(method: str = "GET", path: str = "/x", role: Any = Role.READ) -> Route:
    return Route(method, path, "x", asterisk.ping, role, "", "void")


def test_a_route_needs_a_role() -> None:
    with pytest.raises(TypeError, match="has no role"):
        route(role=None)


@pytest.mark.parametrize(("method", "role"), [("GET", Role.WRITE), ("PUT", Role.READ), ("DELETE", Role.READ)])
def test_only_get_reads(method: str, role: Role) -> None:
    with pytest.raises(ValueError, match="GET reads"):
        route(method, role=role)


def test_every_variable_segment_is_a_parameter() -> None:
    for entry in TABLE:
        named = [name[1:-1] for name in entry.path.split("/") if name.startswith("{")]
        assert named == [parameter.name for parameter in entry.parameters if parameter.place == "path"], entry


@pytest.mark.parametrize(
    ("path", "allow", "values"),
    [
        ("/endpoints", "OPTIONS,GET", ()),
        ("/endpoints/sendMessage", "OPTIONS,PUT", ()),
        ("/endpoints/refer", "OPTIONS,POST", ()),
        ("/endpoints/pjsip", "OPTIONS,GET", ("pjsip",)),
        ("/endpoints/pjsip/alice", "OPTIONS,GET", ("pjsip", "alice")),
        ("/endpoints/pjsip/a%2Fb", "OPTIONS,GET", ("pjsip", "a/b")),
        ("/endpoints/pjsip%2Fa", "OPTIONS,GET", ("pjsip", "a")),
        ("/endpoints/pjsip/a/sendMessage", "OPTIONS,PUT", ("pjsip", "a")),
        ("/endpoints/pjsip%2fa/refer", "OPTIONS,POST", ("pjsip", "a")),
        ("/deviceStates/PJSIP%2Fa", "OPTIONS,GET,PUT,DELETE", ("PJSIP/a",)),
        ("/applications/a/subscription", "OPTIONS,POST,DELETE", ("a",)),
        ("/events", "OPTIONS,GET", ()),
    ],
)
def test_find(path: str, allow: str, values: tuple[str, ...]) -> None:
    found = Router().find(path)
    assert found is not None
    assert (found[0].allow, found[1]) == (allow, values)


@pytest.mark.parametrize(
    "path",
    [
        "/Endpoints",
        "/endpoints/",
        "//endpoints",
        "/endpoints//alice",
        "/endpoints/pjsip/a/b",
        "/endpoints/sendMessage/x",
        "/endpoints/pjsip/%FF",
        "/nope",
        "/",
    ],
)
def test_find_nothing(path: str) -> None:
    assert Router().find(path) is None


def test_strict_has_neither_aliases_nor_head() -> None:
    found = Router(strict=True).find("/endpoints/sendMessage")
    assert found is not None
    assert set(found[0].routes) == {"PUT"}
    found = Router().find("/endpoints/sendMessage")
    assert found is not None
    assert (set(found[0].routes), found[0].methods) == ({"PUT", "POST"}, "OPTIONS,PUT,POST")
