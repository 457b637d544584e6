"""A peer that speaks IAX2 with our own kernel: registers, answers POKEs, calls and is called."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.events import (
    CallOffered,
    CallProven,
    Registered,
    RegistrationFailed,
    TextDelivered,
    TextFailed,
    TextReceived,
)
from switchroom.wire.iax2.numbers import MD5, Cause
from switchroom.wire.iax2.stack import Stack

Send = Callable[[bytes, Address], None]


class IaxPeer:
    """One peer. ``takes``: it accepts calls; ``secret``: whoever calls must know it; ``deaf``: nothing reaches it."""

    def __init__(self, server: Address, send: Send, name: str = "iaxphone", secret: str = "iaxpw") -> None:
        self.random = Random(name)
        self.stack = Stack(secret=b"the peer's own secret", number=lambda: self.random.getrandbits(62))
        self.server = server
        self.name = name
        self.secret = secret
        self.takes = True
        self.deaf = False
        #: Texts that came, and what became of registrations and texts of its own.
        self.texts: list[str] = []
        self.callers: list[tuple[str, str, str]] = []
        self.outcomes: list[str] = []
        self._send = send

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.name, self.secret, MD5)

    def register(self, now: float, refresh: int = 60) -> None:
        assert self.stack.register(self.server, self.credentials, refresh, None, now)
        self.flush()

    def unregister(self, now: float) -> None:
        self.register(now, 0)

    def send_text(self, text: str, now: float, called: str = "s", name: str = "") -> None:
        data = text.encode()
        assert self.stack.send_text(
            self.server, data, None, now, called=called, caller_name=name, credentials=self.credentials
        )
        self.flush()

    def receive(self, data: bytes, source: Address, now: float) -> None:
        if not self.deaf:
            self.stack.receive(data, source, now)
            self.flush()

    def handle_timer(self, now: float) -> None:
        self.stack.handle_timer(now)
        self.flush()

    def flush(self) -> None:
        while (event := self.stack.next_event()) is not None:
            match event:
                case CallOffered():
                    self.callers.append((event.called, event.caller_number, event.caller_name))
                    self._offered(event)
                case CallProven():
                    if event.proof.shows([self.secret], MD5):
                        self.stack.accept_call(event)
                    else:
                        self.stack.reject_call(event, Cause.NO_AUTHORITY, "No authority found")
                case TextReceived():
                    self.texts.append(event.text.decode())
                case TextDelivered():
                    self.outcomes.append("delivered")
                case Registered():
                    self.outcomes.append(f"registered for {event.refresh}")
                case RegistrationFailed() | TextFailed():
                    self.outcomes.append(f"{event.cause} {event.reason}")
                case _:
                    raise AssertionError(event)
        while (out := self.stack.to_send()) is not None:
            self._send(*out)

    def _offered(self, offer: CallOffered) -> None:
        if not self.takes:
            self.stack.reject_call(offer, 0, "")
        elif self.secret:
            self.stack.challenge_call(offer, MD5)
        else:
            self.stack.accept_call(offer)
