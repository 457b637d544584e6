"""Comments of Asterisk's configuration files.

``;`` starts a comment that runs to the end of the line, ``\\;`` is a semicolon, and ``;-- ... --;`` is a
comment over any number of lines that may hold others of its kind; ``;---`` is an ordinary comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from switchroom.conf.limits import MAX_COMMENT_DEPTH
from switchroom.conf.problems import Problems
from switchroom.model.settings import Source


def without_comments(lines: Sequence[str], file: str, problems: Problems) -> Iterator[str]:
    """The same lines, one for one, with comments taken out and escaped semicolons put in."""
    depth = 0
    opened = 0
    for number, line in enumerate(lines, 1):
        if not depth and ";" not in line:
            yield line
            continue
        before = depth
        kept, depth = _strip(line, depth)
        if depth and not before:
            opened = number
        if not before and _cuts_uri(line, kept):
            problems.warning(
                Source(file, number),
                "a semicolon starts a comment, so the parameters of this URI are lost",
                "Write \\; before each parameter, or a blank before the semicolon when it is a comment",
            )
        yield kept.replace("\\;", ";") if "\\;" in kept else kept
    if depth:
        problems.error(
            Source(file, opened),
            "the block comment that starts here never ends, so the rest of the file is not read",
            "End it with --; or start a one-line comment with a single semicolon",
        )


def _strip(line: str, depth: int) -> tuple[str, int]:
    """What is left of a line that starts ``depth`` block comments deep, and the depth at its end."""
    kept = []
    start = 0  # of the text not yet kept
    at = -1
    while (at := line.find(";", at + 1)) >= 0:
        if at and line[at - 1] == "\\":
            continue
        if line.startswith(";--", at) and not line.startswith(";---", at):
            if not depth:
                kept.append(line[start:at])
            depth = min(depth + 1, MAX_COMMENT_DEPTH)
            at += 2
            start = at + 1
        elif depth:
            if at >= start + 2 and line.startswith("--", at - 2):
                depth -= 1
                start = at + 1
        else:
            kept.append(line[start:at])
            return "".join(kept), 0
    if not depth:
        kept.append(line[start:])
    return "".join(kept), depth


def _cuts_uri(line: str, kept: str) -> bool:
    """Whether a comment begins right at the end of a SIP URI, as an unescaped ``;transport=tcp`` does."""
    end = len(kept)
    if end >= len(line) or line[end] != ";" or not line.startswith(kept) or kept[-1:].isspace():
        return False
    return line[end + 1 : end + 2].isalpha() and ("sip:" in kept or "sips:" in kept)
