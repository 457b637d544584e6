"""A thousand calls, each another way through: what is shown of them adds up, and when they are over nothing is left."""

from __future__ import annotations

import gc
from contextlib import suppress
from random import Random

import pytest

from support.call_world import SDP, Dialog, Exchange, Phone, at, exchange
from switchroom.tech.sip.limits import LONGEST_SESSION
from switchroom.wire.sip.message import Request

_STATUSES = [180, 183, 180, 200, 200, 200, 404, 486, 603]


class Chance:
    """Phones that do what people and bad networks do, at random, and none of them anything it may not."""

    def __init__(self, x: Exchange, seed: int) -> None:
        self.x = x
        self.random = Random(seed)
        x.listen("tcp", 5060)
        self.alice = at(x, "alice", "192.0.2.10:5060")
        self.phones = [self.alice, at(x, "bob", "192.0.2.20:5060"), at(x, "bob", "192.0.2.21:33000", transport="tcp")]
        x.world.ear.take()

    def call(self) -> None:
        """One call from its first packet to where it was left."""
        dialling = self.alice.invite("bob")
        said: dict[str, Dialog] = {}
        for _ in range(self.random.randrange(1, 12)):
            deed = self.random.choice([*["answer", "ack", "within"] * 2, "answer", "cancel", "bye", "wait"])
            if deed == "answer":
                self._answer()
            elif deed == "cancel":
                dialling.cancel()
            elif deed == "wait":
                self.x.pass_time(self.random.choice([0.0, 0.1, 1.0, 5.0, 33.0]))
            elif said:
                method = {"ack": "ACK", "bye": "BYE"}.get(deed) or self.random.choice(["INFO", "INVITE", "UPDATE"])
                self.random.choice(list(said.values())).send(method)
            for sent in self.alice.heard:
                response = sent.message
                if not isinstance(response, Request) and 100 < response.status < 300 and response.to.tag:
                    said.setdefault(response.to.tag, dialling.learn(response))
        for phone in self.phones:
            phone.take()

    def _answer(self) -> None:
        """One of the requests that came is answered, maybe once more, maybe by another phone behind the same one."""
        phone = self.random.choice(self.phones)
        asked = [sent for sent in phone.heard if isinstance(sent.message, Request) and sent.message.method != "ACK"]
        if not asked:
            return
        sent = self.random.choice(asked)
        status = self.random.choice(_STATUSES if sent.request.method == "INVITE" else [200, 481, 500])
        tag = f"{phone.flow.port}-{self.random.randrange(2)}"
        phone.answer(sent, status, tag=tag, body=SDP if status == 200 else "")

    def end(self) -> None:
        """Nobody says anything any more."""
        for phone in self.phones:
            phone.take()
        self.x.pass_time(3 * LONGEST_SESSION)


@pytest.mark.parametrize("fork", ["all", "first"])
async def test_a_thousand_calls_leave_nothing(fork: str) -> None:
    x = await exchange("alice", "bob", fork=fork)
    chance = Chance(x, 1)
    confirmed = 0
    for _ in range(500):
        chance.call()
        confirmed += bool(x.calls)
    assert confirmed > 100
    chance.end()
    assert x.left_over() == {}
    _check_shown(x)


def _check_shown(x: Exchange) -> None:
    """Each channel came once, went once, and no event repeated what the one before it had said."""
    shown: dict[str, tuple[str, ...]] = {}
    ever: dict[str, set[str]] = {"alice": set(), "bob": set()}
    for event in x.world.ear.take():
        endpoint = event.endpoint
        with suppress(AttributeError):
            before, now = shown.get(endpoint.resource, ()), endpoint.channel_ids
            came = set(now) - set(before)
            assert not came & ever[endpoint.resource], "a channel that had gone is back"
            ever[endpoint.resource] |= came
            shown[endpoint.resource] = now
    assert {name: ids for name, ids in shown.items() if ids} == {}
    assert all(len(ids) > 100 for ids in ever.values())


async def test_calls_leave_nothing_to_the_garbage_collector() -> None:
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    _calls(x, alice, bob)
    gc.collect()
    gc.disable()
    try:
        _calls(x, alice, bob)
        assert gc.collect() == 0
    finally:
        gc.enable()


def _calls(x: Exchange, alice: Phone, bob: Phone) -> None:
    """One that is hung up, one that is refused, one that is given up."""
    for end in ("BYE", "486", "CANCEL"):
        dialling = alice.invite("bob")
        invite = bob.got("INVITE")
        bob.answer(invite, 180)
        if end == "BYE":
            bob.answer(invite, 200, body=SDP)
            talking = dialling.learn(alice.got(200).response)
            talking.send("ACK")
            talking.send("BYE")
            bob.answer(bob.got("BYE"), 200)
        elif end == "486":
            bob.answer(invite, 486)
        else:
            dialling.cancel()
            bob.answer(bob.got("CANCEL"), 200)
            bob.answer(invite, 487)
        alice.take()
        bob.take()
        x.pass_time(70)
        x.world.ear.take()
