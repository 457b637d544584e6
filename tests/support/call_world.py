"""Phones that call each other through a virtual server: each keeps its dialogs as RFC 3261 12 says, and no more.

What a phone hears is in ``heard``, oldest first; ``take`` empties it. Nothing is answered unless the test says so, but
challenges to a caller's INVITE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import count

from support.sip_world import HERE, SERVER, Sent, SipWorld, aor, auth, authorized, phone, settings, wire
from switchroom.model.settings import (
    AorSettings,
    AuthSettings,
    ChanSipSettings,
    IdentifySettings,
    PeerSettings,
    SipEndpointSettings,
    TransportSettings,
)
from switchroom.tech.sip.chan_sip import ChanSip
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request, Response

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
_serial = count(1)


class Links:
    """The open connections of a listener of streams."""

    def __init__(self) -> None:
        self.open: set[tuple[str, int]] = set()
        self.opened: list[tuple[str, int]] = []
        self.refusing = False

    def connected(self, host: str, port: int) -> bool:
        return (host, port) in self.open

    async def connect(self, host: str, port: int, server_name: str) -> None:
        if self.refusing:
            raise OSError("refused")
        self.opened.append((host, port))
        self.open.add((host, port))


class Exchange:
    """A server and the phones around it, by address; of a server with two technologies, one of them."""

    def __init__(self, world: SipWorld, beside: Exchange | None = None) -> None:
        self.world = world
        self.phones: dict[tuple[str, int], Phone] = beside.phones if beside else {}
        self.links: dict[str, Links] = {}
        #: What went to an address where nobody is.
        self.lost: list[Sent] = beside.lost if beside else []
        self._worlds: list[SipWorld] = beside._worlds if beside else []
        self._worlds.append(world)

    def listen(self, protocol: str, port: int) -> None:
        """One more listener, at another port of the server."""
        links = self.links[protocol] = Links()
        transport = TransportSettings(name=protocol, source=HERE, protocol=protocol, bind_host=SERVER, bind_port=port)
        leave: Callable[[bytes, str, int], None] = self.world._leave
        self.world.sip.attach(Listener(transport, SERVER, port, leave, lambda peer: SERVER, links))

    def receive(self, text: str, flow: Flow) -> None:
        self.world.sip.receive(wire(text), flow)
        self.deliver()

    def deliver(self) -> None:
        """What has left the server reaches the phones."""
        for world in self._worlds:
            for sent in world.sent():
                self._hand_over(sent)

    def _hand_over(self, sent: Sent) -> None:
        found = self.phones.get(sent.to)
        (found.heard if found is not None else self.lost).append(sent)

    def pass_time(self, seconds: float) -> None:
        self.deliver()
        for sent in self.world.pass_time(seconds):
            self._hand_over(sent)
        self.deliver()

    def disconnect(self, phone: Phone) -> None:
        self.links[phone.flow.transport].open.discard((phone.flow.host, phone.flow.port))
        self.world.sip.disconnected(phone.flow)
        self.deliver()

    @property
    def calls(self) -> int:
        """Calls in the table."""
        return len(self.world.sip.calls)

    def left_over(self) -> dict[str, int]:
        """The tables in which calls, their requests and what waits for them are kept: how much is in each that is not
        empty.
        """
        sip = self.world.sip
        calls, exchanges = sip.calls, sip._exchanges
        sizes = {
            "calls": len(calls),
            "calls by dialog": len(calls._calls),
            "calls by flow": len(calls._by_flow),
            "channels": len(calls._channels),
            "contexts": len(sip._proxy._contexts),
            "exchanges": len(exchanges._open),
            "names looked up": len(exchanges._resolving),
            "parties asked": len(sip._liveness._asked),
            "deadlines": len(self.world.schedule),
            **sip._stack.counts(),
        }
        return {name: size for name, size in sizes.items() if size}

    def channels(self, name: str) -> int:
        found = self.world.registry.get(self.world.sip.name, name)
        assert found is not None
        return len(found.channel_ids)


class Dialog:
    """One side of a dialog, or of what is to become one."""

    def __init__(self, owner: Phone, call_id: str, local: str, remote: str, target: str) -> None:
        self.owner = owner
        self.call_id = call_id
        #: From and To values, tags included.
        self.local = local
        self.remote = remote
        self.target = target
        self.routes: list[str] = []
        self.cseq = 0
        #: The request that made it, as it was sent or as it came.
        self.invite = ""
        self.came: Sent | None = None

    def learn(self, response: Response) -> Dialog:
        """The dialog a response makes (RFC 3261 12.1.2)."""
        learned = Dialog(self.owner, self.call_id, self.local, response.first("to") or "", self.target)
        learned.routes = list(reversed(response.all("record-route")))
        learned.cseq, learned.invite = self.cseq, self.invite
        if response.contacts:
            learned.target = str(response.contacts[0].uri)
        return learned

    def text(self, method: str, *, extra: str = "", body: str = "", hops: int = 70, target: str = "") -> str:
        """The next request of this dialog."""
        if method not in ("ACK", "CANCEL"):
            self.cseq += 1
        routes = "".join(f"Route: {route}\n" for route in self.routes)
        via = self.owner.via(f"z9hG4bK{next(_serial)}")
        return (
            f"{method} {target or self.target} SIP/2.0\n{via}{routes}Max-Forwards: {hops}\n"
            f"From: {self.local}\nTo: {self.remote}\nCall-ID: {self.call_id}\nCSeq: {self.cseq} {method}\n"
            f"{extra}Content-Length: {len(body.encode())}\n\n{body}"
        )

    def send(self, method: str, *, extra: str = "", body: str = "", hops: int = 70, target: str = "") -> str:
        text = self.text(method, extra=extra, body=body, hops=hops, target=target)
        self.owner.send(text)
        return text

    def cancel(self) -> None:
        """CANCEL of the INVITE as it was sent last (RFC 3261 9.1)."""
        kept = ("From:", "To:", "Call-ID:", "Via:", "Max-Forwards:", "Route:")
        first, *lines = self.invite.partition("\n\n")[0].split("\n")
        lines = [line for line in lines if line.startswith(kept)]
        self.owner.send(
            f"CANCEL {first.split(' ')[1]} SIP/2.0\n" + "\n".join(lines) + f"\nCSeq: {self.cseq} CANCEL\n\n"
        )


class Phone:
    """One device; it is where ``flow`` says."""

    def __init__(self, exchange: Exchange, name: str, flow: Flow, contact: str) -> None:
        self.exchange = exchange
        self.name = name
        self.flow = flow
        self.contact = contact
        self.heard: list[Sent] = []
        exchange.phones[flow.host, flow.port] = self
        if flow.reliable:
            exchange.links[flow.transport].open.add((flow.host, flow.port))

    def via(self, branch: str) -> str:
        host = "df7jal23ls0d.invalid" if self.flow.transport in ("ws", "wss") else f"{self.flow.host}:{self.flow.port}"
        return f"Via: SIP/2.0/{self.flow.transport.upper()} {host};rport;branch={branch}\n"

    def send(self, text: str) -> None:
        self.exchange.receive(text, self.flow)

    def take(self) -> list[Sent]:
        heard, self.heard = self.heard, []
        return heard

    def statuses(self) -> list[int]:
        """What it was answered since it was asked last; requests are left."""
        heard = self.take()
        self.heard = [sent for sent in heard if isinstance(sent.message, Request)]
        return [sent.message.status for sent in heard if isinstance(sent.message, Response)]

    def methods(self) -> list[str]:
        """What it was asked since it was asked last; answers are left."""
        heard = self.take()
        self.heard = [sent for sent in heard if isinstance(sent.message, Response)]
        return [sent.message.method for sent in heard if isinstance(sent.message, Request)]

    def got(self, what: str | int) -> Sent:
        """The latest request of a method, or answer of a status, that it heard."""
        for sent in reversed(self.heard):
            message = sent.message
            if what == (message.method if isinstance(message, Request) else message.status):
                return sent
        raise AssertionError(f"{self.name} heard no {what}, but {[str(sent.message) for sent in self.heard]}")

    def register(self, extra: str = "", contact: str = "") -> None:
        text = self._outside(
            "REGISTER", f"sip:{SERVER}", self.name, f"Contact: {contact or f'<{self.contact}>'}\n{extra}"
        )
        self._proven(text)
        assert self.statuses()[-1] == 200

    def invite(
        self, target: str, *, extra: str = "", body: str = SDP, hops: int = 70, to: str = "", call_id: str = ""
    ) -> Dialog:
        """Calls somebody, and answers the challenge that may come."""
        uri = target if ":" in target else f"sip:{target}@{SERVER}"
        extra = f"Contact: <{self.contact}>\nContent-Type: application/sdp\n{extra}"
        text = self._outside("INVITE", uri, to or target, extra, body, hops, call_id)
        sent = self._proven(text)
        lines = dict(line.partition(": ")[::2] for line in sent.partition("\n\n")[0].split("\n"))
        dialog = Dialog(self, lines["Call-ID"], lines["From"], lines["To"], uri)
        dialog.invite, dialog.cseq = sent, int(lines["CSeq"].split(" ")[0])
        return dialog

    def _outside(
        self, method: str, uri: str, to: str, extra: str, body: str = "", hops: int = 70, call_id: str = ""
    ) -> str:
        n = next(_serial)
        address = to if ":" in to else f"sip:{to}@{SERVER}"
        return (
            f"{method} {uri} SIP/2.0\n{self.via(f'z9hG4bK-{n}')}Max-Forwards: {hops}\n"
            f"From: <sip:{self.name}@{SERVER}>;tag={self.name}{n}\nTo: <{address}>\n"
            f"Call-ID: {call_id or f'{self.name}-{n}'}\nCSeq: 1 {method}\n"
            f"{extra}Content-Length: {len(body.encode())}\n\n{body}"
        )

    def _proven(self, text: str) -> str:
        """Sends a request, and once more when it has to be proven; as it was sent last."""
        self.send(text)
        last = self.heard[-1].message if self.heard else None
        if isinstance(last, Response) and last.status in (401, 407):
            self.heard.pop()
            text = authorized(text, last, self.name)
            self.send(text)
        return text

    def answer(
        self, sent: Sent, status: int, *, extra: str = "", body: str = "", tag: str = "", raw: str = ""
    ) -> Dialog:
        """Answers what it heard; the dialog that makes."""
        r = sent.request
        tag = tag or f"{self.name}.{self.flow.host}.{self.flow.port}"
        to = r.first("to") or ""
        to = to if ";tag=" in to or status == 100 else f"{to};tag={tag}"
        vias = "".join(f"Via: {via}\n" for via in r.lines("via"))
        record = "".join(f"Record-Route: {value}\n" for value in r.lines("record-route"))
        contact = f"Contact: <{self.contact}>\n" if 100 < status < 300 and r.method in ("INVITE", "UPDATE") else ""
        self.send(
            raw
            or f"SIP/2.0 {status} Word\n{vias}{record if status > 100 else ''}From: {r.first('from')}\nTo: {to}\n"
            f"Call-ID: {r.first('call-id')}\nCSeq: {r.first('cseq')}\n{contact}{extra}"
            f"Content-Length: {len(body.encode())}\n\n{body}"
        )
        try:
            target = str(r.contacts[0].uri) if r.contacts else ""
        except SipError:
            target = ""
        dialog = Dialog(self, r.call_id, to, r.first("from") or "", target)
        dialog.routes = r.all("record-route")
        dialog.came = sent
        return dialog


async def exchange(
    *names: str,
    endpoints: Iterable[SipEndpointSettings] = (),
    aors: Iterable[AorSettings] = (),
    identifies: Iterable[IdentifySettings] = (),
    **more: object,
) -> Exchange:
    """A server with endpoints that prove themselves (``names``), and others."""
    configured = settings(
        *(phone(name) for name in names),
        *endpoints,
        aors=[*(aor(name) for name in names), *aors],
        auths=[auth(name) for name in [*names, *(e.name for e in endpoints)]],
        identifies=identifies,
    )
    return Exchange(await SipWorld(configured, **more).start())  # type: ignore[arg-type]


async def exchange_beside(
    other: Exchange,
    *names: str,
    endpoints: Iterable[SipEndpointSettings] = (),
    aors: Iterable[AorSettings] = (),
    auths: Iterable[AuthSettings] = (),
    **more: object,
) -> Exchange:
    """SIP on the server of ``other``, on port 5070, with friends that prove themselves (``names``), and others."""
    endpoints = list(endpoints)
    sip = settings(
        *(phone(name) for name in names),
        *endpoints,
        aors=[*(aor(name) for name in names), *aors],
        auths=[*(auth(name) for name in [*names, *(e.name for e in endpoints)]), *auths],
    )
    peers = {name: PeerSettings(name=name, source=HERE, user=True, peer=True, host="dynamic") for name in sip.endpoints}
    driver = partial(ChanSip, lambda: ChanSipSettings(peers=peers, sip=sip))
    world = SipWorld(sip, name="SIP", driver=driver, port=5070, beside=other.world, **more)  # type: ignore[arg-type]
    await world.sip.start()
    return Exchange(world, other)


def at(
    exchange: Exchange, name: str, address: str, *, transport: str = "udp", contact: str = "", register: bool = True
) -> Phone:
    """A phone of an endpoint at ``host:port``, registered."""
    host, _, port = address.rpartition(":")
    flow = Flow(transport, transport, host, int(port))
    parameter = "" if transport == "udp" else f";transport={transport}"
    made = Phone(exchange, name, flow, contact or f"sip:{name}@{address}{parameter}")
    if register:
        made.register("Supported: outbound, path\n" if transport != "udp" else "")
    return made


def routes_to_us(message: Request | Response) -> list[str]:
    """The URIs of the Record-Route values."""
    return [str(parse_name_addr(value).uri) for value in message.all("record-route")]


def talk(caller: Phone, callee: Phone, name: str = "") -> tuple[Dialog, Dialog]:
    """A call, answered and acknowledged: the caller's and the callee's side of it; what was heard is forgotten."""
    dialling = caller.invite(name or callee.name)
    called = callee.answer(callee.got("INVITE"), 200, body=SDP)
    talking = dialling.learn(caller.got(200).response)
    talking.send("ACK")
    assert callee.heard[-1].request.method == "ACK"
    caller.take()
    callee.take()
    return talking, called
