"""Tables line up, whatever stands in them."""

from __future__ import annotations

import pytest

from switchroom.cli.table import print_table


def test_columns_are_as_wide_as_they_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "STATE", "TEXT"), [("a", "online", "x"), ("long one", "b", "")], {"online": "green"})
    assert capsys.readouterr().out == "NAME      STATE   TEXT\na         online  x\nlong one  b\n"


def test_wide_and_combining_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("世界", "1"), ("e\u0301", "2"), ("four", "3")], {})
    assert capsys.readouterr().out == "A     B\n世界  1\ne\u0301     2\nfour  3\n"


def test_what_comes_from_the_network_can_not_break_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("a\nb\x1b[2J", "1")], {})
    assert capsys.readouterr().out == "A              B\na\\x0ab\\x1b[2J  1\n"


def test_nothing_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [], {})
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
def test_colours_take_no_room(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a", "online", "x"), ("b", "offline", "y")]
    print_table(("N", "STATE", "T"), rows, {"online": "green", "offline": "no colour"})
    assert capsys.readouterr().out == (
        "\x1b[1mN\x1b[0m  \x1b[1mSTATE\x1b[0m    \x1b[1mT\x1b[0m\na  \x1b[32monline\x1b[0m   x\nb  offline  y\n"
    )
    for variable, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patched:
            patched.setenv(variable, value)
            print_table(("N", "STATE", "T"), rows, {"online": "green"})
            assert "\x1b" not in capsys.readouterr().out
