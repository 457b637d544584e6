"""What is wrong with a configuration: where, how bad, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum

import msgspec

from switchroom.conf.limits import MAX_SUGGESTIONS
from switchroom.model.settings import Source


class Severity(StrEnum):
    """``error``: something written does not have its effect. ``warning``: it has, but is hardly what was meant."""

    ERROR = "error"
    WARNING = "warning"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint. Never holds a secret: it is printed and logged."""

    severity: Severity
    #: Line 0 means the file as a whole.
    source: Source
    #: What is wrong, no full stop.
    text: str
    #: What to do about it, no full stop.
    advice: str
    #: The server can not run with this configuration.
    fatal: bool = False

    def __str__(self) -> str:
        place = str(self.source) if self.source.line else self.source.file
        return f"{place}: {self.severity}: {self.text}. {self.advice}."


class Problems:
    """Collects complaints while files are read. The same complaint about the same line, as ten thousand
    sections that inherit it would make, is kept once.
    """

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._suggestions = MAX_SUGGESTIONS

    def error(self, source: Source, text: str, advice: str) -> None:
        self._found[Problem(severity=Severity.ERROR, source=source, text=text, advice=advice)] = None

    def warning(self, source: Source, text: str, advice: str) -> None:
        self._found[Problem(severity=Severity.WARNING, source=source, text=text, advice=advice)] = None

    def fatal(self, source: Source, text: str, advice: str) -> None:
        self._found[Problem(severity=Severity.ERROR, source=source, text=text, advice=advice, fatal=True)] = None

    def suggest(self, word: str, known: Iterable[str], otherwise: str) -> str:
        """Advice for a word that is not known: the nearest that is, else ``otherwise``."""
        if not self._suggestions:
            return otherwise
        self._suggestions -= 1
        near = get_close_matches(word, known, n=1, cutoff=0.75)
        return f'Did you mean "{near[0]}"? Otherwise: {otherwise[:1].lower()}{otherwise[1:]}' if near else otherwise

    @property
    def any_fatal(self) -> bool:
        return any(problem.fatal for problem in self._found)

    def ordered(self) -> list[Problem]:
        """What stops the server first, then by file and line."""
        return sorted(self._found, key=lambda problem: (not problem.fatal, problem.source))
