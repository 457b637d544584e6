"""Peers of iax.conf from registration to the grave, and texts both ways, over a network that may lose datagrams."""

from __future__ import annotations

import pytest

from support.iax_world import PHONE, IaxWorld, peer
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter, NoContact
from switchroom.model.message import Referral, TextMessage
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.frames import FullFrame, parse_frame
from switchroom.wire.iax2.numbers import Command, FrameType

CONTACT = "iax2:iaxphone@192.0.2.9:4571"


async def registered(**more: object) -> IaxWorld:
    w = await IaxWorld(peer("iaxphone", **more)).start()
    w.add().register(w.clock.now)
    assert w.peers[PHONE].outcomes == ["registered for 60"]
    return w


def command(data: bytes) -> str:
    frame = parse_frame(data)
    assert isinstance(frame, FullFrame)
    return Command(frame.subclass).name if frame.kind == FrameType.IAX else FrameType(frame.kind).name


# ---- where they are


async def test_a_peer_is_unknown_until_it_registers_with_a_token_and_its_secret() -> None:
    w = await IaxWorld(peer(), peer("iaxstatic", dynamic=False, host="192.0.2.5", port=4570, qualify=0.0)).start()
    assert (w.state(), w.state("iaxstatic")) == ("unknown", "unknown")
    phone = w.add()
    phone.register(w.clock.now)
    assert phone.outcomes == ["registered for 60"]
    assert w.state() == "online"
    assert w.states == ["online"]
    assert w.statuses == ["Registered 192.0.2.9 4571"]
    assert w.contacts == [(CONTACT, "NonQualified")]
    assert [command(data) for data, _ in w.sent] == ["CALLTOKEN", "REGAUTH", "REGACK", "POKE", "ACK"]


async def test_a_refresh_from_the_same_place_is_no_event_and_one_from_another_is() -> None:
    w = await registered()
    await w.pass_time(40)
    w.peers[PHONE].register(w.clock.now)
    assert w.statuses == ["Registered 192.0.2.9 4571"]
    elsewhere = Address("192.0.2.10", 4569)
    w.add(elsewhere).register(w.clock.now)
    assert w.statuses[1:] == ["Registered 192.0.2.10 4569"]
    assert w.contacts[1:] == [(CONTACT, "Removed"), ("iax2:iaxphone@192.0.2.10:4569", "NonQualified")]
    assert w.state() == "online"


async def test_it_unregisters() -> None:
    w = await registered()
    w.peers[PHONE].unregister(w.clock.now)
    assert w.statuses[1:] == ["Unregistered"]
    assert w.state() == "offline"
    with pytest.raises(NoContact):
        w.send()


async def test_a_registration_that_is_not_refreshed_ends_ten_seconds_late() -> None:
    w = await registered(qualify=0.0)
    await w.pass_time(69)
    assert w.state() == "online"
    await w.pass_time(2)
    assert w.statuses[1:] == ["Unregistered Expired"]
    assert w.state() == "offline"


@pytest.mark.parametrize(("asked", "granted"), [(10, 60), (90, 90), (7200, 120)])
async def test_the_time_granted_lies_between_the_bounds(asked: int, granted: int) -> None:
    w = await IaxWorld(peer(), min_expire=60, max_expire=120).start()
    w.add().register(w.clock.now, asked)
    assert w.peers[PHONE].outcomes == [f"registered for {granted}"]


async def test_registrations_survive_a_restart() -> None:
    w = await registered()
    again = await IaxWorld(peer(), peer("other"), store=w.store, clock=w.clock).start()
    assert (again.state(), again.state("other")) == ("online", "unknown")
    assert again.contacts == [(CONTACT, "NonQualified")]
    await again.pass_time(71)
    assert again.state() == "offline"


# ---- who may


@pytest.mark.parametrize(
    ("name", "secret", "more"),
    [
        ("iaxphone", "wrong", {}),
        ("nobody", "iaxpw", {}),
        ("iaxphone", "iaxpw", {"dynamic": False}),
        ("iaxphone", "iaxpw", {"auth": ()}),
        ("IAXPHONE", "iaxpw", {}),
    ],
)
async def test_all_who_may_not_register_see_the_same(name: str, secret: str, more: dict[str, object]) -> None:
    w = await IaxWorld(peer("iaxphone", **more)).start()
    stranger = w.add(name=name, secret=secret)
    stranger.register(w.clock.now)
    assert stranger.outcomes == ["29 Registration Refused"]
    assert [command(data) for data, _ in w.sent] == ["CALLTOKEN", "REGAUTH", "REGREJ"]
    assert (w.state(), w.statuses) == ("unknown", [])


