"""Registrations without a state: challenges that are made again, answers that hold once."""

from __future__ import annotations

from hashlib import md5

import pytest

from switchroom.wire.iax2 import registration
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.elements import Elements, write_text
from switchroom.wire.iax2.frames import FullFrame
from switchroom.wire.iax2.numbers import MD5, Command, Element
from switchroom.wire.iax2.registration import RegistrationRequested, Registrations

from .client import HERE, Client, commands

NAME = bytes.fromhex("0605616c696365 1302003c")


def requested(client: Client) -> RegistrationRequested:
    (event,) = client.events()
    assert isinstance(event, RegistrationRequested)
    return event


def begin(client: Client, command: Command = Command.REGREQ, source: Address = HERE) -> tuple[int, bytes]:
    """Asks, and is challenged; our number and the challenge."""
    assert client.say(command, NAME, source=source) == []
    client.stack.challenge_registration(requested(client), MD5)
    (challenge,) = client.sent()
    assert commands([challenge]) == ["REGAUTH"]
    return challenge.source, Elements(challenge.payload).raw(Element.CHALLENGE) or b""


def proof(challenge: bytes, secret: str = "pw") -> bytes:
    result = md5(challenge + secret.encode()).hexdigest()
    return write_text(Element.USERNAME, "alice") + write_text(Element.MD5_RESULT, result)


def prove(client: Client, number: int, payload: bytes, source: Address = HERE) -> list[FullFrame]:
    """The second frame, judged as a registrar would."""
    again = client.say(Command.REGREQ, payload, d=number, o=1, i=1, source=source)
    for event in client.events():
        assert isinstance(event, RegistrationRequested)
        assert event.proof is not None
        if event.proof.shows(["pw"], MD5):
            client.stack.confirm_registration(event, 60, 0)
        else:
            client.stack.refuse_registration(event)
    return again + client.sent()


def test_challenged_then_confirmed() -> None:
    client = Client()
    number, challenge = begin(client)
    assert len(challenge) == 16
    (ack,) = prove(client, number, proof(challenge))
    assert (ack.subclass, ack.source, ack.destination, ack.oseq, ack.iseq) == (Command.REGACK, number, 7, 1, 2)
    elements = Elements(ack.payload)
    assert elements.number(Element.REFRESH, 2) == 60
    assert elements.text(Element.USERNAME) == "alice"
    assert elements.raw(Element.APPARENT_ADDRESS) is not None


def test_asked_again_it_gets_the_same_challenge() -> None:
    client = Client()
    assert begin(client) == begin(client)


def test_the_challenge_may_be_answered_for_sixteen_seconds_at_least() -> None:
    client = Client()
    client.now = 16 * 100.0
    number, challenge = begin(client)
    client.now += 31.9
    assert commands(prove(client, number, proof(challenge))) == ["REGACK"]
    client.now = 16 * 200.0
    number, challenge = begin(client)
    client.now += 32.0
    assert commands(prove(client, number, proof(challenge))) == ["REGREJ"]


def test_the_same_datagram_again_gets_the_same_answer_and_is_no_event() -> None:
    client = Client()
    number, challenge = begin(client)
    first = prove(client, number, proof(challenge))
    assert client.say(Command.REGREQ, proof(challenge), d=number, o=1, i=1) == first
    assert client.events() == []


def test_an_answer_does_not_hold_for_anything_else() -> None:
    client = Client()
    number, challenge = begin(client)
    good = proof(challenge)
    elsewhere = HERE._replace(port=4570)
    assert commands(prove(client, begin(client, source=elsewhere)[0], good, elsewhere)) == ["REGREJ"]
    assert commands(prove(client, number, good)) == ["REGACK"]
    # A replay with anything changed, here an element nobody knows: the challenge is another one by now.
    assert commands(prove(client, number, good + b"\xf0\x00")) == ["REGREJ"]
    assert client.say(Command.REGREL, good, d=number, o=1, i=1) == []
    released = requested(client)
    assert released.proof is not None
    assert not released.proof.shows(["pw"], MD5)


def test_a_new_dialog_from_the_same_number_gets_another_challenge() -> None:
    client = Client()
    number, challenge = begin(client)
    prove(client, number, proof(challenge))
    same, another = begin(client)
    assert (same, another != challenge) == (number, True)
    assert commands(prove(client, number, proof(another))) == ["REGACK"]


def test_what_is_remembered_goes_after_half_a_minute() -> None:
    client = Client()
    for source in (HERE, HERE._replace(port=1), HERE._replace(port=2)):
        number, challenge = begin(client, source=source)
        prove(client, number, proof(challenge), source)
    assert client.stack.remembered == 3
    client.now += 33
    number, challenge = begin(client)
    prove(client, number, proof(challenge))
    assert client.stack.remembered == 1


def test_forgetting_voids_what_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "MAX_SPENT", 2)
    client = Client()
    used: list[tuple[int, bytes, Address]] = []
    for port in range(1, 4):
        source = HERE._replace(port=port)
        number, challenge = begin(client, source=source)
        assert commands(prove(client, number, proof(challenge), source)) == ["REGACK"]
        used.append((number, proof(challenge), source))
    assert client.stack.remembered == 1
    for number, payload, source in used[:2]:
        assert commands(prove(client, number, payload, source)) == ["REGREJ"]


def test_a_number_that_was_not_ours_is_told_so() -> None:
    client = Client()
    number, challenge = begin(client)
    (answer,) = prove(client, number ^ 1, proof(challenge))
    assert answer.subclass == Command.INVAL
    assert client.events() == []


def test_a_proof_in_the_first_frame_is_none() -> None:
    client = Client()
    client.say(Command.REGREQ, proof(b""))
    assert requested(client).proof is None


def test_nothing_is_kept_of_who_has_proven_nothing() -> None:
    client = Client()
    for port in range(1, 2000):
        begin(client, source=HERE._replace(port=port))
    assert client.stack.remembered == 0
    assert len(client.stack) == 0
    assert client.stack.next_timer() is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError):
        Registrations(b"short")
