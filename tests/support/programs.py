"""Programs of others that tests play against: found, or left out with a word in the summary."""

from __future__ import annotations

import importlib.util
import shutil
from collections import defaultdict
from typing import NoReturn

import pytest

#: Program to the tests that were not run for want of it; the summary prints it.
LEFT_OUT: defaultdict[str, set[str]] = defaultdict(set)


def need_program(name: str, request: pytest.FixtureRequest) -> str:
    """The path of a program; skips the test when it is not installed."""
    return shutil.which(name) or _leave_out(name, request)


def need_package(name: str, request: pytest.FixtureRequest) -> None:
    """Skips the test when the Python package is not installed."""
    if importlib.util.find_spec(name) is None:
        _leave_out(f"the Python package {name}", request)


def _leave_out(what: str, request: pytest.FixtureRequest) -> NoReturn:
    LEFT_OUT[what].add(request.node.nodeid)
    pytest.skip(f"{what} is not installed")
