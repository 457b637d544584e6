"""MESSAGE out and in (RFC 3428, docs/rulings.md 5, 7, 8, 10, 13, 14)."""

from __future__ import annotations

import asyncio

import pytest

from support.sip_world import HERE, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.core.dispatch import text_of
from switchroom.core.messages import MessageTerms
from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import ContactStatus, EndpointId
from switchroom.model.errors import Conflict, EndpointNotFound, Full, InvalidParameter, Overloaded
from switchroom.model.events import TextMessageReceived
from switchroom.model.message import DeliveryState, TextMessage
from switchroom.model.settings import IdentifySettings, SipGlobalSettings


async def world(*, fork: str = "all", **of_bob: object) -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice"),
            phone("bob", **of_bob),
            phone("carol", auth=()),
            phone("trunk", auth=(), from_user="trunkuser", from_domain="trunk.example"),
            aors=[
                aor("alice"),
                aor("bob"),
                aor("carol", contact=("sip:carol@192.0.2.5:5091",)),
                aor("trunk", contact=("sip:192.0.2.6:5094",)),
            ],
            auths=[auth("alice"), auth("bob"), auth("out", username="us", password="secret", realm="them")],
            identifies=[IdentifySettings(name="c", source=HERE, endpoint="carol", match_header=("x-carol", "yes"))],
            general=SipGlobalSettings(endpoint_identifier_order=("header", "username")),
        ),
        fork=fork,
    ).start()
    w.sent()
    return w


async def test_a_text_goes_to_the_contact_and_its_end_is_reported() -> None:
    w = await world()
    await w.messages.send("pjsip:carol", "alice", "hello", {"X-One": "1"})
    (sent,) = w.sent()
    r = sent.request
    assert sent.to == ("192.0.2.5", 5091)
    assert (r.method, r.target, r.body) == ("MESSAGE", "sip:carol@192.0.2.5:5091", b"hello")
    assert (r.first("from") or "").startswith("<sip:alice@192.0.2.1>;tag=")
    assert r.first("to") == "<sip:carol@192.0.2.5>"
    assert r.first("x-one") == "1"
    assert r.first("content-type") == "text/plain"
    assert r.first("contact") is None
    w.receive(reply(sent, 202), "192.0.2.5:5091")
    (report,) = w.deliveries
    assert (report.state, report.status_code) == (DeliveryState.DELIVERED, 202)


async def test_a_phone_that_says_no_is_a_failure_with_its_code() -> None:
    w = await world()
    await w.messages.send("PJSIP:carol", "alice", "hello", {})
    (sent,) = w.sent()
    w.receive(reply(sent, 486), "192.0.2.5:5091")
    (report,) = w.deliveries
    assert (report.state, report.status_code) == (DeliveryState.FAILED, 486)


async def test_a_phone_that_is_silent_fails_after_retransmissions() -> None:
    w = await world()
    await w.messages.send("pjsip:carol", "alice", "hello", {})
    copies = w.sent() + w.pass_time(33)
    assert len(copies) == 11
    assert len({s.data for s in copies}) == 1
    (report,) = w.deliveries
    assert (report.state, report.status_code) == (DeliveryState.FAILED, 408)


async def test_every_reachable_contact_gets_it() -> None:
    w = await world()
    w.register("bob", "<sip:b1@192.0.2.9>, <sip:b2@192.0.2.9>, <sip:b3@192.0.2.9>")
    bound = w.registry.aor("PJSIP", "bob")
    assert bound is not None
    w.registry.qualify(bound, "sip:b2@192.0.2.9", ContactStatus.UNREACHABLE, 0)
    await w.messages.send("pjsip:bob", "alice", "hello", {})
    assert [s.request.target for s in w.sent()] == ["sip:b1@192.0.2.9", "sip:b3@192.0.2.9"]


async def test_fork_first_tries_by_q_and_the_next_on_failure() -> None:
    w = await world(fork="first")
    w.register("bob", "<sip:b1@192.0.2.9>;q=0.3, <sip:b2@192.0.2.9>;q=0.9")
    await w.messages.send("pjsip:bob", "alice", "hello", {})
    (first,) = w.sent()
    assert first.request.target == "sip:b2@192.0.2.9"
    (second,) = w.receive(reply(first, 500))
    assert second.request.target == "sip:b1@192.0.2.9"
    assert not w.deliveries
    w.receive(reply(second, 200))
    assert [d.state for d in w.deliveries] == [DeliveryState.DELIVERED]


