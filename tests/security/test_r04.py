"""R04: the store fails. What can not be kept is refused at once, all else goes on, and it mends by itself."""

from __future__ import annotations

import pytest

from support.sip_world import SipWorld, aor, auth, authorized, phone, request, settings
from support.virtual import settle
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import EndpointState
from switchroom.model.events import EndpointStateChange, TextMessageStatusChange

BOB = "<sip:bob@192.0.2.9:5090>"


async def world() -> SipWorld:
    """Alice and bob; bob is registered."""
    names = ("alice", "bob")
    w = SipWorld(settings(*(phone(n) for n in names), aors=[aor(n) for n in names], auths=[auth(n) for n in names]))
    await w.start()
    w.register("bob", BOB)
    w.ear.take()
    return w


async def text_of_a_phone(w: SipWorld) -> int:
    """Alice's phone writes to bob; the status it is answered."""
    text = request("MESSAGE", "alice", target="sip:bob@192.0.2.1", extra="Content-Type: text/plain\n", body="hello")
    (challenge,) = w.receive(text)
    answered = w.receive(authorized(text, challenge.response, "alice"))
    await settle()
    return next(s for s in (*answered, *w.sent()) if s.data.startswith(b"SIP/2.0")).response.status


async def test_a_text_that_can_not_be_kept_is_refused_and_nothing_of_it_is_told() -> None:
    w = await world()
    w.store.fail("the disk is full")
    assert await text_of_a_phone(w) == 503
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        await w.messages.send("pjsip:bob", "app", "hello", {})
    assert not [event for event in w.ear.take() if isinstance(event, TextMessageStatusChange)]
    assert not [sent for sent in w.sent() if sent.data.startswith(b"MESSAGE")]


async def test_phones_come_and_go_meanwhile() -> None:
    w = await world()
    w.store.fail("the disk is full")
    assert w.register("bob", BOB, expires="0").status == 200
    assert w.register("alice", "<sip:alice@192.0.2.9:5091>").status == 200
    states = [(e.endpoint.resource, e.endpoint.state) for e in w.ear.take() if isinstance(e, EndpointStateChange)]
    assert states == [("bob", EndpointState.OFFLINE), ("alice", EndpointState.ONLINE)]


async def test_it_goes_on_by_itself() -> None:
    w = await world()
    w.store.fail("the disk is full")
    w.register("alice", "<sip:alice@192.0.2.9:5091>")
    assert await text_of_a_phone(w) == 503
    w.store.heal()
    assert await text_of_a_phone(w) == 202
    # What changed meanwhile is written too.
    kept = [contact.aor for contact, _ in await w.store.contacts.load("PJSIP")]
    assert kept == ["alice", "bob"]
