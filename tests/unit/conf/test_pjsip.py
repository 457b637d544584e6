"""pjsip.conf: its objects, and what happens to those that are wrong."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from switchroom.conf.pjsip_options import KINDS, UNSUPPORTED_KINDS
from switchroom.conf.problems import Problem
from switchroom.model.settings import AccessRule, SipGlobalSettings, SipSettings

from .conftest import Read

TRANSPORT = "[udp]\ntype=transport\nbind=0.0.0.0\n"


class Pjsip:
    """pjsip.conf with a transport (on lines 1 to 3) before what a test writes."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def read(self, text: str, **others: str) -> tuple[SipSettings, list[Problem]]:
        configuration, problems = self._read(pjsip=TRANSPORT + text, **others)
        assert configuration.sip is not None
        return configuration.sip, problems

    def good(self, text: str, **others: str) -> SipSettings:
        settings, problems = self.read(text, **others)
        assert problems == []
        return settings


@pytest.fixture
def pjsip(read: Read) -> Pjsip:
    return Pjsip(read)


def test_objects_of_one_name(pjsip: Pjsip) -> None:
    settings = pjsip.good(
        "[ep](!)\ntype=endpoint\nmessage_context=messages\nallow=ulaw\n"
        "[ann](ep)\nauth=ann\naors=ann\n"
        "[ann]\ntype=auth\nusername=a\npassword=secret\n"
        "[ann]\ntype=aor\nmax_contacts=2\ncontact=sip:a@h\ncontact=sip:b@h\\;transport=tcp,sip:c@h\n"
    )
    endpoint = settings.endpoints["ann"]
    assert (endpoint.aors, endpoint.auth, endpoint.message_context) == (("ann",), ("ann",), "messages")
    assert str(endpoint.source) == "pjsip.conf:8"
    assert settings.auths["ann"].password == "secret"
    assert settings.aors["ann"].contact == ("sip:a@h", "sip:b@h;transport=tcp", "sip:c@h")
    assert settings.aors["ann"].max_contacts == 2


def test_defaults_are_those_of_the_settings(pjsip: Pjsip) -> None:
    settings = pjsip.good("[a]\ntype=aor\n[global]\n[system]\n")
    assert settings.general == SipGlobalSettings()
    assert settings.aors["a"].default_expiration == 3600
    assert settings.transports["udp"].bind_port == 5060


def test_every_option_of_an_endpoint(pjsip: Pjsip) -> None:
    settings = pjsip.good(
        "[a]\ntype=auth\nusername=a\npassword=x\n[b](a)\n[r]\ntype=aor\n"
        "[e]\ntype=endpoint\naors=r\nauth=a\nauth=b\noutbound_auth=b\nidentify_by=auth_username\ntransport=udp\n"
        "outbound_proxy=sip:proxy.example\\;lr\nfrom_user=u\nfrom_domain=d.example\ncontact_user=c\ncontext=in\n"
        "force_rport=no\nrewrite_contact=yes\nuser_eq_phone=yes\nallow_unauthenticated_options=yes\n"
        'follow_redirect_methods=message,invite\ncallerid="Ann" <1>\ndevice_state_busy_at=2\n'
        "trust_id_inbound=yes\nsend_pai=yes\n"
        "deny=0.0.0.0/0\npermit=10.0.0.0/8\ncontact_deny=10.9.0.0/16\n"
    )
    endpoint = settings.endpoints["e"]
    assert (endpoint.auth, endpoint.outbound_auth, endpoint.identify_by) == (("a", "b"), ("b",), ("auth_username",))
    assert (endpoint.transport, endpoint.outbound_proxy) == ("udp", "sip:proxy.example;lr")
    assert (endpoint.from_user, endpoint.from_domain, endpoint.contact_user) == ("u", "d.example", "c")
    assert (endpoint.context, endpoint.callerid_name, endpoint.device_state_busy_at) == ("in", "Ann", 2)
    assert (endpoint.force_rport, endpoint.rewrite_contact, endpoint.user_eq_phone) == (False, True, True)
    assert endpoint.allow_unauthenticated_options
    assert endpoint.follow_redirect_methods == ("message", "invite")
    assert (endpoint.trust_id_inbound, endpoint.send_pai) == (True, True)
    assert endpoint.acl == (AccessRule(False, ip_network("0.0.0.0/0")), AccessRule(True, ip_network("10.0.0.0/8")))
    assert endpoint.contact_acl == (AccessRule(False, ip_network("10.9.0.0/16")),)


