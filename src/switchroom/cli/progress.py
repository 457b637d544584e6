"""How far long work is, on standard error, when that is a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from switchroom.cli.terminal import decorated

#: Seconds between two pictures, and those that work takes before it is worth one.
_EVERY = 0.1
_WORTH = 0.3

#: Columns of the bar, and of what moves in it: nobody knows beforehand how much there is.
_COLUMNS = 20
_MARK = "<=>"

_CLEAR = "\r\x1b[K"


class Progress:
    """One line: a bar that moves, what is done, for how long."""

    def __init__(self, work: str) -> None:
        """``work``: the beginning of the line; the caller's own words."""
        self._work = work
        self._shown = False
        self._started = time.monotonic()
        self._next = self._started + _WORTH
        self._active = decorated(sys.stderr)

    def show(self, done: str = "") -> None:
        """Draws the line with what is ``done`` by now, unless it was drawn a moment ago."""
        now = time.monotonic()
        if not self._active or now < self._next:
            return
        self._next = now + _EVERY
        self._shown = True
        seconds = now - self._started
        room = _COLUMNS - len(_MARK)
        place = int(seconds / _EVERY) % (2 * room)
        bar = (" " * min(place, 2 * room - place) + _MARK).ljust(_COLUMNS)
        sys.stderr.write(f"{_CLEAR}{self._work} [{bar}] {f'{done}, ' if done else ''}{seconds:.0f} s")
        sys.stderr.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._shown = False


@contextmanager
def working(work: str) -> Iterator[None]:
    """Shows that ``work`` is going on, for as long as a block lasts that has no time to tell."""
    progress = Progress(work)
    ended = threading.Event()

    def draw() -> None:
        while not ended.wait(_EVERY):
            progress.show()

    drawing = threading.Thread(target=draw, name="progress", daemon=True)
    drawing.start()
    try:
        yield
    finally:
        ended.set()
        drawing.join()
        progress.clear()
