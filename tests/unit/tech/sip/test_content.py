"""Envelopes, and what became of texts, between phones, applications and other technologies (RFC 3862, RFC 5438)."""

from __future__ import annotations

import pytest

from support.sip_world import SERVER, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings, wire
from support.virtual import settle
from switchroom.core.messages import MessageTerms
from switchroom.model.errors import InvalidParameter
from switchroom.model.events import EndpointEvent, Event, TextMessageReceived, TextMessageStatusChange
from switchroom.model.message import Notification
from switchroom.model.record import MessageRecord
from switchroom.tech.sip.limits import MAX_ASKED, MAX_ASKED_NAME
from switchroom.wire.sip import cpim, imdn
from switchroom.wire.sip.flow import Flow

ALICE, BOB = "192.0.2.9:5090", "192.0.2.10:5090"
ASKED = {"imdn.Disposition-Notification": "positive-delivery, display"}


class World(SipWorld):
    """alice and bob are registered."""

    async def begin(self) -> World:
        await self.start()
        self.register("alice", f"<sip:alice@{ALICE}>", source=ALICE)
        self.register("bob", f"<sip:bob@{BOB}>", source=BOB)
        self.ear.take()
        return self

    async def sends(self, user: str, to: str, kind: str, body: str | bytes) -> list[Sent]:
        """A phone sends this; what leaves, the answer to it last."""
        source = {"alice": ALICE, "bob": BOB}[user]
        text = body if isinstance(body, str) else body.decode("latin-1")
        written = request("MESSAGE", user, target=f"sip:{to}@{SERVER}", extra=f"Content-Type: {kind}\n", body=text)
        (challenge,) = self.receive(written, source)
        sent = self.receive(authorized(written, challenge.response, user), source)
        await settle()
        return sent + self.sent()

    async def posts(self, variables: dict[str, str] | None = None) -> tuple[MessageRecord, Sent]:
        """An application sends bob a text, which he takes."""
        record = await self.messages.send("pjsip:bob", "support", "Zoë?", variables or {})
        (sent,) = self.sent()
        self.receive(reply(sent), BOB)
        return await self.messages.find(record.id), sent


async def world(**terms: bool) -> World:
    names = ("alice", "bob", "carol")
    w = World(settings(*map(phone, names), aors=list(map(aor, names)), auths=list(map(auth, names))))
    if terms:
        w.messages._terms = MessageTerms(**terms)  # type: ignore[arg-type]
    return await w.begin()


def notification(message_id: str, status: str = "delivered", kind: str = "delivery") -> str:
    return (
        f'<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>{message_id}</message-id>'
        f"<{kind}-notification><status><{status}/></status></{kind}-notification></imdn>"
    )


def enclosed(content: str, kind: str = "text/plain", message_id: str = "") -> str:
    asking = f"imdn.Message-ID: {message_id}\r\nimdn.Disposition-Notification: display\r\n" if message_id else ""
    return (
        "From: Somebody <im:president@example.com>\r\nTo: <im:bob@example.com>\r\nDateTime: 2026-11-23T10:00:00Z\r\n"
        f"Subject: news\r\nNS: imdn <urn:ietf:params:imdn>\r\n{asking}\r\nContent-Type: {kind}\r\n\r\n{content}"
    )


def told(record: MessageRecord) -> Notification | None:
    (delivery,) = record.deliveries
    return delivery.notification


# ---- envelopes


async def test_applications_see_the_text_and_what_is_written_on_the_envelope() -> None:
    w = await world()
    w.ear.wants = True
    (answer,) = await w.sends("alice", "support", "Message/CPIM", enclosed("hi\r\n"))
    assert answer.response.status == 202
    (event,) = w.ear.take()
    assert isinstance(event, TextMessageReceived)
    text = event.message
    # Who it is from has been proven; what the envelope says has not.
    assert (text.sender, text.body) == (f"<sip:alice@{SERVER}>", "hi")
    assert text.variables["CPIM-From"] == "Somebody <im:president@example.com>"
    assert text.variables["CPIM-To"] == "<im:bob@example.com>"
    assert (text.variables["CPIM-DateTime"], text.variables["CPIM-Subject"]) == ("2026-11-23T10:00:00Z", "news")
    assert text.variables["Content-Type"] == "Message/CPIM"


