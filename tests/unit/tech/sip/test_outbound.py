"""Contacts and the connections they registered over (RFC 5626)."""

from __future__ import annotations

import re

import pytest

from support.sip_world import (
    HERE,
    SERVER,
    Sent,
    SipWorld,
    aor,
    auth,
    authorized,
    phone,
    reply,
    request,
    settings,
    wire,
)
from support.virtual import settle
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import DeliveryState
from switchroom.model.settings import SipGlobalSettings, TransportSettings
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Response

PHONE = ("192.0.2.9", 40_000)
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000001>"'


class Connections:
    """Connections that are open as long as the test says."""

    def __init__(self) -> None:
        self.open: set[tuple[str, int]] = set()
        self.reachable: set[tuple[str, int]] = set()
        self.opened: list[tuple[str, int, str]] = []

    def connected(self, host: str, port: int) -> bool:
        return (host, port) in self.open

    async def connect(self, host: str, port: int, server_name: str = "") -> None:
        self.opened.append((host, port, server_name))
        if (host, port) not in self.reachable:
            raise ConnectionRefusedError("refused")
        self.open.add((host, port))


class StreamWorld(SipWorld):
    """A SipWorld that listens on TCP, TLS and WebSocket too."""

    def __init__(self, *, tcp_switch: bool = False, **alice: object) -> None:
        super().__init__(
            settings(
                phone("alice", **alice),
                phone("carol"),
                aors=[aor("alice", support_path=True, qualify_frequency=0), aor("carol")],
                auths=[auth("alice"), auth("carol")],
                general=SipGlobalSettings(disable_tcp_switch=not tcp_switch),
            )
        )
        self.connections = {name: Connections() for name in ("tcp", "tls", "ws")}
        for name, connections in self.connections.items():
            section = TransportSettings(name=name, source=HERE, protocol=name, bind_host=SERVER)
            self.sip.attach(Listener(section, SERVER, 5070, self._leave, lambda peer: SERVER, connections))

    def connect(self, transport: str, peer: tuple[str, int] = PHONE) -> Flow:
        self.connections[transport].open.add(peer)
        return Flow(transport, transport, *peer)

    def disconnect(self, flow: Flow) -> None:
        self.connections[flow.transport].open.discard((flow.host, flow.port))
        self.sip.disconnected(flow)

    def over(self, flow: Flow, text: str) -> list[Sent]:
        self.sip.receive(wire(text.replace("SIP/2.0/UDP", f"SIP/2.0/{flow.transport.upper()}")), flow)
        return self.sent()

    def register_over(
        self, flow: Flow, contact: str, *, extra: str = "", user: str = "alice", expires: int = 600
    ) -> Response:
        text = request("REGISTER", user, extra=f"Contact: {contact}\nExpires: {expires}\n{extra}")
        (first,) = self.over(flow, text)
        assert first.response.status == 401
        return self.over(flow, authorized(text, first.response, user))[-1].response

    async def text(self, to: str = "alice", body: str = "hello") -> list[Sent]:
        """Sends a text; what leaves because of it."""
        await self.messages.send(f"pjsip:{to}", "sip:me@example.org", body, {})
        await settle()
        return self.sent()

    def uris(self, name: str = "alice") -> list[str]:
        return [contact.uri for contact in self.registry.contacts("PJSIP", name)]

    def state(self) -> str:
        endpoint = self.registry.get("PJSIP", "alice")
        assert endpoint is not None
        return str(endpoint.state)


async def started(*, tcp_switch: bool = False, **alice: object) -> StreamWorld:
    world = StreamWorld(tcp_switch=tcp_switch, **alice)
    await world.start()
    return world


def via_transport(sent: Sent) -> str:
    return sent.request.via.transport


