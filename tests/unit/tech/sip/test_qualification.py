"""Qualify by OPTIONS, and the events it makes (order as in docs/events.md)."""

from __future__ import annotations

from support.sip_world import Sent, SipWorld, aor, auth, phone, reply, settings
from switchroom.model.endpoint import ContactStatus, EndpointState
from switchroom.model.events import ContactStatusChange
from switchroom.wire.sip.message import Request


async def world(**of_aor: object) -> SipWorld:
    options = {"qualify_frequency": 10, "qualify_timeout": 2.0, **of_aor}
    return await SipWorld(settings(phone("alice"), aors=[aor("alice", **options)], auths=[auth("alice")])).start()


def options_in(sent: list[Sent]) -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.request.method == "OPTIONS"]


def statuses(w: SipWorld) -> list[str]:
    return [e.contact_status.value if isinstance(e, ContactStatusChange) else type(e).__name__ for e in w.ear.take()]


async def test_a_new_contact_is_asked_at_once_and_online_when_it_answers() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    assert statuses(w) == ["NonQualified"]
    (question,) = options_in(w.pass_time(0.1))
    assert question.request.target == "sip:alice@192.0.2.9:5090"
    w.clock.now += 0.05
    w.receive(reply(question, 404))
    assert statuses(w) == ["EndpointStateChange", "PeerStatusChange", "Reachable"]
    (contact,) = w.registry.contacts("PJSIP", "alice")
    assert 50_000 <= contact.roundtrip_usec <= 200_000


async def test_silence_makes_it_unreachable_after_the_timeout_and_stops_the_question() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    (question,) = options_in(w.pass_time(0.1))
    w.receive(reply(question))
    w.ear.take()
    (_, *copies) = options_in(w.pass_time(11.5))
    assert len(copies) <= 2
    assert statuses(w) == []
    w.pass_time(1)
    assert statuses(w) == ["EndpointStateChange", "PeerStatusChange", "Unreachable"]
    endpoint = w.registry.get("PJSIP", "alice")
    assert endpoint is not None
    assert endpoint.state is EndpointState.OFFLINE


async def test_the_first_failure_is_one_event_and_the_next_none() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    w.ear.take()
    w.pass_time(5)
    assert statuses(w) == ["Unreachable"]
    w.pass_time(20)
    assert statuses(w) == []


async def test_only_a_2xx_will_do_where_that_is_asked() -> None:
    w = await world(qualify_2xx_only=True)
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    (question,) = options_in(w.pass_time(0.1))
    w.ear.take()
    w.receive(reply(question, 404))
    assert statuses(w) == ["Unreachable"]


async def test_a_contact_that_is_gone_is_not_asked_and_changes_nothing() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    (question,) = options_in(w.pass_time(0.1))
    w.register("alice", "*", expires="0")
    w.ear.take()
    w.receive(reply(question))
    assert statuses(w) == []
    assert options_in(w.pass_time(30)) == []


async def test_a_contact_that_came_back_is_asked_once_per_period() -> None:
    w = await world()
    for _ in range(5):
        w.register("alice", "<sip:alice@192.0.2.9:5090>")
        w.register("alice", "*", expires="0")
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    asked = options_in(w.pass_time(0.2))
    assert len(asked) == 1
    w.receive(reply(asked[0]))
    assert len({s.request.call_id for s in options_in(w.pass_time(10))}) == 1


async def test_static_contacts_are_asked_at_different_times() -> None:
    contacts = tuple(f"sip:s{i}@192.0.2.9:{6000 + i}" for i in range(20))
    w = await SipWorld(
        settings(phone("alice"), aors=[aor("alice", contact=contacts, qualify_frequency=60)], auths=[auth("alice")])
    ).start()
    at_once = options_in(w.sent() + w.pass_time(0.5))
    assert len(at_once) < 5
    asked = {s.request.target for s in at_once + options_in(w.pass_time(61))}
    assert asked == set(contacts)


async def test_refused_by_the_network_is_unreachable_at_once() -> None:
    from switchroom.wire.sip.flow import Flow

    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    options_in(w.pass_time(0.1))
    w.ear.take()
    w.sip.unreachable(Flow("udp", "udp", "192.0.2.9", 5090))
    assert statuses(w) == ["Unreachable"]
    (contact,) = w.registry.contacts("PJSIP", "alice")
    assert contact.status is ContactStatus.UNREACHABLE


async def test_one_question_at_a_time_is_open() -> None:
    w = await world(qualify_frequency=5, qualify_timeout=0)
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    assert len({s.request.call_id for s in options_in(w.pass_time(31))}) == 1
    assert statuses(w)[-1] == "NonQualified"
    # The transaction gives up after 32 s; the next question is asked at the next turn.
    w.pass_time(2)
    assert statuses(w) == ["Unreachable"]
    assert len({s.request.call_id for s in options_in(w.pass_time(3))}) == 1


async def test_a_timeout_as_long_as_the_period_leaves_no_period_out() -> None:
    w = await world(qualify_frequency=5, qualify_timeout=5.0)
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    assert len({s.request.call_id for s in options_in(w.pass_time(29))}) == 6


async def test_flapping_leaves_no_pile_of_questions() -> None:
    w = await world(qualify_frequency=86400)
    for n in range(50):
        w.register("alice", f"<sip:alice@192.0.2.9:{6000 + n}>")
        w.receive(reply(options_in(w.pass_time(0.1))[-1]))
        w.register("alice", "*", expires="0")
    assert len(w.sip._schedule) == 0


async def test_a_domain_that_makes_no_header_is_unreachable_and_stops_nothing() -> None:
    w = await SipWorld(
        settings(
            phone("alice", from_domain="not,a;host"), aors=[aor("alice", qualify_frequency=10)], auths=[auth("alice")]
        )
    ).start()
    w.register("alice", "<sip:alice@192.0.2.9:5090>", expires="60")
    w.pass_time(1)
    assert statuses(w)[-1] == "Unreachable"
    w.pass_time(60)
    assert not w.registry.contacts("PJSIP", "alice")


async def test_a_static_contact_that_is_no_uri_is_left_out() -> None:
    contacts = ("sip:a@b@c", "sip:s@192.0.2.9:6000")
    w = await SipWorld(settings(phone("alice"), aors=[aor("alice", contact=contacts)], auths=[auth("alice")])).start()
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == [contacts[1]]
