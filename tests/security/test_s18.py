"""S18: answers go to where the packet came from, whatever its Via says; and no answer of others moves a packet."""

from __future__ import annotations

import asyncio
import re

import pytest

from support.sip_world import SERVER, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings

SOURCE = ("192.0.2.9", 5090)
VICTIM = "198.51.100.66"
VIAS = [
    f"SIP/2.0/UDP {VICTIM}:5060;branch=z9hG4bK1",
    f"SIP/2.0/UDP {VICTIM}:5060;rport;branch=z9hG4bK1",
    f"SIP/2.0/UDP 192.0.2.9:5090;received={VICTIM};rport=99;branch=z9hG4bK1",
    f"SIP/2.0/UDP 192.0.2.9:5090;maddr={VICTIM};branch=z9hG4bK1",
    "SIP/2.0/UDP 192.0.2.9:5090;maddr=239.1.1.1;ttl=255;branch=z9hG4bK1",
    f"SIP/2.0/TCP {VICTIM}:5060;branch=z9hG4bK1",
    f"SIP/2.0/UDP [2001:db8::66]:5060;received={VICTIM};branch=z9hG4bK1",
    f"SIP/2.0/UDP {VICTIM}:5060",
    f"SIP/2.0/UDP victim.example;branch=z9hG4bK1, SIP/2.0/UDP {VICTIM};branch=z9hG4bK2",
]
METHODS = ("OPTIONS", "REGISTER", "MESSAGE", "INVITE", "SUBSCRIBE", "BYE", "CANCEL", "NOSUCH")


async def world() -> SipWorld:
    names = ("alice", "bob")
    w = await SipWorld(settings(*map(phone, names), aors=list(map(aor, names)), auths=list(map(auth, names)))).start()
    w.addresses.known = {"victim.example": [VICTIM]}
    return w


def with_via(text: str, via: str) -> str:
    return re.sub(r"Via: .*", lambda _: f"Via: {via}", text, count=1)


async def all_that_leaves(w: SipWorld, sent: list[Sent]) -> set[tuple[str, int]]:
    await asyncio.sleep(0)
    return {s.to for s in sent + w.sent() + w.pass_time(40)}


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("method", METHODS)
async def test_a_stranger_steers_no_answer(method: str, via: str) -> None:
    w = await world()
    sent = w.receive(with_via(request(method, "nobody"), via))
    assert await all_that_leaves(w, sent) <= {SOURCE}


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOSUCH"])
async def test_neither_does_a_phone(method: str, via: str) -> None:
    w = await world()
    text = with_via(request(method, "alice", target=f"sip:alice@{SERVER}"), via)
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice").replace("z9hG4bK1", "z9hG4bK9"))
    assert challenge.to == answer.to == SOURCE
    assert answer.response.status != 401
    assert await all_that_leaves(w, []) <= {SOURCE}


async def test_the_source_is_noted_beside_what_was_claimed() -> None:
    w = await world()
    (answer,) = w.receive(with_via(request("OPTIONS", "nobody"), VIAS[2]))
    via = answer.response.via
    assert (via.received, via.rport) == SOURCE


@pytest.mark.parametrize("status", [100, 200, 302, 401, 407, 500])
async def test_an_answer_to_nothing_of_ours_goes_nowhere(status: int) -> None:
    w = await world()
    text = (
        f"SIP/2.0 {status} X\nVia: SIP/2.0/UDP {SERVER}:5060;branch=z9hG4bKn1x\n"
        f"Via: SIP/2.0/UDP {VICTIM};branch=z9hG4bK2\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\n"
        f"Call-ID: x\nCSeq: 1 INVITE\nContact: <sip:x@{VICTIM}>\nContent-Length: 0\n\n"
    )
    assert await all_that_leaves(w, w.receive(text)) == set()


async def test_vias_below_ours_in_an_answer_to_us_lead_nowhere() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    await w.messages.send("pjsip:alice", "me", "hello", {})
    (sent,) = w.sent()
    forged = reply(sent).replace("From:", f"Via: SIP/2.0/UDP {VICTIM};branch=z9hG4bK2\nFrom:", 1)
    assert await all_that_leaves(w, w.receive(forged)) <= {SOURCE}


@pytest.mark.parametrize("branch", ["", "z9hG4bKn1guess"])
async def test_an_answer_with_a_guessed_branch_ends_nothing(branch: str) -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    await w.messages.send("pjsip:alice", "me", "hello", {})
    (sent,) = w.sent()
    own = sent.request.via.branch
    assert own is not None
    assert w.receive(reply(sent).replace(own, branch), f"{VICTIM}:5060") == []
    assert w.deliveries == []