async def test_a_text_goes_over_the_connection_the_phone_registered_on() -> None:
    world = await started()
    flow = world.connect("tcp")
    answer = world.register_over(flow, "<sip:alice@192.0.2.9:40000;transport=TCP;ob>")
    assert answer.status == 200
    (sent,) = await world.text()
    assert sent.to == PHONE
    assert sent.request.target == "sip:alice@192.0.2.9:40000;transport=TCP;ob"
    assert via_transport(sent) == "TCP"
    assert sent.request.via.sent_by == f"{SERVER}:5070"
    world.over(flow, reply(sent))
    assert world.deliveries[-1].state is DeliveryState.DELIVERED
    assert world.connections["tcp"].opened == []


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        ("tcp", "<sip:alice@192.0.2.9:40000;transport=tcp>"),
        ("tcp", "<sip:alice@10.0.0.4:5060;transport=tcp>"),
        ("tcp", "<sip:alice@192.0.2.9:5060;transport=tcp;ob>"),
        ("tcp", "<sip:x@y.invalid;transport=tcp>"),
        ("tls", "<sip:alice@192.0.2.9:5061;transport=tls>"),
        ("ws", "<sip:df7jal23ls0d@d8s9.invalid;transport=ws>"),
    ],
)
async def test_a_contact_without_a_listener_is_gone_with_its_connection(transport: str, contact: str) -> None:
    world = await started()
    flow = world.connect(transport)
    world.register_over(flow, contact)
    assert world.state() == "online"
    world.ear.take()
    world.disconnect(flow)
    assert world.state() == "offline"
    assert world.ear.names() == ["EndpointStateChange", "PeerStatusChange", "ContactStatusChange"]
    with pytest.raises(EndpointNotFound):
        await world.text()
    assert world.sip._lifetimes._tied == {}


@pytest.mark.parametrize(
    ("contact", "port", "name"),
    [
        ("<sip:alice-0x1@192.0.2.9:5062;transport=tcp>", 5062, "192.0.2.9"),
        ("<sip:trunk@pbx.example.org;transport=tcp>", 5060, "pbx.example.org"),
    ],
)
async def test_a_contact_that_listens_outlives_its_connection(contact: str, port: int, name: str) -> None:
    world = await started()
    world.addresses.known["pbx.example.org"] = ["192.0.2.9"]
    flow = world.connect("tcp")
    world.register_over(flow, contact)
    (reused,) = await world.text()
    assert reused.to == PHONE
    world.over(flow, reply(reused))
    world.disconnect(flow)
    assert world.state() == "online"
    world.connections["tcp"].reachable.add(("192.0.2.9", port))
    (sent,) = await world.text()
    assert sent.to == ("192.0.2.9", port)
    assert world.connections["tcp"].opened == [("192.0.2.9", port, name)]


async def test_nobody_there_to_connect_to_is_a_failed_delivery() -> None:
    world = await started()
    flow = world.connect("tcp")
    world.register_over(flow, "<sip:alice@192.0.2.9:5062;transport=tcp>")
    world.disconnect(flow)
    assert await world.text() == []
    report = world.deliveries[-1]
    assert (report.state, report.status_code) == (DeliveryState.FAILED, 503)
    assert "refused" in report.reason


async def test_what_was_under_way_fails_when_the_connection_closes() -> None:
    world = await started()
    flow = world.connect("ws")
    world.register_over(flow, "<sip:a@b.invalid;transport=ws>")
    await world.text()
    world.disconnect(flow)
    assert (world.deliveries[-1].state, world.deliveries[-1].status_code) == (DeliveryState.FAILED, 503)


async def test_a_phone_that_comes_back_on_another_connection_stays() -> None:
    world = await started()
    contact = "<sip:a@b.invalid;transport=ws>"
    first = world.connect("ws")
    world.register_over(first, contact)
    second = world.connect("ws", ("192.0.2.9", 40_001))
    world.register_over(second, contact)
    world.disconnect(first)
    assert world.state() == "online"
    (sent,) = await world.text()
    assert sent.to == ("192.0.2.9", 40_001)
    world.disconnect(second)
    assert world.state() == "offline"


