"""SIP, the older driver: what phones, callers and applications see of it where it differs from PJSIP."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support.sip_world import SERVER, SipWorld, authorized, reply, request
from support.virtual import settle
from switchroom.conf.difference import sip_difference, slices
from switchroom.conf.directory import read_directory
from switchroom.core.messages import SendOptions
from switchroom.model.endpoint import Contact
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.events import ContactStatusChange, EndpointEvent, PeerStatusChange, TextMessageReceived
from switchroom.model.message import Delivery, TextMessage
from switchroom.tech.sip.chan_sip import ChanSip

PORT = 5070
CONF = """\
[old]
type=friend
host=dynamic
secret=oldpw
[desk]
type=peer
host=dynamic
secret=deskpw
[static]
type=peer
host=192.0.2.20
port=5095
[trunk]
type=peer
host=192.0.2.30
defaultuser=us
fromuser=account
fromdomain=provider.example
secret=trunkpw
insecure=port,invite
[caller]
type=user
secret=callerpw
[1234]
type=peer
host=192.0.2.40
"""

Make = Callable[..., SipWorld]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(general: str = "", conf: str = CONF, **how: object) -> SipWorld:
        (tmp_path / "sip.conf").write_text(f"[general]\nbindport={PORT}\n{general}{conf}", encoding="utf-8")
        settings = read_directory(tmp_path)[0].chan_sip
        assert settings is not None
        driver = partial(ChanSip, lambda: settings)
        return SipWorld(settings.sip, name="SIP", driver=driver, port=PORT, **how)  # type: ignore[arg-type]

    return build


def state(w: SipWorld, name: str) -> str:
    endpoint = w.registry.get("SIP", name)
    assert endpoint is not None
    return endpoint.state


def peer_statuses(events: list[EndpointEvent]) -> list[tuple[str, str]]:
    return [
        (event.peer_status, event.address or event.cause or event.time or "")
        for event in events
        if isinstance(event, PeerStatusChange)
    ]


def planned(w: SipWorld, to: str, sender: str = "sip:me@example.org", **more: object) -> list[str]:
    """The Request-URIs a text would go to."""
    message = TextMessage(**{"id": "m", "technology": "SIP", "destination": to, "sender": sender, "body": "hi", **more})  # type: ignore[arg-type]
    return [delivery.route[0][1].target for delivery in w.sip.plan(message)]  # type: ignore[index]


def header(w: SipWorld, name: str, to: str, sender: str) -> str:
    """A header of a text that would be sent."""
    message = TextMessage(id="m", technology="SIP", destination=to, sender=sender, body="hi")
    delivery: Delivery = w.sip.plan(message)[0]
    headers = dict(delivery.route[0][1].headers)  # type: ignore[index]
    return str(headers[name]).partition(";tag=")[0]


# ---- states and what is told


async def test_states_before_anybody_was_heard_of(make: Make) -> None:
    w = await make().start()
    assert [state(w, name) for name in ("old", "desk", "static", "caller")] == [
        "offline",
        "offline",
        "unknown",
        "unknown",
    ]


async def test_each_registration_is_told_and_its_end(make: Make) -> None:
    w = await make().start()
    for _ in range(2):
        answer = w.register("old", "<sip:old@192.0.2.9:5090>")
        assert (answer.status, answer.lines("contact")) == (200, ["<sip:old@192.0.2.9:5090>;expires=3600"])
        assert peer_statuses(w.ear.heard) == [("Registered", "192.0.2.9:5090")]
        assert state(w, "old") == "online"
        assert not [event for event in w.ear.take() if isinstance(event, ContactStatusChange) and event.shown]
    w.register("old", "<sip:old@192.0.2.9:5090>", expires="0")
    assert peer_statuses(w.ear.take()) == [("Unregistered", "Expired")]
    assert state(w, "old") == "offline"


async def test_a_registration_that_runs_out(make: Make) -> None:
    w = await make().start()
    w.register("old", "<sip:old@192.0.2.9:5090>", expires="60")
    w.ear.take()
    w.pass_time(61)
    assert peer_statuses(w.ear.take()) == [("Unregistered", "Expired")]


async def test_the_phone_that_registers_last_is_the_one(make: Make) -> None:
    w = await make().start()
    w.register("old", "<sip:old@192.0.2.9:5090>")
    w.register("old", "<sip:old@192.0.2.10:5090>", source="192.0.2.10:5090")
    assert planned(w, "old") == ["sip:old@192.0.2.10:5090"]
    assert peer_statuses(w.ear.take()) == [("Registered", "192.0.2.9:5090"), ("Registered", "192.0.2.10:5090")]
    assert state(w, "old") == "online"


async def test_expiry_is_brought_within_bounds(make: Make) -> None:
    w = await make("minexpiry=60\nmaxexpiry=600\n").start()
    assert w.register("old", "<sip:old@192.0.2.9>", expires="5").lines("contact")[0].endswith(";expires=60")
    assert w.register("old", "<sip:old@192.0.2.9>", expires="9999").lines("contact")[0].endswith(";expires=600")


async def test_who_registered_before_a_restart_is_there(make: Make) -> None:
    first = await make().start()
    first.register("old", "<sip:old@192.0.2.9:5090>")
    second = await make(store=first.store).start()
    assert state(second, "old") == "online"
    assert planned(second, "old") == ["sip:old@192.0.2.9:5090"]


async def test_qualify(make: Make) -> None:
    w = await make("qualify=yes\nqualifyfreq=60\n").start()
    w.register("old", "<sip:old@192.0.2.9:5090>")
    w.ear.take()

    (ask,) = [s for s in w.pass_time(0) if s.to == ("192.0.2.9", 5090)]
    assert ask.request.method == "OPTIONS"
    w.receive(reply(ask))
    assert peer_statuses(w.ear.take()) == [("Reachable", "1")]

    asked = [s for s in w.pass_time(60) if s.to == ("192.0.2.9", 5090)]
    w.pass_time(3)
    w.receive(reply(asked[0]))
    assert peer_statuses([e for e in w.ear.take() if e.endpoint.resource == "old"]) == [("Lagged", "3000")]
    assert state(w, "old") == "online"

    # After a late answer, as after none, the next question comes in ten seconds, and nobody answers it.
    assert [s.request.method for s in w.pass_time(10) if s.to == ("192.0.2.9", 5090)] == ["OPTIONS"]
    w.pass_time(4)
    assert peer_statuses([e for e in w.ear.take() if e.endpoint.resource == "old"]) == [("Unreachable", "-1")]
    assert state(w, "old") == "offline"
    assert not [s for s in w.pass_time(9.9) if s.to == ("192.0.2.9", 5090)]
    (again,) = (s for s in w.pass_time(0.2) if s.to == ("192.0.2.9", 5090))
    w.receive(reply(again))
    assert peer_statuses([e for e in w.ear.take() if e.endpoint.resource == "old"])[0][0] == "Reachable"


async def test_a_static_peer_is_known_once_it_answers(make: Make) -> None:
    w = await make("qualify=yes\n").start()
    asked = [s for s in w.pass_time(1) if s.to == ("192.0.2.20", 5095)]
    assert state(w, "static") == "unknown"
    w.receive(reply(asked[0]), "192.0.2.20:5095")
    assert state(w, "static") == "online"


# ---- who may register


async def test_a_phone_registers_by_the_name_in_to(make: Make) -> None:
    w = await make().start()
    text = request("REGISTER", "admin", to="<sip:old@x>", extra="Contact: <sip:old@192.0.2.9>\n")
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "old"))
    assert answer.response.status == 200


@pytest.mark.parametrize("name", ["caller", "nobody", "static"])
async def test_who_can_not_register_learns_nothing(make: Make, name: str) -> None:
    w = await make().start()
    (answer,) = w.receive(request("REGISTER", name, extra=f"Contact: <sip:{name}@192.0.2.9>\n"))
    if name == "static":  # has no secret, and an address of its own
        assert answer.response.status == 403
    else:
        assert answer.response.status == 401
        assert answer.response.first("www-authenticate")


@pytest.mark.parametrize(
    ("nat", "via", "kept"),
    [
        ("", "192.0.2.9:5090", "sip:old@10.0.0.1"),
        ("", "10.0.0.1", "sip:old@192.0.2.9:5090"),
        ("nat=no\n", "10.0.0.1", "sip:old@10.0.0.1"),
        ("nat=force_rport\n", "192.0.2.9:5090", "sip:old@192.0.2.9:5090"),
    ],
)
async def test_a_phone_behind_nat_is_where_its_packets_come_from(make: Make, nat: str, via: str, kept: str) -> None:
    w = await make(nat).start()
    text = request("REGISTER", "old", extra="Contact: <sip:old@10.0.0.1>\n").replace(
        "192.0.2.9:5090;rport", f"{via};rport"
    )
    (challenge,) = w.receive(text)
    w.receive(authorized(text, challenge.response, "old"))
    assert [contact.uri for contact in w.registry.contacts("SIP", "old")] == [kept]


# ---- texts in


def text_from(user: str, extra: str = "") -> str:
    return request(
        "MESSAGE",
        user,
        target=f"sip:asterisk@{SERVER}:{PORT}",
        extra=f"Content-Type: text/plain\n{extra}",
        body="hi",
    )


def answered(w: SipWorld, text: str, user: str, source: str = "192.0.2.9:5090") -> int:
    """The final answer, a challenge answered with the user's password."""
    (first,) = w.receive(text, source)
    if first.response.status != 401:
        return first.response.status
    (second,) = w.receive(authorized(text, first.response, user), source)
    return second.response.status


