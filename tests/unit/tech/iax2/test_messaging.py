"""Senders as calling numbers, and texts of peers that go on to others."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from support.virtual import settle
from switchroom.core.addresses import Address
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.tech.iax2 import messaging
from switchroom.tech.iax2.messaging import caller

ALICE = Address(EndpointId("PJSIP", "alice"))


@pytest.mark.parametrize(
    ("sender", "number", "name"),
    [
        ("alice", "alice", "alice"),
        ("pjsip:alice", "alice", "alice"),
        ("PJSIP:alice", "alice", "alice"),
        ("iax2:other", "other", "other"),
        ("sip:bob@example.org:5070;user=phone", "bob", "bob@example.org:5070"),
        ("pjsip:sip:bob@h", "bob", "bob@h"),
        ('"Bob B." <sip:bob@example.org>', "bob", "Bob B."),
        ("<sip:bob@example.org>", "bob", "bob@example.org"),
        ("tel:+15551234", "+15551234", "+15551234"),
        ("romeo@example.org", "romeo@example.org", "romeo@example.org"),
        ("gateway/romeo@example.org", "gateway/romeo@example.org", "gateway/romeo@example.org"),
        ("sip:example.org", "example.org", "example.org"),
        ("iax2:", "iax2:", "iax2:"),
    ],
)
def test_callers(sender: str, number: str, name: str) -> None:
    assert caller(sender) == (number, name)


@pytest.mark.parametrize("sender", ["", " ", "a\nb", "a\x7f", "\udcff"])
def test_no_callers(sender: str) -> None:
    with pytest.raises(InvalidParameter):
        caller(sender)


class Crossing:
    """Knows alice of PJSIP, and remembers what it is given."""

    def __init__(self) -> None:
        self.forwarded: list[tuple[str, str, str]] = []
        self.fails: Exception | None = None

    def find(self, alias: str, technology: str) -> Address | None:
        assert technology == "IAX2"
        return ALICE if alias == "alice" else None

    async def forward(
        self, origin: Address, target: Address, body: str, headers: Mapping[str, str], *, max_forwards: int | None
    ) -> None:
        assert max_forwards is None
        if self.fails is not None:
            raise self.fails
        self.forwarded.append((str(origin.endpoint), str(target.endpoint), body))


async def world() -> tuple[IaxWorld, Crossing]:
    w = await IaxWorld(peer(), peer("other")).start()
    crossing = Crossing()
    w.iax.switch_to(crossing)
    w.add()
    return w, crossing


@pytest.mark.parametrize(("called", "targets"), [("alice", ["PJSIP/alice"]), ("other", ["IAX2/other"]), ("1000", [])])
async def test_a_called_number_that_is_somebody_here_gets_the_text(called: str, targets: list[str]) -> None:
    w, crossing = await world()
    w.peers[PHONE].send_text("hi", w.clock.now, called=called)
    await settle()
    assert crossing.forwarded == [("IAX2/iaxphone", target, "hi") for target in targets]
    assert [text.body for text in w.texts] == ["hi"]


@pytest.mark.parametrize(("called", "outcome"), [("alice", "delivered"), ("1000", "3 No such context/extension")])
async def test_it_needs_no_application(called: str, outcome: str) -> None:
    w, _ = await world()
    w.wants_texts = False
    w.peers[PHONE].send_text("hi", w.clock.now, called=called)
    await settle()
    assert w.peers[PHONE].outcomes == [outcome]


@pytest.mark.parametrize("error", [EndpointNotFound(), RuntimeError("the disk is on fire")])
async def test_what_can_not_go_on_is_in_the_log(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    w, crossing = await world()
    crossing.fails = error
    w.peers[PHONE].send_text("hi", w.clock.now, called="alice")
    await settle()
    assert "a text was not switched" in capsys.readouterr().out


async def test_so_many_go_on_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messaging, "MAX_CROSSING", 2)
    w, crossing = await world()
    for n in range(4):
        w.peers[PHONE].send_text(str(n), w.clock.now, called="alice")
    await settle()
    assert [body for _, _, body in crossing.forwarded] == ["0", "1"]


async def test_people_of_other_technologies_are_calling_numbers() -> None:
    w, _ = await world()
    assert w.iax.sender("romeo@example.org", "iaxphone") == "romeo@example.org"
    assert w.iax.carrier("romeo@example.org") is None
    await w.iax.stop()
