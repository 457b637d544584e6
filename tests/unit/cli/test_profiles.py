"""``switchroom profile``: what is kept, and who may read it."""

from __future__ import annotations

import getpass
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.cli import profile_file
from switchroom.cli.profile_file import Profile, Profiles, profiles_file, read_profiles, write_profiles

from .conftest import Switchroom


def test_save_list_delete(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: 'a "secret"')
    path = profiles_file()
    kept = switchroom("profile", "save", "home", "--url", "http://home:8088", "--user", "asterisk", "--keep-password")
    assert kept == (0, f"Saved home in {path}.\n", "")
    assert switchroom("profile", "save", "work", "--user", "reader", "--password-file", "/secrets/ari").status == 0
    assert tomllib.loads(path.read_text(encoding="utf-8")) == {
        "default": "home",
        "profiles": {
            "home": {"url": "http://home:8088", "user": "asterisk", "password": 'a "secret"'},
            "work": {"user": "reader", "password_file": "/secrets/ari"},
        },
    }
    status, out, _ = switchroom("profile", "list")
    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        ["NAME", "URL", "USER", "PASSWORD"],
        ["*", "home", "http://home:8088", "asterisk", "kept"],
        ["work", "reader", "in", "/secrets/ari"],
    ]
    assert switchroom("profile", "save", "work", "--default").status == 0
    assert read_profiles().default == "work"
    assert switchroom("profile", "delete", "work") == (0, "Deleted work.\n", "")
    assert read_profiles() == Profiles(None, {"home": Profile("http://home:8088", "asterisk", 'a "secret"')})
    assert switchroom("profile", "delete", "work") == (2, "", "switchroom: no profile is called work\n")


def test_only_its_owner_reads_the_file() -> None:
    write_profiles(Profiles(None, {"home": Profile(password="secret")}))
    path = profiles_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["profiles.toml"]


def test_a_password_that_others_may_read_is_refused(switchroom: Switchroom) -> None:
    write_profiles(Profiles(None, {"home": Profile(password="secret")}))
    profiles_file().chmod(0o644)
    status, out, err = switchroom("profile", "list")
    assert (status, out) == (2, "")
    assert f"chmod 600 {profiles_file()}" in err
    write = Profiles(None, {"home": Profile(user="asterisk")})
    write_profiles(write)
    profiles_file().chmod(0o644)
    assert read_profiles() == write


def test_what_fails_leaves_the_former_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_profiles(Profiles(None, {"home": Profile(user="asterisk")}))
    with pytest.raises(UnicodeEncodeError):
        write_profiles(Profiles(None, {"home": Profile(user="\udcff")}))
    assert read_profiles().by_name["home"].user == "asterisk"
    assert [each.name for each in profiles_file().parent.iterdir()] == ["profiles.toml"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[profiles", "is no TOML"),
        ("default = 1", "default is a name"),
        ("profiles = 1", "[profiles.NAME] a table"),
        ("[profiles]\nhome = 1", "home is no table"),
        ("[profiles.home]\nurl = 1", "url of home"),
        ("[profiles.home]\npasswort = 'x'", "passwort of home"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_broken_file_is_one_line(switchroom: Switchroom, text: str | bytes, error: str) -> None:
    path = profiles_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    status, out, err = switchroom("endpoints")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert error in err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["a b"], "letters, digits"),
        (["home", "--url", "localhost"], "is no address"),
        (["home", "--password-file", "x", "--keep-password"], "one of"),
    ],
)
def test_what_is_not_saved(switchroom: Switchroom, arguments: list[str], error: str) -> None:
    status, _, err = switchroom("profile", "save", *arguments)
    assert status == 2
    assert error in err
    assert not profiles_file().exists()


def test_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert profiles_file() == tmp_path / ".config" / "switchroom" / "profiles.toml"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_is_kept_as_it_is(text: str) -> None:
    quoted = profile_file._quoted(text)
    assert tomllib.loads(f"text = {quoted}") == {"text": text}
