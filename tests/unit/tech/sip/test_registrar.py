"""REGISTER, as a phone and an application see it (RFC 3261 10, spec of the events in docs/events.md)."""

from __future__ import annotations

import pytest

from support.sip_world import SipWorld, aor, auth, authorized, phone, request, settings
from switchroom.model.endpoint import ContactStatus, EndpointState
from switchroom.model.events import ContactStatusChange
from switchroom.model.settings import SipGlobalSettings
from switchroom.wire.sip.message import Response


async def world(**of_aor: object) -> SipWorld:
    return await SipWorld(
        settings(
            phone("alice"), phone("bob"), aors=[aor("alice", **of_aor), aor("bob")], auths=[auth("alice"), auth("bob")]
        )
    ).start()


def contacts(response: Response) -> list[str]:
    return response.lines("contact")


async def test_a_first_registration_is_challenged_then_answered_and_told() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: <sip:alice@192.0.2.9:5090>\nExpires: 600\n")
    (challenge,) = w.receive(text)
    assert challenge.response.status == 401
    assert challenge.to == ("192.0.2.9", 5090)
    assert not w.ear.take()

    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    assert answer.response.status == 200
    assert contacts(answer.response) == ["<sip:alice@192.0.2.9:5090>;expires=600"]
    assert answer.response.first("expires") == "600"
    assert w.ear.names() == ["EndpointStateChange", "PeerStatusChange", "ContactStatusChange"]
    endpoint = w.registry.get("pjsip", "alice")
    assert endpoint is not None
    assert endpoint.state is EndpointState.ONLINE


async def test_a_retransmission_gets_the_same_answer_and_no_second_event() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(text)
    again = authorized(text, challenge.response, "alice")
    (first,) = w.receive(again)
    w.ear.take()
    (second,) = w.receive(again)
    assert second.data == first.data
    assert not w.ear.take()


async def test_a_used_authorization_in_a_new_request_is_stale() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(text)
    used = authorized(text, challenge.response, "alice")
    w.receive(used)
    (refused,) = w.receive(used.replace("branch=z9hG4bK-a", "branch=z9hG4bK-b"))
    assert refused.response.status == 401
    assert "stale=true" in (refused.response.first("www-authenticate") or "")


async def test_a_wrong_password_is_challenged_anew() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(text)
    (refused,) = w.receive(authorized(text, challenge.response, "alice", "wrong"))
    assert refused.response.status == 401
    assert "stale" not in (refused.response.first("www-authenticate") or "")
    assert not w.registry.contacts("PJSIP", "alice")


async def test_nobody_registers_for_another() -> None:
    w = await world()
    text = request("REGISTER", "alice", to="<sip:bob@192.0.2.1>", extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(text)
    (refused,) = w.receive(authorized(text, challenge.response, "alice"))
    assert refused.response.status == 404
    assert not w.registry.contacts("PJSIP", "bob")


async def test_a_refresh_is_no_event_and_a_second_device_is_one() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    w.ear.take()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    assert w.ear.take() == []
    answer = w.register("alice", "<sip:alice@192.0.2.9:5089>")
    assert len(contacts(answer)) == 2
    assert w.ear.names() == ["ContactStatusChange"]


async def test_removing_the_last_contact_takes_the_endpoint_offline() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    w.ear.take()
    w.register("alice", "<sip:alice@192.0.2.9:5090>;expires=0")
    events = w.ear.take()
    assert [type(e).__name__ for e in events] == ["EndpointStateChange", "PeerStatusChange", "ContactStatusChange"]
    last = events[-1]
    assert isinstance(last, ContactStatusChange)
    assert last.contact_status is ContactStatus.REMOVED
    assert last.endpoint.state is EndpointState.OFFLINE


async def test_the_wildcard_removes_all_and_goes_with_expires_zero_alone() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>, <sip:alice@192.0.2.9:5091>")
    assert w.register("alice", "*", expires="60").status == 400
    assert w.register("alice", "*, <sip:alice@192.0.2.9>", expires="0").status == 400
    assert len(w.registry.contacts("PJSIP", "alice")) == 2
    assert w.register("alice", "*", expires="0").status == 200
    assert not w.registry.contacts("PJSIP", "alice")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("5", "60"), ("60", "60"), ("100000", "7200"), ("4294967296", "7200")],
)
async def test_expiry_is_brought_within_bounds_and_423_is_never_said(asked: str, granted: str) -> None:
    w = await world()
    answer = w.register("alice", f"<sip:alice@192.0.2.9>;expires={asked}")
    assert answer.status == 200
    assert contacts(answer) == [f"<sip:alice@192.0.2.9>;expires={granted}"]


