"""The stack: what it answers without a state, and calls frame by frame."""

from __future__ import annotations

import pytest

from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.elements import Elements, write_number, write_raw, write_text
from switchroom.wire.iax2.events import CallOffered, CallProven, NoPong, Pong, TextDelivered, TextFailed, TextReceived
from switchroom.wire.iax2.frames import FullFrame
from switchroom.wire.iax2.limits import MAX_ANSWERS_PER_SECOND, MAX_UNACKNOWLEDGED
from switchroom.wire.iax2.numbers import MD5, PLAINTEXT, Command, Element, FrameType

from .client import HERE, Client, commands

NEW = write_number(Element.VERSION, 2, 2) + write_text(Element.USERNAME, "alice") + write_number(Element.FORMAT, 4, 4)


def call(client: Client, payload: bytes = NEW) -> int:
    """A call that was accepted and answered; our number."""
    client.say(Command.NEW, payload)
    (offer,) = client.events()
    assert isinstance(offer, CallOffered)
    client.stack.accept_call(offer)
    (accept,) = client.sent()
    assert commands([accept]) == ["ACCEPT"]
    answer = client.say(Command.ACK, d=accept.source, o=1, i=1)
    assert commands(answer) == ["CONTROL"]
    assert client.say(Command.ACK, d=accept.source, o=1, i=2) == []
    return accept.source


# ---- without a state


def test_a_poke_is_answered_with_a_pong_of_its_timestamp() -> None:
    (pong,) = Client().say(Command.POKE, ts=77)
    assert pong == FullFrame(1, 7, False, 77, 0, 1, FrameType.IAX, Command.PONG, b"")


def test_a_frame_of_a_call_nobody_knows_is_answered_with_inval() -> None:
    client = Client()
    (inval,) = client.say(Command.PING, d=55)
    assert inval == FullFrame(55, 7, False, 0, 0, 0, FrameType.IAX, Command.INVAL, b"")
    assert commands(client.say(0, kind=FrameType.TEXT, d=55)) == ["INVAL"]


@pytest.mark.parametrize("command", [Command.ACK, Command.INVAL, Command.VNAK, Command.HANGUP, Command.PONG])
def test_what_needs_no_answer_gets_none(command: Command) -> None:
    assert Client().say(command, d=55) == []
    assert Client().say(command) == []


def test_a_token_is_given_and_taken() -> None:
    client = Client()
    (given,) = client.say(Command.NEW, NEW + write_raw(Element.CALL_TOKEN))
    assert (given.subclass, given.source, given.oseq, given.iseq) == (Command.CALLTOKEN, 1, 0, 1)
    assert client.events() == []
    token = Elements(given.payload).raw(Element.CALL_TOKEN) or b""
    assert client.say(Command.NEW, NEW + write_raw(Element.CALL_TOKEN, token)) == []
    (offer,) = client.events()
    assert isinstance(offer, CallOffered)
    assert offer.proven
    assert commands(client.say(Command.NEW, NEW + write_raw(Element.CALL_TOKEN, token[::-1]))) == ["REJECT"]
    assert commands(client.say(Command.REGREQ, NEW + write_raw(Element.CALL_TOKEN, b"x"))) == ["REGREJ"]
    assert client.events() == []


def test_answers_to_a_host_are_so_many_a_second() -> None:
    client = Client()
    answered = sum(len(client.say(Command.POKE, source=HERE._replace(port=p))) for p in range(1, 3000))
    assert answered == MAX_ANSWERS_PER_SECOND
    assert client.stack.withheld == 2999 - MAX_ANSWERS_PER_SECOND
    assert client.say(Command.POKE, source=HERE._replace(host="192.0.2.10")) != []
    client.now += 1
    assert client.say(Command.POKE) != []


def test_what_is_no_frame_is_counted() -> None:
    client = Client()
    for data in (b"", b"\x80\x01", bytes(12)[:3], NEW):
        assert client.raw(data) == []
    assert client.say(Command.NEW, b"\x06\xff") == []
    assert client.stack.malformed == 4


# ---- a peer's call


def test_a_text_in_a_call() -> None:
    client = Client()
    number = call(client)
    (ack,) = client.say(0, b"hello\0junk", d=number, o=1, i=2, kind=FrameType.TEXT, ts=200)
    assert (ack.subclass, ack.timestamp, ack.oseq, ack.iseq) == (Command.ACK, 200, 2, 2)
    (event,) = client.events()
    assert isinstance(event, TextReceived)
    assert event.text == b"hello"
    # Again, as when our ACK was lost: acknowledged again, and told once.
    assert commands(client.say(0, b"hello\0", d=number, o=1, i=2, kind=FrameType.TEXT, ts=200)) == ["ACK"]
    assert client.events() == []
    assert commands(client.say(Command.HANGUP, d=number, o=2, i=2)) == ["ACK"]
    assert len(client.stack) == 0
    assert commands(client.say(Command.PING, d=number, o=3, i=2)) == ["INVAL"]


