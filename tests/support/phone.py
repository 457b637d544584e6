"""A scripted SIP phone on UDP. It shares no code with the server: what it reads is what was on the wire."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from support.config import Address

_SERIAL = itertools.count(1)
_LARGEST = 65535


@dataclass(frozen=True)
class SipMessage:
    """A request or response as it came, headers in order and by the names they had."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def parse(cls, data: bytes) -> SipMessage:
        head, _, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        fields = (line.partition(":") for line in lines)
        return cls(start, tuple((name.strip(), value.strip()) for name, _, value in fields), body)

    @property
    def is_response(self) -> bool:
        return self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        return self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def first(self, name: str) -> str:
        """The first value of a header, empty when there is none."""
        return next(iter(self.all(name)), "")

    @property
    def transaction(self) -> tuple[str, ...]:
        """The same for a request and its retransmissions, and for what answers it."""
        return self.first("Call-ID"), self.first("CSeq")


@dataclass
class Phone:
    """One phone. ``answers`` says with which status it answers a method; None leaves it unanswered."""

    name: str
    server: Address
    sock: socket.socket
    answers: dict[str, int | None] = field(default_factory=dict)
    #: Requests that came, retransmissions left out, OPTIONS counted in ``qualified`` instead.
    received: list[SipMessage] = field(default_factory=list)
    qualified: int = 0

    def __post_init__(self) -> None:
        self._known: set[tuple[str, ...]] = set()
        self._pending: dict[tuple[str, ...], asyncio.Future[SipMessage]] = {}
        self._arrived = asyncio.Event()

    @property
    def address(self) -> Address:
        return Address(*self.sock.getsockname())

    @property
    def contact(self) -> str:
        return f"sip:{self.name}@{self.address}"

    # ---- what comes in

    def read(self) -> None:
        """Takes all that has arrived at the socket until now."""
        while True:
            try:
                data, source = self.sock.recvfrom(_LARGEST)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if data.strip(b"\r\n\0"):
                self._take(SipMessage.parse(data), source)

    def _take(self, message: SipMessage, source: tuple[str, int]) -> None:
        if message.is_response:
            waiting = self._pending.get(message.transaction)
            if waiting is not None and not waiting.done() and message.status >= 200:
                waiting.set_result(message)
            return
        if message.method == "ACK":
            return
        if message.method == "OPTIONS":
            self.qualified += 1
        elif (key := (*message.transaction, message.first("Via"))) not in self._known:
            self._known.add(key)
            self.received.append(message)
        status = self.answers.get(message.method, 202 if message.method == "REFER" else 200)
        if status is not None:
            self.sock.sendto(self._answer(message, status), source)
        self._arrived.set()

    def _answer(self, request: SipMessage, status: int) -> bytes:
        to = request.first("To")
        lines = [f"SIP/2.0 {status} Scripted", *(f"Via: {via}" for via in request.all("Via"))]
        lines += [f"From: {request.first('From')}", f"To: {to if ';tag=' in to else f'{to};tag={self.name}'}"]
        lines += [f"{name}: {request.first(name)}" for name in ("Call-ID", "CSeq")]
        return _bytes([*lines, f"Contact: <{self.contact}>"], "")

    async def next(self, method: str, within: float = 5.0) -> SipMessage:
        """The first request of ``method`` not asked for yet; takes it from ``received``."""
        try:
            async with asyncio.timeout(within):
                while True:
                    self.read()
                    for request in self.received:
                        if request.method == method:
                            self.received.remove(request)
                            return request
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"no {method} came to {self.name} within {within:g} s") from None

    # ---- what goes out

    async def request(
        self,
        method: str,
        to: str,
        *,
        uri: str = "",
        sender: str = "",
        headers: Iterable[str] = (),
        body: str = "",
        password: str | None = None,
        within: float = 5.0,
    ) -> SipMessage:
        """Sends one request and returns its final response, that to the repeated one when ``password`` answers a
        challenge.

        Args:
            to: user at the server's host.
            uri: the Request-URI, ``sip:to@server`` unless given.
            sender: the From, without a tag; ``<sip:name@host>`` unless given.
            headers: whole lines.
        """
        uri = uri or f"sip:{to}@{self.server}"
        sender = sender or f"<sip:{self.name}@{self.server.host}>"
        call, serial, authorization = f"{self.name}-{next(_SERIAL)}@{self.address}", 1, ""
        while True:
            lines = [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/UDP {self.address};rport;branch=z9hG4bK{self.name}{next(_SERIAL)}",
                f"From: {sender};tag={self.name}{serial}",
                f"To: <sip:{to}@{self.server.host}>",
                f"Call-ID: {call}",
                f"CSeq: {serial} {method}",
                "Max-Forwards: 70",
                *headers,
                *([authorization] if authorization else []),
            ]
            answer = await self._exchange(_bytes(lines, body), (call, f"{serial} {method}"), within)
            if answer.status != 401 or password is None or authorization:
                return answer
            serial += 1
            authorization = answer_challenge(answer.first("WWW-Authenticate"), method, uri, self.name, password)

    async def _exchange(self, data: bytes, transaction: tuple[str, ...], within: float) -> SipMessage:
        waiting = self._pending[transaction] = asyncio.get_running_loop().create_future()
        try:
            self.sock.sendto(data, self.server)
            return await asyncio.wait_for(waiting, within)
        except TimeoutError:
            raise AssertionError(f"no answer to {data.splitlines()[0]!r} within {within:g} s") from None
        finally:
            del self._pending[transaction]

    async def register(
        self,
        *,
        password: str | None = None,
        contacts: Sequence[str] | None = None,
        expires: int | None = 3600,
        to: str = "",
    ) -> SipMessage:
        """REGISTERs ``contacts`` (Contact values, this phone's own unless given) for ``to`` (its name)."""
        values = [f"<{self.contact}>"] if contacts is None else contacts
        lines = [f"Contact: {value}" for value in values]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        return await self.request(
            "REGISTER", to or self.name, uri=f"sip:{self.server}", headers=lines, password=password
        )

    async def message(self, to: str, body: str, *, password: str | None = None) -> SipMessage:
        """Sends a text."""
        return await self.request("MESSAGE", to, headers=["Content-Type: text/plain"], body=body, password=password)


@asynccontextmanager
async def phone(name: str, server: Address, host: str = "127.0.0.1") -> AsyncIterator[Phone]:
    """A phone on a port of its own for as long as the block lasts."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((host, 0))
        made = Phone(name, server, sock)
        loop.add_reader(sock, made.read)
        try:
            yield made
        finally:
            loop.remove_reader(sock)


def answer_challenge(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The Authorization line for a WWW-Authenticate value (RFC 2617, MD5)."""
    given = {
        name.lower(): quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    }
    ha1, ha2 = _md5(f"{user}:{given['realm']}:{password}"), _md5(f"{method}:{uri}")
    fields = f'username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}"'
    if "auth" in given.get("qop", "").split(","):
        cnonce = f"{next(_SERIAL):08x}"
        response = _md5(f"{ha1}:{given['nonce']}:00000001:{cnonce}:auth:{ha2}")
        fields += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
    else:
        response = _md5(f"{ha1}:{given['nonce']}:{ha2}")
    if "opaque" in given:
        fields += f', opaque="{given["opaque"]}"'
    return f'Authorization: Digest {fields}, response="{response}", algorithm=MD5'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _bytes(lines: Iterable[str], body: str) -> bytes:
    payload = body.encode()
    head = "\r\n".join([*lines, f"Content-Length: {len(payload)}", "", ""])
    return head.encode("utf-8", "surrogateescape") + payload
