"""Servers by name, in a file of the user's configuration folder that others can not read."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from switchroom.cli.terminal import Refused

#: Bytes of the file that are read: thousands of profiles.
_FILE_BYTES = 1 << 20


class Profile(NamedTuple):
    """What is kept of a server; None: not known, so asked for or the default."""

    url: str | None = None
    user: str | None = None
    password: str | None = None
    password_file: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"Profile({self.url!r}, {self.user!r})"


class Profiles(NamedTuple):
    """The whole file. ``default``: the one that is used when none is named."""

    default: str | None
    by_name: Mapping[str, Profile]


def profiles_file() -> Path:
    """``$XDG_CONFIG_HOME/switchroom/profiles.toml``, below ``~/.config`` without that variable (XDG Base Directory)."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(named) if named.startswith("/") else Path.home() / ".config"
    return folder / "switchroom" / "profiles.toml"


def read_profile(name: str | None) -> Profile:
    """The profile of that name, the default one for None, an empty one when there is none at all.

    Raises:
        Refused: there is none of that name, or the file can not be used.
    """
    profiles = read_profiles()
    wanted = name or profiles.default
    if wanted is None:
        return Profile()
    try:
        return profiles.by_name[wanted]
    except KeyError:
        known = ", ".join(profiles.by_name) or "none is saved"
        raise Refused(f"no profile is called {wanted}: {known}") from None


def read_profiles() -> Profiles:
    """Everything in the file. Raises Refused when it is broken, or shows passwords to others."""
    path = profiles_file()
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_FILE_BYTES).decode()
    except FileNotFoundError:
        return Profiles(None, {})
    except UnicodeDecodeError:
        raise Refused(f"{path} is no TOML: it is not UTF-8") from None
    import tomllib  # most have no such file

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path} is no TOML: {error}") from None
    default, profiles = document.get("default"), document.get("profiles", {})
    if not isinstance(default, str | None) or not isinstance(profiles, dict):
        raise Refused(f"{path}: default is a name, and [profiles.NAME] a table")
    found = Profiles(default, {name: _profile(path, name, fields) for name, fields in profiles.items()})
    if mode & 0o077 and any(profile.password is not None for profile in found.by_name.values()):
        raise Refused(f"{path} holds a password and others may read it: chmod 600 {path}")
    return found


def _profile(path: Path, name: str, fields: object) -> Profile:
    if not isinstance(fields, dict):
        raise Refused(f"{path}: {name} is no table")
    for key, value in fields.items():
        if key not in Profile._fields or not isinstance(value, str):
            raise Refused(f"{path}: {key} of {name} is none of {', '.join(Profile._fields)}, or no text")
    return Profile(**fields)


def write_profiles(profiles: Profiles) -> None:
    """Replaces the file as a whole; it is its owner's alone from its first byte on."""
    lines = [f"default = {_quoted(profiles.default)}"] if profiles.default is not None else []
    for name, profile in profiles.by_name.items():
        lines += ["", f"[profiles.{name}]"]
        lines += [f"{key} = {_quoted(value)}" for key, value in profile._asdict().items() if value is not None]
    path = profiles_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines).lstrip("\n") + "\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's, with DEL escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
