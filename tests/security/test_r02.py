"""R02: the clock is set, the machine sleeps. Bindings end on the clock that never jumps; what is shown is wall time."""

from __future__ import annotations

import pytest

from support.messages_world import MessagesWorld
from support.sip_world import SipWorld, aor, auth, phone, request, settings
from switchroom.core.messages import MessageTerms
from switchroom.model.endpoint import EndpointState
from switchroom.model.events import EndpointStateChange

_NAMES = tuple(f"u{number}" for number in range(20))


async def world() -> SipWorld:
    """Twenty phones, registered for ten minutes."""
    w = SipWorld(
        settings(*(phone(name) for name in _NAMES), aors=[aor(n) for n in _NAMES], auths=[auth(n) for n in _NAMES])
    )
    await w.start()
    for number, name in enumerate(_NAMES):
        w.register(name, f"<sip:{name}@192.0.2.9:{5100 + number}>", expires="600")
    return w


def online(w: SipWorld) -> int:
    return sum(endpoint.state is EndpointState.ONLINE for endpoint in w.registry.endpoints())


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 86_400.0, -1_600_000_000.0])
async def test_a_clock_that_is_set_takes_nobody_away_and_keeps_nobody(jump: float) -> None:
    w = await world()
    w.clock.offset += jump
    w.pass_time(599)
    assert online(w) == len(_NAMES)
    w.pass_time(1)
    assert online(w) == 0


async def test_events_and_registrations_show_the_time_of_day() -> None:
    w = await world()
    w.clock.offset += 3600
    w.ear.take()
    w.register("u0", "<sip:u0@192.0.2.9:5100>", expires="0")
    (change,) = [event for event in w.ear.take() if isinstance(event, EndpointStateChange)]
    assert change.at == w.clock.wall()
    w.register("u0", "<sip:u0@192.0.2.9:5100>", expires="600")
    (contact,) = w.registry.contacts("PJSIP", "u0")
    assert contact.registered == w.clock.wall()


async def test_after_a_sleep_those_are_gone_whose_time_is_over_and_no_others() -> None:
    """No alarm rings while a machine sleeps; then all that was due is."""
    w = await world()
    w.pass_time(300)
    w.register("u1", "<sip:u1@192.0.2.9:5101>", expires="600")
    w.clock.now += 400  # asleep
    w.pass_time(0)
    assert [e.resource for e in w.registry.endpoints() if e.state is EndpointState.ONLINE] == ["u1"]


async def test_nonces_and_challenges_do_not_know_the_time_of_day() -> None:
    w = await world()
    w.clock.offset -= 3600
    text = request("REGISTER", "u0", extra="Contact: <sip:u0@192.0.2.9:5100>\n")
    (challenge,) = w.receive(text)
    w.clock.offset += 7200
    assert w.register("u0", "<sip:u0@192.0.2.9:5100>").status == 200
    assert challenge.response.status == 401


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_text_that_waits_is_worth_as_many_seconds_as_was_said(jump: float) -> None:
    w = await MessagesWorld("bob", terms=MessageTerms(offline=True)).start()
    await w.send(expires=100)
    w.clock.offset += jump
    await w.pass_time(99)
    assert await w.state("m1") == "queued"
    await w.pass_time(1)
    assert await w.state("m1") == "expired"