@pytest.mark.parametrize("asked", ["-1", "1e3", "٣", "12345678901"])
async def test_an_expiry_that_is_no_number_is_refused(asked: str) -> None:
    w = await world()
    assert w.register("alice", f"<sip:alice@192.0.2.9>;expires={asked}").status == 400
    assert not w.registry.contacts("PJSIP", "alice")


async def test_expiry_takes_effect_to_the_second() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9>", expires="60")
    w.ear.take()
    w.pass_time(59.9)
    assert w.ear.take() == []
    w.pass_time(0.2)
    assert w.ear.names() == ["EndpointStateChange", "PeerStatusChange", "ContactStatusChange"]


async def test_a_refresh_moves_the_expiry_and_a_shorter_one_takes_effect() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9>", expires="100")
    w.pass_time(90)
    w.register("alice", "<sip:alice@192.0.2.9>", expires="100")
    w.pass_time(90)
    assert w.registry.contacts("PJSIP", "alice")
    w.register("alice", "<sip:alice@192.0.2.9>", expires="3600")
    w.register("alice", "<sip:alice@192.0.2.9>", expires="60")
    w.pass_time(61)
    assert not w.registry.contacts("PJSIP", "alice")


async def test_flapping_leaves_no_pile_of_timers() -> None:
    w = await world()
    for _ in range(50):
        w.register("alice", "<sip:alice@192.0.2.9>", expires="3600")
        w.register("alice", "<sip:alice@192.0.2.9>", expires="0")
    for n in range(50):
        w.register("alice", f"<sip:alice@192.0.2.9:{6000 + n}>", expires="3600")
        w.register("alice", "*", expires="0")
    assert len(w.sip._schedule) == 0
    assert not w.sip._lifetimes._due


async def test_an_old_cseq_of_the_same_call_changes_nothing() -> None:
    w = await world()
    newer = request("REGISTER", "alice", call_id="c", cseq=10, extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(newer)
    w.receive(authorized(newer, challenge.response, "alice"))
    older = request("REGISTER", "alice", call_id="c", cseq=3, extra="Contact: <sip:alice@192.0.2.9>\nExpires: 0\n")
    (challenge,) = w.receive(older)
    (refused,) = w.receive(authorized(older, challenge.response, "alice"))
    assert refused.response.status == 400
    assert len(w.registry.contacts("PJSIP", "alice")) == 1


async def test_max_contacts_is_kept_whole_or_not_at_all() -> None:
    w = await world(max_contacts=2)
    w.register("alice", "<sip:a1@192.0.2.9>")
    assert w.register("alice", "<sip:a2@192.0.2.9>, <sip:a3@192.0.2.9>").status == 403
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:a1@192.0.2.9"]


async def test_remove_existing_lets_the_last_phone_win() -> None:
    w = await world(max_contacts=1, remove_existing=True)
    w.register("alice", "<sip:a1@192.0.2.9>")
    assert w.register("alice", "<sip:a2@192.0.2.9>").status == 200
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:a2@192.0.2.9"]


async def test_remove_unavailable_makes_room_by_what_does_not_answer() -> None:
    w = await world(max_contacts=2, remove_unavailable=True)
    w.register("alice", "<sip:a1@192.0.2.9>")
    w.register("alice", "<sip:a2@192.0.2.9>")
    assert w.register("alice", "<sip:a3@192.0.2.9>").status == 403
    bound = w.registry.aor("PJSIP", "alice")
    assert bound is not None
    w.registry.qualify(bound, "sip:a1@192.0.2.9", ContactStatus.UNREACHABLE, 0)
    assert w.register("alice", "<sip:a3@192.0.2.9>").status == 200
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:a2@192.0.2.9", "sip:a3@192.0.2.9"]


async def test_uris_are_compared_as_uris_and_the_first_spelling_stays() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9>")
    answer = w.register("alice", "<sip:alice@192.0.2.9;ob>")
    assert [line.partition(";expires")[0] for line in contacts(answer)] == ["<sip:alice@192.0.2.9>"]
    assert len(contacts(w.register("alice", "<sip:alice@192.0.2.9;transport=tcp>"))) == 2


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("<tel:+15551234>", 416),
        ("<javascript:alert(1)>", 416),
        (f"<sip:{'a' * 600}@192.0.2.9>", 400),
        ("<sip:alice@169.254.169.254>", 403),
        ("<sip:alice@224.0.0.1>", 403),
        ("<sip:alice@0.0.0.0>", 403),
        ("<sip:a@b@c>", 400),
    ],
)
async def test_a_contact_that_can_not_be_kept_is_refused(contact: str, status: int) -> None:
    w = await world()
    assert w.register("alice", contact).status == status
    assert not w.registry.contacts("PJSIP", "alice")


