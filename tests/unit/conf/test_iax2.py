"""iax.conf, and users.conf: peers, how they prove who they are, and where we listen."""

from __future__ import annotations

from ipaddress import ip_network

from switchroom.conf.problems import Problem
from switchroom.model.iax2_settings import IaxPeerSettings, IaxRegistration, IaxSettings

from .conftest import Read

FRIEND = "type=friend\nhost=dynamic\nsecret=x\n"


def iax(read: Read, text: str, **files: str) -> tuple[IaxSettings, list[Problem]]:
    configuration, problems = read(iax=text, **files)
    assert configuration.iax is not None
    return configuration.iax, problems


def peer(read: Read, options: str, general: str = "") -> tuple[IaxPeerSettings, list[Problem]]:
    settings, problems = iax(read, f"[general]\n{general}[p]\n{options}")
    return settings.peers["p"], problems


def test_without_a_file_there_is_no_iax2(read: Read) -> None:
    configuration, problems = read(users="[u]\nhasiax=yes\n")
    assert (configuration.iax, problems) == (None, [])


def test_what_asterisk_has_by_default(read: Read) -> None:
    settings, problems = iax(read, "[general]\n")
    assert (settings, problems) == (IaxSettings(), [])


def test_which_sections_are_peers(read: Read) -> None:
    settings, problems = iax(
        read,
        f"[general]\n[callnumberlimits]\n1.2.3.4=5\n[t](!)\n{FRIEND}[A](t)\n[u]\ntype=user\n[q]\ntype=Peer\nhost=h.example\n"
        "secret=y\n",
    )
    assert problems == []
    assert list(settings.peers) == ["A", "q"]
    assert (settings.peers["A"].dynamic, settings.peers["q"].dynamic) == (True, False)
    assert (settings.peers["q"].host, settings.peers["q"].port) == ("h.example", 4569)


def test_sections_that_are_no_peers_are_told(read: Read) -> None:
    settings, problems = iax(read, "[a]\nhost=dynamic\n[b]\ntype=pear\n")
    assert settings.peers == {}
    assert [str(p.source) for p in problems] == ["iax.conf:1", "iax.conf:3"]


def test_the_same_name_again_is_the_same_peer(read: Read) -> None:
    settings, problems = iax(read, f"[a]\n{FRIEND}[a]\ntype=peer\nqualify=yes\n[a]\ntype=peer\nhost=::1\n")
    assert problems == []
    found = settings.peers["a"]
    assert (found.dynamic, found.host, found.qualify, found.secrets, found.source.line) == (
        False,
        "::1",
        2.0,
        ("x",),
        1,
    )


def test_users_conf(read: Read) -> None:
    users = f"[general]\nhasiax=yes\n[u1]\n{FRIEND}vmsecret=1\nfullname=U\n[u2]\nhasiax=no\n[t](!)\nhasiax=yes\n"
    settings, problems = iax(read, "[general]\n", users=users)
    assert problems == []
    assert list(settings.peers) == ["u1"]
    assert settings.peers["u1"].secrets == ("x",)


def test_options_of_a_peer(read: Read) -> None:
    found, problems = peer(
        read,
        "type=friend\nhost=dynamic\nport=4570\nsecret=one ; two\nauth=plaintext,md5\nusername=us\nqualify=1500\n"
        "qualifysmoothing=yes\nqualifyfreqok=30000\nqualifyfreqnotok=5000\nrequirecalltoken=auto\n"
        "deny=0.0.0.0/0\npermit=192.0.2.0/24\ncontext=default\nallow=ulaw\n".replace(" ; ", "\\;"),
    )
    assert problems == []
    assert (found.port, found.secrets, found.auth, found.username) == (4570, ("one", "two"), ("md5", "plaintext"), "us")
    assert (found.qualify, found.qualify_smoothing, found.qualify_ok, found.qualify_not_ok) == (1.5, True, 30.0, 5.0)
    assert found.call_token == "auto"
    assert [(rule.permit, str(rule.network)) for rule in found.acl] == [(False, "0.0.0.0/0"), (True, "192.0.2.0/24")]
    assert "one" not in repr(found)


