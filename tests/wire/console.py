"""The console in Chromium, and phones that behave as they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from support.config import Address
from support.phone import Phone, SipMessage, phone
from support.programs import need_program
from support.server import RunningServer
from wire.chromium import Tab, chromium

#: Where the composer and the referral form show how far it got.
PROGRESS = ".progress"


async def log_in(tab: Tab, base: str, user: str = "asterisk", password: str = "asterisk") -> None:
    """From the address in the browser to the list of endpoints."""
    await tab.open(f"{base}/")
    await tab.says("Log in", "h1")
    await give_login(tab, user, password)
    await tab.says("Live", ".connection")


async def give_login(tab: Tab, user: str, password: str) -> None:
    await tab.type("input[name=user]", user)
    await tab.type("input[name=password]", password)
    await tab.press("Enter")


@asynccontextmanager
async def console(folder: Path, request: pytest.FixtureRequest, server: RunningServer) -> AsyncIterator[Tab]:
    """A tab that is logged in. In the end it must have complained of nothing and asked nobody else."""
    async with chromium(need_program("chromium", request), folder) as tab:
        await tab.look(1280, 800)
        await log_in(tab, server.base)
        yield tab
        assert tab.complaints == []
        assert asked_elsewhere(tab, server.base) == []


def asked_elsewhere(tab: Tab, base: str) -> list[str]:
    """Addresses of requests to anybody but the server."""
    own = (f"{base}/", f"{base.replace('http', 'ws', 1)}/")
    return [address for address in tab.requests if not address.startswith(own)]


async def register(phone: Phone, agent: str = "Desk phone/1.0", contact: str = "") -> SipMessage:
    """Registers as a phone of this make; its password is its name and ``pw``."""
    headers = [f"Contact: {contact or f'<{phone.contact}>'}", "Expires: 3600", f"User-Agent: {agent}"]
    uri = f"sip:{phone.server}"
    return await phone.request("REGISTER", phone.name, uri=uri, headers=headers, password=f"{phone.name}pw")


@asynccontextmanager
async def phones(names: Iterable[str], server: Address) -> AsyncIterator[dict[str, Phone]]:
    """Registered phones by name."""
    async with AsyncExitStack() as stack:
        made = {name: await stack.enter_async_context(phone(name, server)) for name in names}
        for each in made.values():
            assert (await register(each)).status == 200
        yield made


def say(phone: Phone, reason: str) -> None:
    """From now on its answers have this reason phrase."""
    answer = phone._answer

    def worded(request: SipMessage, status: int) -> bytes:
        return answer(request, status).replace(b" Scripted\r\n", f" {reason}\r\n".encode(), 1)

    phone._answer = worded  # type: ignore[method-assign]


async def tell(phone: Phone, text: SipMessage, status: str) -> None:
    """Tells what became of a text that it got, as a disposition notification (RFC 5438 7)."""
    kind = "display" if status == "displayed" else "delivery"
    body = (
        f'<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>{text.first("Message-ID")}</message-id>'
        f"<{kind}-notification><status><{status}/></status></{kind}-notification></imdn>"
    )
    headers = ["Content-Type: message/imdn+xml"]
    answer = await phone.request("MESSAGE", "desk", headers=headers, body=body, password=f"{phone.name}pw")
    assert answer.status == 202


def notify(phone: Phone, refer: SipMessage, serial: int, status: str, *, last: bool = False) -> None:
    """Tells how the call is going that a REFER asked for (RFC 3515 2.4.4), in the dialog that the REFER made."""
    body = f"SIP/2.0 {status}\r\n"
    lines = [
        f"NOTIFY sip:{phone.server} SIP/2.0",
        f"Via: SIP/2.0/UDP {phone.address};rport;branch=z9hG4bKnotify{phone.name}{serial}",
        f"From: {refer.first('To')};tag={phone.name}",
        f"To: {refer.first('From')}",
        f"Call-ID: {refer.first('Call-ID')}",
        f"CSeq: {serial} NOTIFY",
        f"Contact: <{phone.contact}>",
        "Max-Forwards: 70",
        "Event: refer",
        f"Subscription-State: {'terminated;reason=noresource' if last else 'active;expires=60'}",
        "Content-Type: message/sipfrag",
        f"Content-Length: {len(body)}",
    ]
    phone.sock.sendto("\r\n".join([*lines, "", body]).encode(), phone.server)
