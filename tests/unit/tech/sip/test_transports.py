"""Which address of ours a peer is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from support.sip_world import HERE
from switchroom.model.settings import TransportSettings
from switchroom.tech.sip.transports import Listener


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