async def test_a_text_as_applications_see_it(make: Make) -> None:
    w = await make().start()
    w.ear.wants = True
    text = text_from("old", "Contact: <sip:old@192.0.2.9:5090>\nSIP_PEERNAME: mallory\nX-One: 1\nx-one: 2\n")
    text = (
        text.replace("From: <", 'From: "Old \\"One\\"" <').replace("\nhi", "\nhi\n\n").replace("Length: 2", "Length: 4")
    )
    assert answered(w, text, "old") == 202
    (event,) = (e for e in w.ear.take() if isinstance(e, TextMessageReceived))
    message = event.message
    assert event.endpoint.resource == "old"
    assert message.sender == f'"Old \\"One\\"" <sip:old@{SERVER}>'
    assert message.to == f"sip:asterisk@{SERVER}:{PORT}"
    assert message.body == "hi"
    assert list(message.variables.items())[:3] == [
        ("SIP_RECVADDR", "192.0.2.9:5090"),
        ("SIP_PEERNAME", "old"),
        ("SIP_FULLCONTACT", "sip:old@192.0.2.9:5090"),
    ]
    assert message.variables["X-One"] == "2"
    assert message.variables["CSeq"] == "2 MESSAGE"
    assert "Authorization" not in message.variables
    assert "rport=" not in message.variables["Via"]


