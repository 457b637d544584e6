"""IAX2 as bytes, as a telephone engineer reads them: frames of iaxmodem 1.2.0 against our stack.

A line is ``> bytes`` for what comes from the peer and ``< bytes`` for what must leave us, all of it, in order.
Heads are written as source number, destination number, timestamp, oseqno, iseqno, type, subclass; ``SSSS`` stands for
the number that we chose, with the bit of a full frame where it is the source.
"""

from __future__ import annotations

import re
from hashlib import md5

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.events import Pong, TextDelivered
from switchroom.wire.iax2.numbers import MD5
from switchroom.wire.iax2.registration import RegistrationRequested
from switchroom.wire.iax2.stack import Stack

MODEM = Address("127.0.0.1", 4598)


class Line:
    """Plays a transcript against a stack."""

    def __init__(self) -> None:
        self.stack = Stack(secret=b"a secret of sixteen bytes", number=lambda: 9)
        self.now = 100.0
        self.number = 0

    def play(self, transcript: str) -> None:
        for line in transcript.strip().splitlines():
            direction, _, text = line.strip().partition(" ")
            if direction == ">":
                self.stack.receive(self._bytes(text), MODEM, self.now)
            else:
                self.leaves(text)
        assert self.stack.to_send() is None

    def leaves(self, text: str) -> bytes:
        """The next datagram is this one; ``..`` is any byte."""
        out = self.stack.to_send()
        assert out is not None, text
        data, to = out
        assert to == MODEM
        self.number = self.number or int.from_bytes(data[:2], "big") & 0x7FFF
        wanted = self._text(text)
        assert re.fullmatch(wanted, data.hex()), f"{data.hex()} is not {wanted}"
        return data

    def _text(self, text: str) -> str:
        text = re.sub(r'"([^"]*)"', lambda found: found[1].encode().hex(), text).replace(" ", "")
        source = f"{self.number | 0x8000:04x}"
        return text.replace("[SSSS]", source).replace("SSSS", f"{self.number:04x}")

    def _bytes(self, text: str) -> bytes:
        return bytes.fromhex(self._text(text))


def test_iaxmodem_registers_without_a_token() -> None:
    line = Line()
    line.play('> 82f9 0000 00000003 00 00 06 0d  0605 "alice" 1302 003c')
    request = line.stack.next_event()
    assert isinstance(request, RegistrationRequested)
    assert (request.username, request.refresh, request.proven, request.proof) == ("alice", 60, False, None)
    line.stack.challenge_registration(request, MD5)
    data = line.leaves(f'[SSSS] 02f9 00000014 00 01 06 0e  0e02 0002 0f10 {".." * 16} 0605 "alice"')
    challenge = data[18:34].decode()
    result = md5(f"{challenge}alicepw".encode()).hexdigest()
    # The second REGREQ has the timestamp of the first.
    line.play(f'> 82f9 SSSS 00000003 01 01 06 0d  0605 "alice" 1020 "{result}" 1302 003c')
    proven = line.stack.next_event()
    assert isinstance(proven, RegistrationRequested)
    assert proven.proof is not None
    assert proven.proof.shows(["alicepw"], MD5)
    line.stack.confirm_registration(proven, 60, 0x34567890)
    line.play("""
        < [SSSS] 02f9 00000028 01 02 06 0f  0605 "alice" 1f04 34567890 1302 003c 1210 020011f67f000001 0000000000000000
        > 82f9 SSSS 00000028 02 02 06 04
    """)


def test_iaxmodem_answers_a_poke_from_a_number_of_its_own() -> None:
    line = Line()
    assert line.stack.poke(MODEM, "modem", 2.0, line.now)
    line.play("""
        < [SSSS] 0000 00000003 00 00 06 1e  3600
        > 82fa SSSS 00000003 00 01 06 04
        > 82fa SSSS 00000003 00 01 06 03  2e0400000000 2f0400000000 300400000001 31020028 320400000000 330400000000
        < [SSSS] 02fa 00000003 01 01 06 04
    """)
    assert isinstance(line.stack.next_event(), Pong)
    assert len(line.stack) == 0


def test_iaxmodem_takes_a_text() -> None:
    line = Line()
    assert line.stack.send_text(MODEM, b"hello text", "id", line.now, credentials=Credentials())
    line.play("""
        < [SSSS] 0000 00000003 00 00 06 01  0b02 0002 0101 "s" 0904 00000004 0804 00001e5e 3600
        > 82fb SSSS 00000003 00 01 06 04
        > 82fb SSSS 00000006 00 01 06 07  0904 00000040
        < [SSSS] 02fb 00000006 01 01 07 00  "hello text" 00
        > 82fb SSSS 00000006 01 01 04 03
        < [SSSS] 02fb 00000006 01 02 06 04
    """)
    assert line.stack.next_event() is None
    line.play("""
        > 82fb SSSS 00000006 02 02 06 04
        < [SSSS] 02fb 00000009 02 02 06 05  160f "Normal Clearing" 2a01 10
        > 82fb SSSS 00000009 02 03 06 04
    """)
    assert line.stack.next_event() == TextDelivered("id")
    assert len(line.stack) == 0


def test_a_lost_new_is_sent_again_with_the_bit_and_nothing_else_changed() -> None:
    line = Line()
    line.stack.send_text(MODEM, b"hi", "id", line.now)
    first = line.leaves('[SSSS] 0000 00000003 00 00 06 01  0b02 0002 0101 "s" 0904 00000004 0804 00001e5e 3600')
    for at in (102.0, 112.0, 122.0):
        assert line.stack.next_timer() == at
        line.stack.handle_timer(at)
        assert line.stack.to_send() == (first[:2] + b"\x80" + first[3:], MODEM)
    assert line.stack.next_timer() == 132.0
    line.stack.handle_timer(132.0)
    assert line.stack.to_send() is None
    assert len(line.stack) == 0


def test_a_token_for_one_that_knows_them() -> None:
    line = Line()
    line.play(f"""
        > 82f9 0000 00000003 00 00 06 0d  0605 "alice" 1302 003c 3600
        < 8001 02f9 00000003 00 01 06 28  3610 {".." * 16}
    """)
    assert line.stack.next_event() is None
