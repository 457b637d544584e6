"""The demo's phone against a registrar of a few lines, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from switchroom.demo.phone import EXPIRES, SHOWN, Phone, RegistrationFailed
from switchroom.net.udp import UdpListener
from switchroom.wire.sip.digest import hash_ha1, parse_credentials, verify, write_challenge
from switchroom.wire.sip.events import RequestReceived, ResponseReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response
from switchroom.wire.sip.stack import Outgoing, Stack


class Registrar:
    """Challenges each REGISTER and answers everything else with 200; ``send`` sends a request to the phone."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.refusal = 0
        tokens = iter(range(1_000_000))
        self._stack = Stack(node="registrar", token=lambda: f"token{next(tokens)}", t1=30)
        self._flow: Flow | None = None
        self._changed = asyncio.Event()

    async def open(self) -> None:
        self.listener = await UdpListener.open("127.0.0.1", 0, self._receive, after=self._turn)

    @property
    def address(self) -> tuple[str, int]:
        return self.listener.address

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def send(self, method: str, *headers: tuple[str, str], body: bytes = b"") -> None:
        assert self._flow is not None
        target = self.requests[0].contacts[0].uri
        host = f"127.0.0.1:{self.address[1]}"
        all_headers = [
            ("From", f"<sip:bob@{host}>;tag=from-us"),
            ("To", f"<sip:alice@{host}>"),
            ("Call-ID", "call-of-ours"),
            ("CSeq", f"1 {method}"),
            *headers,
        ]
        outgoing = Outgoing(method, str(target), all_headers, body, host)
        self._stack.request(outgoing, self._flow, time.monotonic())
        self._turn()

    def _receive(self, data: bytes, host: str, port: int) -> None:
        self._stack.receive(data, Flow("udp", "here", host, port), time.monotonic())

    def _turn(self) -> None:
        while (event := self._stack.next_event()) is not None:
            if isinstance(event, RequestReceived):
                self._flow = event.flow
                self.requests.append(event.request)
                self._answer(event)
            elif isinstance(event, ResponseReceived):
                self.responses.append(event.response)
        while (packet := self._stack.to_send()) is not None:
            self.listener.send(packet[0], packet[1].host, packet[1].port)
        self._changed.set()

    def _answer(self, incoming: RequestReceived) -> None:
        status, headers = 200, []
        authorization = incoming.request.first("authorization")
        if incoming.request.method == "REGISTER":
            if self.refusal:
                status = self.refusal
            elif authorization is None:
                status, headers = 401, [("WWW-Authenticate", write_challenge("here", "once"))]
            elif not verify(parse_credentials(authorization), hash_ha1("MD5", "alice", "here", "secret"), "REGISTER"):
                status = 403
        self._stack.respond(incoming, status, headers=headers, now=time.monotonic())


@pytest.fixture
async def registrar() -> AsyncIterator[Registrar]:
    made = Registrar()
    await made.open()
    yield made
    made.listener.close()


@pytest.fixture
async def shown() -> list[str]:
    return []


@pytest.fixture
async def phone(registrar: Registrar, shown: list[str]) -> AsyncIterator[Phone]:
    made = Phone("alice", "secret", registrar.address, shown.append)
    yield made
    made.close()


async def test_it_registers_with_its_password(registrar: Registrar, phone: Phone, shown: list[str]) -> None:
    await phone.start()
    first, second = registrar.requests
    assert (first.first("authorization"), first.cseq.number, second.cseq.number) == (None, 1, 2)
    assert first.call_id == second.call_id
    assert (second.to.uri.user, second.expires) == ("alice", EXPIRES)
    assert shown == ["alice has registered"]


async def test_a_wrong_password_is_told(registrar: Registrar, shown: list[str]) -> None:
    phone = Phone("alice", "wrong", registrar.address, shown.append)
    with pytest.raises(RegistrationFailed, match="alice can not register: 403 Forbidden"):
        await phone.start()
    phone.close()
    assert shown == []


async def test_a_refusal_is_told(registrar: Registrar, phone: Phone) -> None:
    registrar.refusal = 503
    with pytest.raises(RegistrationFailed, match="503 Service Unavailable"):
        await phone.start()


async def test_it_shows_a_text_and_takes_it(registrar: Registrar, phone: Phone, shown: list[str]) -> None:
    await phone.start()
    registrar.send("MESSAGE", ("Content-Type", "text/plain"), body="Grüße".encode())
    await registrar.until(lambda: len(registrar.responses) == 1)
    assert registrar.responses[0].status == 200
    assert shown[1:] == [f"alice got a text from sip:bob@127.0.0.1:{registrar.address[1]}: Grüße"]


async def test_a_long_text_is_shown_in_part(registrar: Registrar, phone: Phone, shown: list[str]) -> None:
    await phone.start()
    registrar.send("MESSAGE", ("Content-Type", "text/plain"), body=b"x" * 10_000)
    await registrar.until(lambda: len(registrar.responses) == 1)
    assert shown[1].endswith(": " + "x" * SHOWN)


async def test_it_takes_a_referral_and_reports(registrar: Registrar, phone: Phone, shown: list[str]) -> None:
    await phone.start()
    registrar.send("REFER", ("Refer-To", "<sip:carol@example.com>"), ("Contact", "<sip:us@127.0.0.1>"))
    await registrar.until(lambda: len(registrar.requests) == 4)
    (response,) = registrar.responses
    assert response.status == 202
    trying, answered = registrar.requests[2:]
    for number, notify in enumerate((trying, answered), start=1):
        assert (notify.method, notify.target, notify.cseq.number) == ("NOTIFY", "sip:us@127.0.0.1", number)
        assert (notify.call_id, notify.to.tag, notify.from_.tag) == ("call-of-ours", "from-us", response.to.tag)
        assert notify.first("event") == "refer"
        assert notify.first("content-type") == "message/sipfrag;version=2.0"
    assert (trying.body, answered.body) == (b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\n")
    assert (trying.first("subscription-state") or "").startswith("active")
    assert (answered.first("subscription-state") or "").startswith("terminated")
    assert shown[1:] == [
        "alice is asked to call sip:carol@example.com",
        "alice reports: 100 Trying",
        "alice reports: 200 OK",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [("Contact", "<sip:us@127.0.0.1>")],
        [("Refer-To", "<sip:carol@example.com>")],
        [("Refer-To", "<sip:carol@example.com>"), ("Contact", "<<")],
    ],
    ids=["nobody to call", "nobody to report to", "malformed"],
)
async def test_a_referral_it_can_not_follow_is_refused(
    registrar: Registrar, phone: Phone, headers: list[tuple[str, str]]
) -> None:
    await phone.start()
    registrar.send("REFER", *headers)
    await registrar.until(lambda: len(registrar.responses) == 1)
    assert registrar.responses[0].status == 400


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INFO", 405)])
async def test_it_says_what_it_can_do(registrar: Registrar, phone: Phone, method: str, status: int) -> None:
    await phone.start()
    registrar.send(method)
    await registrar.until(lambda: len(registrar.responses) == 1)
    (response,) = registrar.responses
    assert (response.status, response.first("allow")) == (status, "MESSAGE, OPTIONS, REFER")
