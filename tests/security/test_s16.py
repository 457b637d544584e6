"""S16: no packet to an address that must not be reached, however a caller or a name server writes it."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import SipWorld, aor, auth, phone, settings
from switchroom.model.errors import EndpointNotFound, InvalidParameter

FORBIDDEN = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "224.0.0.1",
    "239.255.255.255", "255.255.255.255", "::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0.0.0.0",
]  # fmt: skip


def uri_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


URIS = [
    *(f"sip:x@{uri_host(a)}" for a in FORBIDDEN),
    *(f"sip:x@{uri_host(a)}:80" for a in FORBIDDEN),
    *(f"sip:x@192.0.2.5;maddr={uri_host(a)}" for a in FORBIDDEN),
    *(f"sip:{uri_host(a)};lr" for a in FORBIDDEN[:6]),
    "sip:x@192.0.2.5;transport=tcp",
    "sip:x@192.0.2.5;transport=tls",
    "sip:x@192.0.2.5;transport=sctp",
    "sips:x@192.0.2.5",
    "http://169.254.169.254/",
    "file:///etc/passwd",
]
#: Names, and what a name server (or the operating system, for odd spellings) says of them.
NAMES = {
    **{f"name{i}.example": [address] for i, address in enumerate(FORBIDDEN)},
    "2130706433": ["127.0.0.1"],
    "0x7f000001": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
    "017700000001": ["127.0.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "nowhere.example": [],
}


async def world(bind: str = "192.0.2.1") -> SipWorld:
    w = await SipWorld(
        settings(
            phone("carol"),
            phone("dan"),
            aors=[aor("carol", contact=("sip:carol@192.0.2.5",)), aor("dan")],
            auths=[auth("dan")],
        ),
        bind=bind,
    ).start()
    w.addresses.known = dict(NAMES)
    w.sent()
    return w


async def attempt(w: SipWorld, destination: str) -> None:
    try:
        await w.messages.send(destination, "alice", "hi", {})
    except (InvalidParameter, EndpointNotFound):
        return
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_table_is_long_enough() -> None:
    assert len(URIS) + len(NAMES) >= 60


@pytest.mark.parametrize("uri", URIS)
async def test_a_uri_to_a_forbidden_place_moves_no_packet(uri: str) -> None:
    w = await world()
    await attempt(w, f"pjsip:carol/{uri}")
    assert w.sent() + w.pass_time(40) == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_judged_by_what_it_resolves_to(name: str) -> None:
    w = await world()
    await attempt(w, f"pjsip:carol/sip:x@{name}")
    assert w.sent() + w.pass_time(40) == []


async def test_a_name_with_one_good_address_goes_there_alone() -> None:
    w = await world()
    w.addresses.known["mixed.example"] = ["169.254.169.254", "127.0.0.1", "192.0.2.99"]
    await attempt(w, "pjsip:carol/sip:x@mixed.example")
    assert {s.to[0] for s in w.sent() + w.pass_time(40)} == {"192.0.2.99"}


async def test_a_path_of_a_phone_is_judged_too() -> None:
    w = await SipWorld(settings(phone("dan"), aors=[aor("dan", support_path=True)], auths=[auth("dan")])).start()
    w.register("dan", "<sip:dan@192.0.2.9>", extra="Path: <sip:169.254.169.254:80;lr>\nSupported: path\n")
    with pytest.raises((InvalidParameter, EndpointNotFound)):
        await w.messages.send("pjsip:dan", "alice", "hi", {})
    assert not w.sent()


async def test_loopback_is_reached_where_we_are_bound_to_it() -> None:
    w = await world(bind="127.0.0.1")
    await attempt(w, "pjsip:carol/sip:x@127.0.0.1:5099")
    assert [s.to for s in w.sent()] == [("127.0.0.1", 5099)]


async def test_without_a_default_endpoint_no_free_uri_is_reached() -> None:
    w = await world()
    with pytest.raises(EndpointNotFound):
        await w.messages.send("pjsip:sip:x@192.0.2.5", "alice", "hi", {})
