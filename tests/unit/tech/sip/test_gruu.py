"""GRUUs (RFC 5627): one device of several is meant, by phones and by callers of ARI."""

from __future__ import annotations

import base64
import re

import pytest

from support.sip_world import SERVER, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.core.messages import SendOptions
from switchroom.model.errors import EndpointNotFound
from switchroom.model.message import DeliveryState
from switchroom.model.settings import SipSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.gruu import Gruus
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.uri import parse_uri

DESK, MOBILE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF"
GRUU = "Supported: gruu\n"


async def world(configured: SipSettings | None = None) -> SipWorld:
    names = ("alice", "bob")
    return await SipWorld(
        configured or settings(*map(phone, names), aors=list(map(aor, names)), auths=list(map(auth, names)))
    ).start()


def register(
    w: SipWorld, instance: str, port: int = 5090, *, extra: str = GRUU, call_id: str = "", to: str = "", cseq: int = 1
) -> Response:
    contact = f'<sip:alice@192.0.2.9:{port}>;+sip.instance="<{instance}>"' if instance else "<sip:alice@192.0.2.9>"
    text = request(
        "REGISTER", "alice", to=to, extra=f"Contact: {contact}\nExpires: 600\n{extra}", call_id=call_id, cseq=cseq
    )
    (challenge,) = w.receive(text)
    (answer,) = w.receive(authorized(text, challenge.response, "alice"))
    return answer.response


def given(answer: Response, port: int = 5090) -> NameAddr:
    return next(contact for contact in answer.contacts if contact.uri.port == port)


def temporary(answer: Response) -> str:
    return given(answer).params["temp-gruu"] or ""


async def text(w: SipWorld, to: str) -> list[Sent]:
    """A MESSAGE of bob's to a Request-URI; what leaves because of it."""
    written = request("MESSAGE", "bob", target=to, to=f"<{to}>", extra="Content-Type: text/plain\n", body="hi")
    (challenge,) = w.receive(written)
    sent = w.receive(authorized(written, challenge.response, "bob"))
    await settle()
    return sent + w.sent()


async def test_a_phone_that_asks_is_told_its_gruus() -> None:
    w = await world()
    contact = given(register(w, DESK))
    assert contact.params["+sip.instance"] == f"<{DESK}>"
    assert contact.params["pub-gruu"] == f"sip:alice@{SERVER};gr={DESK}"
    assert re.fullmatch(rf"sip:tgruu\.[\w-]+@{re.escape(SERVER)};gr", contact.params["temp-gruu"] or "")


async def test_the_answer_is_written_as_the_rfc_shows_it() -> None:
    line = register(await world(), DESK).lines("contact")[0]
    assert line.startswith(
        f'<sip:alice@192.0.2.9:5090>;expires=600;+sip.instance="<{DESK}>";'
        f'pub-gruu="sip:alice@{SERVER};gr={DESK}";temp-gruu="sip:tgruu.'
    )


@pytest.mark.parametrize(("instance", "extra"), [(DESK, ""), ("", GRUU)], ids=["not asked for", "no instance"])
async def test_without_option_or_instance_there_is_none(instance: str, extra: str) -> None:
    assert "gruu" not in " ".join(register(await world(), instance, extra=extra).lines("contact"))


async def test_a_phone_is_told_of_all_devices_by_what_it_calls_its_registrar() -> None:
    w = await world()
    register(w, DESK)
    answer = register(w, MOBILE, 5091, to="<sip:alice@sip.example:5070>")
    found = [contact.params["pub-gruu"] for contact in answer.contacts]
    assert sorted(map(str, found)) == sorted(f"sip:alice@sip.example:5070;gr={i}" for i in (DESK, MOBILE))


async def test_an_odd_instance_makes_a_uri_all_the_same() -> None:
    w = await world()
    contact = given(register(w, 'ünix;=\\"?&'))
    found = w.sip.gruus.find(parse_uri(contact.params["pub-gruu"] or ""))
    assert found is not None
    assert found.uri == "sip:alice@192.0.2.9:5090"


@pytest.mark.parametrize("kind", ["pub-gruu", "temp-gruu"])
async def test_a_text_to_a_gruu_reaches_that_device_alone(kind: str) -> None:
    w = await world()
    register(w, DESK)
    register(w, MOBILE, 5091)
    answer = register(w, DESK, 5090)
    sent = await text(w, given(answer, 5091).params[kind] or "")
    assert [s.to[1] for s in sent if s.message is not None and s.data.startswith(b"MESSAGE")] == [5091]
    assert [s.response.status for s in sent if s.data.startswith(b"SIP")] == [202]


async def test_a_text_to_a_device_that_is_gone_is_answered_480() -> None:
    w = await world()
    register(w, MOBILE, 5091)
    sent = await text(w, f"sip:alice@{SERVER};gr={DESK}")
    assert [s.response.status for s in sent] == [480]


@pytest.mark.parametrize("kind", ["pub-gruu", "temp-gruu"])
async def test_a_call_to_a_gruu_rings_that_device_alone(kind: str) -> None:
    w = await world()
    register(w, DESK)
    target = given(register(w, MOBILE, 5091), 5091).params[kind] or ""
    assert [s.to[1] for s in call(w, target) if s.data.startswith(b"INVITE")] == [5091]