async def test_strangers_and_wrong_passwords_are_challenged_for_ever(make: Make) -> None:
    w = await make("allowguest=yes\n").start()
    w.ear.wants = True
    assert answered(w, text_from("nobody"), "nobody") == 401
    assert answered(w, text_from("old"), "mallory") == 401
    assert not w.ear.take()


async def test_texts_can_be_refused(make: Make) -> None:
    w = await make("accept_outofcall_message=no\n").start()
    w.ear.wants = True
    assert answered(w, text_from("old"), "old") == 405


async def test_a_text_for_nobody(make: Make) -> None:
    w = await make().start()
    assert answered(w, text_from("old"), "old") == 404


async def test_a_peer_is_known_by_where_it_registered(make: Make) -> None:
    w = await make().start()
    w.ear.wants = True
    w.register("desk", "<sip:desk@192.0.2.9:5090>")
    # A peer is not known by its name; at the address it registered from it is, and proves itself.
    assert answered(w, text_from("desk"), "desk", "192.0.2.77:5090") == 401
    assert answered(w, text_from("anybody"), "desk") == 202
    w.register("desk", "<sip:desk@192.0.2.9:5090>", expires="0")
    assert answered(w, text_from("anybody"), "desk") == 401


async def test_a_peer_with_an_address_is_known_by_it(make: Make) -> None:
    w = await make().start()
    w.ear.wants = True
    assert answered(w, text_from("x"), "x", "192.0.2.20:5095") == 202
    assert answered(w, text_from("x"), "x", "192.0.2.20:5096") == 401
    # insecure=port,invite: any port, and no proof.
    assert answered(w, text_from("x"), "x", "192.0.2.30:9999") == 202


