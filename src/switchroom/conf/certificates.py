"""Certificates and keys, which configuration files name by path."""

from __future__ import annotations

import os
from collections.abc import Mapping

from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section


def expect_readable(section: Section, files: Mapping[str, str], problems: Problems) -> None:
    """Complains of each file that can not be read; ``files`` are paths by option, empty where there is none."""
    for option, path in files.items():
        if path and not os.access(path, os.R_OK):
            problems.error(
                section.where(option),
                f"{option} names no file that can be read",
                "Correct the path or the permissions",
            )
