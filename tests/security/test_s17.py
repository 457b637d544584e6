"""S17: who registers leads to themselves what is theirs, and nothing else anywhere else."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from support.sip_world import SERVER, SipWorld, aor, auth, authorized, phone, request, settings
from switchroom.model.errors import InvalidParameter
from switchroom.model.settings import AccessRule
from switchroom.tech.sip.limits import MAX_CONTACTS_PER_REQUEST

MINE = "<sip:alice@192.0.2.9:5090>"


async def world(**of_alice: object) -> SipWorld:
    names = ("alice", "bob")
    endpoints = [phone("alice", **of_alice), phone("bob")]
    return await SipWorld(settings(*endpoints, aors=list(map(aor, names)), auths=list(map(auth, names)))).start()


def bound(w: SipWorld, name: str) -> list[str]:
    return [contact.uri for contact in w.registry.contacts("PJSIP", name)]


def register(w: SipWorld, headers: str, *, to: str = "", call_id: str = "", cseq: int = 1) -> int:
    """REGISTER of alice with these headers; the final status."""
    text = request("REGISTER", "alice", to=to, extra=headers, call_id=call_id, cseq=cseq)
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    return answer.response.status


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("<javascript:alert(1)>", 416),
        ("<http://192.0.2.7/>", 416),
        ("<tel:+15551234>", 416),
        ("<mailto:alice@example.com>", 416),
        ("<file:///etc/passwd>", 416),
        ("<sip:>", 400),
        ("<sip:alice@>", 400),
        ("<sip:alice@[::1>", 400),
        ("<sip:alice@192.0.2.9:99999>", 400),
        ("<sip:alice@192.0.2.9", 400),
        ("<sip:alice@0.0.0.0>", 403),
        ("<sip:alice@[::]>", 403),
        ("<sip:alice@169.254.169.254>", 403),
        ("<sip:alice@[fe80::1]>", 403),
        ("<sip:alice@239.1.1.1>", 403),
        ("<sip:alice@255.255.255.255>", 403),
        ("<sip:alice@192.0.2.9;maddr=169.254.169.254>", 403),
        ("<sip:alice@192.0.2.9;maddr=239.1.1.1>", 403),
        (f"<sip:{'x' * 600}@192.0.2.9>", 400),
    ],
)
async def test_a_contact_nothing_may_be_sent_to_is_refused(contact: str, status: int) -> None:
    w = await world()
    assert register(w, f"Contact: {contact}\n") == status
    assert register(w, f"Contact: {MINE}\nContact: {contact}\n") == status
    assert bound(w, "alice") == []


@pytest.mark.parametrize(
    "headers",
    [
        "Contact: *\n",
        "Contact: *\nExpires: 60\n",
        f"Contact: *, {MINE}\nExpires: 0\n",
        f"Contact: *\nContact: {MINE}\nExpires: 0\n",
        "Contact: *;expires=0\n",
        f"Contact: {MINE}\n" * 2 + f"Contact: {MINE}, " * MAX_CONTACTS_PER_REQUEST + f"{MINE}\n",
    ],
)
async def test_what_is_ambiguous_changes_nothing(headers: str) -> None:
    w = await world()
    assert w.register("alice", MINE).status == 200
    assert register(w, headers) in (400, 403)
    assert bound(w, "alice") == ["sip:alice@192.0.2.9:5090"]


@pytest.mark.parametrize(
    "to", [f"<sip:bob@{SERVER}>", f"<sip:%62ob@{SERVER}>", f"sip:bob@{SERVER}", f"<sips:bob@{SERVER}>"]
)
@pytest.mark.parametrize("headers", [f"Contact: {MINE}\n", "Contact: *\nExpires: 0\n", ""])
async def test_nobody_registers_for_another(to: str, headers: str) -> None:
    w = await world()
    assert w.register("bob", "<sip:bob@192.0.2.10>").status == 200
    assert register(w, headers, to=to) in (403, 404)
    assert bound(w, "bob") == ["sip:bob@192.0.2.10"]
    assert bound(w, "alice") == []


async def test_the_credentials_of_one_do_not_prove_another() -> None:
    w = await world()
    text = request("REGISTER", "bob", extra=f"Contact: {MINE}\n")
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    assert answer.response.status == 401
    assert bound(w, "bob") == []


async def test_a_contact_of_another_can_be_registered_and_never_taken_away() -> None:
    w = await world()
    w.register("bob", "<sip:bob@192.0.2.10>")
    assert register(w, "Contact: <sip:bob@192.0.2.10>;expires=0\n") == 200
    assert bound(w, "bob") == ["sip:bob@192.0.2.10"]


async def test_an_old_registration_that_is_sent_again_moves_nothing() -> None:
    w = await world()
    assert register(w, f"Contact: {MINE}\n", call_id="c", cseq=10) == 200
    assert register(w, f"Contact: {MINE}\nExpires: 0\n", call_id="c", cseq=3) == 400
    assert register(w, "Contact: *\nExpires: 0\n", call_id="c", cseq=3) == 400
    assert bound(w, "alice") == ["sip:alice@192.0.2.9:5090"]


@pytest.mark.parametrize(
    "contact",
    [
        "sip:alice@10.0.0.7",
        "sip:alice@192.0.2.9;maddr=10.0.0.7",
        "sip:alice@10.0.0.7;maddr=192.0.2.9",
        "sip:alice@inside.example",
    ],
)
async def test_where_contacts_may_be_is_for_the_administrator_to_say(contact: str) -> None:
    w = await world(contact_acl=(AccessRule(permit=False, network=ip_network("10.0.0.0/8")),))
    assert register(w, f"Contact: <{contact}>\n") == 403
    assert register(w, f"Contact: {MINE}\n") == 200


@pytest.mark.parametrize(
    "contact", [f"sip:alice@{SERVER}", "sip:alice@127.0.0.1", "sip:alice@[::1]", "sip:a@192.0.2.9;maddr=127.0.0.1"]
)
async def test_nothing_goes_to_this_machine_because_a_phone_elsewhere_says_so(contact: str) -> None:
    w = await world()
    register(w, f"Contact: <{contact}>\n")
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:alice", "me", "hello", {})
    assert w.sent() == []


async def test_a_name_that_leads_to_this_machine_leads_nowhere() -> None:
    w = await world()
    w.addresses.known = {"inside.example": ["127.0.0.1", "169.254.169.254", SERVER]}
    assert register(w, "Contact: <sip:alice@inside.example>\n") == 200
    await w.messages.send("pjsip:alice", "me", "hello", {})
    for _ in range(3):
        await asyncio.sleep(0)
    assert [d.status_code for d in w.deliveries] == [503]
    assert w.sent() == []
