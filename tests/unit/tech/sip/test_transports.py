"""Which address of ours a peer is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from support.sip_world import HERE
from switchroom.model.settings import SipEndpointSettings, TransportSettings
from switchroom.tech.sip.transports import Listener, Transports
from switchroom.wire.sip.uri import parse_uri


def listener(**of_transport: object) -> Listener:
    settings = TransportSettings(name="udp", source=HERE, bind_host="0.0.0.0", **of_transport)  # type: ignore[arg-type]
    return Listener(settings, "0.0.0.0", 5060, lambda data, host, port: None, lambda peer: "10.0.0.1")


LOCAL = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("local_net", "peer", "shown"),
    [
        (LOCAL, "192.0.2.9", "198.51.100.1:5062"),
        (LOCAL, "10.1.1.1", "10.0.0.1:5060"),
        ((), "10.1.1.1", "198.51.100.1:5062"),
        (LOCAL, "phone.example", "198.51.100.1:5062"),
    ],
)
def test_the_external_address_is_shown_beyond_the_local_nets(
    local_net: tuple[object, ...], peer: str, shown: str
) -> None:
    made = listener(external_signaling_address="198.51.100.1", external_signaling_port=5062, local_net=local_net)
    assert made.sent_by(peer) == shown


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    assert listener(external_signaling_address="2001:db8::1").sent_by("192.0.2.9") == "[2001:db8::1]:5060"


@pytest.mark.parametrize(
    ("host", "own"), [("10.0.0.1", True), ("127.0.0.5", True), ("10.0.0.2", False), ("::1", False)]
)
def test_a_listener_on_every_address_is_at_each_of_them(host: str, own: bool) -> None:
    assert listener().is_at(host) is own


@pytest.mark.parametrize("host", ["2001:db8::1", "2001:db8:0::1", "2001:0DB8::0001"])
def test_an_address_is_the_same_in_every_spelling(host: str) -> None:
    settings = TransportSettings(name="udp6", source=HERE, bind_host="2001:db8::1")
    assert Listener(settings, "2001:db8::1", 5060, lambda data, host, port: None, str).is_at(host)


# ---- which listener a request leaves by

NOBODY = SipEndpointSettings(name="x", source=HERE)


def transports(*protocols: str) -> Transports:
    """A listener of each protocol, named as it; one ending in 6 is on IPv6."""
    made = Transports()
    for name in protocols:
        host = "2001:db8::1" if name.endswith("6") else "192.0.2.1"
        settings = TransportSettings(name=name, source=HERE, protocol=name.rstrip("6"), bind_host=host)
        made.add(Listener(settings, host, 5060, lambda data, host, port: None, str))
    return made


@pytest.mark.parametrize(
    ("there", "uri", "chosen"),
    [
        (("udp", "tcp"), "sip:x@h.example", "udp"),
        (("tcp", "tls"), "sip:x@h.example", "tcp"),
        (("tls",), "sip:x@h.example", "tls"),
        (("udp", "tls"), "sips:x@h.example", "tls"),
        (("tcp",), "sip:x@h.example:5060", None),
        (("tcp",), "sip:x@192.0.2.9", None),
        (("tcp",), "sip:x@h.example;transport=udp", None),
        (("ws", "wss"), "sip:x@h.example;transport=ws", None),
        (("udp", "udp6"), "sip:x@[2001:db8::9]", "udp6"),
        (("udp6",), "sip:x@h.example", "udp6"),
    ],
)
def test_the_first_listener_that_a_uri_leaves_open(there: tuple[str, ...], uri: str, chosen: str | None) -> None:
    found = transports(*there).choose(NOBODY, parse_uri(uri))
    assert (found.name if found is not None else None) == chosen


@pytest.mark.parametrize(
    ("uri", "first", "expected"),
    [
        ("sip:x@h.example", "udp", ["udp", "tcp", "tls"]),
        ("sip:x@h.example", "tcp", ["tcp", "tls"]),
        ("sip:x@h.example:5060", "udp", ["udp"]),
        ("sip:x@h.example;transport=tcp", "tcp", ["tcp"]),
        ("sips:x@h.example", "tls", ["tls"]),
    ],
)
def test_what_dns_may_choose_from(uri: str, first: str, expected: list[str]) -> None:
    made = transports("udp", "udp6", "tcp", "tls", "ws")
    choices = made.choices(NOBODY, parse_uri(uri), made.listeners[first])
    assert list(choices) == expected
    assert {ipv6: listener.name for ipv6, listener in choices[first].items()} == (
        {False: "udp", True: "udp6"} if first == "udp" else {False: first}
    )
    insists = SipEndpointSettings(name="x", source=HERE, transport=first)
    assert made.choices(insists, parse_uri(uri), made.listeners[first]) == {first: {False: made.listeners[first]}}