async def test_a_call_to_a_device_that_is_gone_is_answered_480() -> None:
    w = await world()
    register(w, MOBILE, 5091)
    assert [s.response.status for s in call(w, f"sip:alice@{SERVER};gr={DESK}")] == [480]


def call(w: SipWorld, to: str) -> list[Sent]:
    """An INVITE of bob's; what leaves because of it."""
    written = request("INVITE", "bob", target=to, to=f"<{to}>", extra="Contact: <sip:bob@192.0.2.9:5090>\n")
    (challenge,) = w.receive(written)
    return w.receive(authorized(written, challenge.response, "bob"))


async def test_a_temporary_gruu_ends_when_the_device_registers_anew() -> None:
    w = await world()
    first = temporary(register(w, DESK, call_id="one"))
    second = temporary(register(w, DESK, call_id="one", cseq=10))
    assert first != second
    for uri in (first, second):
        assert w.sip.gruus.find(parse_uri(uri)) is not None
    third = temporary(register(w, DESK, call_id="two"))
    for uri in (first, second):
        assert w.sip.gruus.find(parse_uri(uri)) is None
        assert w.sip.gruus.aor(parse_uri(uri)) == "alice"
    assert w.sip.gruus.find(parse_uri(third)) is not None
    assert [s.response.status for s in await text(w, first)] == [480]


async def test_a_temporary_gruu_ends_with_the_registration() -> None:
    w = await world()
    uri = parse_uri(temporary(register(w, DESK)))
    w.pass_time(601)
    assert w.sip.gruus.find(uri) is None


async def test_a_temporary_gruu_can_not_be_made_by_others_and_says_nothing() -> None:
    w = await world()
    uri = parse_uri(temporary(register(w, DESK)))
    assert uri.user is not None
    sealed = uri.user.removeprefix("tgruu.")
    data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert b"alice" not in data
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        other = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        assert w.sip.gruus.aor(uri.replace(user=f"tgruu.{other}")) is None
    for user in ("", "tgruu.", "tgruu.====", "tgruu.a", "tgruu.*", sealed, "tgruu." + "A" * 4000):
        assert w.sip.gruus.find(uri.replace(user=user)) is None


async def test_a_temporary_gruu_of_another_server_is_none_of_ours() -> None:
    w = await world()
    answer = register(w, DESK)
    (contact,) = w.registry.contacts("PJSIP", "alice")
    directory = Directory(settings(phone("alice"), aors=[aor("alice")]))
    other = Gruus("PJSIP", directory, w.registry, b"another secret of sixteen bytes", lambda: "x")
    assert other.aor(parse_uri(temporary(answer))) is None
    assert w.sip.gruus.aor(parse_uri(other.given(parse_uri("sip:alice@h"), contact)["temp-gruu"])) is None


@pytest.mark.parametrize(
    "uri", ["sip:alice@h", "sip:alice@h;gr=urn:x", "sip:%ff@h;gr=urn:x", "tel:+1", "sip:nobody@h;gr"]
)
async def test_other_uris_find_nobody(uri: str) -> None:
    w = await world()
    register(w, DESK)
    assert w.sip.gruus.find(parse_uri(uri)) is None


async def test_a_caller_of_ari_reaches_one_device() -> None:
    w = await world()
    register(w, DESK)
    answer = register(w, MOBILE, 5091)
    for kind in ("pub-gruu", "temp-gruu"):
        await w.messages.send(f"pjsip:alice/{given(answer, 5091).params[kind]}", "bob", "hello", {})
        (sent,) = w.sent()
        assert sent.to[1] == 5091
        assert sent.request.target == "sip:alice@192.0.2.9:5091"
        w.receive(reply(sent))
    assert [d.state for d in w.deliveries] == [DeliveryState.DELIVERED] * 2


async def test_a_caller_of_ari_is_told_that_a_device_is_not_there() -> None:
    w = await world()
    register(w, MOBILE, 5091)
    with pytest.raises(EndpointNotFound):
        await w.messages.send(f"pjsip:alice/sip:alice@{SERVER};gr={DESK}", "bob", "hello", {})
    assert not w.sent()


async def test_a_text_for_a_device_waits_for_that_device() -> None:
    w = await world()
    to = f"pjsip:alice/sip:alice@{SERVER};gr={DESK}"
    await w.messages.send(to, "bob", "hello", {}, SendOptions(offline=True))
    register(w, MOBILE, 5091)
    await settle()
    assert not w.sent()
    register(w, DESK)
    await settle()
    assert [sent.to[1] for sent in w.sent()] == [5090]


async def test_the_gruu_of_another_domain_is_an_ordinary_uri() -> None:
    w = await world()
    register(w, DESK)
    await w.messages.send(f"pjsip:alice/sip:carol@192.0.2.77;gr={DESK}", "bob", "hello", {})
    (sent,) = w.sent()
    assert (sent.to[0], sent.request.target) == ("192.0.2.77", f"sip:carol@192.0.2.77;gr={DESK}")


async def test_nobody_registers_a_gruu_of_ours_as_where_they_are() -> None:
    w = await world()
    register(w, DESK)
    answer = w.register("bob", f"<sip:alice@{SERVER};gr={DESK}>")
    assert answer.status == 403
