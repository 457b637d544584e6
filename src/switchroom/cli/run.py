"""``switchroom run``: reads a configuration and serves it."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from switchroom.cli.terminal import FAILED, complain, printable
from switchroom.conf import read_directory
from switchroom.server import StartError, serve


def run_server(
    directory: Path, state: Path | None, *, log_format: str | None = None, log_level: str | None = None
) -> int:
    """Serves until a signal; the exit status. Problems that do not prevent it are shown first.

    ``log_format`` and ``log_level`` stand above the configuration.
    """
    next(directory.iterdir(), None)  # an OSError here says best why nothing can be read
    configuration, problems = read_directory(directory)
    for problem in problems:
        print(printable(str(problem)), file=sys.stderr)
    if any(problem.fatal for problem in problems):
        return FAILED
    try:
        return uvloop.run(serve(configuration, state, directory=directory, log_format=log_format, log_level=log_level))
    except StartError as refused:
        return complain(str(refused))
