"""What real phones write that not every server takes, each as it was captured from one."""

from __future__ import annotations

import pytest

from support.sip_world import SERVER, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.model.events import TextMessageReceived
from switchroom.wire.sip.flow import Flow

PHONE = "192.0.2.9:5090"
EDGE = "192.0.2.40:5080"


async def world(**of_aor: bool) -> SipWorld:
    names = ("alice", "bob")
    aors = [aor(name, **of_aor) for name in names]
    return await SipWorld(settings(*map(phone, names), aors=aors, auths=list(map(auth, names)))).start()


def contacts(w: SipWorld, name: str = "alice") -> list[str]:
    return [contact.uri for contact in w.registry.contacts("PJSIP", name)]


def proven(w: SipWorld, text: str, user: str = "alice", source: str = PHONE) -> int:
    """The status of a request whose challenge is answered."""
    (challenge,) = w.receive(text, source)
    assert challenge.response.status == 401
    return w.receive(authorized(text, challenge.response, user), source)[-1].response.status


# ---- REGISTER


@pytest.mark.parametrize(
    ("extra", "uri"),
    [
        # baresip: the life of a contact in its parameter alone; user and port that are nobody's.
        ("Contact: <sip:alice-0x55cf0c4baa20@192.0.2.9:40001;transport=tcp>;expires=60\n", "alice-0x55cf0c4baa20"),
        # sipsak: no brackets.
        ("Contact: sip:alice@192.0.2.9:9\nExpires: 15\n", "sip:alice@192.0.2.9:9"),
        # pjsua2 with a proxy: a Route that names us.
        (f"Route: <sip:{SERVER}:5060;transport=udp;lr>\nContact: <sip:alice@192.0.2.9:5090;ob>\n", ";ob"),
        # baresip's empty Supported, here and before something else.
        ("Supported:\nContact: <sip:alice@192.0.2.9>\n", "sip:alice@192.0.2.9"),
        ("Supported: \nSupported: path\nContact: <sip:alice@192.0.2.9>\n", "sip:alice@192.0.2.9"),
        # linphone: three lines of the same header, an instance without reg-id.
        (
            "Accept: application/sdp\nAccept: text/plain\nAccept: application/vnd.gsma.rcs-ft-http+xml\n"
            'Contact: <sip:alice@192.0.2.9:33221;transport=tcp>;+sip.instance="<urn:uuid:0e4c>"\n',
            "sip:alice@192.0.2.9:33221",
        ),
    ],
)
async def test_registrations(extra: str, uri: str) -> None:
    w = await world()
    assert proven(w, request("REGISTER", "alice", extra=extra)) == 200
    (contact,) = contacts(w)
    assert uri in contact


async def test_the_address_of_record_is_the_user_of_to() -> None:
    """baresip writes the port behind it, linphone and sipsak no brackets around it."""
    w = await world()
    for to in (f"<sip:alice@{SERVER}:5060>", f"sip:alice@{SERVER}", f"sip:alice@{SERVER}:5060"):
        text = request("REGISTER", "alice", to=to, extra="Contact: <sip:alice@192.0.2.9>\n")
        assert proven(w, text.replace("From: <", "From: ").replace(">;tag=f", ";tag=f")) == 200
    assert contacts(w) == ["sip:alice@192.0.2.9"]


async def test_credentials_as_linphone_and_baresip_write_them() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: <sip:alice@192.0.2.9>\n")
    (challenge,) = w.receive(text, PHONE)
    answered = authorized(text, challenge.response, "alice")
    # Two blanks before Digest, the name not first, no algorithm.
    answered = answered.replace('Authorization: Digest username="alice", ', "Authorization:  Digest ")
    answered = answered.replace("algorithm=MD5, ", "").replace(', cnonce="abc"', ', cnonce="abc", username="alice"')
    (answer,) = w.receive(answered, PHONE)
    assert answer.response.status == 200


async def test_sipsak_without_a_user_is_asked_again_and_nothing_else() -> None:
    w = await world()
    text = request("REGISTER", "alice", extra="Contact: sip:alice@192.0.2.9:9\n")
    (challenge,) = w.receive(text, PHONE)
    (answer,) = w.receive(authorized(text, challenge.response, "alice@", "alicepw"), PHONE)
    assert answer.response.status == 401
    assert contacts(w) == []


