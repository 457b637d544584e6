"""``switchroom profile``: servers by name, so that commands need not be told."""

from __future__ import annotations

import re

from switchroom.cli.account import Login, ask_password, check_url
from switchroom.cli.profile_file import Profile, Profiles, profiles_file, read_profiles, write_profiles
from switchroom.cli.table import print_table
from switchroom.cli.terminal import complain, printable

#: What TOML takes for a key without quotes.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def save_profile(name: str, login: Login, *, keep_password: bool, default: bool) -> int:
    """Makes or replaces a profile; the first one becomes the default. The exit status. Raises Refused."""
    if not _NAME.fullmatch(name):
        return complain(f"{name}: a profile's name has letters, digits, - and _, at most 64")
    if login.url is not None:
        check_url(login.url)
    if keep_password and login.password_file is not None:
        return complain("give one of --password-file and --keep-password")
    profiles = read_profiles()
    profile = Profile(
        url=login.url,
        user=login.user,
        password=ask_password("Password: ") if keep_password else None,
        password_file=str(login.password_file.absolute()) if login.password_file is not None else None,
        ca_file=str(login.ca_file.absolute()) if login.ca_file is not None else None,
    )
    chosen = name if default or profiles.default is None else profiles.default
    write_profiles(Profiles(chosen, {**profiles.by_name, name: profile}))
    print(f"Saved {name} in {printable(str(profiles_file()))}.")
    return 0


def delete_profile(name: str) -> int:
    """Forgets a profile; the exit status. Raises Refused."""
    profiles = read_profiles()
    if name not in profiles.by_name:
        return complain(f"no profile is called {name}")
    rest = {known: profile for known, profile in profiles.by_name.items() if known != name}
    write_profiles(Profiles(profiles.default if profiles.default != name else None, rest))
    print(f"Deleted {name}.")
    return 0


def list_profiles() -> int:
    """Prints a line for each profile, without passwords; the exit status. Raises Refused."""
    profiles = read_profiles()
    rows = [
        ("*" if name == profiles.default else "", name, profile.url or "", profile.user or "", _secret(profile))
        for name, profile in profiles.by_name.items()
    ]
    print_table(("", "NAME", "URL", "USER", "PASSWORD"), rows, {})
    return 0


def _secret(profile: Profile) -> str:
    """Where the password is."""
    if profile.password is not None:
        return "kept"
    return f"in {profile.password_file}" if profile.password_file else "asked for"
