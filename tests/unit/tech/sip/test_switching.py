"""Texts between the two SIP technologies and another network: switched, answered, and not in a circle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from support.sip_world import HERE, SERVER, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.core.addresses import Address
from switchroom.model.endpoint import EndpointId
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, Referral, TextMessage
from switchroom.model.settings import ChanSipSettings, PeerSettings
from switchroom.tech.sip.chan_sip import ChanSip

ALICE, OLD = "192.0.2.9:5090", "192.0.2.10:5090"
ROMEO = "romeo@example.org"


class Network:
    """A technology whose endpoint ``gate`` carries all that has an ``@``, and speaks for anybody."""

    name = "XMPP"

    def __init__(self) -> None:
        self.sent: list[TextMessage] = []

    def sender(self, alias: str, through: str) -> str:
        return f"{alias}@{through}.example"

    def carrier(self, beyond: str) -> str | None:
        return "gate" if "@" in beyond else None

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        return [Delivery(message=message, endpoint=EndpointId("XMPP", "gate"), contact=message.destination, route=None)]

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        self.sent.append(delivery.message)
        done(DeliveryReport(delivery=delivery, state=DeliveryState.DELIVERED))

    def refer(self, referral: Referral) -> None:
        raise AssertionError(referral)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Server:
    """PJSIP with alice, SIP with old, and a network behind gate."""

    def __init__(self) -> None:
        names = ("alice", "twin")
        self.pjsip = SipWorld(settings(*map(phone, names), aors=list(map(aor, names)), auths=list(map(auth, names))))
        peers = {
            name: PeerSettings(name=name, source=HERE, user=True, peer=True, host="dynamic") for name in ("old", "twin")
        }
        sip = settings(
            *map(phone, peers),
            aors=[aor(name, max_contacts=1, remove_existing=True) for name in peers],
            auths=list(map(auth, peers)),
        )
        chan_sip = ChanSipSettings(peers=peers, sip=sip)
        self.sip = SipWorld(sip, name="SIP", driver=partial(ChanSip, lambda: chan_sip), port=5070, beside=self.pjsip)
        self.network = Network()
        self.pjsip.technologies.add(self.network)
        self.pjsip.aliases.add("XMPP", self.network)

    async def start(self) -> Server:
        await self.pjsip.start()
        await self.sip.sip.start()
        self.pjsip.registry.add(EndpointId("XMPP", "gate"))
        self.pjsip.register("alice", f"<sip:alice@{ALICE}>", source=ALICE)
        self.sip.register("old", f"<sip:old@{OLD}>", source=OLD)
        return self

    async def text(
        self, world: SipWorld, user: str, to: str, source: str, extra: str = "", hops: int = 70
    ) -> list[Sent]:
        """A text of a phone, its challenge answered; all that leaves on its side of the server."""
        text = request("MESSAGE", user, target=to, extra=f"Content-Type: text/plain\n{extra}", body="hi")
        text = text.replace("Max-Forwards: 70", f"Max-Forwards: {hops}")
        (challenge,) = world.receive(text, source)
        sent = world.receive(authorized(text, challenge.response, user), source)
        await settle()
        return sent + world.sent()


def final(sent: list[Sent]) -> int:
    return sent[-1].response.status


def sender(sent: Sent) -> str:
    return (sent.request.first("from") or "").partition(";tag=")[0]


async def test_from_pjsip_to_sip_and_back() -> None:
    s = await Server().start()
    assert final(await s.text(s.pjsip, "alice", f"sip:old@{SERVER}", ALICE)) == 202
    (there,) = s.sip.sent()
    assert there.to == ("192.0.2.10", 5090)
    assert (there.request.target, there.request.body) == (f"sip:old@{OLD}", b"hi")
    assert sender(there) == f"<sip:alice@{SERVER}:5070>"
    assert there.request.max_forwards == 10
    s.sip.receive(reply(there), OLD)

    assert final(await s.text(s.sip, "old", f"sip:alice@{SERVER}:5070", OLD)) == 202
    (back,) = s.pjsip.sent()
    assert back.request.target == f"sip:alice@{ALICE}"
    assert sender(back) == f"<sip:old@{SERVER}>"


async def test_an_answer_finds_any_port() -> None:
    s = Server()
    s.pjsip = SipWorld(settings(phone("alice"), aors=[aor("alice")], auths=[auth("alice")]), port=5080)
    await s.pjsip.start()
    s.pjsip.register("alice", f"<sip:alice@{ALICE}>", source=ALICE)
    await s.pjsip.messages.send("pjsip:alice", '"romeo@example.org"', "hi", {})
    (sent,) = s.pjsip.sent()
    assert sender(sent) == f"<sip:romeo%40example.org@{SERVER}:5080>"


async def test_to_another_network_and_back() -> None:
    s = await Server().start()
    assert final(await s.text(s.pjsip, "alice", f"sip:romeo%40example.org@{SERVER}", ALICE, hops=5)) == 202
    (there,) = s.network.sent
    assert (there.destination, there.sender, there.body) == (f"gate/{ROMEO}", "alice@gate.example", "hi")
    assert there.max_forwards == 4

    romeo = Address(EndpointId("XMPP", "gate"), ROMEO)
    alice = s.pjsip.crossing.find("alice", "XMPP")
    assert alice is not None
    await s.pjsip.crossing.forward(romeo, alice, "yes?", {}, max_forwards=None)
    (back,) = s.pjsip.sent()
    assert sender(back) == f"<sip:romeo%40example.org@{SERVER}>"
    assert back.request.body == b"yes?"
    # What the phone answers to is understood.
    assert final(await s.text(s.pjsip, "alice", sender(back).strip("<>"), ALICE)) == 202
    assert [message.destination for message in s.network.sent] == [f"gate/{ROMEO}"] * 2


@pytest.mark.parametrize(
    ("to", "destination"),
    [
        (f"sip:gate@{SERVER}", "gate"),
        ("sip:romeo%40example.org@gate", f"gate/{ROMEO}"),
        (f"sip:gate/romeo%40example.org@{SERVER}", f"gate/{ROMEO}"),
        (f"sip:XMPP/gate@{SERVER}", "gate"),
    ],
)
async def test_ways_to_write_somebody_elsewhere(to: str, destination: str) -> None:
    s = await Server().start()
    assert final(await s.text(s.sip, "old", to, OLD)) == 202
    assert [message.destination for message in s.network.sent] == [destination]


async def test_a_name_in_both_is_ones_own_unless_the_technology_says_otherwise() -> None:
    s = await Server().start()
    s.sip.register("twin", "<sip:twin@192.0.2.11:5090>", source="192.0.2.11:5090")
    assert final(await s.text(s.pjsip, "alice", f"sip:twin@{SERVER}", ALICE)) == 480
    assert final(await s.text(s.pjsip, "alice", f"sip:SIP/twin@{SERVER}", ALICE)) == 202
    (there,) = s.sip.sent()
    s.sip.receive(reply(there), "192.0.2.11:5090")
    s.pjsip.register("twin", "<sip:twin@192.0.2.12:5090>", source="192.0.2.12:5090")
    assert final(await s.text(s.pjsip, "twin", f"sip:old@{SERVER}", "192.0.2.12:5090")) == 202
    (there,) = s.sip.sent()
    assert sender(there) == f"<sip:PJSIP/twin@{SERVER}:5070>"


async def test_who_is_nowhere_or_nobody() -> None:
    s = await Server().start()
    s.sip.register("old", f"<sip:old@{OLD}>", source=OLD, expires="0")
    assert final(await s.text(s.pjsip, "alice", f"sip:old@{SERVER}", ALICE)) == 480
    assert final(await s.text(s.pjsip, "alice", f"sip:nobody@{SERVER}", ALICE)) == 404
    assert not s.network.sent


async def test_strangers_cross_nothing() -> None:
    s = await Server().start()
    text = request("MESSAGE", "mallory", target=f"sip:old@{SERVER}", extra="Content-Type: text/plain\n", body="hi")
    (answer,) = s.pjsip.receive(text)
    await settle()
    assert answer.response.status == 401
    assert not s.sip.sent()


async def test_only_texts_cross() -> None:
    s = await Server().start()
    text = request("MESSAGE", "alice", target=f"sip:old@{SERVER}", extra="Content-Type: text/html\n", body="hi")
    (challenge,) = s.pjsip.receive(text, ALICE)
    (answer,) = s.pjsip.receive(authorized(text, challenge.response, "alice"), ALICE)
    assert answer.response.status == 415


@pytest.mark.parametrize(("hops", "status"), [(0, 483), (1, 480), (2, 202)])
async def test_a_text_that_passed_too_many_servers(hops: int, status: int) -> None:
    s = await Server().start()
    assert final(await s.text(s.pjsip, "alice", f"sip:romeo%40example.org@{SERVER}", ALICE, hops=hops)) == status
    assert len(s.network.sent) == (status == 202)


async def test_a_caller_names_an_endpoint_of_another_technology_as_the_sender() -> None:
    s = await Server().start()
    await s.pjsip.messages.send("sip:old", "pjsip:alice", "hi", {})
    await s.pjsip.messages.send_to(EndpointId("PJSIP", "alice"), "sip:old", "hi", {})
    assert [sender(sent) for sent in s.sip.sent()] == [f"<sip:alice@{SERVER}:5070>"]
    assert [sender(sent) for sent in s.pjsip.sent()] == [f"<sip:old@{SERVER}>"]
