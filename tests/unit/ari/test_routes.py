"""The table of routes."""

from __future__ import annotations

from typing import Any

import pytest

from switchroom.ari import asterisk
from switchroom.ari.routes import TABLE, Role, Route


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
