"""A network that loses, repeats, reorders and delays datagrams, and phones on it that speak plain SIP."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from support.virtual import VirtualTimers

Address = tuple[str, int]
SERVER: Address = ("192.0.2.1", 5060)


class Weather(NamedTuple):
    """How bad the network is: chances of loss and repetition, and the longest delay in seconds."""

    loss: float
    repetition: float
    delay: float


CLEAR = Weather(0.0, 0.0, 0.01)


class Network:
    """Carries datagrams between the server and phones by address."""

    def __init__(self, timers: VirtualTimers, random: Random, weather: Weather, clock: Callable[[], float]) -> None:
        self._timers = timers
        self._clock = clock
        self._random = random
        self.weather = weather
        #: Who takes what arrives: the datagram, whose it is, and when it was sent.
        self.doors: dict[Address, Callable[[bytes, Address, float], None]] = {}

    def send(self, data: bytes, source: Address, target: Address) -> None:
        left = self._clock()
        for _ in range(2 if self._random.random() < self.weather.repetition else 1):
            if self._random.random() >= self.weather.loss:
                delay = self._random.random() * self.weather.delay
                self._timers.call_later(delay, lambda: self._arrive(data, source, target, left))

    def _arrive(self, data: bytes, source: Address, target: Address, left: float) -> None:
        door = self.doors.get(target)
        if door is not None:
            door(data, source, left)


class Receipt(NamedTuple):
    """A MESSAGE a phone saw for the first time, by its branch; ``left`` is when the server sent that copy."""

    at: float
    left: float
    message_id: str
    body: str
    status: int


class Phone:
    """One phone: what it was sent, and what it says to it."""

    def __init__(
        self, name: str, address: Address, network: Network, random: Random, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.address = address
        self.on = True
        #: Chance to say no, and with what.
        self.refusals = 0.0
        self.receipts: list[Receipt] = []
        self._network = network
        self._random = random
        self._clock = clock
        self._answers: dict[str, bytes] = {}
        self._serial = 0
        self._registration = 0
        network.doors[address] = self.read

    @property
    def contact(self) -> str:
        return f"sip:{self.name}@{self.address[0]}:{self.address[1]}"

    def register(self, expires: int = 3600) -> None:
        """Sends one REGISTER and hopes."""
        self._serial += 1
        self._registration += 1
        host, port = self.address
        self._network.send(
            (
                f"REGISTER sip:{SERVER[0]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.name}x{host}x{self._serial}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{self.name}@{SERVER[0]}>;tag=r{self._serial}\r\n"
                f"To: <sip:{self.name}@{SERVER[0]}>\r\nCall-ID: reg-{self.name}-{host}\r\n"
                f"CSeq: {self._registration} REGISTER\r\nContact: <{self.contact}>\r\nExpires: {expires}\r\n"
                "Content-Length: 0\r\n\r\n"
            ).encode(),
            self.address,
            SERVER,
        )

    def read(self, data: bytes, source: Address, left: float) -> None:
        if not self.on or data.startswith(b"SIP/2.0"):
            return
        head, _, body = data.decode().partition("\r\n\r\n")
        method = head.split(" ", 1)[0]
        branch = _header(head, "Via").partition("branch=")[2]
        answer = self._answers.get(branch)
        if answer is None:
            refused = method == "MESSAGE" and self._random.random() < self.refusals
            status = self._random.choice((486, 500, 503, 603)) if refused else 200
            if method == "MESSAGE":
                self.receipts.append(Receipt(self._clock(), left, _header(head, "Message-ID"), body, status))
            copied = "".join(f"{name}: {_header(head, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
            answer = self._answers[branch] = (
                f"SIP/2.0 {status} Said\r\n{copied}To: {_header(head, 'To')};tag=p\r\nContent-Length: 0\r\n\r\n"
            ).encode()
        self._network.send(answer, self.address, source)


def _header(head: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r?$", head, re.MULTILINE)
    return found[1].strip() if found else ""
