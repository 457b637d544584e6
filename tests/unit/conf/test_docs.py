"""docs/configuration.md says every option, its true default, and what is not honoured."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from msgspec import NODEFAULT
from msgspec.structs import FieldInfo, fields

from switchroom.conf import acl, ari, chan_sip_options, http, iax2, switchroom, websocket_client, xmpp
from switchroom.conf.options import Table
from switchroom.conf.pjsip_options import KINDS, UNSUPPORTED_KINDS
from switchroom.model import iax2_settings, settings, xmpp_settings

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"

#: Heading to the table of its options and the structure they fill.
SECTIONS: dict[str, tuple[Table, type | None]] = {
    "type=endpoint": (KINDS["endpoint"], settings.SipEndpointSettings),
    "type=auth": (KINDS["auth"], settings.AuthSettings),
    "type=aor": (KINDS["aor"], settings.AorSettings),
    "type=identify": (KINDS["identify"], settings.IdentifySettings),
    "type=transport": (KINDS["transport"], settings.TransportSettings),
    "type=registration": (KINDS["registration"], settings.RegistrationSettings),
    "type=acl": (KINDS["acl"], settings.SipAclSettings),
    "type=domain_alias": (KINDS["domain_alias"], None),
    "type=contact": (KINDS["contact"], None),
    "type=global": (KINDS["global"], settings.SipGlobalSettings),
    "type=system": (KINDS["system"], settings.SipGlobalSettings),
    "ari.conf [general]": (ari.GENERAL, settings.AriSettings),
    "ari.conf type=user": (ari.USER, settings.AriUser),
    "ari.conf type=outbound_websocket": (ari.OUTBOUND, settings.OutboundSettings),
    "websocket_client.conf": (websocket_client.CLIENT, settings.OutboundSettings),
    "http.conf [general]": (http.GENERAL, settings.HttpSettings),
    "http.conf type=restriction": (http.RESTRICTION, None),
    "acl.conf": (acl.ACL, None),
    "iax.conf [general]": (iax2.GENERAL, iax2_settings.IaxSettings),
    "iax.conf peers": (iax2.PEER, iax2_settings.IaxPeerSettings),
    "sip.conf [general]": (chan_sip_options.GENERAL, settings.ChanSipGeneral),
    "sip.conf peers": (chan_sip_options.PEER, settings.PeerSettings),
    "switchroom.conf [general]": (switchroom.GENERAL, settings.SwitchroomSettings),
    "switchroom.conf [TECHNOLOGY/name]": (switchroom.ENDPOINT, None),
    "switchroom.conf type=application": (switchroom.APPLICATION, None),
    "xmpp.conf [general]": (xmpp.GENERAL, xmpp_settings.XmppAccountSettings),
    "xmpp.conf accounts": (xmpp.ACCOUNT, xmpp_settings.XmppAccountSettings),
}

#: Defaults that are another option, or said in words.
NOT_LITERAL = {"realm", "supported_algorithms_uas", "supported_algorithms_uac"}


@cache
def section(heading: str) -> str:
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    assert found is not None, f"no heading {heading}"
    return found[1]


def rows(heading: str) -> dict[str, tuple[bool, str]]:
    """Option to whether it is marked as adding up, and its default."""
    found = re.findall(r"^\| `(\w+)`( \+)? \|(.*?)\|", section(heading), re.M)
    return {name: (bool(mark), default.strip()) for name, mark, default in found}


def test_every_table_has_a_heading() -> None:
    assert {id(table) for table, _ in SECTIONS.values()} >= {id(table) for table in KINDS.values()}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_honoured_option_is_documented(heading: str) -> None:
    table = SECTIONS[heading][0]
    documented = rows(heading)
    assert documented.keys() == table.honoured.keys()
    assert {n for n, row in documented.items() if row[0]} == {n for n, o in table.honoured.items() if o.repeats}


@pytest.mark.parametrize("heading", SECTIONS)
def test_what_is_not_honoured_is_named(heading: str) -> None:
    table = SECTIONS[heading][0]
    ignored = section(heading).partition("Accepted and ignored")[2]
    assert set(re.findall(r"`([\w-]+)`", ignored)) >= (table.accepted - {"type"}) | table.unsupported.keys()


@pytest.mark.parametrize("heading", SECTIONS)
def test_defaults_are_true(heading: str) -> None:
    table, structure = SECTIONS[heading]
    known: dict[str, FieldInfo] = {f.name: f for f in fields(structure)} if structure else {}
    for name, (_, default) in rows(heading).items():
        field = known.get(table.honoured[name].field)
        if field is None or name in NOT_LITERAL:
            continue
        if field.default is NODEFAULT:
            assert default == "required" or field.default_factory is not NODEFAULT
        elif default.startswith("`"):
            assert table.honoured[name].parse(default.strip("`")) == field.default
        else:
            assert field.default in ("", (), None)


def test_every_field_of_a_table_exists() -> None:
    for table, structure in SECTIONS.values():
        if structure is not None:
            known = {f.name for f in fields(structure)}
            assert {o.field for o in table.honoured.values() if not o.field.startswith("_")} <= known


def test_types_that_are_not_supported_are_named() -> None:
    named = set(re.findall(r"`([\w-]+)`", section("Types that are not supported yet")))
    assert named == UNSUPPORTED_KINDS.keys()