@pytest.mark.parametrize(
    "to",
    [
        "nobody",
        "pjsip:",
        "pjsip:nobody",
        "foo:alice",
        "pjsip:bob",
        "pjsip:carol/other",
        "pjsip:nobody/sip:x@192.0.2.5",
        "pjsip:sip:x@h",
    ],
)
async def test_whom_there_is_not_is_not_found(to: str) -> None:
    w = await world()
    with pytest.raises(EndpointNotFound):
        await w.messages.send(to, "alice", "hello", {})
    assert not w.sent()


@pytest.mark.parametrize(
    "target",
    [
        "sip:x@169.254.169.254:80",
        "sip:x@224.0.0.5",
        "sip:x@127.0.0.1",
        "sip:x@0.0.0.0",
        "sip:x@[::1]",
        "sip:x@[::ffff:127.0.0.1]",
        "sip:x@192.0.2.5;maddr=127.0.0.1",
        "sip:x@192.0.2.5;transport=tcp",
        "sips:x@192.0.2.5",
        "sip:a@b@c",
        "sip:x@192.0.2.5\r\nX: 1",
    ],
)
async def test_what_may_not_be_sent_to_is_refused(target: str) -> None:
    w = await world()
    with pytest.raises(InvalidParameter):
        await w.messages.send(f"pjsip:carol/{target}", "alice", "hello", {})
    assert not w.sent()


async def test_a_name_that_resolves_to_a_forbidden_address_gets_no_packet() -> None:
    w = await world()
    w.addresses.known = {"inside.example": ["127.0.0.1", "169.254.0.1"], "good.example": ["192.0.2.77"]}
    await w.messages.send("pjsip:carol/sip:x@inside.example", "alice", "hello", {})
    await w.messages.send("pjsip:carol/sip:x@good.example", "alice", "hello", {})
    for _ in range(3):
        await asyncio.sleep(0)
    assert [s.to for s in w.sent()] == [("192.0.2.77", 5060)]
    assert [d.status_code for d in w.deliveries] == [503]


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("alice", "<sip:alice@192.0.2.1>"),
        ("pjsip:alice", "<sip:alice@192.0.2.1>"),
        ("PJSIP:trunk", "<sip:trunkuser@trunk.example>"),
        ("Asterisk", "<sip:Asterisk@192.0.2.1>"),
        ("me@h.example", "<sip:me@h.example>"),
        ("x y", "<sip:x%20y@192.0.2.1>"),
        ("sip:me@h.example:7777;p=1", "<sip:me@h.example>"),
        ("pjsip:sip:me@h.example", "<sip:me@h.example>"),
        ('"M E" <sip:me@h.example>', '"M E" <sip:me@h.example>'),
        ("tel:+123", "<tel:+123>"),
        ('"Zoë" <sip:zoe@h.example>', '"Zoë" <sip:zoe@h.example>'),
    ],
)
async def test_who_it_is_from(sender: str, shown: str) -> None:
    w = await world()
    await w.messages.send("pjsip:carol", sender, "hello", {})
    (sent,) = w.sent()
    assert (sent.request.first("from") or "").partition(";tag=")[0] == shown


async def test_the_destinations_domain_is_the_senders_where_it_has_none() -> None:
    w = await world()
    await w.messages.send("pjsip:trunk", "alice", "hello", {})
    (sent,) = w.sent()
    assert (sent.request.first("from") or "").startswith("<sip:alice@trunk.example>")


@pytest.mark.parametrize("sender", ["", "sip:a@b@c", "foo:bar", "a\r\nX: 1", "xmpp:romeo@h", "<>", "@h"])
async def test_a_sender_that_is_none_is_refused(sender: str) -> None:
    w = await world()
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:carol", sender, "hello", {})
    assert not w.sent()


async def test_a_challenge_is_answered_for_the_configured_realm_alone_and_twice_at_most() -> None:
    w = await world(outbound_auth=("out",))
    w.register("bob", "<sip:bob@192.0.2.9>")
    await w.messages.send("pjsip:bob", "alice", "hello", {})
    (sent,) = w.sent()
    challenge = 'WWW-Authenticate: Digest realm="them", nonce="n1", algorithm=MD5, qop="auth"\n'
    (proven,) = w.receive(reply(sent, 401, challenge))
    assert 'username="us"' in (proven.request.first("authorization") or "")
    assert proven.request.cseq.number == sent.request.cseq.number + 1
    assert proven.request.call_id == sent.request.call_id
    (again,) = w.receive(reply(proven, 401, challenge))
    assert w.receive(reply(again, 401, challenge)) == []
    assert [d.status_code for d in w.deliveries] == [401]

    await w.messages.send("pjsip:bob", "alice", "hello", {})
    (sent,) = w.sent()
    assert w.receive(reply(sent, 407, 'Proxy-Authenticate: Digest realm="foreign", nonce="n", qop="auth"\n')) == []


