"""iax.conf is read again while peers are served."""

from __future__ import annotations

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from support.virtual import settle
from switchroom.model.errors import EndpointNotFound, NoContact
from switchroom.model.iax2_settings import IaxPeerSettings, IaxSettings
from switchroom.model.settings import Source

STATIC = peer("desk", dynamic=False, host="desk.example")


async def world(*peers: IaxPeerSettings) -> IaxWorld:
    w = IaxWorld(*peers)
    w.addresses.known["desk.example"] = "192.0.2.20"
    return await w.start()


async def serve(w: IaxWorld, *peers: IaxPeerSettings) -> None:
    w.iax.apply(IaxSettings(peers={p.name: p for p in peers}))
    await settle()


async def test_peers_come() -> None:
    w = await world(peer())
    await serve(w, peer(), peer("other"), STATIC)
    assert (w.state("other"), w.state("desk")) == ("unknown", "unknown")
    w.send(to="desk")
    w.add(name="other").register(w.clock.now)
    assert w.state("other") == "online"


async def test_peers_go_with_what_is_known_of_them() -> None:
    w = await world(peer())
    w.add().register(w.clock.now)
    await serve(w)
    assert w.registry.get("IAX2", "iaxphone") is None
    with pytest.raises(EndpointNotFound):
        w.send()
    assert w.contacts[-1][1] == "Removed"
    assert await w.store.contacts.load("IAX2") == []
    w.states.clear()
    await w.pass_time(200, 5)
    assert w.states == []


async def test_what_is_registered_stays_and_new_options_hold_at_once() -> None:
    w = await world(peer())
    phone = w.add()
    phone.register(w.clock.now)
    await serve(w, peer(secrets=("new",), source=Source("iax.conf", 9)))
    assert w.state() == "online"
    phone.register(w.clock.now)
    phone.secret = "new"
    phone.register(w.clock.now)
    assert phone.outcomes == ["registered for 60", "29 Registration Refused", "registered for 60"]


async def test_a_peer_that_is_found_elsewhere_now_is_no_longer_where_it_was() -> None:
    w = await world(peer())
    w.add().register(w.clock.now)
    await serve(w, peer(dynamic=False, host="192.0.2.50", qualify=0.0))
    assert w.contacts[-1][1] == "Removed"
    (delivery,) = w.plan()
    assert delivery.contact == "iax2:iaxphone@192.0.2.50:4569"
    await serve(w, peer())
    with pytest.raises(NoContact):
        w.plan()


async def test_qualify_is_switched_on_and_off() -> None:
    w = await world(peer(qualify=0.0))
    w.add().register(w.clock.now)
    await serve(w, peer(qualify_ok=10.0))
    w.peers[PHONE].deaf = True
    await w.pass_time(30)
    assert w.state() == "offline"
    await serve(w, peer(qualify=0.0, qualify_ok=10.0))
    assert w.state() == "online"
    w.sent.clear()
    await w.pass_time(30)
    assert w.sent == []


async def test_a_file_that_only_moved_its_lines_changes_nothing() -> None:
    w = await world(peer())
    w.add().register(w.clock.now)
    w.sent.clear()
    await serve(w, peer(source=Source("iax.conf", 5)))
    await w.pass_time(5)
    assert w.sent == []
    assert w.state() == "online"
