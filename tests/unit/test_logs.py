"""Logs: one event one line, and nothing a peer wrote reaches a terminal as a command."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from switchroom.logs import configure_logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def refuse(text: str) -> None:
    """Raises with what a peer wrote."""
    raise ValueError(text)


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_event_is_one_line_without_control_characters(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form, "info")
    structlog.get_logger().info("ev\x1b[2Jent", name="a\r\nb\x00\x9bc")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    text = json.loads(line)["name"] if form == "json" else line
    assert "a\\x0d\\x0ab\\x00\\x9bc" in text


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_keeps_its_lines_and_nothing_else(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form, "info")
    try:
        refuse("\x1b]0;owned\x07")
    except ValueError:
        structlog.get_logger().exception("broken")
    shown = capsys.readouterr().err
    assert "\x1b]" not in shown
    assert "\x07" not in shown
    assert "owned" in shown
    assert len(shown.splitlines()) > (3 if form == "console" else 0)


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "warning")
    structlog.get_logger().info("quiet")
    assert capsys.readouterr().err == ""
