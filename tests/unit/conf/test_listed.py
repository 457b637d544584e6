"""sip.conf, iax.conf, users.conf, xmpp.conf: which endpoints there are."""

from __future__ import annotations

from switchroom.conf.problems import Problem

from .conftest import Read


def listed(read: Read, **files: str) -> tuple[dict[str, bool], list[Problem]]:
    configuration, problems = read(**files)
    return {f"{e.technology}/{e.name}": e.dynamic for e in configuration.listed}, problems


def test_sip(read: Read) -> None:
    found, problems = listed(
        read,
        sip="[general]\nbindport=5060\nregister => a:b@h\n[Authentication]\nauth=x\n[t](!)\ntype=friend\nhost=dynamic\n"
        "[Old](t)\nsecret=x\n[fix]\ntype=Peer\nhost=127.0.0.1\n[caller]\nTYPE=user\n[both]\ntype=peer\ntype=user\nHost=Dynamic\n",
    )
    assert problems == []
    assert found == {"SIP/Old": True, "SIP/fix": False, "SIP/caller": False, "SIP/both": True}


def test_iax(read: Read) -> None:
    found, problems = listed(
        read,
        iax="[general]\n[callnumberlimits]\n1.2.3.4=5\n[p]\ntype=friend\nhost=dynamic\n[u]\ntype=user\n[q]\ntype=peer\n",
    )
    assert problems == []
    assert found == {"IAX2/p": True, "IAX2/q": False}


def test_sections_that_are_no_peers_are_told(read: Read) -> None:
    found, problems = listed(read, sip="[a]\nhost=dynamic\n[b]\ntype=pear\n")
    assert found == {}
    assert [str(p.source) for p in problems] == ["sip.conf:1", "sip.conf:3"]


def test_the_same_name_again_is_the_same_peer(read: Read) -> None:
    configuration, problems = read(
        sip="[a]\ntype=peer\nhost=dynamic\n[a]\ntype=peer\nqualify=yes\n[a]\ntype=peer\nhost=::1\n"
    )
    assert problems == []
    assert [(e.name, e.dynamic, e.source.line) for e in configuration.listed] == [("a", False, 1)]


USERS = "[general]\nhassip=yes\n[u1]\nhost=dynamic\nhasiax=yes\n[u2]\nhassip=no\n[t](!)\nhasiax=yes\n"


def test_users_conf(read: Read) -> None:
    found, problems = listed(read, users=USERS, sip="[general]\n", iax="[general]\n")
    assert problems == []
    assert found == {"SIP/u1": True, "IAX2/u1": True}


def test_users_conf_alone_turns_nothing_on(read: Read) -> None:
    assert listed(read, users=USERS) == ({}, [])


def test_xmpp(read: Read) -> None:
    account = "type=client\nserverhost=h\nusername=a@h\nsecret=x\n"
    found, problems = listed(read, xmpp=f"[general]\n[gw]\n{account}[t](!)\n{account}[other](t)\n", jabber="[old]\n")
    assert problems == []
    assert found == {"XMPP/gw": False, "XMPP/other": False}


def test_xmpp_under_its_old_name_with_what_is_missing(read: Read) -> None:
    found, problems = listed(read, jabber="[gw]\nrefresh_token=x\n")
    assert found == {"XMPP/gw": False}
    assert [(str(p.source), p.severity) for p in problems] == [("jabber.conf:1", "error")] * 2
    assert {p.text.rpartition("has no ")[2] for p in problems} == {"username", "serverhost"}