async def test_rewrite_contact_keeps_the_source_and_answers_what_the_phone_wrote() -> None:
    w = await SipWorld(
        settings(phone("alice", rewrite_contact=True), aors=[aor("alice")], auths=[auth("alice")])
    ).start()
    answer = w.register("alice", "<sip:alice@10.9.8.7:1234;x=y>")
    assert contacts(answer) == ["<sip:alice@10.9.8.7:1234;x=y>;expires=3600"]
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:alice@192.0.2.9:5090;x=y"]


async def test_a_path_is_kept_where_the_phone_knows_of_it_and_never_rewritten() -> None:
    w = await SipWorld(
        settings(phone("alice", rewrite_contact=True), aors=[aor("alice", support_path=True)], auths=[auth("alice")])
    ).start()
    path = "<sip:edge@192.0.2.7:5080;lr>"
    refused = w.register("alice", "<sip:alice@10.9.8.7>", extra=f"Path: {path}\n")
    assert refused.status == 420
    assert refused.first("unsupported") == "path"
    answer = w.register("alice", "<sip:alice@10.9.8.7>", extra=f"Path: {path}\nSupported: path\n")
    assert answer.first("path") == path
    (contact,) = w.registry.contacts("PJSIP", "alice")
    assert (contact.uri, contact.path) == ("sip:alice@10.9.8.7", (path,))


async def test_an_aor_without_room_and_an_endpoint_without_aors_are_forbidden() -> None:
    w = await world(max_contacts=0)
    assert w.register("alice", "<sip:alice@192.0.2.9>").status == 403
    bare = await SipWorld(settings(phone("alice", aors=()), auths=[auth("alice")])).start()
    assert bare.register("alice", "<sip:alice@192.0.2.9>").status == 403


async def test_a_query_tells_the_bindings_and_changes_nothing() -> None:
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9>")
    w.pass_time(100)
    text = request("REGISTER", "alice")
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    assert contacts(answer.response) == ["<sip:alice@192.0.2.9>;expires=3500"]


async def test_a_refresh_is_told_where_that_is_configured() -> None:
    general = SipGlobalSettings(send_contact_status_on_update_registration=True)
    w = await SipWorld(settings(phone("alice"), aors=[aor("alice")], auths=[auth("alice")], general=general)).start()
    w.register("alice", "<sip:alice@192.0.2.9>")
    w.ear.take()
    w.register("alice", "<sip:alice@192.0.2.9>")
    (event,) = w.ear.take()
    assert isinstance(event, ContactStatusChange)
    assert (event.contact_status, event.uri) == (ContactStatus.NON_QUALIFIED, "sip:alice@192.0.2.9")


async def test_two_spellings_in_one_request_are_one_binding_and_the_last_counts() -> None:
    w = await world()
    answer = w.register("alice", "<sip:alice@192.0.2.9>, <sip:alice@192.0.2.9;ob>;expires=60")
    assert contacts(answer) == ["<sip:alice@192.0.2.9>;expires=60"]
    answer = w.register("alice", "<sip:b@192.0.2.9>, <sip:b@192.0.2.9>;expires=0")
    assert contacts(answer) == ["<sip:alice@192.0.2.9>;expires=60"]


