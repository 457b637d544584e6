"""What is written to the person at the terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

#: Exit status of a command that could not do what was asked; 1 is left to those that looked and found it wrong.
FAILED = 2

#: Exit status after Control-C, and of a command whose reader has gone, as shells know them: 128 and the signal.
INTERRUPTED = 130
UNHEARD = 141

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "bold": "1", "dim": "2"}


class Refused(Exception):
    """Why nothing was done, for the person at the terminal.

    Attributes:
        status: the HTTP status; 0 when nobody answered.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Unreachable(Refused):
    """Nobody answered this time; the same may be asked again."""


def printable(text: str) -> str:
    """``text`` on one line, with line ends, control and other unprintable characters escaped: texts from files and from
    the network can not move the cursor or pretend to be another line.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    """``\\x1b``, ``\\u202e``; a byte that was no UTF-8 as that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character < "\x80":
        return f"\\x{ord(character):02x}"
    return character.encode("unicode_escape").decode()


def complain(text: str) -> int:
    """Says on standard error why nothing was done; returns the exit status."""
    print(f"switchroom: {printable(text)}", file=sys.stderr)
    return FAILED


def note(text: str) -> None:
    """Says on standard error what is no part of the output, and no reason to end."""
    print(f"switchroom: {printable(text)}", file=sys.stderr, flush=True)


def reason(error: OSError) -> str:
    """An operating system's error in words, without its number: ``pjsip.conf: Permission denied``."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text


def decorated(stream: TextIO) -> bool:
    """Whether colours and progress may be written to ``stream``: to a terminal that knows them, unless NO_COLOR is set
    (https://no-color.org).
    """
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, colour: str) -> str:
    """``text`` in a colour, for who has asked ``decorated``; unknown colours are none."""
    code = _COLOURS.get(colour)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text