@pytest.mark.parametrize(
    "body", ["", "nonsense", enclosed("<x/>", "application/im-iscomposing+xml"), enclosed("<x/>", "message/imdn+xml")]
)
async def test_an_envelope_without_a_text_is_none_for_applications(body: str) -> None:
    w = await world()
    w.ear.wants = True
    (answer,) = await w.sends("alice", "support", "message/cpim", body)
    assert (answer.response.status, answer.response.first("accept")) == (415, "text/plain, message/cpim")
    assert not w.ear.take()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("message/cpim", enclosed("hi")),
        ("message/cpim", "nonsense"),
        ("message/imdn+xml", "nonsense"),
        ("message/imdn+xml", notification("unknown")),
        ("application/im-iscomposing+xml", "<x/>"),
        ("image/png", "\x89PNG"),
    ],
)
async def test_between_phones_everything_passes_whole(kind: str, body: str) -> None:
    w = await world()
    passed, answer = await w.sends("alice", "bob", kind, body)
    assert answer.response.status == 202
    assert passed.request.first("content-type") == kind
    assert passed.request.body == body.encode()


async def test_what_is_no_text_passes_to_the_byte() -> None:
    w = await world()
    written = request("MESSAGE", "alice", target=f"sip:bob@{SERVER}", extra="Content-Type: image/png\n", body="@@@@")
    (challenge,) = w.receive(written, ALICE)
    data = wire(authorized(written, challenge.response, "alice")).replace(b"@@@@", b"\x89\xff\x00\n")
    w.sip.receive(data, Flow("udp", "udp", "192.0.2.9", 5090))
    await settle()
    passed, answer = w.sent()
    assert answer.response.status == 202
    assert passed.request.body == b"\x89\xff\x00\n"


async def test_who_is_not_there_gets_nothing_whatever_it_is() -> None:
    w = await world()
    for kind in ("text/plain", "message/cpim", "application/im-iscomposing+xml"):
        (answer,) = await w.sends("alice", "carol", kind, "hi")
        assert answer.response.status == 480


async def test_that_somebody_types_is_not_kept_for_later() -> None:
    w = await world(offline=True)
    assert (await w.sends("alice", "carol", "text/plain", "hi"))[-1].response.status == 202
    (answer,) = await w.sends("alice", "carol", "application/im-iscomposing+xml", "<x/>")
    assert answer.response.status == 480
    passed, _ = await w.sends("alice", "bob", "application/im-iscomposing+xml", "<x/>")
    record = await w.messages.find(passed.request.first("message-id") or "")
    assert record.expires - record.created == 120


# ---- what became of a text


async def test_a_text_asks_to_be_told_only_when_its_sender_does() -> None:
    w = await world()
    _, plain = await w.posts()
    assert plain.request.first("content-type") == "text/plain"
    record, sent = await w.posts(ASKED)
    assert sent.request.first("content-type") == "message/cpim"
    assert sent.request.first("imdn.disposition-notification") is None
    envelope = cpim.parse_envelope(sent.request.body)
    assert envelope.find("From") == f"<sip:support@{SERVER}>"
    assert envelope.find("To") == "<sip:bob@192.0.2.10>"
    assert envelope.find("Message-ID", imdn.NAMESPACE) == record.id
    assert envelope.find("Disposition-Notification", imdn.NAMESPACE) == "positive-delivery, display"
    assert envelope.find("DateTime").endswith("+00:00")
    assert (envelope.media_type, envelope.content) == ("text/plain", "Zoë?".encode())


async def test_a_text_of_another_type_is_asked_about_too() -> None:
    w = await world()
    _, sent = await w.posts({**ASKED, "Content-Type": "text/html"})
    assert cpim.parse_envelope(sent.request.body).media_type == "text/html"


@pytest.mark.parametrize(
    "variables",
    [
        {"imdn.Disposition-Notification": "everything"},
        {"IMDN.disposition-notification": "display", "Content-Type": "message/CPIM;x=y"},
    ],
)
async def test_what_can_not_be_asked_is_refused(variables: dict[str, str]) -> None:
    w = await world()
    with pytest.raises(InvalidParameter, match="Disposition-Notification"):
        await w.posts(variables)


@pytest.mark.parametrize("kind", ["message/imdn+xml", "message/cpim"])
async def test_what_a_phone_tells_is_noted_on_the_message(kind: str) -> None:
    w = await world()
    heard: list[Event] = []

    class Watch:
        def takes(self, endpoint: object) -> bool:
            return False

        def hear(self, event: Event) -> None:
            if not isinstance(event, EndpointEvent):
                heard.append(event)

    record, _ = await w.posts(ASKED)
    w.bus.attach(Watch())
    for status, of, noted in (
        ("delivered", "delivery", Notification.DELIVERED),
        ("displayed", "display", Notification.DISPLAYED),
        # Told again, or too late: nothing new.
        ("delivered", "delivery", Notification.DISPLAYED),
    ):
        w.clock.now += 1
        document = notification(record.id, status, of)
        body = document if kind != "message/cpim" else enclosed(document, "message/imdn+xml")
        (answer,) = await w.sends("bob", "support", kind, body)
        assert answer.response.status == 202
        now = await w.messages.find(record.id)
        assert told(now) is noted
    assert [type(event) for event in heard] == [TextMessageStatusChange] * 2
    assert now.deliveries[0].notified == now.updated == w.clock.wall() - 1
    assert now.state == "delivered"