async def test_insecure_invite_is_no_more_than_the_address(make: Make) -> None:
    conf = "[old]\ntype=friend\nhost=192.0.2.30\nsecret=oldpw\ninsecure=invite\n"
    w = await make(conf=conf).start()
    w.ear.wants = True
    (at_home,) = w.receive(text_from("old"), "192.0.2.30:5060")
    (elsewhere,) = w.receive(text_from("old"), "192.0.2.99:5060")
    assert (at_home.response.status, elsewhere.response.status) == (202, 401)


async def test_insecure_invite_is_for_calls_too(make: Make) -> None:
    """From the address of the peer alone, and to endpoints here alone: there is no such one."""
    conf = "[old]\ntype=friend\nhost=192.0.2.30\nsecret=oldpw\ninsecure=invite\n"
    w = await make(conf=conf).start()
    call = text_from("old").replace("MESSAGE", "INVITE")
    (at_home,) = w.receive(call, "192.0.2.30:5060")
    (elsewhere,) = w.receive(call.replace("branch=z9hG4bK", "branch=z9hG4bKx"), "192.0.2.99:5060")
    assert (at_home.response.status, elsewhere.response.status) == (404, 407)


async def test_insecure_port_holds_for_the_address_a_phone_registered_from(make: Make) -> None:
    conf = "[desk]\ntype=peer\nhost=dynamic\nsecret=deskpw\ninsecure=port\n"
    w = await make(conf=conf).start()
    w.ear.wants = True
    w.register("desk", "<sip:desk@192.0.2.9:5090>")
    assert answered(w, text_from("x"), "desk", "192.0.2.9:7777") == 202
    assert answered(w, text_from("x"), "desk", "192.0.2.10:7777") == 401


async def test_texts_without_proof_are_known_by_their_source_alone(make: Make) -> None:
    w = await make("auth_message_requests=no\n").start()
    w.ear.wants = True
    w.register("old", "<sip:old@192.0.2.9:5090>")
    (known,) = w.receive(text_from("x"))
    (unknown,) = w.receive(text_from("old"), "192.0.2.77:5090")
    assert (known.response.status, unknown.response.status) == (202, 401)


async def test_an_acl_keeps_strangers_out(make: Make) -> None:
    conf = "[old]\ntype=friend\nhost=dynamic\nsecret=oldpw\npermit=192.0.2.9\ndeny=192.0.2.64/26\n"
    w = await make(conf=conf).start()
    w.ear.wants = True
    assert answered(w, text_from("old"), "old", "192.0.2.70:5090") == 401
    assert answered(w, text_from("old"), "old") == 202


async def test_a_text_between_peers_is_switched(make: Make) -> None:
    w = await make().start()
    w.register("desk", "<sip:desk@192.0.2.50:5090>", source="192.0.2.50:5090")
    text = text_from("old").replace("sip:asterisk@", "sip:desk@")
    (challenge,) = w.receive(text)
    w.receive(authorized(text, challenge.response, "old"))
    await settle()
    passed = {s.to: s for s in w.sent()}
    message = passed["192.0.2.50", 5090].request
    assert (message.method, message.target, message.body) == ("MESSAGE", "sip:desk@192.0.2.50:5090", b"hi")
    # The answer will come in here, not at port 5060.
    assert (message.first("from") or "").startswith(f"<sip:old@{SERVER}:{PORT}>")
    assert passed["192.0.2.9", 5090].response.status == 202


# ---- destinations


