"""Registrations survive a restart, with their exact expiry and what was known of them."""

from __future__ import annotations

import asyncio

from support.sip_world import Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.model.endpoint import Contact, EndpointState
from switchroom.store.memory import MemoryStore, MemoryStoreContacts

BOB = "sip:bob@192.0.2.9:5090"


async def world(store: MemoryStore, *, ago: float = 0.0, names: tuple[str, ...] = ("bob", "carol")) -> SipWorld:
    """A server that starts on what the store holds, so many seconds after the last one."""
    w = SipWorld(
        settings(
            *(phone(name) for name in names),
            aors=[aor(name, qualify_frequency=60 if name == "carol" else 0) for name in names],
            auths=[auth(name) for name in names],
        ),
        store=store,
    )
    w.clock.now += ago
    return await w.start()


def state(w: SipWorld, name: str) -> EndpointState:
    found = w.registry.get("PJSIP", name)
    assert found is not None
    return found.state


def contacts(w: SipWorld, name: str) -> list[Contact]:
    return w.registry.contacts("PJSIP", name)


async def test_a_registration_survives_and_ends_when_it_would_have() -> None:
    store = MemoryStore()
    w = await world(store)
    w.register("bob", f"<{BOB}>;q=0.5", expires="600", extra="User-Agent: Desk\n")
    before = contacts(w, "bob")[0]
    w = await world(store, ago=500)
    assert state(w, "bob") is EndpointState.ONLINE
    (after,) = contacts(w, "bob")
    assert (after.uri, after.q, after.user_agent, after.address) == (BOB, 0.5, "Desk", "192.0.2.9:5090")
    assert (after.call_id, after.cseq, after.flow) == (before.call_id, before.cseq, before.flow)
    w.pass_time(99)
    assert state(w, "bob") is EndpointState.ONLINE
    w.pass_time(1)
    assert state(w, "bob") is EndpointState.OFFLINE
    assert contacts(await world(store, ago=700), "bob") == []


async def test_a_text_finds_its_way_after_a_restart() -> None:
    store = MemoryStore()
    (await world(store)).register("bob", f"<{BOB}>")
    w = await world(store)
    await w.messages.send("pjsip:bob", "alice", "hi", {})
    (sent,) = w.sent()
    assert sent.to == ("192.0.2.9", 5090)


async def test_what_ended_meanwhile_or_was_taken_away_is_gone() -> None:
    store = MemoryStore()
    w = await world(store)
    w.register("bob", f"<{BOB}>", expires="60")
    w.register("carol", "<sip:carol@192.0.2.9:5091>")
    w.register("carol", "<sip:carol@192.0.2.9:5091>", expires="0")
    w = await world(store, ago=61)
    assert contacts(w, "bob") == contacts(w, "carol") == []
    assert await store.contacts.load("PJSIP") == []


async def test_an_address_of_record_that_is_not_configured_any_more() -> None:
    store = MemoryStore()
    (await world(store)).register("bob", f"<{BOB}>")
    await world(store, names=("carol",))
    assert await store.contacts.load("PJSIP") == []


async def test_qualify_goes_on_where_it_was_and_makes_no_storm() -> None:
    store = MemoryStore()
    w = await world(store)
    for number in range(5):
        w.register("carol", f"<sip:c{number}@192.0.2.9:5091>")
    for sent in w.pass_time(0.1):
        if sent.data.startswith(b"OPTIONS"):
            w.receive(reply(sent))
    assert state(w, "carol") is EndpointState.ONLINE
    w = await world(store)
    assert state(w, "carol") is EndpointState.ONLINE
    assert not w.sent()
    seconds = [sum(s.data.startswith(b"OPTIONS") for s in w.pass_time(1)) for _ in range(10)]
    assert max(seconds) <= 3
    assert sum(seconds) < 5 * 10


async def test_a_wall_clock_that_was_set_back_keeps_nobody_for_ever() -> None:
    store = MemoryStore()
    (await world(store)).register("bob", f"<{BOB}>")
    w = await world(store, ago=-900_000)
    (contact,) = contacts(w, "bob")
    assert contact.expires is not None
    assert contact.expires - w.clock.now <= 7200


async def test_a_contact_of_a_connection_ends_with_it() -> None:
    store = MemoryStore()
    w = await world(store)
    contact = Contact(aor="bob", uri="sip:bob@192.0.2.9;transport=tcp", tied=True, expires=w.clock.now + 60)
    w.sip._bindings.keep(contact)
    assert await store.contacts.load("PJSIP") == []


class Disk(MemoryStoreContacts):
    """What is saved lasts once the disk has turned."""

    lasting = True

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.turned = asyncio.Event()

    async def confirm(self) -> None:
        await self.turned.wait()
        await super().confirm()


async def world_on_disk() -> tuple[SipWorld, Disk]:
    store = MemoryStore()
    store.contacts = disk = Disk(store)
    return await world(store), disk


def ask(w: SipWorld) -> list[Sent]:
    """REGISTER with the right credentials; what leaves at once."""
    text = request("REGISTER", "bob", extra=f"Contact: <{BOB}>\nExpires: 600\n")
    (challenge,) = w.receive(text)
    return w.receive(authorized(text, challenge.response, "bob"))


async def test_who_is_told_to_be_registered_is_so_on_disk() -> None:
    w, disk = await world_on_disk()
    assert ask(w) == []
    assert state(w, "bob") is EndpointState.ONLINE
    await settle()
    assert w.sent() == []
    disk.turned.set()
    await settle()
    (answer,) = w.sent()
    assert answer.response.status == 200


async def test_a_store_that_fails_turns_no_phone_away() -> None:
    w, disk = await world_on_disk()
    disk.turned.set()
    w.store.fail("the disk is full")
    assert ask(w) == []
    await settle()
    (answer,) = w.sent()
    assert answer.response.status == 200
    assert state(w, "bob") is EndpointState.ONLINE


async def test_a_repeated_register_waits_with_the_first() -> None:
    w, disk = await world_on_disk()
    text = request("REGISTER", "bob", extra=f"Contact: <{BOB}>\nExpires: 600\n")
    (challenge,) = w.receive(text)
    proven = authorized(text, challenge.response, "bob")
    assert w.receive(proven) == w.receive(proven) == []
    disk.turned.set()
    await settle()
    (answer,) = w.sent()
    assert answer.response.status == 200
    assert [sent.data for sent in w.receive(proven)] == [answer.data]
