"""A whole directory: what is missing, what is fatal, ten thousand endpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchroom.conf.directory import read_directory
from switchroom.conf.lines import read_sections
from switchroom.conf.problems import Problems
from switchroom.model.settings import Configuration

from .conftest import ARI, Read


def test_an_empty_directory(tmp_path: Path) -> None:
    configuration, problems = read_directory(tmp_path)
    assert configuration == Configuration()
    assert configuration.sip is None
    assert not configuration.http.enabled
    assert [(str(p.source), p.severity, p.fatal) for p in problems] == [
        ("ari.conf:0", "warning", False),
        ("http.conf:0", "warning", False),
    ]
    assert str(problems[1]).startswith("http.conf: warning: there is no http.conf, so HTTP is off. Create it")


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path / "none", str(tmp_path / "none")):
        configuration, problems = read_directory(path)
        assert configuration == Configuration()
        assert [p.fatal for p in problems] == [True]


def test_a_file_that_can_not_be_read(read: Read, tmp_path: Path) -> None:
    (tmp_path / "acl.conf").mkdir()
    configuration, problems = read()
    assert configuration == Configuration()
    assert str(problems[0]).startswith("acl.conf: error: acl.conf can not be read: it is no regular file.")
    assert problems[0].fatal


def test_what_is_fatal_comes_first_and_leaves_nothing_half_read(read: Read) -> None:
    configuration, problems = read(acl="[a]\nx=y\n", pjsip="[e]\ntype=endpoint\n[broken\n", ari=ARI)
    assert configuration == Configuration()
    assert [(str(p.source), p.fatal) for p in problems] == [
        ("pjsip.conf:3", True),
        ("acl.conf:2", False),
        ("pjsip.conf:0", False),
        ("pjsip.conf:1", False),
    ]


def test_a_file_that_is_not_read_is_told(read: Read) -> None:
    _, problems = read(pjsip_wizard="[x]\ntype=wizard\n")
    assert [str(p.source) for p in problems] == ["pjsip_wizard.conf:0"]


def test_everything_together(read: Read) -> None:
    configuration, problems = read(
        pjsip="[u]\ntype=transport\nbind=::\n[e]\ntype=endpoint\nidentify_by=ip\n",
        sip="[s]\ntype=peer\n",
        switchroom="[general]\nstrict=yes\n",
    )
    assert problems == []
    assert configuration.sip is not None
    assert list(configuration.sip.endpoints) == ["e"]
    assert configuration.http.enabled
    assert list(configuration.ari.users) == ["ann"]
    assert configuration.switchroom.strict
    assert configuration.chan_sip is not None
    assert list(configuration.chan_sip.peers) == ["s"]


def test_many_endpoints_share_what_they_have_in_common(read: Read) -> None:
    count = 2000
    users = "".join(
        f"[u{n}](ep)\nauth=u{n}\naors=u{n}\n[u{n}](auth)\nusername=u{n}\npassword=p{n}\n[u{n}](aor)\n"
        for n in range(count)
    )
    configuration, problems = read(
        pjsip="[u]\ntype=transport\nbind=::\n[ep](!)\ntype=endpoint\nmessage_context=messages\n"
        "[auth](!)\ntype=auth\n[aor](!)\ntype=aor\nmax_contacts=5\n" + users
    )
    assert problems == []
    sip = configuration.sip
    assert sip is not None
    assert (len(sip.endpoints), len(sip.auths), len(sip.aors)) == (count, count, count)
    first, last = sip.endpoints["u0"], sip.endpoints[f"u{count - 1}"]
    assert first.message_context is last.message_context
    assert first.identify_by is last.identify_by
    assert last.aors[0] is last.auth[0] is last.name is sip.aors[last.name].name is sip.auths[last.name].username


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


WORDS = """[a] [a](!) [b](a) [a](+) [b](+type=aor) [ ] ( ) = += => ; ;-- --; \\ , / : type endpoint aor auth transport
    identify user general contact sip:a@h bind match permit 10.0.0.0/8 password \u00fc 99999999999"""
PIECES = st.sampled_from([*WORDS.split(), " ", "\n", "\x00", "\n#include x.conf\n", "\n#tryinclude *\n"])


@settings(deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_any_text_is_read_or_complained_of(scratch: Path, text: str) -> None:
    for name in ("pjsip", "ari", "http", "acl", "sip", "xmpp", "switchroom"):
        (scratch / f"{name}.conf").write_text(text, encoding="utf-8", errors="replace")
    _, problems = read_directory(scratch)
    for problem in problems:
        assert problem.text
        assert problem.advice
        assert "\n" not in str(problem)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_complained_of(scratch: Path, data: bytes) -> None:
    (scratch / "any.conf").write_bytes(data)
    assert read_sections(scratch, "any.conf", Problems()) is not None