async def test_the_same_instance_and_reg_id_replace_the_binding_of_before() -> None:
    world = await started()
    extra = "Supported: path, outbound\n"
    first = world.connect("tcp")
    world.register_over(first, f"<sip:alice@192.0.2.9:40000;transport=tcp;ob>;reg-id=1;{INSTANCE}", extra=extra)
    world.ear.take()
    second = world.connect("tcp", ("192.0.2.9", 40_001))
    answer = world.register_over(
        second, f"<sip:alice@192.0.2.9:40001;transport=tcp;ob>;reg-id=1;{INSTANCE}", extra=extra
    )
    assert world.uris() == ["sip:alice@192.0.2.9:40001;transport=tcp;ob"]
    assert world.ear.names() == ["ContactStatusChange", "ContactStatusChange"], "it was never offline"
    assert answer.all("require") == ["outbound"]
    assert re.fullmatch(
        rf"<sip:alice@192\.0\.2\.9:40001;transport=tcp;ob>;expires=600;reg-id=1;{re.escape(INSTANCE)}",
        answer.all("contact")[0],
    )
    world.disconnect(first)
    assert world.state() == "online"


async def test_of_two_flows_of_one_phone_the_latest_gets_the_text() -> None:
    world = await started()
    extra = "Supported: outbound\n"
    for number, port in ((1, 40_000), (2, 40_001)):
        flow = world.connect("tcp", ("192.0.2.9", port))
        world.register_over(flow, f"<sip:alice@192.0.2.9:{port};transport=tcp>;reg-id={number};{INSTANCE}", extra=extra)
        world.clock.now += 1
    assert len(world.uris()) == 2
    (sent,) = await world.text()
    assert sent.to == ("192.0.2.9", 40_001)


@pytest.mark.parametrize(
    ("parameters", "extra"),
    [
        (f";reg-id=1;{INSTANCE}", ""),
        (";reg-id=1", "Supported: outbound\n"),
        (f";reg-id=x;{INSTANCE}", "Supported: outbound\n"),
        (f";reg-id=4294967296;{INSTANCE}", "Supported: outbound\n"),
        (f";reg-id=1;{INSTANCE}", "Supported: outbound, path\nPath: <sip:edge@192.0.2.7;lr>\n"),
        (f";reg-id=1;{INSTANCE}", "Supported: outbound\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKx\n"),
    ],
    ids=["not supported", "no instance", "no number", "too large", "a Path without ob", "a proxy without Path"],
)
async def test_without_all_that_outbound_needs_it_is_an_ordinary_binding(parameters: str, extra: str) -> None:
    world = await started()
    answer = world.register_over(
        world.connect("tcp"), f"<sip:alice@192.0.2.9:40000;transport=tcp>{parameters}", extra=extra
    )
    assert answer.status == 200
    assert answer.all("require") == []
    assert "reg-id" not in answer.all("contact")[0]


async def test_require_outbound_is_understood() -> None:
    world = await started()
    answer = world.register_over(
        world.connect("ws"),
        f"<sip:a@b.invalid;transport=ws>;reg-id=1;{INSTANCE}",
        extra="Require: outbound\nSupported: outbound\n",
    )
    assert answer.status == 200


async def test_a_path_is_used_and_the_contact_behind_it_not_rewritten() -> None:
    world = await started(rewrite_contact=True)
    flow = world.connect("tcp", ("192.0.2.7", 40_000))
    world.register_over(
        flow,
        "<sip:alice@10.0.0.4:5060;transport=tcp>",
        extra="Supported: path\nPath: <sip:edge@192.0.2.7:5080;transport=tcp;lr>\n"
        "Via: SIP/2.0/TCP 10.0.0.4;branch=z9hG4bKx\n",
    )
    assert world.uris() == ["sip:alice@10.0.0.4:5060;transport=tcp"]
    world.connections["tcp"].reachable.add(("192.0.2.7", 5080))
    (sent,) = await world.text()
    assert sent.to == ("192.0.2.7", 5080)
    assert sent.request.all("route") == ["<sip:edge@192.0.2.7:5080;transport=tcp;lr>"]
    world.disconnect(flow)
    assert world.state() == "online", "the connection was the proxy's"


