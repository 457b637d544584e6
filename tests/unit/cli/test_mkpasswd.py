"""``switchroom mkpasswd``: hashes that the server takes; tests/wire/test_command_line.py asks it."""

from __future__ import annotations

import getpass
import io
import sys

import pytest
from passlib.hash import sha512_crypt

from .conftest import Switchroom


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_from_standard_input(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("sëcret \nnot this\n"))
    status, out, err = switchroom("mkpasswd")
    assert (status, err, out.count("\n")) == (0, "", 1)
    assert out.startswith("$6$rounds=50000$")
    assert sha512_crypt.verify("sëcret ", out.strip())


def test_asked_for_twice(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Tty())
    typed = iter(["one", "one", "one", "two"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    assert sha512_crypt.verify("one", switchroom("mkpasswd").out.strip())
    assert switchroom("mkpasswd") == (2, "", "switchroom: these are two passwords\n")


@pytest.mark.parametrize("given", ["", "\n", "a\0b\n"])
def test_what_is_no_password(switchroom: Switchroom, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    assert switchroom("mkpasswd") == (2, "", "switchroom: a password is not empty, and has no NUL\n")
