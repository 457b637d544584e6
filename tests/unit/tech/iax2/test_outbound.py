"""``register`` lines: we register elsewhere."""

from __future__ import annotations

from support.iax_world import PHONE, SERVER, IaxWorld
from switchroom.model.iax2_settings import IaxRegistration
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.numbers import MD5
from switchroom.wire.iax2.registration import RegistrationRequested
from switchroom.wire.iax2.stack import Stack


class Provider:
    """A registrar at PHONE's address that knows one secret."""

    def __init__(self, w: IaxWorld) -> None:
        self.w = w
        self.secret = "pw"
        self.deaf = False
        self.registered: list[tuple[str, int]] = []
        self.stack = Stack(secret=b"the provider's own secret", number=lambda: 77)
        w.peers[PHONE] = self  # type: ignore[assignment]

    def receive(self, data: bytes, source: Address, now: float) -> None:
        if self.deaf:
            return
        self.stack.receive(data, source, now)
        while (event := self.stack.next_event()) is not None:
            assert isinstance(event, RegistrationRequested)
            if event.proof is None:
                self.stack.challenge_registration(event, MD5)
            elif event.proof.shows([self.secret], MD5):
                self.registered.append((event.username, event.refresh))
                self.stack.confirm_registration(event, 60, 0)
            else:
                self.stack.refuse_registration(event)
        while (out := self.stack.to_send()) is not None:
            self.w.iax.receive(out[0], PHONE.host, PHONE.port, "0")

    def handle_timer(self, now: float) -> None:
        """It has no calls."""


def world(host: str = PHONE.host) -> tuple[IaxWorld, Provider]:
    line = IaxRegistration(username="us", secret="pw", host=host, port=PHONE.port)
    w = IaxWorld(registrations=(line,))
    return w, Provider(w)


async def test_registered_and_renewed_after_five_sixths() -> None:
    w, provider = world()
    await w.start()
    assert provider.registered == [("us", 300)]
    await w.pass_time(49, 1)
    assert len(provider.registered) == 1
    await w.pass_time(2)
    assert len(provider.registered) == 2
    assert len(w.iax._stack) == 0


async def test_refused_or_unanswered_it_is_tried_again_after_a_minute() -> None:
    w, provider = world()
    provider.secret = "another"
    await w.start()
    provider.secret = "pw"
    await w.pass_time(59, 1)
    assert provider.registered == []
    await w.pass_time(2)
    assert provider.registered == [("us", 300)]
    provider.deaf = True
    await w.pass_time(50 + 33, 1)
    provider.deaf = False
    await w.pass_time(61, 1)
    assert len(provider.registered) == 2


async def test_a_host_without_an_address_stops_nothing() -> None:
    w, provider = world("nowhere.example")
    await w.start()
    assert provider.registered == []
    assert w.sent == []


async def test_nothing_is_asked_of_a_family_nobody_listens_in() -> None:
    w, _ = world("2001:db8::1")
    await w.start()
    assert w.sent == []
    assert SERVER.host == "192.0.2.1"
