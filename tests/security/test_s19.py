"""S19 and S18: an unauthenticated packet moves at most one packet, at most twice its size, to its true source."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import SERVER, Sent, SipWorld, aor, auth, phone, request, settings, wire

METHODS = ["REGISTER", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "NOTIFY", "REFER", "INFO", "BYE",
           "CANCEL", "ACK", "UPDATE", "PRACK", "UNKNOWN"]  # fmt: skip


async def world() -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice"),
            phone("carol"),
            aors=[aor("alice"), aor("carol", contact=("sip:carol@192.0.2.5",))],
            auths=[auth("alice"), auth("carol")],
        )
    ).start()
    w.sent()
    return w


async def moved(w: SipWorld, text: str | bytes, source: str = "192.0.2.9:5090") -> list[Sent]:
    """All that leaves within 35 s of one datagram."""
    if isinstance(text, bytes):
        from switchroom.wire.sip.flow import Flow

        host, _, port = source.rpartition(":")
        w.sip.receive(text, Flow("udp", "udp", host, int(port)))
        sent = w.sent()
    else:
        sent = w.receive(text, source)
    await asyncio.sleep(0)
    return sent + w.sent() + w.pass_time(35)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("user", ["alice", "nobody"])
async def test_one_packet_for_one_and_at_most_twice_the_bytes(method: str, user: str) -> None:
    w = await world()
    text = request(method, user)
    sent = await moved(w, text)
    assert len(sent) <= 1
    assert sum(len(s.data) for s in sent) <= 2 * len(wire(text))


async def test_the_shortest_request_there_is_gets_no_more_than_twice_its_bytes() -> None:
    w = await world()
    head = f"OPTIONS sip:{SERVER} SIP/2.0\nv:SIP/2.0/UDP a;branch=z9hG4bK\nf:<sip:a@b>;tag=1\nt:<sip:a@b>\n"
    text = head + "i:1\nCSeq:1 OPTIONS\n\n"
    sent = await moved(w, text)
    assert sum(len(s.data) for s in sent) <= 2 * len(wire(text))
    assert len(sent) <= 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 500,
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE\r\n\r\n",
        b"\xff" * 1400,
    ],
)
async def test_what_is_no_request_is_met_with_silence(data: bytes) -> None:
    assert await moved(await world(), data) == []


@pytest.mark.parametrize(
    "via",
    [
        "198.51.100.7:5060;rport",
        "198.51.100.7;received=198.51.100.8",
        "198.51.100.7;maddr=224.0.0.1;ttl=16",
        "x.invalid",
    ],
)
@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE"])
async def test_answers_go_to_the_source_whatever_the_via_says(via: str, method: str) -> None:
    w = await world()
    text = request(method, "alice").replace("192.0.2.9:5090;rport", via)
    (sent,) = await moved(w, text)
    assert sent.to == ("192.0.2.9", 5090)


async def test_a_flood_of_names_leaves_nothing_behind() -> None:
    w = await world()
    for n in range(2_000):
        w.receive(request("REGISTER", f"user{n}", extra="Contact: <sip:x@192.0.2.9>\n"), f"192.0.2.{n % 200 + 10}:5060")
    assert w.sip._stack.idle()
    assert len(w.sip._schedule) == 0
