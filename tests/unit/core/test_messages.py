"""The message service: nothing leaves before it is kept, and technologies are found in any spelling."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from support.sip_world import VirtualClock
from switchroom.core.messages import Messages, Technologies, new_id
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound
from switchroom.model.message import Delivery, DeliveryReport, DeliveryState, Referral, TextMessage


class Post:
    """A technology and a journal in one, that notes what happens in which order."""

    name = "PJSIP"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.planned: TextMessage | None = None
        self.fails = False

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        self.planned = message
        return [
            Delivery(id=f"{message.id}.{n}", message=message, endpoint=None, contact="sip:x@h", route=None)
            for n in range(2)
        ]

    def deliver(self, delivery: Delivery) -> None:
        self.log.append(f"deliver {delivery.id}")

    def refer(self, referral: Referral) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def append(self, message: TextMessage, deliveries: Sequence[Delivery]) -> None:
        if self.fails:
            raise OSError("disk full")
        self.log.append(f"keep {message.id} {len(deliveries)}")

    def transition(self, report: DeliveryReport) -> None:
        self.log.append(f"{report.state.value} {report.delivery.id}")


def service(post: Post) -> Messages:
    technologies = Technologies()
    technologies.add(post)
    return Messages(technologies, post, VirtualClock(), make_id=lambda: "m1")


async def test_it_is_kept_before_it_leaves_and_its_end_is_noted() -> None:
    post = Post()
    messages = service(post)
    message = await messages.send("pjsip:carol/sip:u@h", "alice", "hello", {"X": "1"})
    assert post.log == ["keep m1 2", "deliver m1.0", "deliver m1.1"]
    assert (message.technology, message.destination, message.by_name) == ("PJSIP", "carol/sip:u@h", False)
    assert message.created == VirtualClock().wall()
    messages.report(DeliveryReport(delivery=post.plan(message)[1], state=DeliveryState.DELIVERED))
    assert post.log[-1] == "delivered m1.1"


async def test_what_can_not_be_kept_does_not_leave() -> None:
    post = Post()
    post.fails = True
    with pytest.raises(OSError, match="disk full"):
        await service(post).send("PJSIP:carol", "alice", "hello", {})
    assert post.log == []


async def test_an_endpoint_is_meant_by_its_name_to_the_letter() -> None:
    post = Post()
    await service(post).send_to(EndpointId("pjsip", "a/b:c"), "alice", "hello", {}, max_forwards=3)
    assert post.planned is not None
    assert (post.planned.destination, post.planned.by_name, post.planned.max_forwards) == ("a/b:c", True, 3)


@pytest.mark.parametrize("to", ["carol", "", "xmpp:carol", ":carol", "sip:carol@h"])
async def test_no_technology_is_not_found(to: str) -> None:
    with pytest.raises(EndpointNotFound):
        await service(Post()).send(to, "alice", "hello", {})


def test_ids_are_not_alike() -> None:
    assert len({new_id() for _ in range(100)}) == 100
    assert len(new_id()) == 16