async def test_rewriting_takes_maddr_away_and_keeps_nothing_that_can_not_be_reached() -> None:
    w = await SipWorld(
        settings(phone("alice", rewrite_contact=True), aors=[aor("alice")], auths=[auth("alice")])
    ).start()
    w.register("alice", "<sip:alice@10.9.8.7;maddr=198.51.100.1>")
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:alice@192.0.2.9:5090"]
    assert w.register("alice", "<sip:alice@10.9.8.7>", source="[fe80::1%eth0]:5060").status == 403
    await w.messages.send("pjsip:alice", "me", "hello", {})
    assert [s.to for s in w.sent()] == [("192.0.2.9", 5090)]


async def test_what_is_kept_of_a_contact_is_bounded() -> None:
    w = await world(support_path=True)
    long = "Supported: path\nPath: <sip:edge@192.0.2.7;lr;x={}>\n"
    assert w.register("alice", "<sip:alice@192.0.2.9>", extra=long.format("y" * 4000)).status == 400
    instance = f'<sip:alice@192.0.2.9>;+sip.instance="<urn:uuid:{"0" * 900}>"'
    w.register("alice", instance, extra=f"User-Agent: {'u' * 4000}\n" + long.format("y"))
    (contact,) = w.registry.contacts("PJSIP", "alice")
    assert (len(contact.user_agent), len(contact.instance)) == (255, 255)


@pytest.mark.parametrize(
    ("q", "kept"), [("0.5", 0.5), ("1.000", 1.0), (".25", 0.25), ("1.9", 1.0), ("2", 1.0), ("x", 1.0), (".", 1.0)]
)
async def test_the_preference_of_a_contact(q: str, kept: float) -> None:
    w = await world()
    w.register("alice", f"<sip:alice@192.0.2.9>;q={q}")
    assert [c.q for c in w.registry.contacts("PJSIP", "alice")] == [kept]


# ---- proxies between the phone and us


async def test_a_phone_is_told_a_route_where_that_is_configured() -> None:
    configured = settings(phone("alice"), aors=[aor("alice")], auths=[auth("alice")])
    told = await SipWorld(configured, service_route=True).start()
    assert told.register("alice", "<sip:alice@192.0.2.9>").lines("service-route") == ["<sip:192.0.2.1:5060;lr>"]
    quiet = await SipWorld(configured).start()
    assert quiet.register("alice", "<sip:alice@192.0.2.9>").lines("service-route") == []


async def test_a_refused_registration_is_told_no_route() -> None:
    configured = settings(phone("alice"), aors=[aor("alice", max_contacts=0)], auths=[auth("alice")])
    told = await SipWorld(configured, service_route=True).start()
    answer = told.register("alice", "<sip:alice@192.0.2.9>")
    assert (answer.status, answer.lines("service-route")) == (403, [])


@pytest.mark.parametrize("path", ["sip:edge@192.0.2.7;lr", "<tel:+1>", "<sip:edge@>", "<urn:x>"])
async def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    w = await world(support_path=True)
    answer = w.register("alice", "<sip:alice@192.0.2.9>", extra=f"Supported: path\nPath: {path}\n")
    assert answer.status == (200 if path.startswith("sip:") else 400)
    assert len(w.registry.contacts("PJSIP", "alice")) == (1 if path.startswith("sip:") else 0)


OUTBOUND = '<sip:alice@192.0.2.9>;reg-id=1;+sip.instance="<urn:uuid:1>"'


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ("Path: <sip:edge@192.0.2.7;lr>\nRequire: outbound\n", 439),
        ("Path: <sip:far@192.0.2.8;lr;ob>, <sip:edge@192.0.2.7;lr>\nRequire: outbound\n", 439),
        ("Path: <sip:far@192.0.2.8;lr>, <sip:edge@192.0.2.7;lr;ob>\nRequire: outbound\n", 200),
        ("Path: <sip:edge@192.0.2.7;lr>\n", 200),
        ("Require: outbound\n", 200),
    ],
    ids=["no ob", "not at the first hop", "ob", "not insisted on", "no proxy"],
)
async def test_a_phone_that_insists_on_outbound_is_told_that_its_proxy_lacks_it(extra: str, status: int) -> None:
    w = await world(support_path=True)
    answer = w.register("alice", OUTBOUND, extra=f"Supported: path, outbound\n{extra}")
    assert answer.status == status
    assert len(w.registry.contacts("PJSIP", "alice")) == (status == 200)
