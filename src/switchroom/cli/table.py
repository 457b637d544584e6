"""Tables for people: columns as wide as what stands in them."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence

from switchroom.cli.terminal import decorated, painted, printable

#: Blanks between columns.
_GAP = "  "


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[str, str]) -> None:
    """Prints ``rows`` under ``titles``, nothing when there are none.

    Args:
        rows: cells as they came from the network; made printable here.
        colours: which cells are painted on a terminal, by their text.
    """
    if not rows:
        return
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(titles, *shown, strict=True)]
    colourful = decorated(sys.stdout)
    lines = [_line(titles, widths, dict.fromkeys(titles, "bold") if colourful else {})]
    lines += [_line(row, widths, colours if colourful else {}) for row in shown]
    sys.stdout.write("\n".join(lines) + "\n")


def _line(cells: Sequence[str], widths: Sequence[int], colours: Mapping[str, str]) -> str:
    filled = (
        (painted(cell, colours[cell]) if cell in colours else cell) + " " * (width - _width(cell))
        for cell, width in zip(cells, widths, strict=True)
    )
    return _GAP.join(filled).rstrip()


def _width(text: str) -> int:
    """Columns a terminal takes for ``text``: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