async def test_any_of_several_secrets_is_right_and_plaintext_where_it_is_allowed() -> None:
    w = await IaxWorld(peer(secrets=("old", "iaxpw"), auth=("plaintext",))).start()
    phone = w.add()
    phone.stack.register(phone.server, phone.credentials._replace(methods=3), 60, None, w.clock.now)
    phone.flush()
    assert phone.outcomes == ["registered for 60"]
    phone.outcomes.clear()
    phone.register(w.clock.now)
    assert phone.outcomes == ["50 The peer asks for a proof that we may not or can not give"]


async def test_guessing_ends_after_some_tries_even_with_the_right_secret() -> None:
    w = await IaxWorld(peer()).start()
    phone = w.add(secret="wrong")
    for _ in range(40):
        phone.register(w.clock.now)
    phone.secret = "iaxpw"
    phone.register(w.clock.now)
    assert set(phone.outcomes) == {"29 Registration Refused"}
    await w.pass_time(61)
    phone.register(w.clock.now)
    assert phone.outcomes[-1] == "registered for 60"


# ---- whether they are there


async def test_one_that_falls_silent_is_offline_and_back_when_it_answers() -> None:
    w = await registered(qualify_ok=10.0, qualify_not_ok=5.0)
    phone = w.peers[PHONE]
    phone.deaf = True
    await w.pass_time(10 + 10)
    assert w.statuses[1:] == ["Unreachable 1"]
    assert w.state() == "offline"
    phone.deaf = False
    await w.pass_time(6)
    assert w.statuses[2:] == ["Reachable 1"]
    assert w.state() == "online"
    assert w.contacts[1:] == [(CONTACT, "Unreachable"), (CONTACT, "Reachable")]


async def test_a_static_peer_that_answers_is_online_at_once() -> None:
    w = IaxWorld(peer(dynamic=False, host=PHONE.host, port=PHONE.port))
    w.add()
    await w.start()
    await w.pass_time(1)
    assert w.state() == "online"
    assert w.statuses == ["Reachable 1"]


async def test_one_that_answers_late_is_lagged_and_online() -> None:
    w = await registered(qualify=0.5, qualify_ok=10.0)
    waiting: list[bytes] = []

    def late(data: bytes, to: Address) -> bool:
        if command(data) == "PONG":
            waiting.append(data)
            return True
        return False

    w.loses = late
    await w.pass_time(10.25)
    w.clock.now += 1.0
    w.inject(waiting[-1])
    (lagged,) = w.statuses[1:]
    assert 1000 <= int(lagged.removeprefix("Lagged ")) <= 1250
    assert w.state() == "online"


async def test_the_network_says_that_nobody_is_there() -> None:
    w = await registered(qualify_ok=10.0)
    w.peers[PHONE].deaf = True
    await w.pass_time(10.25)
    w.iax.unreachable(PHONE.host, PHONE.port, "0")
    assert w.state() == "offline"
    w.send()
    w.iax.unreachable(PHONE.host, PHONE.port, "0")
    assert w.reports == [(503, "Nobody is at this address")]


@pytest.mark.parametrize("host", ["nowhere.example", "224.0.0.1", "169.254.1.1", "0.0.0.0", "2001:db8::1"])
async def test_a_peer_that_can_not_be_reached_is_there_all_the_same(host: str) -> None:
    w = await IaxWorld(peer(dynamic=False, host=host)).start()
    assert w.state() == "unknown"
    with pytest.raises(NoContact):
        w.send()


# ---- texts out


async def test_a_text_is_a_call_with_one_text_frame() -> None:
    w = await registered()
    w.sent.clear()
    w.send("Grüße, 😀", sender='"Alice A." <sip:alice@example.org>')
    phone = w.peers[PHONE]
    assert phone.texts == ["Grüße, 😀"]
    assert phone.callers == [("s", "alice", "Alice A.")]
    assert w.reports == [(200, "OK")]
    assert [command(data) for data, _ in w.sent if command(data) != "ACK"] == [
        "NEW",
        "NEW",
        "AUTHREP",
        "TEXT",
        "HANGUP",
    ]
    assert len(w.iax._stack) == 0
    assert len(phone.stack) == 0


async def test_an_extension_is_called() -> None:
    w = await registered()
    w.send(to="iaxphone/1000")
    assert w.peers[PHONE].callers == [("1000", "alice", "alice")]


@pytest.mark.parametrize("lost", ["NEW", "CALLTOKEN", "AUTHREQ", "AUTHREP", "ACCEPT", "TEXT", "ACK", "HANGUP"])
async def test_each_frame_may_be_lost_once(lost: str) -> None:
    w = await registered(qualify=0.0)
    phone = w.peers[PHONE]
    gone: list[str] = []

    def once(data: bytes, to: Address) -> bool:
        if command(data) == lost and not gone:
            gone.append(lost)
            return True
        return False

    w.loses = once
    w.send()
    await w.pass_time(30)
    assert gone == [lost]
    assert phone.texts == ["hello"]
    assert w.reports == [(200, "OK")]
    assert (len(w.iax._stack), len(phone.stack)) == (0, 0)


