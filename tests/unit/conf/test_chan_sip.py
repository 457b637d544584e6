"""sip.conf and users.conf: peers and what the kernel and the steps are told of them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from switchroom.conf.problems import Problem
from switchroom.model.settings import ChanSipSettings, PeerSettings, SipEndpointSettings, TransportSettings

from .conftest import Read

PEER = "type=friend\nhost=dynamic\nsecret=x\n"


def chan_sip(read: Read, **files: str) -> tuple[ChanSipSettings, list[Problem]]:
    configuration, problems = read(**files)
    assert configuration.chan_sip is not None
    return configuration.chan_sip, problems


def one(read: Read, options: str, general: str = "") -> ChanSipSettings:
    """A peer with these options, without a complaint."""
    found, problems = chan_sip(read, sip=f"[general]\n{general}[old]\n{options}")
    assert problems == []
    return found


def complaints(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(str(p.source), p.severity) for p in problems]


# ---- which sections are peers


def test_peers_users_and_friends(read: Read) -> None:
    found, problems = chan_sip(
        read,
        sip="[General]\nbindport=5070\n[Authentication]\nauth=x\n[t](!)\ntype=friend\nhost=dynamic\nsecret=x\n[Old](t)\n"
        "[fix]\ntype=Peer\nhost=192.0.2.1\n[caller]\nTYPE=user\nsecret=y\n[both]\ntype=peer\ntype=user\nsecret=z\n",
    )
    assert problems == []
    assert {p.name: (p.user, p.peer, p.dynamic) for p in found.peers.values()} == {
        "Old": (True, True, True),
        "fix": (False, True, False),
        "caller": (True, False, False),
        "both": (True, True, False),
    }
    assert list(found.sip.endpoints) == list(found.peers)
    assert list(found.sip.aors) == ["Old", "fix", "both"]


def test_sections_that_are_no_peers_are_told(read: Read) -> None:
    found, problems = chan_sip(read, sip="[a]\nhost=dynamic\n[b]\ntype=pear\n")
    assert found.peers == {}
    assert complaints(problems) == [("sip.conf:1", "warning"), ("sip.conf:3", "warning")]


def test_the_same_name_again_is_the_same_peer(read: Read) -> None:
    found, problems = chan_sip(read, sip=f"[a]\n{PEER}[a]\ntype=peer\nqualify=yes\n[a]\ntype=peer\nhost=::1\n")
    assert problems == []
    (peer,) = found.peers.values()
    assert (peer.host, peer.secret, peer.qualify, peer.user, peer.source.line) == ("::1", "x", 2.0, True, 1)


USERS = (
    "[general]\nhassip=yes\n[u1]\nhost=dynamic\nsecret=x\nfullname=U One\nvmsecret=1\nhasiax=yes\n"
    "[u2]\nhassip=no\n[t](!)\nhasiax=yes\n"
)


def test_users_conf(read: Read) -> None:
    found, problems = chan_sip(read, users=USERS, sip="[general]\n")
    assert problems == []
    assert {name: (p.user, p.peer, p.secret) for name, p in found.peers.items()} == {"u1": (True, True, "x")}


def test_users_conf_alone_turns_nothing_on(read: Read) -> None:
    configuration, problems = read(users=USERS)
    assert problems == []
    assert configuration.chan_sip is None


def test_a_peer_that_anybody_could_be_is_told(read: Read) -> None:
    found, problems = chan_sip(
        read,
        sip="[open]\ntype=friend\nhost=dynamic\n[user]\ntype=user\n[trunk]\ntype=peer\nhost=192.0.2.1\n"
        "[kept]\ntype=friend\nhost=dynamic\npermit=192.0.2.0/24\n",
    )
    assert len(found.peers) == 4
    assert complaints(problems) == [("sip.conf:1", "warning"), ("sip.conf:4", "warning")]


# ---- where it listens


def transports(found: ChanSipSettings) -> list[tuple[str, str, str, int]]:
    return [(t.name, t.protocol, t.bind_host, t.bind_port) for t in found.sip.transports.values()]


@pytest.mark.parametrize(
    ("general", "expected"),
    [
        ("", [("udp", "0.0.0.0", 5060)]),
        ("bindport=5070\n", [("udp", "0.0.0.0", 5070)]),
        ("bindport=5070\nudpbindaddr=127.0.0.1\n", [("udp", "127.0.0.1", 5070)]),
        ("bindport=5070\nudpbindaddr=127.0.0.1:5071\n", [("udp", "127.0.0.1", 5071)]),
        ("bindaddr=::\n", [("udp", "::", 5060)]),
        ("bindport=5070\ntcpenable=yes\n", [("udp", "0.0.0.0", 5070), ("tcp", "0.0.0.0", 5070)]),
        ("tcpenable=yes\ntcpbindaddr=127.0.0.1:5072\n", [("udp", "0.0.0.0", 5060), ("tcp", "127.0.0.1", 5072)]),
        ("tlsenable=yes\ntlscertfile=/dev/null\n", [("udp", "0.0.0.0", 5060), ("tls", "0.0.0.0", 5061)]),
    ],
)
def test_listeners(read: Read, general: str, expected: list[tuple[str, str, int]]) -> None:
    found = one(read, PEER, general)
    assert transports(found) == [(f"sip-{protocol}", protocol, host, port) for protocol, host, port in expected]


def test_files_of_tls_and_our_address_outside(read: Read) -> None:
    found = one(
        read,
        PEER,
        "tlsenable=yes\ntlscertfile=/dev/null\ntlsprivatekey=/dev/zero\ntlscafile=/dev/full\nexternaddr=198.51.100.1\n"
        "localnet=10.0.0.0/8\nlocalnet=192.168.0.0/16\n",
    )
    tls = found.sip.transports["sip-tls"]
    assert (tls.cert_file, tls.priv_key_file, tls.ca_list_file) == ("/dev/null", "/dev/zero", "/dev/full")
    for transport in found.sip.transports.values():
        assert transport.external_signaling_address == "198.51.100.1"
        assert transport.local_net == (ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16"))


@pytest.mark.parametrize(
    ("general", "lines"),
    [
        ("tlsenable=yes\n", [2]),
        ("tlsenable=yes\ntlscertfile=none.pem\ntlsprivatekey=/dev/null\ntlscafile=none.pem\n", [3, 5]),
        ("tlsenable=no\ntlscertfile=none.pem\n", []),
    ],
)
def test_files_of_tls_that_are_not_there(read: Read, general: str, lines: list[int]) -> None:
    _, problems = chan_sip(read, sip=f"[general]\n{general}")
    assert complaints(problems) == [(f"sip.conf:{line}", "error") for line in lines]


@pytest.mark.parametrize(
    ("bind", "general", "free"),
    [
        ("0.0.0.0", "", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "udpbindaddr=127.0.0.2\n", True),
        ("127.0.0.1:5070", "", True),
        ("[::]", "", True),
        ("127.0.0.1", "bindport=5070\n", True),
    ],
)
def test_an_address_of_pjsip_is_left_to_it(read: Read, bind: str, general: str, free: bool) -> None:
    found, problems = chan_sip(
        read, pjsip=f"[t]\ntype=transport\nprotocol=udp\nbind={bind}\n", sip=f"[general]\n{general}[old]\n{PEER}"
    )
    assert bool(found.sip.transports) is free
    assert complaints(problems) == ([] if free else [("sip.conf:1", "error")])
    assert list(found.peers) == ["old"]


def test_a_transport_of_another_protocol_takes_nothing(read: Read) -> None:
    found, problems = chan_sip(read, pjsip="[t]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0\n", sip="[general]\n")
    assert problems == []
    assert isinstance(found.sip.transports["sip-udp"], TransportSettings)


# ---- what the kernel and the steps are told


def test_general_settings(read: Read) -> None:
    found = one(read, PEER, "realm=example.org\nuseragent=Box\nmaxforwards=20\ntimert1=1000\n")
    general = found.sip.general
    assert (general.default_realm, general.user_agent, general.max_forwards) == ("example.org", "Box", 20)
    assert (general.timer_t1, general.timer_b) == (1.0, 64.0)
    assert (found.general.accept_outofcall_message, found.general.auth_message_requests) == (True, True)


def test_texts_can_be_refused_or_taken_without_proof(read: Read) -> None:
    found = one(read, PEER, "accept_outofcall_message=no\nauth_message_requests=no\n")
    assert (found.general.accept_outofcall_message, found.general.auth_message_requests) == (False, False)


def test_a_secret_proves_the_peer_and_us(read: Read) -> None:
    sip = one(read, PEER).sip
    endpoint = sip.endpoints["old"]
    assert [sip.auths[name].password for name in endpoint.auth] == ["x"]
    assert [(sip.auths[n].username, sip.auths[n].password) for n in endpoint.outbound_auth] == [("old", "x")]


def test_a_digest_wins_over_a_secret(read: Read) -> None:
    digest = "0123456789ABCDEF0123456789abcdef"
    sip = one(read, f"{PEER}md5secret={digest}\n").sip
    endpoint = sip.endpoints["old"]
    for name in (*endpoint.auth, *endpoint.outbound_auth):
        assert (sip.auths[name].password, sip.auths[name].digests) == ("", {"MD5": digest.lower()})


def test_what_proves_us_alone(read: Read) -> None:
    sip = one(read, f"{PEER}defaultuser=me\nremotesecret=y\nauth=a:b@r\nauth=c@s\n").sip
    auths = [sip.auths[name] for name in sip.endpoints["old"].outbound_auth]
    assert [(a.realm, a.username, a.password) for a in auths] == [("r", "a", "b"), ("s", "c", ""), ("", "me", "y")]
    assert sip.auths["old"].password == "x"


def test_without_a_secret_nothing_is_proven(read: Read) -> None:
    sip = one(read, "type=peer\nhost=192.0.2.1\n").sip
    assert (sip.endpoints["old"].auth, sip.endpoints["old"].outbound_auth, sip.auths) == ((), (), {})


def test_a_phone_has_one_contact_as_long_as_general_says(read: Read) -> None:
    aor = one(read, PEER, "defaultexpiry=100\nminexpirey=50\nmaxexpiry=200\n").sip.aors["old"]
    assert (aor.max_contacts, aor.remove_existing, aor.contact) == (1, True, ())
    assert (aor.minimum_expiration, aor.default_expiration, aor.maximum_expiration) == (50, 100, 200)


def test_expiry_the_wrong_way_round(read: Read) -> None:
    found, problems = chan_sip(read, sip=f"[general]\nminexpiry=500\nmaxexpiry=200\n[old]\n{PEER}")
    assert complaints(problems) == [("sip.conf:1", "error")]
    assert found.sip.aors["old"].minimum_expiration == 200


@pytest.mark.parametrize(
    ("general", "options", "limit", "frequency"),
    [
        ("", "", 0.0, 0),
        ("", "qualify=yes\n", 2.0, 60),
        ("", "qualify=500\n", 0.5, 60),
        ("", "qualify=yes\nqualifyfreq=30\n", 2.0, 30),
        ("qualify=yes\nqualifyfreq=20\n", "", 2.0, 20),
        ("qualify=yes\n", "qualify=no\n", 0.0, 0),
    ],
)
def test_qualify(read: Read, general: str, options: str, limit: float, frequency: int) -> None:
    aor = one(read, PEER + options, general).sip.aors["old"]
    assert (aor.qualify_limit, aor.qualify_timeout, aor.qualify_frequency) == (limit, 2 * limit, frequency)
    assert aor.qualify_retry == (10 if limit else 0)


@pytest.mark.parametrize(
    ("options", "uri", "match"),
    [
        ("host=192.0.2.1\n", "sip:192.0.2.1", ((ip_network("192.0.2.1"), 5060),)),
        ("host=192.0.2.1\nport=5095\n", "sip:192.0.2.1:5095", ((ip_network("192.0.2.1"), 5095),)),
        ("host=192.0.2.1\nusername=me\n", "sip:me@192.0.2.1", ((ip_network("192.0.2.1"), 5060),)),
        ("host=192.0.2.1\ninsecure=port,invite\n", "sip:192.0.2.1", ((ip_network("192.0.2.1"), 0),)),
        ("host=192.0.2.1\ntransport=tcp,udp\n", "sip:192.0.2.1;transport=tcp", ((ip_network("192.0.2.1"), 5060),)),
        ("host=[2001:db8::1]\n", "sip:[2001:db8::1]", ((ip_network("2001:db8::1"), 5060),)),
    ],
)
def test_a_peer_with_an_address(read: Read, options: str, uri: str, match: object) -> None:
    sip = one(read, f"type=peer\n{options}").sip
    assert (sip.aors["old"].contact, sip.aors["old"].max_contacts) == ((uri,), 0)
    assert sip.identifies["old"].match == match


@pytest.mark.parametrize(("options", "named"), [("", "box.example:5060"), ("insecure=port\n", "box.example")])
def test_a_peer_with_a_name(read: Read, options: str, named: str) -> None:
    sip = one(read, f"type=peer\nhost=box.example\n{options}").sip
    assert sip.aors["old"].contact == ("sip:box.example",)
    assert sip.identifies["old"].match_hosts == (named,)


def test_a_peer_without_an_address_is_nowhere(read: Read) -> None:
    sip = one(read, "type=peer\nsecret=x\n").sip
    assert (sip.aors["old"].contact, sip.aors["old"].max_contacts, sip.identifies) == ((), 0, {})


@pytest.mark.parametrize(
    ("general", "options", "always", "behind_nat"),
    [
        ("", "", False, True),
        ("", "nat=no\n", False, False),
        ("", "nat=yes\n", True, False),
        ("", "nat=force_rport,comedia\n", True, False),
        ("nat=force_rport\n", "", True, False),
        ("nat=force_rport\n", "nat=auto_comedia\n", False, True),
    ],
)
def test_nat(read: Read, general: str, options: str, always: bool, behind_nat: bool) -> None:
    endpoint = one(read, PEER + options, general).sip.endpoints["old"]
    assert (endpoint.rewrite_contact, endpoint.rewrite_behind_nat) == (always, behind_nat)


def test_what_else_peers_say(read: Read) -> None:
    found = one(
        read,
        f"{PEER}fromuser=me\nfromdomain=example.org\noutofcall_message_context=texts\nusereqphone=yes\n"
        "permit=192.0.2.0/24\ncontactdeny=10.0.0.0/8\noutboundproxy=proxy.example:5080\n",
        "context=phones\noutofcall_message_context=all\ncontactdeny=172.16.0.0/12\n",
    )
    endpoint = found.sip.endpoints["old"]
    assert isinstance(endpoint, SipEndpointSettings)
    assert (endpoint.from_user, endpoint.from_domain) == ("me", "example.org")
    assert (endpoint.context, endpoint.message_context, endpoint.user_eq_phone) == ("phones", "texts", True)
    assert endpoint.outbound_proxy == "sip:proxy.example:5080;lr"
    assert [str(rule.network) for rule in endpoint.acl] == ["192.0.2.0/24"]
    assert {str(rule.network) for rule in endpoint.contact_acl if not rule.permit} == {"10.0.0.0/8", "172.16.0.0/12"}


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("proxy.example", "sip:proxy.example;lr"),
        ("proxy.example,force", "sip:proxy.example;lr"),
        ("tcp://proxy.example:5080", "sip:proxy.example:5080;transport=tcp;lr"),
        ("sip:proxy.example", "sip:proxy.example;lr"),
        ("", ""),
    ],
)
def test_outbound_proxies(read: Read, written: str, uri: str) -> None:
    assert one(read, PEER, f"outboundproxy={written}\n").sip.endpoints["old"].outbound_proxy == uri


# ---- mistakes stay mistakes of one option


@pytest.mark.parametrize(
    "line",
    ["qualify=soon", "nat=maybe", "insecure=very", "auth=nobody", "md5secret=abc", "port=x", "host=a b",
     "outboundproxy=a,never", "transport=pigeon"],
)  # fmt: skip
def test_a_bad_option_is_an_error_of_its_line_and_the_peer_stays(read: Read, line: str) -> None:
    found, problems = chan_sip(read, sip=f"[old]\n{PEER}{line}\n")
    assert complaints(problems) == [("sip.conf:5", "error")]
    assert list(found.peers) == ["old"]


def test_secrets_are_not_shown(read: Read) -> None:
    found, problems = chan_sip(read, sip=f"[old]\n{PEER}auth=hidden\nsecret=sesame\n")
    assert "hidden" not in str(problems)
    peer = found.peers["old"]
    assert isinstance(peer, PeerSettings)
    assert "sesame" not in repr(peer) + str(peer) + repr(found)


def test_what_is_not_done_is_told(read: Read) -> None:
    _, problems = chan_sip(
        read,
        sip=f"[general]\nautocreatepeer=yes\n[old]\n{PEER}defaultip=::1\n",
    )
    assert complaints(problems) == [(f"sip.conf:{line}", "warning") for line in (2, 7)]


@pytest.mark.parametrize(
    ("line", "server", "client", "user", "account", "secret"),
    [
        ("4711@h.example", "sip:h.example", "sip:4711@h.example", "s", "", ""),
        ("4711:pw@h.example/alice", "sip:h.example", "sip:4711@h.example", "alice", "4711", "pw"),
        ("4711:p@w:auth@h.example:5070", "sip:h.example:5070", "sip:4711@h.example", "s", "auth", "p@w"),
        ("4711@d.example:pw@[::1]:5070/a", "sip:[::1]:5070", "sip:4711@d.example", "a", "4711", "pw"),
        ("old?tcp://4711:pw@192.0.2.1~900", "sip:192.0.2.1;transport=tcp", "sip:4711@192.0.2.1", "s", "4711", "pw"),
    ],
)
def test_a_line_register_is_a_registration(
    line: str, server: str, client: str, user: str, account: str, secret: str, read: Read
) -> None:
    found, problems = chan_sip(read, sip=f"[general]\nregister => {line}\n[old]\n{PEER}")
    assert problems == []
    (made,) = found.sip.registrations.values()
    assert (made.server_uri, made.client_uri, made.contact_user) == (server, client, user)
    auths = [found.sip.auths[name] for name in made.outbound_auth]
    assert [(auth.username, auth.password) for auth in auths] == ([(account, secret)] if secret else [])
    assert (made.endpoint, made.line) == (("old", True) if line.startswith("old?") else ("", False))
    assert made.expiration == (900 if line.endswith("~900") else 120)
    assert (made.retry_interval, made.forbidden_retry_interval, made.max_retries) == (20, 0, 2**31 - 1)


def test_how_often_is_said_in_general(read: Read) -> None:
    found, _ = chan_sip(
        read,
        sip="[general]\nregister => a@h.example\nregister => a@h.example\nregistertimeout=7\nregisterattempts=3\n"
        "register_retry_403=yes\noutboundproxy=proxy.example\n",
    )
    assert len(found.sip.registrations) == 2
    made = next(iter(found.sip.registrations.values()))
    assert (made.retry_interval, made.forbidden_retry_interval, made.max_retries) == (7, 7, 3)
    assert made.outbound_proxy.startswith("sip:proxy.example")


def test_a_peer_with_a_callbackextension_is_registered_at(read: Read) -> None:
    found, problems = chan_sip(
        read, sip="[old]\ntype=peer\nhost=192.0.2.1\nport=5070\ndefaultuser=4711\nsecret=pw\ncallbackextension=alice\n"
    )
    assert problems == []
    (made,) = found.sip.registrations.values()
    assert (made.server_uri, made.client_uri) == ("sip:192.0.2.1:5070", "sip:4711@192.0.2.1")
    assert (made.contact_user, made.endpoint, made.line) == ("alice", "old", True)


@pytest.mark.parametrize(
    "line", ["h.example", "a@", "@nobody", "a:b@h:99999", "a b@h.example", "a:b@h h", "a@h.example/x y"]
)
def test_a_line_register_that_can_not_be_read_is_told_without_its_secret(line: str, read: Read) -> None:
    found, problems = chan_sip(read, sip=f"[general]\nregister => {line}\n")
    assert complaints(problems) == [("sip.conf:2", "error")]
    assert line not in str(problems)
    assert not found.sip.registrations


def test_an_unknown_option_is_told(read: Read) -> None:
    _, problems = chan_sip(read, sip=f"[general]\nbindprot=5\n[old]\n{PEER}sekret=x\n")
    assert [(str(p.source), "secret" in p.advice or "bindport" in p.advice) for p in problems] == [
        ("sip.conf:2", True),
        ("sip.conf:7", True),
    ]
