"""S10: a stranger learns nothing about who exists: the same bytes for every name."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

from support.sip_world import SERVER, SipWorld, aor, auth, authorized, phone, request, settings, wire
from switchroom.model.settings import AccessRule

NAMES = ["alice", "longernamethanothers", "noaors", "noauthsection", "fenced", "nobody", "al", "anonymous"]
METHODS = ["REGISTER", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "REFER", "PUBLISH", "NOTIFY", "INFO", "BYE"]


async def world() -> SipWorld:
    return await SipWorld(
        settings(
            phone("alice"),
            phone("longernamethanothers"),
            phone("noaors", aors=()),
            phone("noauthsection", auth=("missing",)),
            phone("fenced", acl=(AccessRule(False, ip_network("0.0.0.0/0")),)),
            aors=[aor("alice"), aor("longernamethanothers")],
            auths=[auth("alice"), auth("longernamethanothers"), auth("noaors"), auth("fenced")],
        )
    ).start()


def masked(data: bytes, name: str) -> bytes:
    """Without what differs for every request: the name itself, nonce, tags, branch, Call-ID."""
    data = data.replace(f"sip:{name}@".encode(), b"sip:NAME@")
    return re.sub(rb'(nonce="|tag=|branch=|Call-ID: )[^";\r]+', rb"\1*", data)


@pytest.mark.parametrize("method", METHODS)
async def test_first_shot_retransmission_and_wrong_password_are_alike(method: str) -> None:
    w = await world()
    seen = set()
    for name in NAMES:
        text = request(method, name, extra="Contact: <sip:x@192.0.2.9>\n" if method == "REGISTER" else "")
        (first,) = w.receive(text)
        (again,) = w.receive(text)
        (wrong,) = w.receive(authorized(text, first.response, name, "wrong"))
        (other,) = w.receive(authorized(text, first.response, "somebody-else", "wrong"))
        seen.add(tuple(masked(s.data, name) for s in (first, again, wrong, other)))
        assert w.pass_time(40) == []
    assert len(seen) == 1


async def test_a_name_asked_about_tells_nothing_either() -> None:
    """The To and the Request-URI name somebody; who asks is a stranger."""
    w = await world()
    seen = set()
    for name in NAMES:
        text = request("MESSAGE", "stranger", target=f"sip:{name}@{SERVER}", to=f"<sip:{name}@{SERVER}>")
        (answer,) = w.receive(text)
        seen.add(masked(answer.data, name))
    assert len(seen) == 1


async def test_malformed_requests_are_alike_for_every_name() -> None:
    w = await world()
    for broken in ("Max-Forwards: 300", "Max-Forwards: x"):
        seen = set()
        for name in NAMES:
            text = request("REGISTER", name).replace("Max-Forwards: 70", broken)
            seen.add(tuple(masked(s.data, name) for s in w.receive(text)))
        assert len(seen) == 1


def test_the_mask_hides_no_difference_that_counts() -> None:
    assert masked(wire("SIP/2.0 401 Unauthorized\n\n"), "x") != masked(wire("SIP/2.0 404 Not Found\n\n"), "x")
