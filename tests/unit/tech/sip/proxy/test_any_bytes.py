"""Hostile phones: every header of every message of a call may hold anything. No packet raises, and nothing is left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.call_world import SDP, Dialog, Exchange, Phone, exchange
from support.sip_world import HERE, SERVER, Sent, aor
from switchroom.model.settings import IdentifySettings, SipEndpointSettings
from switchroom.tech.sip.limits import LONGEST_SESSION
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Request, Response

#: What a header may hold that its reader did not expect: addresses of all kinds, of nobody and of ourselves, numbers
#: out of range, names that are none, lists, quotes without an end, bytes that are no UTF-8.
_VALUES = [
    b"",
    b" ",
    b"*",
    b"0",
    b"-1",
    b"4294967296",
    b"99999999999999999999 INVITE",
    b"2147483647 BYE",
    b"1 ACK",
    b"terminated;reason=timeout",
    b"active;expires=99999999999",
    b"id",
    b"90;refresher=uas",
    b"1;refresher=",
    b"x" * 300,
    b"\xff\xfe\x80",
    b'"',
    b'"\xc3\xa9" <sip:a@b>;tag="',
    b"<sip:>",
    b"<>",
    b"<sip:%00%ff@h>;tag=a b",
    b"<sip:\xc3\xa9@\xc3\xa9.example>;tag=\xc3\xa9",
    b"<tel:+15550100>;tag=1",
    b"<urn:uuid:1>;tag=1",
    b"<sip:a@nobody.example>",
    b"<sip:a@nobody.example;transport=tls;lr>",
    b"<sip:a@%s.example>" % (b"l" * 70),
    b"<sip:a@known.example;lr>",
    b"<sip:a@[::1]:5060;lr>",
    b"<sip:a@[2001:db8::1]>",
    b"<sip:a@[fe80::1%25eth0]>",
    b"<sip:a@127.0.0.1>",
    b"<sip:a@192.0.2.1:5060;lr>",
    b"<sip:a@192.0.2.10:0>",
    b"<sip:a@192.0.2.20:70000>",
    b"<sip:a@192.0.2.20;maddr=>",
    b"<sip:a@192.0.2.20;maddr=%zz;transport=sctp>",
    b"<sip:a@x;maddr=[::ffff:127.0.0.1]>",
    b"<sips:a@192.0.2.20;ttl=300?Route=%3Csip:x%3E>",
    b"<sip:a@1.2.3>",
    b"<sip:a@255.255.255.255>",
    b"<sip:bob@192.0.2.1;gr>, <sip:bob@192.0.2.1;gr=urn:uuid:1>",
    b"sip:a@b;tag=x, sip:c@d",
    b"<sip:1>, <sip:2>, <sip:3>, <sip:4>, <sip:5>, <sip:6>, <sip:7>, <sip:8>",
    b"SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/UDP [::1]:0;branch=;rport=x",
    b"SIP/2.0/",
    b'Digest realm="asterisk", nonce=',
    b'Digest username="alice", realm="asterisk", nonce="x", uri="sip:x", response="y", qop=auth-int',
]
_NAMES = [
    *(b"Via", b"Route", b"Record-Route", b"Contact", b"From", b"To", b"Call-ID", b"CSeq", b"Max-Forwards"),
    *(b"Max-Breadth", b"Proxy-Require", b"Require", b"Session-Expires", b"Subscription-State", b"Event", b"Refer-To"),
    *(b"Referred-By", b"Content-Length", b"P-Asserted-Identity", b"Privacy", b"Authorization", b"Proxy-Authorization"),
    *(b"WWW-Authenticate", b"Proxy-Authenticate", b"Retry-After", b"RSeq", b"Replaces", b"Content-Type"),
]
_METHODS = [
    *("ACK", "BYE", "INVITE", "INVITE", "ACK", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE", "OPTIONS"),
    "MESSAGE",
]
_STATUSES = [200, 180, 100, 183, 199, 200, 202, 200, 302, 401, 404, 407, 408, 481, 486, 487, 491, 500, 503, 603]
_TARGETS = ["alice", "bob", "sip:15550100@192.0.2.50", "nobody", "sip:bob@192.0.2.1;gr=urn:uuid:1", "tel:bob"]

Mangle = Callable[[bytes], bytes]


def _kept(data: bytes) -> bytes:
    return data


def _mangled(data: bytes, kind: int, at: int, value: bytes, name: bytes) -> bytes:
    """The message with one thing wrong."""
    head, blank, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    line = at % len(lines)
    if kind == 0:  # another value
        own, colon, _ = lines[line].partition(b": ")
        lines[line] = own + colon + value if colon else lines[line]
    elif kind == 1:  # missing
        del lines[line]
    elif kind == 2:  # twice
        lines.insert(line, lines[line])
    elif kind == 3:  # one more
        lines.insert(max(1, line), name + b": " + value)
    elif kind == 4:  # this one, wherever it stands
        lines = [name + b": " + value if text.startswith(name + b":") else text for text in lines]
    elif kind == 5:  # the first line says something else
        words = lines[0].split(b" ", 2)
        words[min(1, len(words) - 1)] = value.strip(b"<>") or b"x"
        lines[0] = b" ".join(words)
    elif kind == 6:  # bytes in the middle
        place = at % (len(data) + 1)
        return data[:place] + value + data[place + at % 5 :]
    elif kind == 7:  # cut off
        return data[: at % (len(data) + 1)]
    else:  # a parameter, or the lack of it
        lines[line] = re.sub(rb";(tag|branch|lr)[^;>]*", lambda m: b";" + m[1] + b"=" + value, lines[line])
    return b"\r\n".join(lines) + blank + body


class Hostile(Phone):
    """A phone whose next packet is not as it should be; only what proves it stays, or nobody would listen."""

    mangle: Mangle = staticmethod(_kept)

    def send(self, text: str) -> None:
        unproven = text.startswith("INVITE") and "uthorization:" not in text and "To: " in text and ";tag=" not in text
        head, blank, body = text.partition("\n\n")
        data = (head.replace("\n", "\r\n") + ("\r\n\r\n" if blank else "") + body).encode("utf-8", "surrogateescape")
        if not unproven:
            data, self.mangle = self.mangle(data), _kept
        self.exchange.world.sip.receive(data, self.flow)
        self.exchange.deliver()


class Scene:
    """alice, two phones of bob, one of them on a connection, and a trunk; and all that was ever said."""

    def __init__(self, x: Exchange) -> None:
        self.x = x
        x.listen("tcp", 5060)
        x.world.addresses.known["known.example"] = ["192.0.2.77"]
        self.phones = [
            self._phone("alice", "udp", "192.0.2.10", 5060),
            self._phone("bob", "udp", "192.0.2.20", 5060),
            self._phone("bob", "tcp", "192.0.2.21", 33000),
        ]
        for phone in self.phones:
            phone.register("Supported: outbound, path\n" if phone.flow.reliable else "")
        self.trunk = self._phone("trunk", "udp", "192.0.2.50", 5060)
        self.phones.append(self.trunk)
        self.dialogs: list[Dialog] = []
        self.came: list[tuple[Hostile, Sent]] = []

    def _phone(self, name: str, transport: str, host: str, port: int) -> Hostile:
        parameter = ";transport=tcp" if transport == "tcp" else ""
        return Hostile(self.x, name, Flow(transport, transport, host, port), f"sip:{name}@{host}:{port}{parameter}")

    def collect(self) -> None:
        """Requests that came wait for an answer; what a 2xx or 1xx says makes dialogs."""
        for phone in self.phones:
            for sent in phone.take():
                message = sent.message
                if isinstance(message, Request):
                    self.came.append((phone, sent))
                elif isinstance(message, Response) and 100 < message.status < 300:
                    with suppress(SipError):
                        waiting = [d for d in self.dialogs if d.owner is phone and d.call_id == message.call_id]
                        if waiting and message.to.tag:
                            self.dialogs.append(waiting[0].learn(message))
        del self.dialogs[:-20], self.came[:-20]

    def begin(self, how: str) -> None:
        """What is so before anybody misbehaves: a call that rings, or one that was answered, or a referral."""
        alice, desk, mobile, trunk = self.phones
        caller, callee = {
            "ringing": (alice, desk),
            "udp": (alice, desk),
            "tcp": (alice, mobile),
            "back": (mobile, alice),
            "out": (alice, trunk),
            "in": (trunk, alice),
            "referral": (alice, desk),
        }[how]
        if how == "referral":
            self.dialogs.append(self._refer(caller))
        else:
            self.dialogs.append(caller.invite("sip:15550100@192.0.2.50" if callee is trunk else callee.name))
        asked = callee.got("REFER" if how == "referral" else "INVITE")
        answered = callee.answer(asked, 180 if how == "ringing" else 202 if how == "referral" else 200, body=SDP)
        self.collect()
        self.dialogs.append(answered)
        if how not in ("ringing", "referral"):
            self.dialogs[1].send("ACK")
            assert callee.heard[-1].request.method == "ACK"
            self.collect()

    def _refer(self, phone: Hostile) -> Dialog:
        extra = f"Refer-To: <sip:alice@{SERVER}>\nContact: <{phone.contact}>\n"
        text = phone._proven(phone._outside("REFER", f"sip:bob@{SERVER}", "bob", extra))
        lines = dict(line.partition(": ")[::2] for line in text.partition("\n\n")[0].split("\n"))
        dialog = Dialog(phone, lines["Call-ID"], lines["From"], lines["To"], f"sip:bob@{SERVER}")
        dialog.cseq = 2
        return dialog

    def act(self, deed: str, who: int, what: int, mangle: Mangle) -> None:
        phone = self.phones[who % len(self.phones)]
        with suppress(SipError):  # what a phone of the test can not understand it does not do
            if deed == "dial":
                phone.mangle = mangle
                self.dialogs.append(phone.invite(_TARGETS[what % len(_TARGETS)]))
            elif deed == "answer" and self.came:
                phone, sent = self.came[-1 - who % len(self.came)]
                phone.mangle = mangle
                status = _STATUSES[what % len(_STATUSES)]
                self.dialogs.append(phone.answer(sent, status, body=SDP, tag=f"t{what % 3}", extra=_extra(what)))
            elif deed == "within" and (known := [d for d in self.dialogs if ";tag=" in d.remote]):
                dialog = known[-1 - who % len(known)]
                dialog.owner.mangle = mangle  # type: ignore[attr-defined]
                dialog.send(_METHODS[what % len(_METHODS)], extra=_extra(what))
            elif deed == "cancel" and self.dialogs:
                dialog = self.dialogs[-1 - who % len(self.dialogs)]
                if dialog.invite:
                    dialog.owner.mangle = mangle  # type: ignore[attr-defined]
                    dialog.cancel()
            elif deed == "refer":
                phone.mangle = mangle
                self.dialogs.append(self._refer(phone))
            elif deed == "wait":
                self.x.pass_time((0.1, 0.6, 5, 40, 70, 200)[what % 6])
            elif deed == "close" and phone.flow.reliable:
                self.x.disconnect(phone)
                self.x.links["tcp"].open.add((phone.flow.host, phone.flow.port))
        phone.mangle = _kept
        self.collect()


def _extra(what: int) -> str:
    return (
        "",
        "Contact: <sip:alice@192.0.2.10:5060>\n",
        "Session-Expires: 90;refresher=uac\n",
        "Event: refer\nSubscription-State: terminated\n",
        "Contact: <sip:15550100@192.0.2.50>\n",
    )[what // 20 % 5]


async def _play(how: str, acts: list[tuple[str, int, int, Mangle]]) -> dict[str, int]:
    """What is left when all has been done and long been over."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    source = IdentifySettings(name="trunk", source=HERE, endpoint="trunk", match=((ip_network("192.0.2.50"), 0),))
    trunk = SipEndpointSettings(name="trunk", source=HERE, aors=("trunk",), follow_redirect_methods=("invite",))
    x = await exchange(
        "alice",
        "bob",
        endpoints=[trunk],
        aors=[aor("trunk", contact=("sip:192.0.2.50",))],
        identifies=[source],
    )
    scene = Scene(x)
    scene.begin(how)
    for act in acts:
        scene.act(*act)
        await asyncio.sleep(0)
    for _ in range(4):
        await asyncio.sleep(0)
    for _ in range(4):
        x.pass_time(LONGEST_SESSION)
        for _ in range(8):
            await asyncio.sleep(0)
    assert not complaints, complaints
    return x.left_over()


_acts = st.lists(
    st.tuples(
        st.sampled_from([*["answer", "within"] * 3, "dial", "cancel", "refer", "wait", "close"]),
        st.integers(0, 40),
        st.integers(0, 10_000),
        st.one_of(
            st.just(_kept),
            st.builds(
                lambda kind, at, value, name: lambda data: _mangled(data, kind, at, value, name),
                st.integers(0, 8),
                st.integers(0, 2_000),
                st.one_of(st.sampled_from(_VALUES), st.binary(max_size=20)),
                st.sampled_from(_NAMES),
            ),
        ),
    ),
    min_size=4,
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["ringing", "udp", "tcp", "back", "out", "in", "referral"]), _acts)
def test_any_header_anywhere_in_calls(how: str, acts: list[tuple[str, int, int, Mangle]]) -> None:
    assert asyncio.run(_play(how, acts)) == {}
