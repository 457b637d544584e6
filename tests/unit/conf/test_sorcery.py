"""Objects as fields: what is shown makes the same object again, and what can not be used is named."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.conf.pjsip_options import KINDS
from switchroom.conf.sorcery import CLASSES, WRITABLE, Kind, Unfit, Workshop, find, is_secret, merge, show
from switchroom.model.settings import AccessRule, SipGlobalSettings, SipSettings
from unit.conf.conftest import Read

SIP = CLASSES["res_pjsip"]
DENY_ALL = (("0.0.0.0/0", False), ("::/0", False))


def made(kind: str, *fields: tuple[str, str]) -> Any:
    return Workshop({}, SipGlobalSettings()).make(WRITABLE[kind], "x", fields)


def shown(kind: Kind, settings: Any) -> dict[str, str]:
    return dict(show(kind, settings))


def test_every_kind_of_pjsip_conf_but_contact_is_an_object() -> None:
    assert SIP.keys() == KINDS.keys() - {"contact"}
    assert CLASSES["res_pjsip_endpoint_identifier_ip"] == {"identify": SIP["identify"]}
    assert CLASSES["res_pjsip_outbound_registration"] == {"registration": SIP["registration"]}


def test_an_object_without_fields_has_the_defaults() -> None:
    assert shown(SIP["aor"], made("aor")) == {
        "contact": "",
        "max_contacts": "0",
        "remove_existing": "no",
        "remove_unavailable": "no",
        "minimum_expiration": "60",
        "default_expiration": "3600",
        "maximum_expiration": "7200",
        "qualify_frequency": "0",
        "qualify_timeout": "3.000000",
        "qualify_2xx_only": "no",
        "authenticate_qualify": "no",
        "outbound_proxy": "",
        "support_path": "no",
    }


@pytest.mark.parametrize("kind", KINDS.keys() - {"contact"})
def test_every_honoured_option_is_shown(kind: str, read: Read) -> None:
    configuration, _ = read(
        pjsip="[global]\n[system]\n[x]\ntype=endpoint\npermit=10.0.0.1\ncontact_deny=10.0.0.2\n"
        "[x]\ntype=auth\nusername=x\npassword=secret\n[x]\ntype=aor\n[x]\ntype=identify\nendpoint=x\nmatch=10.0.0.3\n"
        "[x]\ntype=transport\nbind=127.0.0.1\n[x]\ntype=acl\ndeny=10.0.0.4\n[x]\ntype=domain_alias\ndomain=d\n"
        "[x]\ntype=registration\nserver_uri=sip:h\nclient_uri=sip:x@h\n"
    )
    assert configuration.sip is not None
    settings = find(configuration.sip, SIP[kind], kind if kind in ("global", "system") else "x")
    rules = {f"{prefix}{name}" for prefix in ("", "contact_") for name in ("acl", "permit", "deny")}
    attributes = shown(SIP[kind], settings).keys()
    assert attributes - rules == KINDS[kind].honoured.keys() - rules
    assert attributes <= KINDS[kind].honoured.keys()


def test_values_are_written_as_in_pjsip_conf() -> None:
    identify = made("identify", ("endpoint", "x"), ("match", "10.1.0.0/16, 10.0.0.1:5062,[::1]:5060,h.example:9"))
    assert shown(SIP["identify"], identify)["match"] == "10.1.0.0/16,10.0.0.1:5062,[::1]:5060,h.example:9"
    assert shown(SIP["identify"], made("identify", ("endpoint", "x"), ("match_header", "X-A:  /b/")))[
        "match_header"
    ] == ("X-A: /b/")
    endpoint = made("endpoint", ("callerid", "Ann <10>"), ("force_rport", "OFF"), ("identify_by", "ip, username"))
    fields = shown(SIP["endpoint"], endpoint)
    assert (fields["callerid"], fields["force_rport"], fields["identify_by"]) == ('"Ann"', "no", "ip,username")
    system = shown(SIP["system"], SipGlobalSettings())
    assert (system["timer_t1"], system["timer_b"]) == ("500", "32000")


def test_the_order_of_rules_is_kept() -> None:
    fields = [("deny", "0.0.0.0/0"), ("permit", "10.0.0.0/8"), ("deny", "10.0.0.1")]
    endpoint = made("endpoint", *fields)
    assert [field for field in show(SIP["endpoint"], endpoint) if field[0] in ("permit", "deny")] == [
        ("deny", "0.0.0.0/0"),
        ("permit", "10.0.0.0/8"),
        ("deny", "10.0.0.1/32"),
    ]


def test_a_named_access_list_is_shown_as_its_rules(read: Read) -> None:
    configuration, _ = read(pjsip="", acl="[office]\npermit=10.0.0.0/8\n")
    assert isinstance(configuration.sip, SipSettings)
    workshop = Workshop(configuration.access_lists, configuration.sip.general)
    endpoint = workshop.make(SIP["endpoint"], "x", [("acl", "office")])
    assert isinstance(endpoint.acl[0], AccessRule)
    assert ("permit", "10.0.0.0/8") in show(SIP["endpoint"], endpoint)


SAMPLES: dict[str, list[tuple[str, list[str]]]] = {
    "endpoint": [
        ("aors", ["", "a", "a,b"]),
        ("auth", ["", "a"]),
        ("identify_by", ["", "ip", "username,ip"]),
        ("outbound_proxy", ["", "sip:proxy.example;lr"]),
        ("callerid", ["", '"Ann B" <10>', "Ann"]),
        ("force_rport", ["yes", "off", ""]),
        ("context", ["", "other"]),
        ("permit", ["", "10.0.0.0/8", "!10.0.0.1"]),
        ("contact_deny", ["", "2001:db8::/32"]),
        ("device_state_busy_at", ["", "3"]),
    ],
    "auth": [
        ("username", ["u"]),
        ("password", ["p", " p "]),
        ("realm", ["", "r"]),
        ("password_digest", ["", f"SHA-256:{'ab' * 32},MD5:{'0' * 32}"]),
        ("md5_cred", ["", "1" * 32]),
        ("supported_algorithms_uas", ["", "SHA-256,MD5"]),
    ],
    "aor": [
        ("contact", ["", "sip:a@b", "sip:a@b,sip:c@d;transport=tcp"]),
        ("max_contacts", ["", "5"]),
        ("qualify_frequency", ["0", "60"]),
        ("qualify_timeout", ["", "0.5", "3"]),
    ],
    "identify": [
        ("endpoint", ["x"]),
        ("match", ["10.0.0.1", "h.example,10.0.0.0/8", "[2001:db8::1]:5060"]),
        ("match_header", ["", "X-A: b"]),
        ("match_request_uri", ["", "/^sip:/"]),
    ],
    "domain_alias": [("domain", ["d.example"])],
}


def unplaced(settings: Any) -> Any:
    return settings if isinstance(settings, str) else msgspec.structs.asdict(settings)


@pytest.mark.parametrize("kind", WRITABLE)
@given(data=st.data())
def test_what_is_shown_makes_the_same_object(kind: str, data: st.DataObject) -> None:
    fields = [(name, data.draw(st.sampled_from(values))) for name, values in SAMPLES[kind]]
    first = made(kind, *fields)
    assert unplaced(made(kind, *show(SIP[kind], first))) == unplaced(first)


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("aor", [("max_contact", "1")], '"max_contact" is no attribute of an aor'),
        ("aor", [("max_contacts", "many")], 'max_contacts of an aor is "many", which is not a whole number'),
        ("aor", [("contact", "sip:a@b,nonsense")], "contact of an aor"),
        ("aor", [("minimum_expiration", "100"), ("maximum_expiration", "50")], "minimum_expiration is greater"),
        (
            "aor",
            [("contact", "sip:a@b\r\nX: y")],
            "contact of an aor is longer than 8190 characters or holds a control",
        ),
        ("aor", [("mailboxes", "a" * 9000)], "mailboxes of an aor is longer"),
        ("endpoint", [("force_rport", "perhaps")], 'force_rport of an endpoint is "perhaps", which is not yes or no'),
        ("endpoint", [("acl", "nobody")], 'no access list "nobody"'),
        ("endpoint", [("deny", "x")], "deny of an endpoint"),
        ("auth", [], "has no username"),
        ("auth", [("username", "u")], "has neither password nor digest"),
        ("auth", [("refresh_token", "t")], '"refresh_token" is not supported'),
        ("identify", [("endpoint", "x")], "matches nothing"),
        ("domain_alias", [], "names no domain"),
    ],
)
def test_what_can_not_be_used_is_named(kind: str, fields: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(Unfit, match=re.escape(said)):
        made(kind, *fields)


def test_no_complaint_holds_a_secret() -> None:
    with pytest.raises(Unfit) as refused:
        made("auth", ("username", "u"), ("password_digest", "MD5:topsecret"))
    assert "topsecret" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "a\nb", "a" * 129, "\x7f"])
def test_a_name_is_short_and_printable(name: str) -> None:
    with pytest.raises(Unfit, match="printable text of at most 128 bytes"):
        Workshop({}, SipGlobalSettings()).make(SIP["aor"], name, [])


def test_an_option_without_effect_is_shown_as_it_was_given() -> None:
    fields = [("allow", "g722"), ("type", "endpoint"), ("aors", "a")]
    endpoint = made("endpoint", *fields)
    assert ("allow", "g722") in show(SIP["endpoint"], endpoint, fields)
    assert "type" not in dict(show(SIP["endpoint"], endpoint, fields))


def test_an_update_replaces_all_values_of_an_attribute() -> None:
    old = [("contact", "sip:a@b"), ("max_contacts", "1"), ("contact", "sip:c@d")]
    assert merge(old, [("contact", "sip:e@f")]) == [("max_contacts", "1"), ("contact", "sip:e@f")]


def test_what_was_good_once_is_restored_as_far_as_it_goes() -> None:
    """acl.conf or the table of options may have changed since; a mistake opens nothing."""
    endpoint, complaints = Workshop({}, SipGlobalSettings()).restore(
        SIP["endpoint"], "x", [("acl", "gone"), ("aors", "a"), ("no_more", "1")]
    )
    assert endpoint.aors == ("a",)
    assert [(str(rule.network), rule.permit) for rule in endpoint.acl] == list(DENY_ALL)
    assert complaints == ['"no_more" is no attribute of an endpoint', 'there is no access list "gone" in acl.conf']


def test_passwords_and_digests_are_secret() -> None:
    secret = {name for name in KINDS["auth"].honoured if is_secret(SIP["auth"], name)}
    assert secret == {"password", "password_digest", "md5_cred"}
    assert not is_secret(SIP["auth"], "auth_type")
