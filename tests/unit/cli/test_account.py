"""Which server is asked, as whom, and where the password comes from."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchroom.cli.account import Account, Login, find_account, read_password
from switchroom.cli.profile_file import Profile, Profiles, write_profiles
from switchroom.cli.terminal import Refused

from .conftest import Switchroom
from .double import Asked, Double, Said, answering


@pytest.fixture
def double() -> Iterator[Double]:
    def answer(asked: Asked) -> Said:
        return Said(200, [])

    with answering(answer) as double:
        yield double


def saved(password: str | None = None, url: str = "http://server:8088", user: str = "asterisk") -> None:
    write_profiles(Profiles("home", {"home": Profile(url, user, password), "away": Profile("https://away", "guest")}))


def test_options_are_before_the_profile_and_this_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "secret")
    assert find_account(Login(user="reader")) == Account("http://localhost:8088", "reader", "secret")
    saved()
    assert find_account(Login()) == Account("http://server:8088", "asterisk", "secret")
    assert find_account(Login(user="reader")) == Account("http://server:8088", "reader", "secret")
    assert find_account(Login(profile="away")) == Account("https://away", "guest", "secret")
    assert find_account(Login(url="http://other", profile="away")) == Account("http://other", "guest", "secret")


def test_a_kept_password_is_for_its_own_server_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    saved("kept")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "asked")
    assert find_account(Login()).password == "kept"
    assert find_account(Login(url="http://evil.example")).password == "asked"
    assert find_account(Login(user="reader")).password == "asked"


def test_the_password_from_a_file_comes_before_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"from a file\r\nsecond line\n")
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "secret")
    saved("kept")
    assert find_account(Login(password_file=file)).password == "from a file"
    assert find_account(Login()).password == "secret"


def test_the_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped\nrest\n"))
    assert read_password(Path("-")) == "piped"


def test_a_password_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="UTF-8"):
        read_password(tmp_path / "password")


def test_the_password_is_asked_for(switchroom: Switchroom, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "secret"

    monkeypatch.setattr(getpass, "getpass", ask)
    assert switchroom("endpoints", "--url", double.url, "--user", "asterisk").status == 0
    assert asked == ["Password of asterisk: "]


@pytest.mark.parametrize("error", [getpass.GetPassWarning, EOFError])
def test_without_a_terminal_it_is_not_asked_for(
    switchroom: Switchroom, double: Double, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(prompt: str) -> str:
        raise error

    monkeypatch.setattr(getpass, "getpass", refuse)
    status, out, err = switchroom("endpoints", "--url", double.url, "--user", "asterisk")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--password-file" in err
    assert double.requests == []


def test_an_account_does_not_show_its_password() -> None:
    account = Account("http://server", "asterisk", "secret")
    assert "secret" not in f"{account!r} {account} {[account]}"
    profile = Profile("http://server", "asterisk", "secret")
    assert "secret" not in f"{profile!r} {profile} {Profiles(None, {'home': profile})}"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "no user is named"),
        (["--user", "a:b"], "has no colon"),
        (["--user", "a", "--profile", "none"], "no profile is called none"),
        (["--user", "a", "--url", "localhost"], "localhost is no address"),
        (["--user", "a", "--url", "ftp://x"], "ftp://x is no address"),
        (["--user", "a", "--url", "http://x/a b"], "is no address"),
        (["--user", "a", "--url", "http://x:port"], "Port could not be cast"),
        (["--user", "a", "--url", "http://[::1"], "Invalid IPv6 URL"),
        (["--user", "a", "--url", "http://a:hidden@x"], "a URL with a user in it is seen by others"),
        (["--user", "a", "--url", "http://a:hidden/2@x"], "a URL with a user in it is seen by others"),
        (["--user", "a", "--password-file", "/does/not/exist"], "No such file or directory"),
    ],
)
def test_what_can_not_be_used_is_one_line(switchroom: Switchroom, arguments: list[str], error: str) -> None:
    status, out, err = switchroom("endpoints", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert error in err
    assert "hidden" not in err
