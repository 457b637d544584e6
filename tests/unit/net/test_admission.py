"""The count of connections."""

from __future__ import annotations

import resource

import pytest

from switchroom.net.admission import Admission, connections_allowed
from switchroom.net.limits import MAX_CONNECTIONS


def test_each_bound_holds_and_places_come_back() -> None:
    admission = Admission(total=5, per_address=3, unproven_per_address=2)
    first, second = admission.enter("192.0.2.1"), admission.enter("192.0.2.1")
    assert first
    assert second
    assert admission.enter("192.0.2.1") is None, "two have not proved themselves"
    first.prove()
    first.prove()
    third = admission.enter("192.0.2.1")
    assert third
    third.prove()
    second.prove()
    assert admission.enter("192.0.2.1") is None, "three of one address"
    assert admission.enter("192.0.2.2")
    assert admission.enter("192.0.2.3")
    assert admission.enter("192.0.2.4") is None, "five in all"
    assert (admission.count, admission.refused) == (5, 3)
    first.leave()
    first.leave()
    assert admission.count == 4
    assert admission.enter("192.0.2.1")


def test_who_is_not_let_in_is_told() -> None:
    told: list[str] = []
    admission = Admission(total=2, per_address=1, tell=told.append)
    for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
        admission.enter(host)
    assert told == ["192.0.2.1", "192.0.2.3"]
    assert admission.refused == len(told)


def test_one_subscriber_of_ipv6_is_one_address() -> None:
    admission = Admission(per_address=1)
    assert admission.enter("2001:db8::1")
    assert admission.enter("2001:db8::ffff:ffff:ffff:ffff") is None
    assert admission.enter("2001:db8:0:1::1")


def test_nothing_is_remembered_of_those_who_left() -> None:
    admission = Admission()
    for number in range(100):
        entry = admission.enter(f"192.0.2.{number}")
        assert entry
        entry.leave()
    assert (len(admission._by_source), len(admission._unproven)) == (0, 0)


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "allowed"),
    [
        (1024, 1024, None, 512),
        (1024, 4096, 4096, 3584),
        (1024, resource.RLIM_INFINITY, MAX_CONNECTIONS + 512, MAX_CONNECTIONS),
        (1_000_000, 1_000_000, None, MAX_CONNECTIONS),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, MAX_CONNECTIONS),
    ],
)
def test_file_descriptors_are_asked_for_and_some_are_left(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, allowed: int
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert connections_allowed() == allowed
    assert asked == ([] if raised is None else [(raised, hard)])