async def test_the_outbound_proxy_and_the_stored_path_are_used() -> None:
    w = await SipWorld(
        settings(phone("alice"), phone("bob"), aors=[aor("alice"), aor("bob", support_path=True)], auths=[auth("bob")])
    ).start()
    w.register("bob", "<sip:bob@10.1.1.1>", extra="Path: <sip:edge@192.0.2.7:5080;lr>\nSupported: path\n")
    await w.messages.send("pjsip:bob", "alice", "hello", {})
    (sent,) = w.sent()
    assert sent.to == ("192.0.2.7", 5080)
    assert sent.request.first("route") == "<sip:edge@192.0.2.7:5080;lr>"
    assert sent.request.target == "sip:bob@10.1.1.1"


# ---- in


def text_from(
    user: str, *, to: str = "support", body: str = "Watson", extra: str = "Content-Type: text/plain\n"
) -> str:
    return request("MESSAGE", user, target=f"sip:{to}@192.0.2.1", to=f"<sip:{to}@192.0.2.1>", extra=extra, body=body)


async def test_a_text_from_a_phone_reaches_the_apps_without_credentials() -> None:
    w = await world()
    w.ear.wants = True
    text = text_from("alice", extra="Content-Type: text/plain;charset=UTF-8\nX-One: 1\nSubject: hi\n", body="Zoë\n")
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    assert answer.response.status == 202
    (event,) = w.ear.take()
    assert isinstance(event, TextMessageReceived)
    m = event.message
    assert (m.sender, m.to, m.body) == ("<sip:alice@192.0.2.1>", "pjsip:support@192.0.2.1", "Zoë")
    assert m.variables["PJSIP_RECVADDR"] == "192.0.2.9:5090"
    assert m.variables["PJSIP_TRANSPORT"] == "udp"
    assert m.variables["X-One"] == "1"
    assert "rport=5090;received=192.0.2.9" in m.variables["Via"]
    assert not {"Authorization", "Proxy-Authorization"} & set(m.variables)


@pytest.mark.parametrize(
    ("extra", "status"),
    [("Content-Type: text/html\n", 415), ("Content-Type: application/json\n", 415), ("", 415)],
)
async def test_apps_get_plain_text_alone(extra: str, status: int) -> None:
    w = await world()
    w.ear.wants = True
    (answer,) = w.receive(text_from("carol", extra=extra + "X-Carol: yes\n"))
    assert answer.response.status == status
    assert not w.ear.take()


async def test_a_text_that_nobody_takes_is_not_found() -> None:
    w = await world()
    (answer,) = w.receive(text_from("carol", extra="X-Carol: yes\nContent-Type: text/plain\n"))
    assert answer.response.status == 404


async def test_a_text_of_a_stranger_is_challenged_and_moves_nothing() -> None:
    w = await world()
    w.ear.wants = True
    (answer,) = w.receive(text_from("mallory", to="carol"))
    assert answer.response.status == 401
    assert not w.ear.take()


async def test_a_text_to_an_endpoint_is_switched_whatever_its_type() -> None:
    w = await world()
    extra = "X-Carol: yes\nContent-Type: application/im-iscomposing+xml\n"
    assert w.receive(text_from("carol", to="trunk", body="<x/>", extra=extra)) == []
    await asyncio.sleep(0)
    passed, answer = w.sent()
    assert answer.response.status == 202
    assert passed.to == ("192.0.2.6", 5094)
    assert passed.request.first("content-type") == "application/im-iscomposing+xml"
    assert passed.request.body == b"<x/>"
    assert (passed.request.first("from") or "").startswith("<sip:carol@192.0.2.1>;tag=")


async def test_a_text_to_a_number_behind_a_trunk() -> None:
    w = await world()
    text = request(
        "MESSAGE", "alice", target="sip:+4930@192.0.2.6:5094;x=y", extra="Content-Type: text/html\n", body="hi"
    )
    (challenge,) = w.receive(text)
    w.receive(authorized(text, challenge.response, "alice"))
    await asyncio.sleep(0)
    passed, answer = w.sent()
    assert answer.response.status == 202
    assert (passed.to, passed.request.target) == (("192.0.2.6", 5094), "sip:+4930@192.0.2.6:5094")