async def test_every_third_datagram_is_lost() -> None:
    w = await registered(qualify=0.0)
    count = iter(range(1_000_000))
    w.loses = lambda data, to: next(count) % 3 == 0
    w.send()
    await w.pass_time(45)
    assert w.peers[PHONE].texts == ["hello"]
    assert w.reports == [(200, "OK")]


async def test_refused_or_unanswered_is_the_failure_of_the_text() -> None:
    w = await registered(qualify=0.0)
    phone = w.peers[PHONE]
    phone.takes = False
    w.send()
    assert w.reports == [(403, "Refused")]
    phone.takes, phone.secret = True, "another"
    w.send()
    assert w.reports[1:] == [(403, "No authority found")]
    phone.deaf = True
    w.send()
    await w.pass_time(33)
    assert w.reports[2:] == [(408, "No answer")]
    assert phone.texts == []


@pytest.mark.parametrize("to", ["nobody", "iaxphone/", "IAXPHONE", ""])
async def test_no_such_destination(to: str) -> None:
    w = await registered()
    with pytest.raises(EndpointNotFound):
        w.send(to=to)


async def test_a_peer_that_is_not_registered_has_no_contact() -> None:
    w = await IaxWorld(peer()).start()
    with pytest.raises(NoContact) as absent:
        w.send()
    assert (str(absent.value), absent.value.endpoint) == ("Endpoint not found", EndpointId("IAX2", "iaxphone"))


@pytest.mark.parametrize(
    ("body", "sender"), [("x" * 4001, "alice"), ("a\0b", "alice"), ("a", ""), ("a", "b\r\nc"), ("a", "\ud800")]
)
async def test_what_can_not_be_sent_is_refused(body: str, sender: str) -> None:
    w = await registered()
    with pytest.raises(InvalidParameter):
        w.send(body, sender=sender)


async def test_a_name_to_the_letter() -> None:
    w = await IaxWorld(peer("a/b", dynamic=False, host="192.0.2.7", qualify=0.0)).start()
    message = TextMessage(id="1", technology="IAX2", destination="a/b", by_name=True, sender="x", body="y")
    (delivery,) = w.iax.plan(message)
    assert delivery.contact == "iax2:a/b@192.0.2.7:4569"


async def test_nothing_can_be_referred() -> None:
    w = await registered()
    with pytest.raises(EndpointNotFound):
        w.iax.refer(Referral(id="1", technology="IAX2", destination="iaxphone", sender="a", refer_to="b"))


# ---- texts in


async def test_a_text_of_a_peers_own_call_is_told() -> None:
    w = await registered()
    w.peers[PHONE].send_text("Grüße\nzwei", w.clock.now, called="1000", name="Ann")
    (text,) = w.texts
    assert (text.sender, text.to, text.body) == ("iax2:iaxphone", "iax2:1000", "Grüße\nzwei")
    assert text.variables == {
        "IAX2_RECVADDR": "192.0.2.9:4571",
        "IAX2_PEERNAME": "iaxphone",
        "IAX2_CALLERID_NAME": "Ann",
    }
    assert w.peers[PHONE].outcomes[-1] == "delivered"


@pytest.mark.parametrize(
    ("name", "secret", "wanted"), [("iaxphone", "wrong", True), ("nobody", "iaxpw", True), ("iaxphone", "iaxpw", False)]
)
async def test_a_call_that_would_bring_nothing_is_refused(name: str, secret: str, wanted: bool) -> None:
    w = await IaxWorld(peer()).start()
    w.wants_texts = wanted
    caller = w.add(name=name, secret=secret)
    caller.send_text("x", w.clock.now)
    assert caller.outcomes == ["50 No authority found" if wanted else "3 No such context/extension"]
    assert w.texts == []


async def test_a_peer_without_a_secret_needs_none() -> None:
    w = await IaxWorld(peer(secrets=())).start()
    phone = w.add(secret="")
    phone.register(w.clock.now)
    phone.send_text("x", w.clock.now)
    assert phone.outcomes == ["registered for 60", "delivered"]


async def test_calls_that_would_have_to_be_encrypted_do_not_happen() -> None:
    w = await registered(encrypted=True)
    with pytest.raises(NoContact):
        w.send()
    w.peers[PHONE].send_text("x", w.clock.now)
    assert w.peers[PHONE].outcomes[-1] == "3 No such context/extension"


async def test_a_call_that_stays_open_is_kept_alive_and_ends_with_its_peer() -> None:
    w = await registered(qualify=0.0)
    phone = w.peers[PHONE]
    w.loses = lambda data, to: command(data) == "HANGUP"
    phone.send_text("x", w.clock.now)
    phone.stack._calls._calls.clear()
    w.loses = lambda data, to: False
    assert len(w.iax._stack) == 1
    await w.pass_time(25)
    assert len(w.iax._stack) == 0
