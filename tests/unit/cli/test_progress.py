"""Long work shows on a terminal that it goes on, and nothing anywhere else."""

from __future__ import annotations

import sys
import threading

import pytest

from switchroom.cli import progress
from switchroom.cli.progress import Progress, working


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_WORTH", 0.0)
    monkeypatch.setattr(progress, "_EVERY", 1e-6)


@pytest.mark.usefixtures("terminal")
def test_work_that_is_soon_done_shows_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_WORTH", 1e6)
    shown = Progress("Exporting")
    shown.show("1 message")
    shown.clear()
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("at_once", "terminal")
def test_one_line_that_is_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("Exporting")
    shown.show("1 message")
    first = capsys.readouterr().err
    assert first.startswith("\r\x1b[KExporting [")
    assert first.endswith("] 1 message, 0 s")
    assert "<=>" in first
    shown.clear()
    assert capsys.readouterr().err == "\r\x1b[K"


@pytest.mark.usefixtures("at_once")
def test_nothing_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with working("Checking"):
        Progress("Exporting").show("1 message")
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("at_once", "terminal")
def test_work_without_time_to_tell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = threading.Event()
    write = sys.stderr.write

    def note(text: str) -> int:
        drawn.set()
        return write(text)

    monkeypatch.setattr(sys.stderr, "write", note)
    with working("Checking"):
        assert drawn.wait(30)
    assert "Checking [" in (shown := capsys.readouterr().err)
    assert shown.endswith("\r\x1b[K")
    assert [thread.name for thread in threading.enumerate() if thread.name == "progress"] == []
