"""http.conf."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from switchroom.conf.problems import Problem
from switchroom.model.settings import AccessRule, HttpSettings, PathRestriction, Source

from .conftest import Read


def settings(read: Read, text: str) -> tuple[HttpSettings, list[Problem]]:
    configuration, problems = read(http=text)
    return configuration.http, problems


def test_all_options(read: Read) -> None:
    http, problems = settings(
        read,
        "[general]\nEnabled=yes\nbindaddr=0.0.0.0\nbindport=80\nprefix=/pbx/\nservername=\nsessionlimit=7\n"
        "session_inactivity=1500\nsession_keep_alive=0\ntlsenable=yes\ntlsbindaddr=[::1]:443\ntlscertfile=/dev/null\n"
        "tlsprivatekey=/dev/zero\ntlsdisablev1=yes\n[/ari/asterisk]\ntype=restriction\ndeny=::/0\n",
    )
    assert problems == []
    assert http == HttpSettings(
        enabled=True,
        bind_host="0.0.0.0",
        bind_port=80,
        prefix="/pbx",
        servername="",
        sessionlimit=7,
        session_inactivity=1.5,
        session_keep_alive=0.0,
        tls_enabled=True,
        tls_bind_host="::1",
        tls_bind_port=443,
        tls_cert_file="/dev/null",
        tls_key_file="/dev/zero",
        restrictions=(
            PathRestriction(
                name="/ari/asterisk",
                source=Source("http.conf", 15),
                acl=(AccessRule(False, ip_network("::/0")),),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("bindaddr=127.0.0.1:80", "127.0.0.1", 80),
        ("bindaddr=[::1]:80", "::1", 80),
        ("bindaddr=localhost", "localhost", 8088),
    ],
)
def test_the_port_may_stand_in_the_address(read: Read, text: str, host: str, port: int) -> None:
    http, problems = settings(read, f"[general]\nenabled=yes\n{text}\n")
    assert (http.bind_host, http.bind_port, problems) == (host, port, [])


@pytest.mark.parametrize(
    ("text", "source", "words"),
    [
        ("[general]\n", "http.conf:0", "HTTP is off"),
        ("[general]\nenabled=yes\n", "http.conf:1", "bindaddr"),
        ("[general]\nenabled=yes\nbindaddr=::1\nbindport=70000\n", "http.conf:4", "whole number"),
        ("[general]\nenabled=yes\nbindaddr=::1\nprefix=a b\n", "http.conf:4", "path"),
        ("[general]\nenabled=yes\nbindaddr=::1\ntlsenable=yes\n", "http.conf:4", "certificate"),
        (
            "[general]\nenabled=yes\nbindaddr=::1\ntlsenable=yes\ntlscertfile=/dev/null\ntlsprivatekey=none.pem\n",
            "http.conf:6",
            "tlsprivatekey names no file",
        ),
        ("[general]\nenabled=yes\nbindaddr=::1\nredirect = / /x\n", "http.conf:4", "not supported yet"),
        ("[general]\nenabled=yes\nbindaddr=::1\nbind=x\n", "http.conf:4", "no option"),
        ("[general]\nenabled=yes\nbindaddr=::1\n[a]\ntype=restriction\nacl=lan\n", "http.conf:6", "no access list"),
        ("[general]\nenabled=yes\nbindaddr=::1\n[a]\ntype=restriction\ndney=::/0\n", "http.conf:6", "no option"),
        ("[general]\nenabled=yes\nbindaddr=::1\n[other]\n", "http.conf:4", "not read"),
    ],
)
def test_mistakes(read: Read, text: str, source: str, words: str) -> None:
    _, problems = settings(read, text)
    assert [str(p.source) for p in problems] == [source]
    assert words in problems[0].text
