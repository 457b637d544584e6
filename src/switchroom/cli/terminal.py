"""What is written to the person at the terminal."""

from __future__ import annotations

import sys

#: Exit status of a command that could not do what was asked; 1 is left to ``check``: it found problems.
FAILED = 2


def printable(text: str) -> str:
    """``text`` on one line, with line ends, control and other unprintable characters escaped: texts from files and from
    the network can not move the cursor or pretend to be another line.
    """
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    """``\\x1b``, ``\\u202e``; a byte that was no UTF-8 as that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def complain(text: str) -> int:
    """Says on standard error why nothing was done; returns the exit status."""
    print(f"switchroom: {printable(text)}", file=sys.stderr)
    return FAILED


def reason(error: OSError) -> str:
    """An operating system's error in words, without its number: ``pjsip.conf: Permission denied``."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text
