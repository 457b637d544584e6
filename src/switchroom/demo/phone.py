"""A telephone: registers, shows the texts it gets, and takes referrals, though it makes no calls."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from switchroom.net.udp import UdpListener
from switchroom.wire.sip.digest import answer, hash_ha1, parse_challenge
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import Event, RequestReceived, ResponseReceived, TransactionTimeout, TransportFailed
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.stack import Outgoing, Stack

#: Seconds a registration is asked for; it is renewed after half of them.
EXPIRES: Final = 600
#: Characters of a text that are shown: it may be as long as a datagram.
SHOWN: Final = 500

_ALLOW: Final = ("Allow", "MESSAGE, OPTIONS, REFER")
#: How the call went that a referral asked for: the sipfrags of RFC 3515 2.4.5.
_PROGRESS: Final = ((100, "Trying", "active;expires=60"), (200, "OK", "terminated;reason=noresource"))


class RegistrationFailed(Exception):
    """The registrar did not accept the phone; the text says what became of the request."""


class Phone:
    """One telephone on a UDP port of its own, on the loopback interface.

    ``show`` is given a line for each thing that happens; texts from the network are in it as they came.
    """

    def __init__(self, name: str, password: str, registrar: tuple[str, int], show: Callable[[str], None]) -> None:
        self.name = name
        self._password = password
        self._show = show
        self._flow = Flow("udp", name, *registrar)
        host = f"[{registrar[0]}]" if ":" in registrar[0] else registrar[0]
        self._registrar = f"sip:{host}:{registrar[1]}"
        self._address = f"sip:{name}@{host}:{registrar[1]}"
        self._loopback = "::1" if ":" in registrar[0] else "127.0.0.1"
        self._sent_by = ""
        self._stack = Stack(node=name, token=_token)
        self._call_id = _token()
        self._cseq = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._listener: UdpListener | None = None

    async def start(self) -> None:
        """Returns when the phone is registered.

        Raises:
            RegistrationFailed: refused, or no answer.
            OSError: there is no port to be had.
        """
        self._listener = await UdpListener.open(self._loopback, 0, self._receive, after=self._turn)
        host, port = self._listener.address
        self._sent_by = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        await self._register()
        self._show(f"{self.name} has registered")

    def close(self) -> None:
        """Pulls the plug: nothing is sent any more, the registration is left to expire."""
        for timer in (self._alarm, self._renewal):
            if timer is not None:
                timer.cancel()
        if self._listener is not None:
            self._listener.close()

    # ---- the stack, its socket and its clock

    def _receive(self, data: bytes, host: str, port: int) -> None:
        self._stack.receive(data, Flow("udp", self.name, host, port), time.monotonic())

    def _turn(self) -> None:
        """After anything happened: acts on the stack's events, sends what it has, sets its alarm."""
        assert self._listener is not None
        while (event := self._stack.next_event()) is not None:
            self._heed(event)
        while (packet := self._stack.to_send()) is not None:
            data, flow = packet
            self._listener.send(data, flow.host, flow.port)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._stack.next_timer()
        if due is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._wake)

    def _wake(self) -> None:
        self._stack.handle_timer(time.monotonic())
        self._turn()

    def _heed(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._answer(event)
            case ResponseReceived(context=waiting, response=response) if callable(waiting) and response.status >= 200:
                waiting(response)
            case TransactionTimeout(context=waiting) | TransportFailed(context=waiting) if callable(waiting):
                waiting(None)

    def _request(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        heard: Callable[[Response | None], None],
    ) -> None:
        """Sends a request to the registrar; ``heard`` is given the final response, or None for no answer."""
        outgoing = Outgoing(method, target, [*headers, ("Max-Forwards", "70")], body, self._sent_by)
        try:
            self._stack.request(outgoing, self._flow, time.monotonic(), heard)
        except SipError:
            heard(None)
        else:
            self._turn()

    # ---- registration (RFC 3261 10.2)

    async def _register(self) -> None:
        """Registers, answers one challenge, and sees to it that the registration is renewed."""
        response = await self._ask_registrar()
        if response is not None and response.status == 401:
            response = await self._ask_registrar(self._credentials(response))
        if response is None:
            raise RegistrationFailed(f"{self.name} can not register: {self._registrar} does not answer")
        if response.status != 200:
            raise RegistrationFailed(f"{self.name} can not register: {response.status} {response.reason}")
        self._renewal = asyncio.get_running_loop().call_later(EXPIRES / 2, self._renew)

    def _renew(self) -> None:
        renewing = asyncio.ensure_future(self._register())
        renewing.add_done_callback(self._renewed)

    def _renewed(self, renewing: asyncio.Future[None]) -> None:
        if not renewing.cancelled() and isinstance(failure := renewing.exception(), RegistrationFailed):
            self._show(str(failure))

    def _ask_registrar(self, *credentials: tuple[str, str]) -> asyncio.Future[Response | None]:
        heard: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._cseq += 1
        headers = [
            ("From", f"<{self._address}>;tag={_token()}"),
            ("To", f"<{self._address}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<sip:{self.name}@{self._sent_by}>"),
            ("Expires", str(EXPIRES)),
            *credentials,
        ]
        self._request("REGISTER", self._registrar, headers, b"", partial(_settle, heard))
        return heard

    def _credentials(self, response: Response) -> tuple[str, str]:
        try:
            challenge = parse_challenge(response.first("www-authenticate") or "")
            value = answer(
                challenge,
                method="REGISTER",
                uri=self._registrar,
                username=self.name,
                ha1=hash_ha1(challenge.algorithm, self.name, challenge.realm, self._password),
                cnonce=_token(),
            )
        except SipError as unusable:
            raise RegistrationFailed(f"{self.name} can not register: {unusable.reason}") from unusable
        return "Authorization", value

    # ---- requests to the phone

    def _answer(self, incoming: RequestReceived) -> None:
        request = incoming.request
        match request.method:
            case "MESSAGE":
                text = request.body[: 4 * SHOWN].decode("utf-8", "replace")[:SHOWN]
                self._show(f"{self.name} got a text from {request.from_.uri}: {text}")
                self._respond(incoming, 200)
            case "REFER":
                self._take_referral(incoming)
            case "OPTIONS":
                self._respond(incoming, 200)
            case _:
                self._respond(incoming, 405)

    def _respond(self, incoming: RequestReceived, status: int, *headers: tuple[str, str]) -> None:
        self._stack.respond(incoming, status, headers=[_ALLOW, *headers], now=time.monotonic())

    def _take_referral(self, incoming: RequestReceived) -> None:
        """Accepts a REFER and reports a call that is played (RFC 3515 2.4)."""
        request = incoming.request
        try:
            (contact,) = request.contacts
            refer_to = parse_name_addr(request.first("refer-to") or "").uri
        except ValueError:  # malformed, missing, or several
            self._respond(incoming, 400)
            return
        self._show(f"{self.name} is asked to call {refer_to}")
        self._respond(incoming, 202, ("Contact", f"<sip:{self.name}@{self._sent_by}>"))
        tag = "" if request.to.tag else f";tag={self._stack.to_tag(incoming)}"
        subscription = [
            ("From", f"{request.first('to')}{tag}"),
            ("To", request.first("from") or ""),
            ("Call-ID", request.call_id),
            ("Contact", f"<sip:{self.name}@{self._sent_by}>"),
            ("Event", "refer"),
            ("Content-Type", "message/sipfrag;version=2.0"),
        ]
        self._report(str(contact.uri), subscription, 0)

    def _report(self, target: str, subscription: list[tuple[str, str]], step: int) -> None:
        """Sends one NOTIFY, and the next when it is answered; an end of the subscription ends it (RFC 6665 4.2.2)."""
        status, reason, state = _PROGRESS[step]

        def heard(response: Response | None) -> None:
            if response is not None and response.status < 300 and step + 1 < len(_PROGRESS):
                self._report(target, subscription, step + 1)

        self._show(f"{self.name} reports: {status} {reason}")
        headers = [*subscription, ("CSeq", f"{step + 1} NOTIFY"), ("Subscription-State", state)]
        self._request("NOTIFY", target, headers, f"SIP/2.0 {status} {reason}\r\n".encode(), heard)


def _settle(heard: asyncio.Future[Response | None], response: Response | None) -> None:
    if not heard.done():
        heard.set_result(response)


def _token() -> str:
    return secrets.token_hex(8)