def test_a_frame_ahead_asks_for_what_is_missing() -> None:
    client = Client()
    number = call(client)
    (vnak,) = client.say(0, b"two", d=number, o=2, i=2, kind=FrameType.TEXT)
    assert (vnak.subclass, vnak.iseq) == (Command.VNAK, 1)
    assert client.events() == []


def test_a_vnak_gets_all_that_is_not_acknowledged() -> None:
    client = Client()
    client.say(Command.NEW, NEW)
    (offer,) = client.events()
    assert isinstance(offer, CallOffered)
    client.stack.accept_call(offer)
    (accept,) = client.sent()
    (again,) = client.say(Command.VNAK, d=accept.source, o=1, i=0)
    assert again == accept._replace(retransmitted=True)


@pytest.mark.parametrize(
    ("asked", "answered"), [(Command.PING, "PONG"), (Command.LAGRQ, "LAGRP"), (Command.PONG, "ACK"), (99, "UNSUPPORT")]
)
def test_questions_within_a_call(asked: int, answered: str) -> None:
    client = Client()
    number = call(client)
    (answer,) = client.say(asked, d=number, o=1, i=2, ts=4711)
    assert commands([answer]) == [answered]
    assert answer.iseq == 2
    if answered in ("PONG", "LAGRP"):
        assert answer.timestamp == 4711
    if answered == "UNSUPPORT":
        assert Elements(answer.payload).number(Element.UNKNOWN_COMMAND, 1) == 99


def test_frames_of_another_number_or_address_are_not_of_the_call() -> None:
    client = Client()
    number = call(client)
    assert client.say(0, b"x", s=8, d=number, o=1, i=2, kind=FrameType.TEXT) == []
    other = HERE._replace(port=1)
    assert commands(client.say(0, b"x", d=number, o=1, i=2, kind=FrameType.TEXT, source=other)) == ["INVAL"]
    assert client.events() == []


def test_a_call_is_asked_whether_it_lives_and_ends_when_not() -> None:
    client = Client()
    call(client)
    assert commands(client.pass_time(21)) == ["PING"]
    assert commands(client.pass_time(60))[-1] == "PING"
    assert len(client.stack) == 0


def test_inval_ends_a_call() -> None:
    client = Client()
    number = call(client)
    assert client.say(Command.INVAL, d=number) == []
    assert len(client.stack) == 0


def test_a_peer_that_acknowledges_nothing_is_cut_off() -> None:
    client = Client()
    number = call(client)
    for n in range(MAX_UNACKNOWLEDGED + 2):
        client.say(Command.PING, d=number, o=1 + n & 0xFF, i=2)
    assert len(client.stack) == 0


def test_without_a_token_one_answer_at_a_time_and_none_by_itself() -> None:
    client = Client()
    client.say(Command.NEW, NEW)
    (offer,) = client.events()
    assert isinstance(offer, CallOffered)
    client.stack.challenge_call(offer, MD5)
    (challenge,) = client.sent()
    assert commands([challenge]) == ["AUTHREQ"]
    # The NEW again, as its answer was lost.
    assert client.say(Command.NEW, NEW) == [challenge._replace(retransmitted=True)]
    assert client.pass_time(30) == []
    assert len(client.stack) == 0


def test_a_caller_that_proves_itself_is_shown_to_the_user() -> None:
    client = Client()
    client.say(Command.NEW, NEW)
    (offer,) = client.events()
    assert isinstance(offer, CallOffered)
    client.stack.challenge_call(offer, MD5)
    (challenge,) = client.sent()
    answer = Credentials("alice", "pw").answer(Elements(challenge.payload)) or b""
    assert commands(client.say(Command.AUTHREP, answer, d=challenge.source, o=1, i=1)) == ["ACK"]
    (proven,) = client.events()
    assert isinstance(proven, CallProven)
    assert proven.proof.shows(["other", "pw"], MD5)
    assert not proven.proof.shows(["pw"], PLAINTEXT)
    assert not proven.proof.shows(["other"], MD5)
    assert "pw" not in repr(proven)
    client.stack.reject_call(proven, 3, "No")
    assert commands(client.sent()) == ["REJECT"]
    client.say(Command.ACK, d=challenge.source, o=2, i=2)
    assert len(client.stack) == 0


