"""Where a peer is reached, as ``GET /endpoints/IAX2/{peer}/contacts`` shows it."""

from __future__ import annotations

from support.iax_world import PHONE, IaxWorld, peer
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.tech.iax2.limits import GRACE


def contacts(world: IaxWorld, name: str = "iaxphone") -> list[Contact]:
    found = world.registry.contacts_of("iax2", name)
    assert found is not None
    return found


async def test_a_peer_that_is_nowhere_has_none() -> None:
    world = await IaxWorld(peer()).start()
    assert contacts(world) == []
    assert world.registry.contacts_of("IAX2", "nobody") is None


async def test_a_peer_that_registered() -> None:
    world = await IaxWorld(peer(qualify=0.0)).start()
    phone = world.add()
    phone.register(world.clock.now)
    registered, expires = world.clock.wall(), world.clock.now + 60
    (contact,) = contacts(world)
    assert (contact.aor, contact.uri) == ("iaxphone", f"iax2:iaxphone@{PHONE.host}:{PHONE.port}")
    assert (contact.address, contact.transport, contact.static) == (f"{PHONE.host}:{PHONE.port}", "udp", False)
    assert (contact.status, contact.roundtrip_usec) == (ContactStatus.NON_QUALIFIED, 0)
    assert (contact.registered, contact.expires) == (registered, expires)
    await world.pass_time(30)
    phone.register(world.clock.now)
    assert contacts(world)[0].registered == registered + 30
    await world.pass_time(60 + GRACE + 1)
    assert contacts(world) == []


async def test_whether_it_answers_shows() -> None:
    world = await IaxWorld(peer(qualify_ok=10.0)).start()
    phone = world.add()
    phone.register(world.clock.now)
    (contact,) = contacts(world)
    assert contact.status is ContactStatus.REACHABLE
    assert contact.roundtrip_usec == 1000
    phone.deaf = True
    await world.pass_time(25)
    assert contacts(world)[0].status is ContactStatus.UNREACHABLE


async def test_a_peer_at_a_known_address() -> None:
    world = await IaxWorld(peer(dynamic=False, host="192.0.2.50", qualify=0.0)).start()
    (contact,) = contacts(world)
    assert (contact.uri, contact.static) == ("iax2:iaxphone@192.0.2.50:4569", True)
    assert (contact.registered, contact.expires) == (0.0, None)


async def test_it_is_known_after_a_restart_since_when() -> None:
    world = await IaxWorld(peer()).start()
    world.add().register(world.clock.now)
    (before,) = contacts(world)
    await world.pass_time(5)
    again = await IaxWorld(peer(), store=world.store, clock=world.clock).start()
    (after,) = contacts(again)
    assert (after.registered, after.uri) == (before.registered, before.uri)
