"""The 61 messages, expanded from the RFCs' notation (RFC 4475 section 2) to bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_TITLE = re.compile(r"=== (\S+) (\S+) (.+)")
_HEX = re.compile(rb"<hex>([0-9A-Fa-f\s]*)</hex>")
_REPEAT = re.compile(rb"<repeat count=(\d+)>(.*?)</repeat>")


class TortureMessage(NamedTuple):
    """One message as it is to be sent."""

    name: str
    rfc: int
    section: str
    title: str
    data: bytes


def read(rfc: int) -> Iterator[TortureMessage]:
    """The messages of ``rfcNNNN.txt`` beside this module, in the RFC's order."""
    heading: tuple[str, str, str] | None = None
    lines: list[str] = []
    for line in (Path(__file__).parent / f"rfc{rfc}.txt").read_text(encoding="ascii").splitlines():
        title = _TITLE.fullmatch(line)
        if title is None:
            lines.append(line)
            continue
        if heading is not None:
            yield _message(rfc, heading, lines)
        heading, lines = (title[1], title[2], title[3]), []
    if heading is not None:
        yield _message(rfc, heading, lines)


def _message(rfc: int, heading: tuple[str, str, str], lines: list[str]) -> TortureMessage:
    name, section, title = heading
    return TortureMessage(name, rfc, section, title, expand(lines))


def expand(lines: Iterable[str]) -> bytes:
    """The bytes that ``lines`` stand for: long lines joined, CRLF behind each, then hex, then repetitions."""
    joined: list[str] = []
    inside = False
    for line in lines:
        if line in ("<allOneLine>", "</allOneLine>"):
            inside = line == "<allOneLine>"
            if inside:
                joined.append("")
        elif inside:
            joined[-1] += line
        else:
            joined.append(line)
    data = "".join(f"{line}\r\n" for line in joined).encode("ascii")
    data = _HEX.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), data)
    return _REPEAT.sub(lambda match: match[2] * int(match[1]), data)


MESSAGES = {message.name: message for rfc in (4475, 5118) for message in read(rfc)}