async def test_who_shows_no_password_sends_to_no_trunk() -> None:
    w = await world()
    text = text_from("carol", extra="X-Carol: yes\nContent-Type: text/plain\n")
    (answer,) = w.receive(text.replace("MESSAGE sip:support@192.0.2.1", "MESSAGE sip:+4930@192.0.2.6:5094"))
    assert answer.response.status == 403
    assert not w.sent()


@pytest.mark.parametrize("host", ["192.0.2.6:5095", "192.0.2.7"])
async def test_elsewhere_is_no_trunk(host: str) -> None:
    w = await world()
    text = request("MESSAGE", "alice", target=f"sip:+4930@{host}", extra="Content-Type: text/plain\n", body="hi")
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    assert answer.response.status == 404


async def test_a_text_inside_a_dialog_that_is_none_is_refused() -> None:
    w = await world()
    w.ear.wants = True
    text = text_from("carol", extra="X-Carol: yes\nContent-Type: text/plain\n").replace(
        "To: <sip:support@192.0.2.1>", "To: <sip:support@192.0.2.1>;tag=x"
    )
    (answer,) = w.receive(text)
    assert answer.response.status == 481


async def test_a_text_that_was_forwarded_too_often_is_not_switched() -> None:
    w = await world()
    text = text_from("carol", to="trunk", extra="X-Carol: yes\nContent-Type: text/plain\n")
    (answer,) = w.receive(text.replace("Max-Forwards: 70", "Max-Forwards: 0"))
    assert answer.response.status == 483
    w.receive(text.replace("Max-Forwards: 70", "Max-Forwards: 5").replace("z9hG4bK-", "z9hG4bK-x"))
    await asyncio.sleep(0)
    passed = next(s for s in w.sent() if s.to == ("192.0.2.6", 5094))
    assert passed.request.first("max-forwards") == "4"


async def test_a_text_in_an_encoding_nobody_here_knows_is_refused() -> None:
    w = await world()
    w.ear.wants = True
    extra = "X-Carol: yes\nContent-Type: text/plain\nContent-Encoding: gzip\n"
    (answer,) = w.receive(text_from("carol", extra=extra))
    assert (answer.response.status, answer.response.first("accept-encoding")) == (415, "identity")
    assert not w.ear.take()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError("a fault"), 500),
        (StoreUnavailable("disk full"), 503),
        (Full("full"), 503),
        (Conflict("too many"), 503),
        (Overloaded("full"), 503),
        (InvalidParameter("no"), 400),
    ],
)
async def test_a_text_that_can_not_be_kept_is_answered_at_once(error: Exception, status: int) -> None:
    w = await world()

    class Broken:
        async def send_to(self, *given: object, **named: object) -> TextMessage:
            raise error

        async def note(self, *given: object) -> bool:
            raise error

        def keeps(self, endpoint: EndpointId) -> bool:
            return False

        def refreshed(self, technology: str, contact: str) -> None: ...

    w.sip.switch_to(Broken())
    assert w.receive(text_from("carol", to="trunk", extra="X-Carol: yes\nContent-Type: text/plain\n")) == []
    await asyncio.sleep(0)
    (answer,) = w.sent()
    assert answer.response.status == status


async def test_a_name_with_a_tab_is_switched() -> None:
    w = await world()
    text = text_from("carol", to="trunk", extra="X-Carol: yes\nContent-Type: text/plain\n")
    w.receive(text.replace("From: <", 'From: "A\tB" <'))
    await asyncio.sleep(0)
    passed = next(s for s in w.sent() if s.to == ("192.0.2.6", 5094))
    assert (passed.request.first("from") or "").startswith('"A B" <sip:carol@')


@pytest.mark.parametrize("field", ["to", "sender", "header"])
async def test_half_a_surrogate_pair_is_refused(field: str) -> None:
    w = await world()
    to = "pjsip:PJSIP/\ud800@carol" if field == "to" else "pjsip:carol"
    sender = "\ud800" if field == "sender" else "alice"
    headers = {"X-One": "\ud800"} if field == "header" else {}
    with pytest.raises(InvalidParameter):
        await w.messages.send(to, sender, "hello", headers)
    assert not w.sent()


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("me@h.example:7777", "<sip:me@h.example>"), ("me@h.example;tag=1", "<sip:me@h.example>")],
)
async def test_of_a_bare_sender_only_user_and_host_are_taken(sender: str, shown: str) -> None:
    w = await world()
    await w.messages.send("pjsip:carol", sender, "hello", {})
    (sent,) = w.sent()
    assert (sent.request.first("from") or "").partition(">")[0] + ">" == shown


