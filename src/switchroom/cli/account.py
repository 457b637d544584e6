"""Which server is asked, and as whom: options, environment, profile, password file, prompt, in this order."""

from __future__ import annotations

import getpass
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from switchroom.cli.profile_file import Profile, read_profile
from switchroom.cli.terminal import Refused

DEFAULT_URL = "http://localhost:8088"

#: Where the password is looked for before it is asked for.
PASSWORD = "SWITCHROOM_PASSWORD"  # noqa: S105 - the name of a variable

#: Bytes of a password file that are read: no password is longer, and a device never ends.
_PASSWORD_BYTES = 4096


class Login(NamedTuple):
    """What the command line and the environment say of it."""

    url: str | None = None
    user: str | None = None
    profile: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class Account(NamedTuple):
    """A server's address, a user of its ari.conf, and whom to trust for its certificate beside the system's."""

    url: str
    user: str
    password: str
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return f"Account({self.url!r}, {self.user!r})"


def ask_password(prompt: str) -> str:
    """Asked for at the terminal, without an echo. Raises Refused when there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except (getpass.GetPassWarning, EOFError):
        raise Refused(f"no terminal to ask for the password at: give --password-file, or set {PASSWORD}") from None


def find_account(login: Login, ask: Callable[[str], str] = ask_password) -> Account:
    """Completes ``login``; asks for the password when it is nowhere else.

    Raises:
        Refused: something is missing or can not be used.
        OSError: a file can not be read.
    """
    profile = read_profile(login.profile)
    url = login.url or profile.url or DEFAULT_URL
    check_url(url)
    user = login.user or profile.user
    if not user:
        raise Refused("no user is named: give --user NAME, set SWITCHROOM_USER, or save a profile")
    if ":" in user:
        raise Refused(f"{user}: a user's name has no colon")
    # What a profile keeps is for its own server alone, its password for its own user there.
    own = profile if url == (profile.url or DEFAULT_URL) else Profile()
    ca_file = login.ca_file or (Path(own.ca_file) if own.ca_file else None)
    return Account(url, user, _password(login, own if user == profile.user else Profile(), user, ask), ca_file)


def check_url(url: str) -> None:
    """Raises Refused when it is no address of a server."""
    if "@" in url:  # and not shown: it holds a password, which may hold anything
        raise Refused("a URL with a user in it is seen by others: give --user, and the password when it is asked for")
    try:
        parts = urlsplit(url)
        hostname, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{url}: {error}") from None
    if parts.scheme not in ("http", "https") or not hostname or not re.fullmatch(r"[!-~]*", parts.path):
        raise Refused(f"{url} is no address, as http://localhost:8088")


def _password(login: Login, profile: Profile, user: str, ask: Callable[[str], str]) -> str:
    if login.password_file is not None:
        return read_password(login.password_file)
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if profile.password is not None:
        return profile.password
    if profile.password_file is not None:
        return read_password(Path(profile.password_file))
    return ask(f"Password of {user}: ")


def read_password(file: Path) -> str:
    """The first line of a file; ``-`` is standard input."""
    if str(file) == "-":
        return sys.stdin.readline(_PASSWORD_BYTES).rstrip("\r\n")
    with file.open("rb") as opened:
        data = opened.read(_PASSWORD_BYTES)
    try:
        return data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise Refused(f"{file}: a password is text in UTF-8") from None
