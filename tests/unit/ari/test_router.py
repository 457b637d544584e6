"""The router."""

from __future__ import annotations

import pytest

from switchroom.ari.router import Router


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
