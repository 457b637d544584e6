"""What every test may use, and what the summary says beyond pytest's own."""

from __future__ import annotations

import pytest

from support.programs import LEFT_OUT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says plainly what was not tested for want of a program."""
    for program, tests in sorted(LEFT_OUT.items()):
        terminalreporter.write_line(
            f"LEFT OUT: {program} is not installed; not run: {', '.join(sorted(tests))}", yellow=True
        )
