"""ari.conf."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from switchroom.conf.problems import Problem
from switchroom.model.settings import AccessRule, AriSettings, OutboundSettings, Source

from .conftest import Read


def settings(read: Read, text: str, **others: str) -> tuple[AriSettings, list[Problem]]:
    configuration, problems = read(ari=text, **others)
    return configuration.ari, problems


def test_all_options(read: Read) -> None:
    ari, problems = settings(
        read,
        "[General]\nenabled=no\npretty=yes\nauth_realm=Desk\nallowed_origins=http://a.example, *\n"
        "websocket_write_timeout=1\n"
        "[u](!)\ntype=user\n[Ann](u)\npassword=a b\nread_only=yes\npassword_format=Crypt\nacl=lan\n"
        "[ben](u)\npassword=y\n",
        acl="[lan]\npermit=10.0.0.0/8\n",
    )
    assert problems == []
    assert (ari.enabled, ari.pretty, ari.auth_realm) == (False, True, "Desk")
    assert ari.allowed_origins == ("http://a.example", "*")
    ann, ben = ari.users["Ann"], ari.users["ben"]
    assert (ann.password, ann.read_only, ann.password_format) == ("a b", True, "crypt")
    assert ann.acl == (AccessRule(True, ip_network("10.0.0.0/8")),)
    assert (ben.read_only, ben.password_format, ben.acl) == (False, "plain", ())
    assert str(ben.source) == "ari.conf:14"


@pytest.mark.parametrize(
    ("text", "words", "users"),
    [
        ("[a]\ntype=user\n", "no password", []),
        ("[a:b]\ntype=user\npassword=x\n", "colon", []),
        ("[a]\ntype=user\npassword=x\npassword_format=sha1\n", "plain or crypt", []),
        ("[a]\npassword=x\n", "no type=user", []),
        ("[a]\ntype=user\npassword=x\nreadonly=yes\n", "no option", ["a"]),
        ("[a]\ntype=user\npassword=x\nacl=none\n", "no access list", ["a"]),
        ("[a]\ntype=user\npassword=x\n[a]\ntype=user\npassword=y\n", "ari.conf:1", ["a"]),
        ("[general]\nchannelvars=x\n[a]\ntype=user\npassword=x\n", "not supported yet", ["a"]),
    ],
)
def test_mistakes(read: Read, text: str, words: str, users: list[str]) -> None:
    ari, problems = settings(read, text)
    assert list(ari.users) == users
    assert sum(words in p.text for p in problems) == 1
    assert len(problems) == (1 if users else 2)  # without a user nobody can log in: that is told too


def test_a_slip_hands_out_no_rights(read: Read) -> None:
    ari, problems = settings(read, "[a]\ntype=user\npassword=x\nread_only=ture\n")
    assert ari.users["a"].read_only
    assert [p.severity for p in problems] == ["error"]


def test_the_last_of_two_users_stays(read: Read) -> None:
    ari, _ = settings(read, "[a]\ntype=user\npassword=x\n[a]\ntype=user\npassword=y\n")
    assert ari.users["a"].password == "y"


CLIENT = "[c]\ntype=websocket_client\nconnection_type=persistent\nuri=ws://host.example:80/ari\n"
OWNER = "[ann]\ntype=user\npassword=x\n"
OUT = "[out]\ntype=outbound_websocket\nwebsocket_client_id=c\napps=a\nlocal_ari_user=ann\n"


def test_outbound_websockets(read: Read) -> None:
    ari, problems = settings(read, OWNER + OUT + "subscribe_all=yes\n", websocket_client=CLIENT)
    assert problems == []
    assert ari.outbound == {
        "out": OutboundSettings(
            name="out",
            source=Source("ari.conf", 4),
            apps=("a",),
            subscribe_all=True,
            local_user="ann",
            uri="ws://host.example:80/ari",
        )
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OUT.replace("=c", "=d"), "websocket_client.conf"),
        (OUT.replace("apps=a\n", ""), "no apps"),
        (OUT.replace("apps=a\n", f"apps={'a' * 74}\n"), "1 to 73 bytes"),
        (OUT.replace("=ann", "=ben"), "no user"),
        ("[h]\ntype=user\npassword=$6$a\npassword_format=crypt\n" + OUT.replace("=ann", "=h"), "plain password"),
        (OUT + OUT.replace("[out]", "[two]"), 'which the outbound WebSocket "out" has'),
    ],
)
def test_outbound_websockets_that_can_not_work(read: Read, text: str, words: str) -> None:
    ari, problems = settings(read, OWNER + text, websocket_client=CLIENT)
    assert [p.severity for p in problems] == ["error"]
    assert words in problems[0].text
    assert len(ari.outbound) == text.count("[out]") + text.count("[two]") - 1
