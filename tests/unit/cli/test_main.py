"""Arguments, help and misuse: one line on standard error, exit status 2."""

from __future__ import annotations

import runpy
import sys

import pytest

from switchroom import __version__
from unit.cli.conftest import Switchroom


def test_version(switchroom: Switchroom) -> None:
    assert switchroom("--version") == (0, f"switchroom {__version__}\n", "")


def test_help_names_every_command(switchroom: Switchroom) -> None:
    status, out, err = switchroom("--help")
    assert (status, err) == (0, "")
    assert all(f"\n  {command} " in out for command in ("run", "check", "demo"))


def test_without_a_command_help_is_shown_and_it_failed(switchroom: Switchroom) -> None:
    status, out, _ = switchroom()
    assert status == 2
    assert out.startswith("Usage: switchroom")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["run"], "Missing option '--config'"),
        (["run", "--config"], "'--config' requires an argument"),
        (["check"], "Missing argument 'DIR'"),
        (["check", "one", "two"], "unexpected extra argument"),
        (["sing"], "No such command 'sing'"),
        (["demo", "--sip-port", "65536"], "Invalid value for '--sip-port'"),
        (["demo", "--http-port", "eighty"], "Invalid value for '--http-port'"),
        (["demo", "--colour"], "No such option: --colour"),
    ],
)
def test_misuse_is_one_line(switchroom: Switchroom, arguments: list[str], error: str) -> None:
    status, out, err = switchroom(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("switchroom: ")
    assert error in err
    assert err.count("\n") == 1


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["switchroom", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("switchroom", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"switchroom {__version__}\n"
