"""Challenges and proofs beyond what REGISTER shows: several secrets, mixed realms, borrowed names."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import SERVER, SipWorld, aor, auth, authorized, phone, request, settings
from switchroom.model.settings import SipGlobalSettings


def challenge(w: SipWorld, name: str) -> str:
    """Realm and algorithms a name is shown."""
    (answer,) = w.receive(request("OPTIONS", name))
    shown = answer.response.lines("www-authenticate")
    return " ".join(part for line in shown for part in line.split(",") if "realm" in part or "algorithm" in part)


async def test_a_realm_of_ones_own_does_not_tell_who_exists() -> None:
    """SECURITY.md S10: every endpoint has a realm that is not the default one."""
    names = ["alice", "bob"]
    w = await SipWorld(
        settings(
            *map(phone, names), phone("fallen", auth=("gone",)), auths=[auth(n, realm="here.example") for n in names]
        )
    ).start()
    assert len({challenge(w, name) for name in (*names, "fallen", "nobody", "x", "anonymous")}) == 1


async def test_among_mixed_realms_a_stranger_has_one_of_them_and_keeps_it() -> None:
    realms = {f"u{n}": f"realm{n % 3}" for n in range(9)}
    w = await SipWorld(settings(*map(phone, realms), auths=[auth(n, realm=r) for n, r in realms.items()])).start()
    known = {challenge(w, name) for name in realms}
    strangers = {name: challenge(w, name) for name in (f"nobody{n}" for n in range(40))}
    assert set(strangers.values()) == known
    assert {name: challenge(w, name) for name in strangers} == strangers


async def test_any_of_several_secrets_of_one_name_will_do() -> None:
    w = await SipWorld(
        settings(
            phone("alice", auth=("old", "new")),
            auths=[auth("old", username="alice", password="old"), auth("new", username="alice", password="new")],
        )
    ).start()
    for password, status in (("old", 200), ("new", 200), ("neither", 401)):
        text = request("OPTIONS", "alice")
        (first,) = w.receive(text)
        (answer,) = w.receive(authorized(text, first.response, "alice", password))
        assert answer.response.status == status


@pytest.mark.parametrize(("sender", "status"), [("4711", 202), ("alice", 202), ("bob", 401)])
async def test_the_digest_name_lends_no_other_endpoints_name(sender: str, status: int) -> None:
    w = await SipWorld(
        settings(
            phone("alice", identify_by=("auth_username",)),
            phone("bob"),
            phone("carol", auth=()),
            aors=[aor("alice"), aor("bob"), aor("carol", contact=("sip:carol@192.0.2.5",))],
            auths=[auth("alice"), auth("bob")],
            general=SipGlobalSettings(endpoint_identifier_order=("auth_username",)),
        )
    ).start()
    text = request(
        "MESSAGE",
        sender,
        target=f"sip:carol@{SERVER}",
        to=f"<sip:carol@{SERVER}>",
        extra="Content-Type: text/plain\n",
        body="hi",
    )
    (first,) = w.receive(text)
    answers = w.receive(authorized(text, first.response, "alice"))
    await asyncio.sleep(0)
    answers += [s for s in w.sent() if s.to[0] == "192.0.2.9"]
    assert [s.response.status for s in answers] == [status]


async def test_the_digest_name_of_a_call_is_in_the_answer_to_a_proxy() -> None:
    bob = phone("bob", auth=())
    alice = phone("alice", identify_by=("auth_username",))
    aors = [aor("alice"), aor("bob", contact=("sip:bob@192.0.2.5",))]
    w = await SipWorld(settings(alice, bob, aors=aors, auths=[auth("alice")])).start()
    text = request("INVITE", "4711", target=f"sip:bob@{SERVER}", to=f"<sip:bob@{SERVER}>")
    (first,) = w.receive(text)
    assert first.response.status == 407
    answers = w.receive(authorized(text, first.response, "alice"))
    assert [s.to[0] for s in answers] == ["192.0.2.9", "192.0.2.5"]


async def test_ways_that_are_not_listed_go_last() -> None:
    w = await SipWorld(settings(phone("alice", auth=(), identify_by=("auth_username",)), auths=[auth("alice")])).start()
    text = request("OPTIONS", "4711")
    (first,) = w.receive(text)
    assert first.response.status == 401
    (answer,) = w.receive(authorized(text, first.response, "alice"))
    assert answer.response.status == 200


async def test_counted_names_are_cut_so_that_long_ones_cost_no_memory() -> None:
    w = await SipWorld(settings(phone("alice"), auths=[auth("alice")])).start()
    text = request("OPTIONS", "alice")
    (first,) = w.receive(text)
    w.receive(authorized(text, first.response, "x" * 3000, "guess"))
    assert [len(name) for _, name in w.sip._steps._authenticator._failures._counts] == [64]
