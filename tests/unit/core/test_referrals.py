"""Referrals: known by their id while the process lives, and told of."""

from __future__ import annotations

import pytest

from support.messages_world import Phones
from support.virtual import VirtualClock
from switchroom.core import referrals as module
from switchroom.core.bus import Bus
from switchroom.core.referrals import Referrals
from switchroom.core.technologies import Technologies
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import ReferralNotFound
from switchroom.model.events import Event, ReferStatusChange
from switchroom.model.message import Referral, ReferralReport, ReferralState


class Taking(Phones):
    def refer(self, referral: Referral) -> None:
        """It is on its way."""


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        bus = Bus()
        technologies = Technologies()
        technologies.add(Taking(["bob"], bus, self.clock))
        self.told: list[tuple[str, str]] = []
        bus.attach(self)
        self.referrals = Referrals(technologies, self.clock, bus)

    def takes(self, endpoint: EndpointId) -> bool:
        return False

    def hear(self, event: Event) -> None:
        assert isinstance(event, ReferStatusChange)
        self.told.append((event.referral.id, event.referral.state.value))

    def made(self) -> Referral:
        """A referral that was sent."""
        referral = self.referrals.refer("pjsip:bob", "alice", "sip:x@y", {})
        self.report(referral, ReferralState.SENT)
        return referral

    def report(self, referral: Referral, state: ReferralState, status: int = 0) -> None:
        self.referrals.referral(ReferralReport(referral=referral, state=state, status_code=status, reason="R"))


def test_how_far_it_got() -> None:
    bench = Bench()
    referral = bench.made()
    bench.clock.now += 5
    bench.report(referral, ReferralState.RINGING, 180)
    record = bench.referrals.find(referral.id)
    assert (record.state, record.status_code, record.refer_to) == ("ringing", 180, "sip:x@y")
    assert record.updated - record.created == 5
    assert bench.told == [(referral.id, "sent"), (referral.id, "ringing")]


def test_one_that_is_not_known() -> None:
    with pytest.raises(ReferralNotFound):
        Bench().referrals.find("x")


def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REFERRALS", 3)
    bench = Bench()
    made = [bench.made() for _ in range(4)]
    with pytest.raises(ReferralNotFound):
        bench.referrals.find(made[0].id)
    assert [bench.referrals.find(r.id).id for r in made[1:]] == [r.id for r in made[1:]]
