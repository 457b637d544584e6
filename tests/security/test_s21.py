"""S21: floods of new transactions and calls fill bounded tables, are refused, and are over when they are over."""

from __future__ import annotations

import pytest

from support.call_world import at, exchange
from support.sip_world import SERVER, request, wire
from switchroom.tech.sip import limits
from switchroom.tech.sip.proxy import calls
from switchroom.wire.sip import server_transactions
from switchroom.wire.sip.flow import Flow


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_strangers_cost_nothing_that_lasts(method: str) -> None:
    """Ten thousand requests with a branch and a source each, and none is remembered."""
    x = await exchange("alice", "bob")
    at(x, "bob", "192.0.2.20:5060")
    before = x.world.sip._stack.counts()
    text = request(method, "alice", target=f"sip:bob@{SERVER}", extra="Contact: <sip:a@192.0.2.9>\n")
    for n in range(10_000):
        flow = Flow("udp", "udp", f"198.51.{n // 250}.{n % 250}", 1024 + n)
        x.world.sip.receive(wire(text.replace("branch=z9hG4bK-", f"branch=z9hG4bK{n}x", 1)), flow)
    assert x.world.sip._stack.counts() == before
    assert {s.response.status for s in x.world.sent()} == {407 if method == "INVITE" else 401}
    assert x.calls == 0


async def test_calls_of_an_endpoint_that_floods_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a password gets 503 with Retry-After from then on; what is under way goes on, and all recovers."""
    monkeypatch.setattr(calls, "MAX_CALLS", 20)
    x = await exchange("bob", "alice")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    first = alice.invite("bob")
    bob.answer(bob.got("INVITE"), 200)
    talking = first.learn(alice.got(200).response)
    for _ in range(50):
        alice.invite("bob")
    assert x.calls == 20
    refused = alice.got(503).response
    assert refused.first("retry-after") == str(limits.RETRY_AFTER)
    assert bob.methods().count("INVITE") == 20
    talking.send("INFO")
    assert bob.methods() == ["INFO"]
    x.pass_time(50)
    assert x.calls == 1
    alice.take()
    alice.invite("bob")
    assert alice.statuses() == [100]


async def test_one_endpoint_does_not_take_the_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_CALLS_OF_ONE", 5)
    x = await exchange("alice", "bob", "carol")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    carol = at(x, "carol", "192.0.2.30:5060")
    for _ in range(8):
        alice.invite("bob")
    assert x.calls == 5
    assert alice.got(503).response.first("retry-after") == str(limits.RETRY_AFTER)
    carol.invite("bob")
    assert carol.statuses() == [100]
    assert bob.methods().count("INVITE") == 6


async def test_large_requests_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_transactions, "MAX_OPEN_BYTES", 20_000)
    x = await exchange("bob", "alice")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    for _ in range(10):
        alice.invite("bob", body="v=0\r\n" * 1_000)
    assert 3 <= bob.methods().count("INVITE") <= 5
    assert alice.got(503).response.first("retry-after")
    x.pass_time(300)
    assert x.world.sip._stack._servers._open_bytes == 0


async def test_a_full_table_of_transactions_refuses_what_is_new_and_keeps_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_transactions, "MAX_OPEN_TRANSACTIONS", 10)
    x = await exchange("bob", "alice")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    dialling = alice.invite("bob")
    bob.answer(bob.got("INVITE"), 180)
    for _ in range(30):
        alice.invite("bob")
    assert x.world.sip._stack.counts()["server"] <= 10
    assert alice.got(503).response.first("retry-after")
    dialling.cancel()
    assert [s.response.status for s in alice.take() if s.response.cseq.method == "CANCEL"] == [200]


async def test_a_phone_that_answers_with_ever_new_tags_makes_no_more_legs_than_fit() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.invite("bob")
    invite = bob.got("INVITE")
    for n in range(300):
        bob.answer(invite, 180, tag=f"t{n}")
    (call,) = x.world.sip.calls
    assert len(call.legs) == limits.MAX_LEGS
    assert alice.statuses().count(180) == 300
    bob.answer(invite, 200, tag="one more")
    assert alice.statuses() == [200]
