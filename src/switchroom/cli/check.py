"""``switchroom check``: every problem of a configuration."""

from __future__ import annotations

from pathlib import Path

from switchroom.cli.progress import working
from switchroom.cli.terminal import printable
from switchroom.conf import read_directory


def check_directory(directory: Path) -> int:
    """Prints the problems, a line each; the exit status.

    Raises:
        OSError: the directory can not be read.
    """
    next(directory.iterdir(), None)  # an OSError here says best why nothing can be read
    with working(f"Checking {printable(str(directory))}"):
        _, problems = read_directory(directory)
    for problem in problems:
        print(printable(str(problem)))
    count = len(problems)
    print(f"{printable(str(directory))}: {count or 'no'} problem{'' if count == 1 else 's'}")
    return 1 if problems else 0
