"""Texts from outside can not do anything to the terminal."""

from __future__ import annotations

import errno

import pytest

from switchroom.cli.terminal import complain, printable, reason


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界", "Grüße, 世界"),
        ("a\nb\r\tc", r"a\x0ab\x0d\x09c"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp", r"\u202egnp"),
        ("\u2028", r"\u2028"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
    ],
)
def test_only_printable_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_complaint_is_one_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("first\nsecond") == 2
    assert capsys.readouterr() == ("", "switchroom: first\\x0asecond\n")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "pjsip.conf"),
            "pjsip.conf: No such file or directory",
        ),
        (OSError(errno.EADDRINUSE, "Address already in use"), "Address already in use"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_errors_of_the_system_are_words(error: OSError, text: str) -> None:
    assert reason(error) == text