async def test_a_phone_that_could_not_show_a_text_says_so() -> None:
    w = await world()
    record, _ = await w.posts(ASKED)
    await w.sends("bob", "support", "message/imdn+xml", notification(record.id, "failed"))
    assert told(await w.messages.find(record.id)) is Notification.FAILED


@pytest.mark.parametrize("status", ["forbidden", "error", "processed", "nonsense"])
async def test_what_says_nothing_of_the_text_is_not_noted(status: str) -> None:
    w = await world()
    record, _ = await w.posts(ASKED)
    (answer,) = await w.sends("bob", "support", "message/imdn+xml", notification(record.id, status, "display"))
    assert answer.response.status == 415
    assert told(await w.messages.find(record.id)) is None


async def test_only_who_got_a_text_is_believed_and_nobody_else_learns_of_it() -> None:
    w = await world()
    record, _ = await w.posts(ASKED)
    (other,) = await w.sends("alice", "support", "message/imdn+xml", notification(record.id))
    (unknown,) = await w.sends("alice", "support", "message/imdn+xml", notification("0123456789abcdef"))
    assert (other.response.status, other.response.reason) == (unknown.response.status, unknown.response.reason)
    assert told(await w.messages.find(record.id)) is None


async def test_of_several_devices_the_one_that_speaks() -> None:
    w = await world()
    w.register("bob", "<sip:bob@192.0.2.11:5090>", source="192.0.2.11:5090")
    record = await w.messages.send("pjsip:bob", "support", "hi", ASKED)
    for sent in w.sent():
        w.receive(reply(sent), f"{sent.to[0]}:{sent.to[1]}")
    text = request(
        "MESSAGE",
        "bob",
        target=f"sip:support@{SERVER}",
        extra="Content-Type: message/imdn+xml\n",
        body=notification(record.id),
    )
    (challenge,) = w.receive(text, "192.0.2.11:5090")
    w.receive(authorized(text, challenge.response, "bob"), "192.0.2.11:5090")
    await settle()
    deliveries = {d.contact: d.notification for d in (await w.messages.find(record.id)).deliveries}
    assert deliveries == {f"sip:bob@{BOB}": None, "sip:bob@192.0.2.11:5090": Notification.DELIVERED}


async def test_between_phones_it_is_noted_and_passed_on() -> None:
    w = await world()
    there, _ = await w.sends("alice", "bob", "message/cpim", enclosed("hi", message_id="alices-own"))
    w.receive(reply(there), BOB)
    record = await w.messages.find(there.request.first("message-id") or "")
    back, answer = await w.sends("bob", "alice", "message/imdn+xml", notification("alices-own", "displayed", "display"))
    assert answer.response.status == 202
    assert back.to == ("192.0.2.9", 5090)
    assert back.request.body == notification("alices-own", "displayed", "display").encode()
    assert told(await w.messages.find(record.id)) is Notification.DISPLAYED


async def test_what_is_said_of_an_application_s_text_does_not_reach_the_phone_it_was_from() -> None:
    w = await world()
    record = await w.messages.send("pjsip:bob", "alice", "hi", ASKED)
    w.receive(reply(w.sent()[0]), BOB)
    (answer,) = await w.sends("bob", "alice", "message/imdn+xml", notification(record.id))
    assert answer.response.status == 202
    assert told(await w.messages.find(record.id)) is Notification.DELIVERED


async def test_names_of_texts_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.tech.sip.switching.MAX_ASKED", 1)
    assert MAX_ASKED > 1
    w = await world()
    for name in ("first", "second"):
        there, _ = await w.sends("alice", "bob", "message/cpim", enclosed("hi", message_id=name))
        w.receive(reply(there), BOB)
    assert len(w.sip._switching._asked) == 1


async def test_names_of_texts_that_are_none_are_not_remembered() -> None:
    """Ten thousand of them, each as long as a text may be, would fill the memory; the text passes."""
    w = await world()
    there, _ = await w.sends("alice", "bob", "message/cpim", enclosed("hi", message_id="x" * (MAX_ASKED_NAME + 1)))
    assert there.request.method == "MESSAGE"
    assert not w.sip._switching._asked


async def test_while_nothing_can_be_kept_the_phone_may_try_again() -> None:
    w = await world()
    record, _ = await w.posts(ASKED)
    w.store.fail("the disk is full")
    (answer,) = await w.sends("bob", "support", "message/imdn+xml", notification(record.id))
    assert answer.response.status == 503