async def test_a_from_user_with_a_domain_is_used_whole() -> None:
    endpoint = phone("a", auth=(), aors=("a",), from_user="us@own.example")
    for multi, shown in ((False, "<sip:us@own.example>"), (True, "<sip:us%40own.example@192.0.2.1>")):
        w = await SipWorld(
            settings(
                endpoint,
                aors=[aor("a", contact=("sip:a@192.0.2.5",))],
                general=SipGlobalSettings(disable_multi_domain=multi),
            )
        ).start()
        await w.messages.send("pjsip:a", "a", "hello", {})
        (sent,) = w.sent()
        assert (sent.request.first("from") or "").partition(";tag=")[0] == shown


async def test_a_wrong_sender_is_that_for_several_contacts_too() -> None:
    w = await world()
    w.register("bob", "<sip:b1@192.0.2.9>, <sip:b2@192.0.2.9>")
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:bob", "foo:bar", "hello", {})
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:bob", "alice", "x" * 66_000, {})


async def test_of_several_contacts_one_that_can_not_be_reached_is_left_out() -> None:
    w = await world()
    w.register("bob", "<sip:b1@192.0.2.9>, <sip:b2@192.0.2.9;maddr=127.0.0.1>")
    await w.messages.send("pjsip:bob", "alice", "hello", {})
    assert [s.request.target for s in w.sent()] == ["sip:b1@192.0.2.9"]


async def test_an_address_of_record_is_reached_at_its_reachable_contacts() -> None:
    w = await world()
    w.register("bob", "<sip:b1@192.0.2.9>, <sip:b2@192.0.2.9>")
    bound = w.registry.aor("PJSIP", "bob")
    assert bound is not None
    w.registry.qualify(bound, "sip:b1@192.0.2.9", ContactStatus.UNREACHABLE, 0)
    await w.messages.send("pjsip:carol/bob", "alice", "hello", {})
    assert [s.request.target for s in w.sent()] == ["sip:b2@192.0.2.9"]


async def test_a_user_of_an_endpoint_that_is_missing_is_not_found() -> None:
    w = await world()
    with pytest.raises(EndpointNotFound):
        await w.messages.send("pjsip:PJSIP/@carol", "alice", "hello", {})


async def test_a_telephone_number_is_no_destination_and_never_a_host() -> None:
    w = await SipWorld(
        settings(phone("out", auth=(), aors=()), general=SipGlobalSettings(default_outbound_endpoint="out"))
    ).start()
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:tel:123", "alice", "hello", {})


async def test_headers_are_measured_as_they_are_sent() -> None:
    w = await world()
    await w.messages.send("pjsip:carol", "alice", "hello", {f"X-{n}": "x" * 15_000 for n in range(3)})
    assert len(w.sent()) == 1
    with pytest.raises(InvalidParameter):
        await w.messages.send("pjsip:carol", "alice", "hello", {"X-Long": "ü" * 33_000})


async def test_the_id_is_on_every_attempt_and_the_call_id_stays() -> None:
    w = await world()
    record = await w.messages.send("pjsip:carol", "alice", "hello", {})
    (first,) = w.sent()
    plan = w.sip.plan(text_of(record))
    w.sip.deliver(plan[0], lambda report: None)
    (again,) = w.sent()
    for sent in (first, again):
        assert sent.request.first("message-id") == record.id
        assert sent.request.call_id.startswith(f"{record.id}.")
    assert first.request.call_id == again.request.call_id
    assert first.request.from_.tag != again.request.from_.tag


async def test_each_contact_has_a_call_id_of_its_own_and_the_caller_s_header_stays() -> None:
    w = await world()
    w.register("bob", "<sip:b1@192.0.2.9>, <sip:b2@192.0.2.9>")
    await w.messages.send("pjsip:bob", "alice", "hello", {"message-ID": "theirs"})
    one, two = w.sent()
    assert one.request.call_id != two.request.call_id
    assert one.request.lines("message-id") == two.request.lines("message-id") == ["theirs"]


async def test_a_text_from_a_phone_waits_for_an_endpoint_that_keeps_texts() -> None:
    w = await world()
    w.messages._terms = MessageTerms(offline_of={EndpointId("PJSIP", "bob"): True})
    text = text_from("carol", to="bob", extra="X-Carol: yes\nContent-Type: text/plain\n", body="later")
    assert w.receive(text) == []
    await settle()
    (answer,) = w.sent()
    assert answer.response.status == 202
    w.register("bob", "<sip:b1@192.0.2.9>")
    await settle()
    (sent,) = w.sent()
    assert (sent.request.method, sent.request.body) == ("MESSAGE", b"later")