@pytest.mark.parametrize(
    ("to", "uri"),
    [
        ("static", "sip:192.0.2.20:5095"),
        ("100@static", "sip:100@192.0.2.20:5095"),
        ("a b@static", "sip:a%20b@192.0.2.20:5095"),
        ("100:pw@static;transport=tcp", "sip:100@192.0.2.20:5095"),
        ("trunk", "sip:us@192.0.2.30"),
        ("+1555@trunk", "sip:+1555@192.0.2.30"),
        ("1234", "sip:192.0.2.40"),
        ("x@192.0.2.77:5095", "sip:x@192.0.2.77:5095"),
        ("192.0.2.77", "sip:192.0.2.77"),
        ("x:secret@192.0.2.77;user=phone?Subject=a", "sip:x@192.0.2.77;user=phone"),
        ("x@box.example", "sip:x@box.example"),
        ("box.example", "sip:box.example"),
        ("x@[2001:db8::1]", None),
    ],
)
async def test_destinations(make: Make, to: str, uri: str | None) -> None:
    w = await make().start()
    if uri is None:  # no listener of IPv6
        with pytest.raises(InvalidParameter):
            planned(w, to)
    else:
        assert planned(w, to) == [uri]


@pytest.mark.parametrize("to", ["nobody", "Static", "static/100", "5678", "", "a b", "x@5678"])
async def test_who_is_neither_peer_nor_host(make: Make, to: str) -> None:
    w = await make().start()
    with pytest.raises(EndpointNotFound):
        planned(w, to)


@pytest.mark.parametrize(
    "to", ["x@", "@", "x y@ho st", "x@127.0.0.1", "x@0.0.0.0", "x@224.0.0.1", f"x@{SERVER}:{PORT}", "static\r\nX: y"]
)
async def test_where_nothing_goes(make: Make, to: str) -> None:
    w = await make().start()
    with pytest.raises(InvalidParameter):
        planned(w, to)


@pytest.mark.parametrize("to", ["old", "100@old", "caller"])
async def test_who_is_nowhere_now(make: Make, to: str) -> None:
    w = await make().start()
    with pytest.raises(NoContact):
        planned(w, to)


async def test_a_phone_that_registered_is_called_by_its_contact(make: Make) -> None:
    w = await make().start()
    w.register("old", "<sip:line1@192.0.2.9:5090>")
    assert planned(w, "100@old") == planned(w, "old") == planned(w, "old", by_name=True) == ["sip:line1@192.0.2.9:5090"]


async def test_a_challenge_of_a_peer_is_answered_with_its_secret(make: Make) -> None:
    w = await make().start()
    await w.messages.send("sip:100@trunk", "sip:me@example.org", "hi", {})
    (first,) = w.sent()
    challenge = 'WWW-Authenticate: Digest realm="provider", nonce="n", algorithm=MD5\n'
    (second,) = w.receive(reply(first, 401, challenge), "192.0.2.30:5060")
    assert 'username="us"' in (second.request.first("authorization") or "")


# ---- senders


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("sip:me@example.org", "<sip:me@example.org>"),
        ("sip:me@example.org:5080;x=y", "<sip:me@example.org>"),
        ('"Me" <sip:me@example.org>', '"Me" <sip:me@example.org>'),
        ("sip:me@192.0.2.1", f"<sip:me@{SERVER}:{PORT}>"),
        ("old", f"<sip:old@{SERVER}:{PORT}>"),
        ("sip:old", f"<sip:old@{SERVER}:{PORT}>"),
        ("SIP:trunk", f"<sip:trunk@{SERVER}:{PORT}>"),
        ("sip:sip:me@example.org", "<sip:me@example.org>"),
        ("anybody", f"<sip:anybody@{SERVER}:{PORT}>"),
        ('"romeo@example.org"', f"<sip:romeo%40example.org@{SERVER}:{PORT}>"),
        ("tel:+1555", "<tel:+1555>"),
    ],
)
async def test_senders(make: Make, sender: str, shown: str) -> None:
    w = await make().start()
    assert header(w, "From", "static", sender) == shown


async def test_a_trunk_says_who_we_are_to_it(make: Make) -> None:
    w = await make().start()
    assert header(w, "From", "trunk", '"Me" <sip:me@example.org>') == '"Me" <sip:account@provider.example>'


async def test_to_is_the_request_uri(make: Make) -> None:
    w = await make().start()
    assert header(w, "To", "100@static", "old") == "<sip:100@192.0.2.20:5095>"


