"""Logs: one event one line, and nothing a peer wrote reaches a terminal as a command."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from switchroom.logs import configure_logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    before = logging.lastResort
    yield
    structlog.reset_defaults()
    logging.lastResort = before


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


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_else_ends_a_line_or_turns_it_is_shown(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form, "info")
    structlog.get_logger().info("event", name="a\u2028b\u202ec\x85d\U000e0001e", several=["x\u2029", {"y\n": "\x1b"}])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    text = json.loads(line)["name"] if form == "json" else line
    assert r"a\u2028b\u202ec\x85d\U000e0001e" in text


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_line_of_a_traceback_looks_like_an_event(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form, "info")
    try:
        refuse("broken\n2026-11-23T07:00:00Z [info     ] forged")
    except ValueError:
        structlog.get_logger().exception("broken")
    event, *traceback = capsys.readouterr().err.splitlines()
    assert "broken" in event
    assert all(line.startswith("    ") for line in traceback)
    assert any("forged" in line for line in (traceback if form == "console" else [event]))


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_libraries_log_is_an_event_as_well(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs(form, "info")
    others = logging.getLogger("of.a.library")
    monkeypatch.setattr(others, "propagate", False)  # to the handlers of pytest
    others.warning("a peer says %s", "x\n\x1b[2Jforged")
    others.info("not this")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "of.a.library" in line
    assert "a peer says x" in line