@pytest.mark.parametrize(
    ("transport", "moved"), [("ws", "transport=ws"), ("tcp", "transport=tcp"), ("tls", "transport=tls")]
)
async def test_a_rewritten_contact_is_answered_as_it_was_written(transport: str, moved: str) -> None:
    world = await started(rewrite_contact=True)
    flow = world.connect(transport)
    answer = world.register_over(flow, "<sip:x@y.invalid;transport=ws>")
    assert answer.all("contact") == ["<sip:x@y.invalid;transport=ws>;expires=600"]
    assert world.uris() == [f"sip:x@192.0.2.9:40000;{moved}"]
    (sent,) = await world.text()
    assert sent.to == PHONE
    assert via_transport(sent) == transport.upper()
    world.disconnect(flow)
    assert world.state() == "offline"


async def test_a_sips_contact_never_goes_over_a_line_in_clear() -> None:
    world = await started()
    world.register_over(world.connect("tcp"), "<sips:alice@192.0.2.9:5061>")
    world.connections["tls"].reachable.add(("192.0.2.9", 5061))
    (sent,) = await world.text()
    assert (via_transport(sent), sent.to) == ("TLS", ("192.0.2.9", 5061))


async def test_a_browser_is_never_connected_to() -> None:
    world = await started()
    with pytest.raises(Exception, match="no transport goes to"):
        await world.text("carol/sip:x@192.0.2.9;transport=ws")


async def test_a_referral_says_how_to_come_back() -> None:
    world = await started()
    flow = world.connect("tcp")
    world.register_over(flow, "<sip:alice@192.0.2.9:40000;transport=tcp>")
    world.referrals.refer("pjsip:alice", "sip:me@example.org", "carol", {}, to_self=True)
    (sent,) = world.sent()
    assert sent.request.all("contact") == [f"<sip:me@{SERVER}:5070;transport=tcp>"]
    assert sent.request.first("refer-to") == f"<sip:carol@{SERVER}:5070;transport=tcp>"


async def test_unregistering_forgets_the_connection() -> None:
    world = await started()
    flow = world.connect("ws")
    world.register_over(flow, "<sip:a@b.invalid;transport=ws>")
    world.register_over(flow, "<sip:a@b.invalid;transport=ws>", expires=0)
    assert world.sip._lifetimes._tied == {}
    world.ear.take()
    world.disconnect(flow)
    assert world.ear.take() == []


async def by_udp(world: StreamWorld, contact: str = "<sip:alice@192.0.2.9:5060>") -> None:
    """alice registers over UDP."""
    assert world.register("alice", contact).status == 200


@pytest.mark.parametrize(
    ("switch", "contact", "size", "transport"),
    [
        (True, "<sip:alice@192.0.2.9:5060>", 2_000, "TCP"),
        (True, "<sip:alice@192.0.2.9:5060>", 200, "UDP"),
        (True, "<sip:alice@192.0.2.9:5060;transport=udp>", 2_000, "UDP"),
        (False, "<sip:alice@192.0.2.9:5060>", 2_000, "UDP"),
        (True, "<sip:alice@phone.example.org>", 2_000, "TCP"),
    ],
)
async def test_a_large_text_leaves_by_tcp_where_that_is_wanted(
    switch: bool, contact: str, size: int, transport: str
) -> None:
    world = await started(tcp_switch=switch)
    world.addresses.known["phone.example.org"] = ["192.0.2.9"]
    await by_udp(world, contact)
    world.connections["tcp"].reachable.add(("192.0.2.9", 5060))
    (sent,) = await world.text(body="x" * size)
    assert (via_transport(sent), sent.to) == (transport, ("192.0.2.9", 5060))


async def test_a_large_text_goes_by_udp_when_nobody_listens_on_tcp() -> None:
    world = await started(tcp_switch=True)
    await by_udp(world)
    (sent,) = await world.text(body="x" * 2_000)
    assert (via_transport(sent), sent.to) == ("UDP", ("192.0.2.9", 5060))
    assert world.connections["tcp"].opened == [("192.0.2.9", 5060, "192.0.2.9")]


async def test_what_fits_no_datagram_goes_by_tcp_or_is_refused() -> None:
    world = await started(tcp_switch=True)
    await by_udp(world)
    assert await world.text(body="x" * 65_001) == []
    assert world.deliveries[-1].status_code == 503
    world = await started()
    await by_udp(world)
    with pytest.raises(InvalidParameter, match="does not fit"):
        await world.text(body="x" * 65_001)