def test_calls_of_one_host_and_calls_without_a_token_are_so_many() -> None:
    client = Client(max_calls_per_host=3, max_unproven=4)
    for s in range(2, 12):
        client.say(Command.NEW, NEW, s=s)
        for offer in client.events():
            assert isinstance(offer, CallOffered)
            client.stack.challenge_call(offer, MD5)
    assert len(client.stack) == 3
    elsewhere = HERE._replace(host="192.0.2.10")
    for s in range(2, 5):
        client.say(Command.NEW, NEW, s=s, source=elsewhere)
        for offer in client.events():
            assert isinstance(offer, CallOffered)
            client.stack.challenge_call(offer, MD5)
    assert len(client.stack) == 4
    client.pass_time(11)
    assert len(client.stack) == 0


# ---- calls of ours


def test_a_poke_of_ours() -> None:
    client = Client()
    assert client.stack.poke(HERE, "whom", 2.0, client.now)
    (poke,) = client.sent()
    assert (poke.subclass, poke.destination, poke.payload) == (Command.POKE, 0, b"\x36\x00")
    client.now += 0.05
    # iaxmodem acknowledges from one number and answers from another.
    assert client.say(Command.ACK, s=30, d=poke.source, i=1) == []
    (ack,) = client.say(Command.PONG, s=31, d=poke.source, i=1)
    assert (ack.subclass, ack.destination, ack.iseq) == (Command.ACK, 31, 1)
    (pong,) = client.events()
    assert isinstance(pong, Pong)
    assert (pong.context, round(pong.roundtrip, 3)) == ("whom", 0.05)
    assert len(client.stack) == 0


def test_a_poke_that_nobody_answers() -> None:
    client = Client()
    client.stack.poke(HERE, "whom", 2.0, client.now)
    assert commands(client.sent() + client.pass_time(1.9)) == ["POKE", "POKE"]
    assert client.events() == []
    client.pass_time(0.2)
    assert client.events() == [NoPong("whom")]


def text(client: Client) -> int:
    assert client.stack.send_text(HERE, b"hi", "what", client.now, credentials=Credentials("us", "pw"))
    (new,) = client.sent()
    assert new.subclass == Command.NEW
    return new.source


def test_a_text_of_ours_is_delivered_when_it_is_acknowledged() -> None:
    client = Client()
    number = text(client)
    spoken = client.say(Command.ACCEPT, write_number(Element.FORMAT, 4, 4), d=number, i=1)
    assert commands(spoken) == ["TEXT"]
    assert (spoken[0].payload, spoken[0].iseq) == (b"hi\0", 1)
    assert client.events() == []
    assert commands(client.say(Command.ACK, d=number, o=1, i=2)) == ["HANGUP"]
    assert client.events() == [TextDelivered("what")]
    assert client.say(Command.ACK, d=number, o=1, i=3) == []
    assert len(client.stack) == 0


def test_a_hangup_that_acknowledges_the_text_is_a_delivery() -> None:
    client = Client()
    number = text(client)
    client.say(Command.ACCEPT, d=number, i=1)
    client.say(Command.HANGUP, d=number, o=1, i=2)
    assert client.events() == [TextDelivered("what")]
    assert len(client.stack) == 0


def test_a_call_that_is_never_accepted_is_given_up() -> None:
    client = Client()
    number = text(client)
    client.say(Command.ACK, d=number, i=1)
    assert commands(client.pass_time(41)) == ["HANGUP"]
    assert client.events() == [TextFailed("what", 0, "No answer")]
    client.pass_time(120)
    assert len(client.stack) == 0


def test_a_password_is_not_shown_to_whoever_asks() -> None:
    client = Client()
    number = text(client)
    asked = write_number(Element.AUTH_METHODS, PLAINTEXT, 2)
    sent = client.say(Command.AUTHREQ, asked, d=number, i=1)
    assert commands(sent) == ["HANGUP"]
    (failed,) = client.events()
    assert isinstance(failed, TextFailed)
    assert failed.cause == 50


def test_a_token_is_taken_three_times_and_no_more() -> None:
    client = Client()
    number = text(client)
    token = write_raw(Element.CALL_TOKEN, b"any bytes\0\xff")
    sent = [client.say(Command.CALLTOKEN, token, s=1, d=number, i=1) for _ in range(5)]
    assert [commands(frames) for frames in sent] == [["NEW"]] * 3 + [[]] * 2
    assert sent[0][0].payload.endswith(token)
    assert (sent[0][0].oseq, sent[0][0].iseq, sent[0][0].destination) == (0, 0, 0)