# ---- through a proxy


async def test_through_an_edge_proxy_and_back() -> None:
    """As Kamailio does it: two Vias, a Path with where the phone is."""
    w = await world(support_path=True)
    path = f"<sip:edge@{EDGE};lr;received=sip:192.0.2.9:5555%3Btransport%3Dtcp>"
    text = request("REGISTER", "alice", extra=f"Contact: <sip:alice@10.0.0.7:5060;ob>\nPath: {path}\nSupported: path\n")
    text = text.replace("Via: ", f"Via: SIP/2.0/UDP {EDGE};branch=z9hG4bK-edge\nVia: ", 1)
    (challenge,) = w.receive(text, EDGE)
    assert [via.partition(";")[0] for via in challenge.response.lines("via")] == [
        f"SIP/2.0/UDP {EDGE}",
        "SIP/2.0/UDP 192.0.2.9:5090",
    ]
    (answer,) = w.receive(authorized(text, challenge.response, "alice").replace("-edge", "-edge2"), EDGE)
    assert (answer.response.status, answer.response.first("path")) == (200, path)
    assert contacts(w) == ["sip:alice@10.0.0.7:5060;ob"]

    await w.messages.send("pjsip:alice", "bob", "hi", {})
    (sent,) = w.sent()
    assert (sent.request.target, sent.request.first("route")) == ("sip:alice@10.0.0.7:5060;ob", path)
    assert f"{sent.to[0]}:{sent.to[1]}" == EDGE


# ---- MESSAGE


@pytest.mark.parametrize(
    ("target", "extra"),
    [
        # baresip with outbound=: a Route that names us, by another transport than it comes by.
        (f"sip:bob@{SERVER}", f"Route: <sip:{SERVER}:5060;transport=tcp;lr>\nSupported:\n"),
        # pjsua2: port and transport of ours in the Request-URI.
        (f"sip:bob@{SERVER}:5060;transport=tcp", "Accept: text/plain, application/im-iscomposing+xml\n"),
        # linphone.
        (f"sip:bob@{SERVER}", "Date: Mon, 23 Nov 2026 10:00:00 GMT\nSupported: replaces, outbound, gruu\n"),
    ],
)
async def test_texts_arrive_once_and_turn_in_no_circle(target: str, extra: str) -> None:
    w = await world()
    w.register("bob", "<sip:bob@192.0.2.10:5090>", source="192.0.2.10:5090")
    w.ear.take()
    w.ear.wants = True
    text = request("MESSAGE", "alice", target=target, extra=f"{extra}Content-Type: text/plain\n", body="hi")
    text = text.replace(f"To: <sip:alice@{SERVER}>", f"To: sip:bob@{SERVER}")
    (challenge,) = w.receive(text, PHONE)
    assert w.receive(authorized(text, challenge.response, "alice"), PHONE) == []
    await settle()
    there, answer = w.sent()
    assert (there.request.target, there.request.body) == ("sip:bob@192.0.2.10:5090", b"hi")
    assert there.request.first("route") is None
    assert answer.response.status == 202
    (event,) = w.ear.take()
    assert isinstance(event, TextMessageReceived)


@pytest.mark.parametrize("status", [200, 202])
async def test_any_success_is_one(status: int) -> None:
    """Phones say 200, Kamailio 202; pjsua2's To tag is our own branch, and there is no Contact."""
    w = await world()
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    record = await w.messages.send("pjsip:alice", "bob", "hi", {})
    (sent,) = w.sent()
    branch = (sent.request.first("via") or "").partition("branch=")[2].partition(";")[0]
    w.receive(reply(sent, status).replace(";tag=phone", f";tag={branch}"))
    assert (await w.messages.find(record.id)).state == "delivered"


# ---- keep-alives


@pytest.mark.parametrize("signs", ["\r\n", "\r\n\r\n"])
async def test_keep_alives_in_datagrams_are_not_answered_and_no_fault(signs: str) -> None:
    """pjsua2 sends two bytes, linphone four; RFC 5626 asks for pongs on streams alone."""
    w = await world()
    before = dict(w.sip.counters)
    w.sip.receive(signs.encode(), Flow("udp", "udp", "192.0.2.9", 5090))
    assert w.sent() == []
    assert w.sip.counters == before