@pytest.mark.parametrize(
    ("text", "host", "port", "protocol"),
    [
        ("bind=127.0.0.1:5070", "127.0.0.1", 5070, "udp"),
        ("protocol=tls\nbind=[::]\ncert_file=/dev/null", "::", 5061, "tls"),
        ("protocol=tcp\nbind=0.0.0.0:0", "0.0.0.0", 0, "tcp"),
        ("protocol=flow", "0.0.0.0", 5060, "flow"),
    ],
)
def test_transports(pjsip: Pjsip, text: str, host: str, port: int, protocol: str) -> None:
    transport = pjsip.good(f"[t]\ntype=transport\n{text}\n").transports["t"]
    assert (transport.bind_host, transport.bind_port, transport.protocol) == (host, port, protocol)


def test_transport_networks(pjsip: Pjsip) -> None:
    transport = pjsip.good(
        "[t]\ntype=transport\nbind=0.0.0.0\nlocal_net=10.0.0.0/8\nlocal_net=192.168.0.0/255.255.0.0\n"
        "external_signaling_hostname=pbx.example\n"
    ).transports["t"]
    assert transport.local_net == (ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16"))
    assert transport.external_signaling_address == "pbx.example"


def test_identify(pjsip: Pjsip) -> None:
    identify = pjsip.good(
        "[e]\ntype=endpoint\nidentify_by=ip\n[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.0/24,sip.example:5070\n"
        "match=192.0.2.1:5061\nmatch_header=X-Key: 1\nmatch_request_uri=/^sip:x/\nsrv_lookups=no\n"
    ).identifies["i"]
    assert identify.match == ((ip_network("192.0.2.0/24"), 0), (ip_network("192.0.2.1"), 5061))
    assert identify.match_hosts == ("sip.example:5070",)
    assert (identify.match_header, identify.match_request_uri) == (("X-Key", "1"), "/^sip:x/")
    assert not identify.srv_lookups


def test_global_and_system(pjsip: Pjsip) -> None:
    general = pjsip.good(
        "[x]\ntype=global\nuser_agent=Desk\nendpoint_identifier_order=username,ip\ndefault_auth_algorithms_uas=SHA-256,MD5\n"
        "keep_alive_interval=30\n[system]\ntimer_t1=1000\ndisable_tcp_switch=no\n"
    ).general
    assert (general.user_agent, general.endpoint_identifier_order) == ("Desk", ("username", "ip"))
    assert general.default_auth_algorithms_uas == ("SHA-256", "MD5")
    assert (general.timer_t1, general.timer_b, general.disable_tcp_switch) == (1.0, 64.0, False)


def test_acl_and_domain_alias(pjsip: Pjsip) -> None:
    settings = pjsip.good(
        "[a]\ntype=acl\nacl=lan\ncontact_deny=10.0.0.0/8\n[b.example]\ntype=domain_alias\ndomain=a.example\n",
        acl="[lan]\ndeny=0.0.0.0/0\npermit=10.0.0.0/8\n",
    )
    assert [str(r.network) for r in settings.acls["a"].rules] == ["0.0.0.0/0", "10.0.0.0/8"]
    assert [r.permit for r in settings.acls["a"].contact_rules] == [False]
    assert settings.domain_aliases == {"b.example": "a.example"}


def test_contact_sections(pjsip: Pjsip) -> None:
    settings = pjsip.good(
        "[a]\ntype=aor\ncontact=sip:1@h\n[a@@123]\ntype=contact\nuri=sip:2@h\n"
        "[a\\;@456]\ntype=contact\nuri=sip:1@h\n[x]\ntype=contact\naor=a\nuri=sip:3@h\n"
    )
    assert settings.aors["a"].contact == ("sip:1@h", "sip:2@h", "sip:3@h")


# ---- credentials


MD5 = "0123456789abcdef" * 2
SHA = MD5 * 2


def test_digests(pjsip: Pjsip) -> None:
    auth = pjsip.good(
        f"[a]\ntype=auth\nauth_type=digest\nusername=a\npassword_digest=SHA-256:{SHA}\nmd5_cred={MD5}\n"
        "supported_algorithms_uas=SHA-256,MD5\nnonce_lifetime=60\nrealm=r\n"
    ).auths["a"]
    assert auth.digests == {"SHA-256": SHA, "MD5": MD5}
    assert (auth.algorithms_uas, auth.algorithms_uac) == (("SHA-256", "MD5"), ("MD5",))
    assert (auth.nonce_lifetime, auth.realm, auth.password) == (60, "r", "")


def test_algorithms_without_a_digest_are_not_offered(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read(f"[a]\ntype=auth\nusername=a\npassword_digest=SHA-256:{SHA}\n")
    assert settings.auths["a"].algorithms_uas == ("SHA-256",)
    assert {p.severity for p in problems} == {"warning"}


@pytest.mark.parametrize(
    "text",
    [
        "password=x",
        "username=a",
        "username=\npassword=x",
        "username=a\npassword=",
        "username=a\npassword_digest=MD5:00",
        "username=a\nmd5_cred=00",
    ],
)
def test_an_auth_section_that_can_not_work_is_left_out(pjsip: Pjsip, text: str) -> None:
    settings, problems = pjsip.read(
        f"[e]\ntype=endpoint\nauth=a\n[a]\ntype=auth\n{text}\n[b]\ntype=auth\nusername=b\npassword=x\n"
    )
    assert list(settings.auths) == ["b"]
    assert settings.endpoints["e"].auth == ("a",)
    assert {p.severity for p in problems} == {"error"}


def test_no_secret_is_ever_shown(pjsip: Pjsip) -> None:
    canary = "hunter2"
    _, problems = pjsip.read(
        f"[a]\ntype=auth\npassword_digest={canary}\nmd5_cred={canary}\npasswort={canary}\npassword={canary}\n"
        f"refresh_token={canary}\n[u]\ntype=transport\nbind=1.2.3.4\npassword={canary}\n",
        ari=f"[x]\ntype=user\npassword={canary}\npassword_format=md5\npasswd={canary}\n",
    )
    assert len(problems) >= 7
    assert canary not in "".join(map(str, problems))


# ---- mistakes stay where they are made


def test_one_bad_option_takes_nothing_away(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read(
        "[e]\ntype=endpoint\nidentify_by=ip\nnosuchopt=1\nrewrite_contct=yes\ndevice_state_busy_at=lots\n"
        "[a]\ntype=aor\nmax_contacts=-1\nqualify_frequency=86401\ncontact=sip:a@h,tel:1\n"
    )
    assert settings.endpoints["e"].device_state_busy_at == 0
    assert (settings.aors["a"].max_contacts, settings.aors["a"].qualify_frequency) == (0, 0)
    assert settings.aors["a"].contact == ("sip:a@h",)
    assert [(p.source.line, p.severity) for p in problems] == [
        (7, "warning"),
        (8, "warning"),
        (9, "error"),
        (12, "error"),
        (13, "error"),
        (14, "error"),
    ]
    assert '"rewrite_contact"' in problems[1].advice


def test_option_names_are_case_sensitive(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read("[a]\ntype=aor\nMax_Contacts=2\n")
    assert settings.aors["a"].max_contacts == 0
    assert '"max_contacts"' in problems[0].advice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x]\ntype=transport\n", "bind"),
        ("[x]\ntype=transport\nbind=nowhere\n", "bind"),
        ("[x]\ntype=identify\nmatch=1.2.3.4\n", "endpoint"),
        ("[x]\ntype=domain_alias\n", "domain"),
        ("[x]\ntype=contact\naor=a\n", "uri"),
        ("[x]\ntype=contact\nuri=sip:a@h\n", "aor"),
        ("[x]\ntype=identify\nendpoint=e\n", "matches nothing"),
    ],
)
def test_a_section_that_can_not_work_is_left_out(pjsip: Pjsip, text: str, words: str) -> None:
    settings, problems = pjsip.read("[e]\ntype=endpoint\nidentify_by=ip\n" + text)
    assert any(words in p.text and p.severity == "error" for p in problems)
    assert list(settings.transports) == ["udp"]
    assert not settings.identifies
    assert not settings.domain_aliases
    assert "e" in settings.endpoints


def test_of_two_of_a_kind_the_last_stays(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read(
        "[a]\ntype=aor\nmax_contacts=1\n[b]\ntype=aor\n[a]\ntype=aor\nmax_contacts=2\n"
        "[global]\nmax_forwards=10\n[other]\ntype=global\nmax_forwards=20\n"
    )
    assert settings.aors["a"].max_contacts == 2
    assert settings.general.max_forwards == 20
    assert [p.source.line for p in problems] == [9, 14]
    assert "pjsip.conf:4" in problems[0].text
    assert {p.severity for p in problems} == {"warning"}


@pytest.mark.parametrize("kind", sorted(UNSUPPORTED_KINDS))
def test_kinds_that_are_not_supported(pjsip: Pjsip, kind: str) -> None:
    _, problems = pjsip.read(f"[x]\ntype={kind}\nanything=1\n")
    assert [str(p.source) for p in problems] == ["pjsip.conf:4"]
    assert "not supported yet" in problems[0].text


def test_kinds_that_do_not_exist(pjsip: Pjsip) -> None:
    _, problems = pjsip.read("[x]\ntype=endpiont\n[y]\na=b\n[t](!)\na=b\n")
    assert [str(p.source) for p in problems] == ["pjsip.conf:5", "pjsip.conf:6"]
    assert '"endpoint"' in problems[0].advice
    assert "no type" in problems[1].text


def test_references_that_lead_nowhere(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read(
        "[alice]\ntype=aor\n"
        "[e]\ntype=endpoint\naors=alice,alcie\nauth=nobody\noutbound_auth=noone\ntransport=upd\n"
        "[i]\ntype=identify\nendpoint=ee\nmatch=1.2.3.4\n"
    )
    assert settings.endpoints["e"].aors == ("alice", "alcie")
    assert [p.source.line for p in problems] == [8, 9, 10, 11, 14]
    assert '"alice"' in problems[0].advice
    assert {p.severity for p in problems} == {"error"}


def test_a_reference_inherited_by_many_is_told_once(pjsip: Pjsip) -> None:
    _, problems = pjsip.read("[t](!)\ntype=endpoint\nidentify_by=ip\ntransport=none\n[a](t)\n[b](t)\n[c](t)\n")
    assert [p.source.line for p in problems] == [7]


def test_an_open_door_is_told(pjsip: Pjsip) -> None:
    _, problems = pjsip.read(
        "[e]\ntype=endpoint\n[f]\ntype=endpoint\nidentify_by=ip\n[g]\ntype=endpoint\npermit=10.0.0.0/8\n"
    )
    assert [(p.source.line, p.severity) for p in problems] == [(4, "warning")]


def test_an_unknown_access_list_denies_everybody(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read("[e]\ntype=endpoint\nacl=lann\n", acl="[lan]\npermit=10.0.0.0/8\n")
    assert [r.permit for r in settings.endpoints["e"].acl] == [False, False]
    assert '"lan"' in problems[0].advice
    assert problems[0].source.line == 6


def test_expirations_the_wrong_way_round(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read("[a]\ntype=aor\nminimum_expiration=600\nmaximum_expiration=60\n")
    assert settings.aors["a"].minimum_expiration == 60
    assert problems[0].source.line == 7


def test_timer_b_that_is_too_short(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read("[system]\ntimer_t1=500\ntimer_b=10000\n")
    assert settings.general.timer_b == 32.0
    assert problems[0].source.line == 6
    assert "32000" in problems[0].advice


def test_a_tls_transport_wants_a_certificate(pjsip: Pjsip, tmp_path: Path) -> None:
    _, problems = pjsip.read(
        f"[t]\ntype=transport\nprotocol=tls\nbind=0.0.0.0\n[u]\ntype=transport\nprotocol=tls\nbind=0.0.0.0\ncert_file={tmp_path}/none.pem\n"
    )
    assert [p.source.line for p in problems] == [4, 12]


def test_address_and_hostname_exclude_each_other(pjsip: Pjsip) -> None:
    settings, problems = pjsip.read(
        "[t]\ntype=transport\nbind=0.0.0.0\nexternal_signaling_address=192.0.2.1\nexternal_signaling_hostname=h.example\n"
    )
    assert settings.transports["t"].external_signaling_address == "h.example"
    assert [p.severity for p in problems] == ["warning"]


def test_no_transport(read: Read) -> None:
    _, problems = read(pjsip="[a]\ntype=aor\n")
    assert [str(p.source) for p in problems] == ["pjsip.conf:0"]


def test_options_about_media_are_accepted_in_silence(pjsip: Pjsip) -> None:
    accepted = "".join(f"{name}=x\n" for name in sorted(KINDS["endpoint"].accepted - {"type"}))
    pjsip.good("[e]\ntype=endpoint\nidentify_by=ip\n" + accepted)


REGISTRATION = "[provider]\ntype=registration\nserver_uri=sip:h.example\nclient_uri=sip:4711@h.example\n"


def test_a_registration_has_asterisks_defaults(pjsip: Pjsip) -> None:
    made = pjsip.good(REGISTRATION).registrations["provider"]
    assert (made.server_uri, made.client_uri, made.contact_user) == ("sip:h.example", "sip:4711@h.example", "s")
    assert (made.expiration, made.retry_interval, made.max_retries) == (3600, 60, 10)
    assert made.auth_rejection_permanent


ENDPOINT = "[e]\ntype=endpoint\nauth=e\n[e]\ntype=auth\nusername=e\npassword=x\n"


@pytest.mark.parametrize(
    ("text", "line", "severity"),
    [
        ("[x]\ntype=registration\nserver_uri=sip:h\n", 4, "error"),
        ("[x]\ntype=registration\nclient_uri=sip:a@h\n", 4, "error"),
        (REGISTRATION + "line=yes\n", 8, "error"),
        (REGISTRATION + "endpoint=nobody\nline=yes\n", 8, "error"),
        (REGISTRATION + "outbound_auth=nobody\n", 8, "error"),
        (REGISTRATION + "transport=none\n", 8, "error"),
        (REGISTRATION + "expiration=0\n", 8, "error"),
        (REGISTRATION + "endpoint=e\n" + ENDPOINT, 8, "warning"),
    ],
    ids=[
        "no client",
        "no server",
        "no endpoint",
        "unknown endpoint",
        "unknown auth",
        "unknown transport",
        "0",
        "no line",
    ],
)
def test_what_is_wrong_with_a_registration_is_told(text: str, line: int, severity: str, pjsip: Pjsip) -> None:
    _, problems = pjsip.read(text)
    assert [(str(p.source), p.severity.value) for p in problems] == [(f"pjsip.conf:{line}", severity)]
