"""xmpp.conf: accounts on XMPP servers."""

from __future__ import annotations

import pytest

from switchroom.conf.difference import restarts
from switchroom.model.xmpp_settings import XmppAccountSettings

from .conftest import Read

CLIENT = "type=client\nserverhost=h.example\nusername=a@h\nsecret=x\n"


def accounts(read: Read, text: str) -> tuple[dict[str, XmppAccountSettings], list[str]]:
    """The accounts and what is complained of."""
    configuration, problems = read(xmpp=text)
    assert configuration.xmpp is not None
    return configuration.xmpp.accounts, [f"{p.source.line} {p.severity} {p.text}" for p in problems]


def test_every_section_is_an_account(read: Read) -> None:
    found, problems = accounts(read, f"[general]\n[gw]\n{CLIENT}[t](!)\n{CLIENT}[other](t)\nport=5223\n")
    assert problems == []
    assert [(a.name, a.port, a.complete) for a in found.values()] == [("gw", 5222, True), ("other", 5223, True)]


def test_without_the_file_there_is_none(read: Read) -> None:
    assert read()[0].xmpp is None


def test_the_old_name_of_the_file_counts_when_there_is_no_other(read: Read) -> None:
    configuration, problems = read(jabber=f"[gw]\n{CLIENT}")
    assert problems == []
    assert configuration.xmpp is not None
    assert list(configuration.xmpp.accounts) == ["gw"]


def test_options(read: Read) -> None:
    found, problems = accounts(
        read,
        "[general]\nautoregister=no\ndebug=yes\n[gw]\nType=Component\nserverhost=127.0.0.1\nusername=sip.h\nsecret=x\n"
        "port=5347\nusetls=no\nforceoldssl=yes\ntls_ca_file=/etc/ca.pem\nkeepalive=no\npriority=-3\nstatus=xaway\n"
        "statusmessage=I am here\nbuddy=Romeo@h/phone\nbuddy=juliet@h\nsendtodialplan=no\ntimeout=5\nusesasl=yes\n"
        "distribute_events=no\n[other]\nautoregister=yes\n" + CLIENT,
    )
    assert problems == []
    account = found["gw"]
    assert account.component
    assert (account.server_host, account.port, account.username) == ("127.0.0.1", 5347, "sip.h")
    off = (account.use_tls, account.keepalive, account.receive_texts, account.autoregister)
    assert not any(off)
    assert account.direct_tls
    assert account.tls_ca_file == "/etc/ca.pem"
    assert (account.priority, account.show, account.status_message) == (-3, "xa", "I am here")
    assert account.buddies == ("romeo@h", "juliet@h")
    assert found["other"].autoregister


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("secret=x\nserverhost=h\n", "username"),
        ("username=a@h\nserverhost=h\n", "secret"),
        ("username=a@h\nrefresh_token=y\n", "secret"),
        ("type=component\nusername=sip.h\nsecret=x\n", "serverhost"),
    ],
)
def test_an_account_that_lacks_something_is_there_and_is_told(read: Read, text: str, missing: str) -> None:
    found, problems = accounts(read, f"[gw]\n{text}[other]\n{CLIENT}")
    assert any(f'1 error the XMPP account "gw" has no {missing}' in problem for problem in problems)
    assert not found["gw"].complete
    assert found["other"].complete


def test_a_client_needs_no_server_host(read: Read) -> None:
    found, problems = accounts(read, "[gw]\nusername=a@h\nsecret=x\n")
    assert problems == []
    assert found["gw"].complete


@pytest.mark.parametrize(
    "line",
    [
        "username=pbx",
        "port=0",
        "port=x",
        "priority=200",
        "status=asleep",
        "buddy=<x>",
        "serverhost=a b",
        "tls_verify=perhaps",
        "tls_verify=no",
        "refresh_token=x",
        "distribute_events=yes",
        "colour=red",
    ],
)
def test_mistakes_are_told_and_take_no_account_away(read: Read, line: str) -> None:
    found, problems = accounts(read, f"[gw]\n{CLIENT}{line}\n[other]\n{CLIENT}")
    assert len(problems) == 1
    assert problems[0].startswith("6 ")
    assert found.keys() == {"gw", "other"}
    assert found["gw"].use_tls
    assert found["gw"].port == 5222


def test_a_username_that_is_no_jid_is_none(read: Read) -> None:
    found, problems = accounts(read, f"[gw]\n{CLIENT}username=no body@h\n")
    assert len(problems) == 2
    assert not found["gw"].complete


def test_a_slip_of_the_pen_does_not_turn_tls_off(read: Read) -> None:
    found, _ = accounts(read, f"[gw]\n{CLIENT}usetls=nope\ntls_verify=nope\n")
    assert found["gw"].use_tls
    assert found["gw"].tls_verify


def test_two_accounts_of_one_name(read: Read) -> None:
    found, problems = accounts(read, f"[gw]\n{CLIENT}[gw]\n{CLIENT}port=1\n")
    assert found["gw"].port == 5222
    assert problems == ['6 error there are two XMPP accounts "gw", and only the first is read']


def test_the_secret_is_in_no_text_of_the_settings(read: Read) -> None:
    found, problems = accounts(read, f"[gw]\n{CLIENT.replace('secret=x', 'secret=hush')}")
    assert "hush" not in f"{found['gw']} {found['gw']!r} {problems}"


def test_no_change_waits_for_a_restart(read: Read) -> None:
    old = read(xmpp=f"[gw]\n{CLIENT}")[0]
    assert restarts(old, read(xmpp=f"[gw]\n{CLIENT}port=1\n[other]\n{CLIENT}")[0]) == []
    assert restarts(old, read()[0]) == []
