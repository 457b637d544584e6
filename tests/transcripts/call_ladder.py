"""Calls as a telephone engineer draws them: who sends what, and what comes of it at every phone.

A line is ``who -> what`` for what a phone sends, and ``who <- what`` for what it hears next; between two lines of the
first kind every phone hears exactly what is written, in that order. ``wait 5`` lets seconds pass. A request that is
sent is a method, with a name after INVITE; an answer is a status, with the method it answers unless that is INVITE. A
challenge to an INVITE is answered on the way.
"""

from __future__ import annotations

from support.call_world import SDP, Dialog, Exchange, Phone
from support.sip_world import Sent
from switchroom.wire.sip.message import Request


class Ladder:
    """Plays transcripts with phones, by the names these have in it."""

    def __init__(self, exchange: Exchange, **phones: Phone) -> None:
        self.exchange = exchange
        self.phones = phones
        #: The dialog each phone is in, or is setting up.
        self.dialogs: dict[str, Dialog] = {}
        self.asked: dict[tuple[str, str], Sent] = {}

    def play(self, transcript: str) -> None:
        expected: dict[str, list[str]] = {}
        for line in transcript.strip().splitlines():
            line = line.partition("#")[0].strip()
            if not line:
                continue
            who, _, rest = line.partition(" ")
            arrow, _, what = rest.strip().partition(" ")
            if arrow == "<-":
                expected.setdefault(who, []).append(what.strip())
                continue
            self._look(expected, line)
            expected = {}
            if who == "wait":
                self.exchange.pass_time(float(arrow))
            else:
                self._send(who, what.strip())
        self._look(expected, "the end")

    def _look(self, expected: dict[str, list[str]], before: str) -> None:
        heard = {name: [self._note(name, sent) for sent in phone.take()] for name, phone in self.phones.items()}
        assert {name: words for name, words in heard.items() if words} == expected, f"before: {before}"
        assert not self.exchange.lost

    def _note(self, name: str, sent: Sent) -> str:
        message = sent.message
        if isinstance(message, Request):
            self.asked[name, message.method] = sent
            return message.method
        method = message.cseq.method
        if method == "INVITE" and 200 <= message.status < 300:
            self.dialogs[name] = self.dialogs[name].learn(message)
        return str(message.status) if method == "INVITE" else f"{message.status} {method}"

    def _send(self, name: str, what: str) -> None:
        phone = self.phones[name]
        word, _, more = what.partition(" ")
        if word.isdigit():
            method = more or "INVITE"
            made = phone.answer(self.asked[name, method], int(word), body=SDP if word == "200" and not more else "")
            if method == "INVITE" and word != "100":
                self.dialogs.setdefault(name, made)
        elif word == "INVITE" and more:
            self.dialogs[name] = phone.invite(more)
        elif word == "CANCEL":
            self.dialogs[name].cancel()
        else:
            self.dialogs[name].send(word)