def test_where_it_listens(read: Read) -> None:
    settings, problems = iax(read, "[general]\nbindport=4570\nbindaddr=127.0.0.1\nbindaddr=[::1]:4571\n")
    assert problems == []
    assert settings.binds == (("127.0.0.1", 4570), ("::1", 4571))


def test_options_of_the_whole(read: Read) -> None:
    settings, problems = iax(
        read,
        "[general]\nminregexpire=30\nmaxregexpire=300\ncalltokenexpiration=20\ncalltokenoptional=192.0.2.0/255.255.255.0\n"
        "calltokenoptional=::1\nmaxcallnumbers=5\nmaxcallnumbers_nonvalidated=6\nregister => us:pw@host.example:4570\n"
        "register => me@192.0.2.1\n",
    )
    assert problems == []
    assert (settings.min_expire, settings.max_expire, settings.call_token_expiration) == (30, 300, 20)
    assert settings.call_token_optional == (ip_network("192.0.2.0/24"), ip_network("::1/128"))
    assert (settings.max_call_numbers, settings.max_unproven) == (5, 6)
    assert settings.registrations == (
        IaxRegistration(username="us", secret="pw", host="host.example", port=4570),
        IaxRegistration(username="me", host="192.0.2.1"),
    )
    assert "pw" not in repr(settings)


def test_defaults_of_general_reach_the_peers(read: Read) -> None:
    found, problems = peer(read, FRIEND, "auth=plaintext\nforceencryption=yes\n")
    assert (found.auth, found.encrypted) == (("plaintext",), True)
    assert ["to be encrypted" in p.text for p in problems] == [True]


def test_rsa_is_refused_and_lets_nobody_in(read: Read) -> None:
    found, (problem,) = peer(read, FRIEND + "auth=rsa\n")
    assert found.auth == ()
    assert (problem.severity, str(problem.source)) == ("warning", "iax.conf:6")
    assert "rsa is not supported" in problem.text
    found, (problem,) = peer(read, FRIEND + "auth=rsa,md5\n")
    assert found.auth == ("md5",)


def test_a_key_in_place_of_a_secret_lets_nobody_in(read: Read) -> None:
    found, (problem,) = peer(read, "type=friend\nhost=dynamic\ninkeys=freeworlddialup\n")
    assert found.auth == ()
    assert problem.severity == "error"


def test_a_peer_without_a_secret_is_told(read: Read) -> None:
    _, (problem,) = peer(read, "type=friend\nhost=dynamic\n")
    assert "has no secret" in problem.text
    assert peer(read, "type=friend\nhost=dynamic\npermit=192.0.2.1\n")[1] == []


def test_an_unclear_requirement_counts_as_one(read: Read) -> None:
    found, (problem,) = peer(read, FRIEND + "requirecalltoken=perhaps\n")
    assert found.call_token == "yes"
    assert problem.severity == "error"
    assert peer(read, FRIEND + "requirecalltoken=no\n")[0].call_token == "no"
    assert peer(read, FRIEND)[0].call_token == ""


def test_mistakes_leave_the_rest_alone(read: Read) -> None:
    settings, problems = iax(
        read,
        f"[general]\nminregexpire=100\nmaxregexpire=60\nregister=nobody\nregister=us:[key]@h\nbindport=x\n[p]\n{FRIEND}"
        "port=0\nqualify=soon\nhost=a b\nencryption=yes\nno_such=1\n",
    )
    assert (settings.min_expire, settings.max_expire, settings.registrations) == (60, 60, ())
    assert settings.peers["p"].secrets == ("x",)
    # [general] tells of the order first and of lines later.
    assert [p.source.line for p in problems] == [1, 4, 5, 6, 11, 12, 13, 14, 15]
