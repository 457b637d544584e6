"""Aliases: the shortest text that is read back as the same address, and the texts of callers."""

from __future__ import annotations

import pytest

from support.sip_world import VirtualClock
from switchroom.core.addresses import Address, Addresses
from switchroom.core.registry import Registry
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter


class Quoting:
    """A technology that shows an alias in quotes, and carries what ends as told."""

    def __init__(self, **carried: str) -> None:
        self._carried = carried

    def sender(self, alias: str, through: str) -> str:
        if through == "mute":
            raise InvalidParameter("nobody can send here")
        return f"'{alias}' by {through or 'any'}"

    def carrier(self, beyond: str) -> str | None:
        return next((name for name, end in self._carried.items() if beyond.endswith(end)), None)


def at(technology: str, resource: str, beyond: str = "") -> Address:
    return Address(EndpointId(technology, resource), beyond)


@pytest.fixture
def addresses() -> Addresses:
    registry = Registry(VirtualClock())
    made = Addresses(registry)
    for name in (
        "PJSIP/alice",
        "PJSIP/both",
        "PJSIP/x/y",
        "SIP/old",
        "SIP/both",
        "XMPP/gate",
        "XMPP/other",
        "IAX2/quiet",
    ):
        registry.add(EndpointId(*name.split("/", 1)))
    made.add("PJSIP", Quoting())
    made.add("SIP", Quoting())
    made.add("XMPP", Quoting(gate="@example.org", other="@example.net"))
    return made


@pytest.mark.parametrize(
    ("address", "technology", "alias"),
    [
        (at("PJSIP", "alice"), "SIP", "alice"),
        (at("PJSIP", "both"), "SIP", "PJSIP/both"),
        (at("PJSIP", "both"), "XMPP", "both"),
        (at("SIP", "both"), "XMPP", "SIP/both"),
        (at("PJSIP", "x/y"), "SIP", "x/y"),
        (at("XMPP", "gate"), "PJSIP", "gate"),
        (at("XMPP", "gate", "romeo@example.org"), "PJSIP", "romeo@example.org"),
        (at("XMPP", "other", "romeo@example.org"), "PJSIP", "other/romeo@example.org"),
    ],
)
def test_an_alias_is_short_and_read_back(addresses: Addresses, address: Address, technology: str, alias: str) -> None:
    assert addresses.alias(address, technology) == alias
    assert addresses.find(alias, technology) == address


@pytest.mark.parametrize(
    ("alias", "technology", "address"),
    [
        ("old", "PJSIP", at("SIP", "old")),
        ("both", "PJSIP", at("PJSIP", "both")),
        ("sip/both", "PJSIP", at("SIP", "both")),
        ("gate/romeo@example.org", "SIP", at("XMPP", "gate", "romeo@example.org")),
        ("xmpp/gate/romeo@example.org", "SIP", at("XMPP", "gate", "romeo@example.org")),
        ("xmpp/romeo@example.net", "SIP", at("XMPP", "other", "romeo@example.net")),
        # Beyond its own endpoints a technology does not get through here: no relay.
        ("romeo@example.org", "XMPP", None),
        ("gate/romeo@example.org", "XMPP", None),
        ("romeo@elsewhere", "PJSIP", None),
        ("gate/romeo@elsewhere", "PJSIP", None),
        ("quiet", "PJSIP", None),
        ("IAX2/quiet", "PJSIP", None),
        ("nobody/romeo@example.org", "PJSIP", None),
        ("nobody", "PJSIP", None),
        ("XMPP/", "PJSIP", None),
        ("/", "PJSIP", None),
        ("", "PJSIP", None),
    ],
)
def test_what_is_meant(addresses: Addresses, alias: str, technology: str, address: Address | None) -> None:
    assert addresses.find(alias, technology) == address


@pytest.mark.parametrize(
    ("sender", "technology", "shown"),
    [
        ("pjsip:alice", "SIP", "'alice' by any"),
        ("PJSIP:both", "SIP", "'PJSIP/both' by any"),
        ("sip:old", "PJSIP", "'old' by any"),
        ("sip:old", "SIP", "sip:old"),
        ("sip:alice@example.org", "PJSIP", "sip:alice@example.org"),
        ("sip:nobody", "PJSIP", "sip:nobody"),
        ("alice", "SIP", "alice"),
        ('"A: B" <sip:a@b>', "SIP", '"A: B" <sip:a@b>'),
        ("pjsip:alice", "IAX2", "pjsip:alice"),
        ("", "SIP", ""),
    ],
)
def test_an_endpoint_as_a_sender_in_another_technology(
    addresses: Addresses, sender: str, technology: str, shown: str
) -> None:
    assert addresses.named(sender, technology) == shown


def test_who_can_not_send_says_so(addresses: Addresses) -> None:
    assert addresses.sender(at("PJSIP", "alice"), "XMPP", "gate") == "'alice' by gate"
    with pytest.raises(InvalidParameter):
        addresses.sender(at("PJSIP", "alice"), "XMPP", "mute")
    with pytest.raises(EndpointNotFound):
        addresses.sender(at("PJSIP", "alice"), "IAX2")