@pytest.mark.parametrize("sender", ["", "sip:a@b@c", "a: b", "x\ny"])
async def test_who_can_not_be_a_sender(make: Make, sender: str) -> None:
    w = await make().start()
    with pytest.raises(InvalidParameter):
        planned(w, "static", sender)


# ---- the index of sources


async def test_nothing_is_left_of_a_phone_that_is_gone(make: Make) -> None:
    w = await make().start()
    sources = w.sip._driver.contacts
    for port in (5090, 5091):
        w.register("old", f"<sip:old@192.0.2.9:{port}>", source=f"192.0.2.9:{port}")
        w.register("desk", "<sip:desk@192.0.2.9:5099>", source="192.0.2.9:5099")
    assert sources.by_address == {"192.0.2.9:5091": "old", "192.0.2.9:5099": "desk"}  # type: ignore[attr-defined]
    w.register("old", "<sip:old@192.0.2.9:5091>", source="192.0.2.9:5091", expires="0")
    assert sources.by_host == {"192.0.2.9": {"desk": None}}  # type: ignore[attr-defined]
    w.register("desk", "<sip:desk@192.0.2.9:5099>", source="192.0.2.9:5099", expires="0")
    assert (sources.by_address, sources.by_host) == ({}, {})  # type: ignore[attr-defined]
    assert all(isinstance(contact, Contact) for contact in w.registry.contacts("SIP", "static"))


# ---- the file is read again


async def test_peers_change_and_registrations_stay(make: Make, tmp_path: Path) -> None:
    w = await make().start()
    w.register("old", "<sip:old@192.0.2.9:5090>")
    before = w.sip._driver._settings()  # type: ignore[attr-defined]
    text = (tmp_path / "sip.conf").read_text(encoding="utf-8")
    text = text.replace("secret=oldpw", "secret=newpw").replace("[desk]", "[lamp]").replace("192.0.2.20", "192.0.2.21")
    (tmp_path / "sip.conf").write_text(text + "[far]\ntype=peer\nhost=192.0.2.60\n", encoding="utf-8")
    after = read_directory(tmp_path)[0].chan_sip
    assert after is not None
    w.sip._driver._settings = lambda: after  # type: ignore[attr-defined]
    w.ear.take()
    for part in slices(sip_difference(before.sip, after.sip), 1):
        w.sip.apply(part)
    assert not peer_statuses(w.ear.take())
    assert w.registry.get("SIP", "desk") is None
    assert [state(w, name) for name in ("old", "lamp", "static", "far")] == ["online", "offline", "unknown", "unknown"]
    assert planned(w, "old") == ["sip:old@192.0.2.9:5090"]
    assert planned(w, "static") == ["sip:192.0.2.21:5095"]
    w.ear.wants = True
    assert answered(w, text_from("x"), "x", "192.0.2.21:5095") == 202
    assert answered(w, text_from("x"), "x", "192.0.2.20:5095") == 401
    assert answered(w, text_from("old"), "old") == 401  # with the old secret


# ---- texts that wait


async def test_a_text_waits_until_the_phone_registers(make: Make) -> None:
    w = await make().start()
    await w.messages.send("sip:old", "sip:me@example.org", "hi", {}, SendOptions(offline=True))
    assert not w.sent()
    w.register("old", "<sip:old@192.0.2.9:5090>")
    await settle()
    assert [s.request.target for s in w.sent()] == ["sip:old@192.0.2.9:5090"]


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "OPTIONS"])
async def test_strangers_and_peers_get_the_same_challenge(make: Make, method: str) -> None:
    w = await make().start()
    seen = set()
    for name in ("old", "nobody", "caller"):
        (sent,) = w.receive(request(method, name, extra="Content-Type: text/plain\n", body="hi"))
        challenge = re.sub(r'nonce="[^"]*"', "", sent.response.first("www-authenticate") or "")
        seen.add((sent.response.status, challenge, tuple(sorted({key for key, _, _ in sent.response.fields}))))
    assert len(seen) == 1
    assert next(iter(seen))[0] == 401
