"""The command line called in the test's own process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from switchroom.cli import main


class Result(NamedTuple):
    """What a command did."""

    status: object
    out: str
    err: str


Switchroom = Callable[..., Result]


@pytest.fixture
def switchroom(capsys: pytest.CaptureFixture[str]) -> Switchroom:
    def call(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = capsys.readouterr()
        return Result(ended.value.code, written.out, written.err)

    return call


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has configured nothing."""
    for name in ("URL", "USER", "PASSWORD", "PROFILE"):
        monkeypatch.delenv(f"SWITCHROOM_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def asterisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user whom a double knows."""
    monkeypatch.setenv("SWITCHROOM_USER", "asterisk")
    monkeypatch.setenv("SWITCHROOM_PASSWORD", "secret")


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written goes to a terminal."""
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda stream: True)
