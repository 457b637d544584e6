"""The lines of Asterisk's configuration files: sections, options, directives.

Reading goes on after a mistake, so that one run shows all of them; what Asterisk gives a whole file up for
is a fatal problem, except where only one section is hit (docs/rulings.md 15).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG
from sys import intern

from switchroom.conf.comments import without_comments
from switchroom.conf.limits import MAX_FILE_BYTES, MAX_FILES, MAX_INCLUDE_DEPTH, MAX_LINE
from switchroom.conf.problems import Problems
from switchroom.conf.sections import HeaderError, Section, Sections
from switchroom.model.settings import Source

#: What no editor writes into a text file: such a line would smuggle bytes into a protocol.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def read_sections(directory: Path, name: str, problems: Problems) -> list[Section] | None:
    """The sections of ``directory/name``, templates included; None when there is no such file."""
    reader = _Reader(directory, problems)
    if not reader.read(directory / name, Source(name, 0)):
        return None
    return reader.sections.all


class _Reader:
    """Reads one file and what it includes, as one stream of lines."""

    def __init__(self, directory: Path, problems: Problems) -> None:
        self.sections = Sections()
        self._directory = directory
        self._problems = problems
        self._section: Section | None = None
        self._open_files: list[Path] = []
        self._files = 0
        self._going_round = False

    def read(self, path: Path, asked: Source) -> bool:
        """Takes a file in; ``asked`` is who wants it. False when there is no such file."""
        try:
            data = _load(path)
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as wrong:
            reason = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else str(wrong)
            self._problems.fatal(
                asked, f"{self._shown(path)} can not be read: {reason}", "Make it a file this user may read"
            )
            return True
        self._files += 1
        self._open_files.append(path)
        file = self._shown(path)
        self._take(self._clean(self._decode(data, file), file), file)
        self._open_files.pop()
        return True

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._directory) if path.is_relative_to(self._directory) else path)

    def _decode(self, data: bytes, file: str) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as wrong:
            self._problems.warning(
                Source(file, data.count(b"\n", 0, wrong.start) + 1),
                "the file is not UTF-8 from here on",
                "Save it as UTF-8; until then the bytes that are not are read as U+FFFD",
            )
            return data.decode("utf-8-sig", "replace")

    def _clean(self, text: str, file: str) -> Iterable[str]:
        """The lines without comments; those that can not be used become empty."""
        lines = text.split("\n")
        if max(map(len, lines)) > MAX_LINE:
            for index, line in enumerate(lines):
                if len(line) > MAX_LINE:
                    lines[index] = ""
                    self._problems.error(
                        Source(file, index + 1),
                        f"the line is longer than {MAX_LINE} characters, so it is not read",
                        "Split it into several options",
                    )
        if _CONTROL.search(text):
            for index, line in enumerate(lines):
                if _CONTROL.search(line):
                    lines[index] = ""
                    self._problems.error(
                        Source(file, index + 1),
                        "the line has control characters in it, so it is not read",
                        "Type it anew",
                    )
        return without_comments(lines, file, self._problems) if ";" in text else lines

    def _take(self, lines: Iterable[str], file: str) -> None:
        """The hot loop: tens of thousands of lines at every start."""
        section = self._section
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line:
                continue
            first = line[0]
            if first == "[":
                section = self._section = self._open(line, file, number)
                continue
            if first == "#":
                self._direct(line, Source(file, number))
                section = self._section
                continue
            if first == "\\":
                line = line[1:]
            name, equals, value = line.partition("=")
            if not equals:
                self._problems.warning(
                    Source(file, number),
                    "the line has no =, so it is not read",
                    "Write it as name = value, or remove it",
                )
            elif section is None:
                self._problems.fatal(
                    Source(file, number), "an option stands before any section", "Write a [section] line before it"
                )
                section = self._section = _nowhere(file, number)  # one complaint is enough
            elif name[-1:] == "+":
                section.append(name[:-1].rstrip(), value.removeprefix(">"), file, number)
            else:
                if value[:1] == ">":
                    value = value[1:]
                section.own.append((intern(name.rstrip()), value.lstrip(), file, number))

    def _open(self, line: str, file: str, number: int) -> Section:
        end = line.find("]")
        qualifier = None
        if end < 0:
            self._problems.fatal(Source(file, number), "the section header has no closing ]", "Write it as [name]")
            return _nowhere(file, number)
        if line.startswith("(", end + 1):
            close = line.find(")", end)
            if close < 0:
                self._problems.fatal(
                    Source(file, number), "the section header has no closing )", "Write it as [name](template)"
                )
                return _nowhere(file, number)
            qualifier = line[end + 2 : close]
        elif end + 1 < len(line):
            self._problems.warning(
                Source(file, number),
                "what follows the ] is not read",
                "Write templates right after it: [name](template)",
            )
        try:
            return self.sections.open(intern(line[1:end]), qualifier, file, number)
        except HeaderError as wrong:
            self._problems.error(
                Source(file, number), str(wrong), "Correct it; until then this section and what is in it are left out"
            )
            return _nowhere(file, number)

    # ---- directives

    def _direct(self, line: str, source: Source) -> None:
        directive, _, argument = line[1:].partition(" ")
        match directive.strip().lower():
            case "include":
                self._include(argument.strip(), source, required=True)
            case "tryinclude":
                self._include(argument.strip(), source, required=False)
            case "exec":
                self._problems.warning(source, "#exec is not run", "Write what it prints to a file and #include that")
            case _:
                self._problems.warning(
                    source, f"#{directive[:20]} is no directive", "Use #include or #tryinclude; a comment starts with ;"
                )

    def _include(self, argument: str, source: Source, *, required: bool) -> None:
        if self._going_round:
            return
        if argument[:1] + argument[-1:] in ('""', "<>") and len(argument) > 1:
            argument = argument[1:-1].strip()
        if not argument:
            self._problems.fatal(source, "#include names no file", "Write #include file.conf")
            return
        if len(self._open_files) >= MAX_INCLUDE_DEPTH or self._files >= MAX_FILES:
            self._going_round = True
            self._problems.fatal(
                source, "files are included too deeply or too often", "Look for a file that includes itself"
            )
            return
        paths = self._matching(argument)
        if not paths:
            self._missing(argument, source, required)
        for path in paths:
            if path in self._open_files:
                self._going_round = True
                self._problems.fatal(source, f"{self._shown(path)} includes itself", "Remove this line")
            elif not self.read(path, source):
                self._missing(argument, source, required)

    def _missing(self, argument: str, source: Source, required: bool) -> None:
        if not required:
            return
        advice = "Create it, or write #tryinclude when it need not exist"
        if _is_pattern(argument):
            self._problems.warning(source, f'no file matches "{argument}"', advice)
        else:
            self._problems.fatal(source, f'there is no file "{argument}" to include', advice)

    def _matching(self, argument: str) -> list[Path]:
        path = self._directory / argument
        if not _is_pattern(argument):
            return [path]
        anchor = Path(path.anchor) if path.anchor else Path()
        try:
            return sorted(anchor.glob(str(path.relative_to(anchor))))
        except (OSError, ValueError, NotImplementedError):
            return []


def _load(path: Path) -> bytes:
    """The bytes of a regular file of sensible size. Raises OSError, ValueError."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise OSError("it is no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise OSError("it is too large for a configuration file")
    return path.read_bytes()


def _nowhere(file: str, line: int) -> Section:
    """Takes the options that belong to no section; nobody looks at it."""
    return Section("", file, line, True, ())


def _is_pattern(argument: str) -> bool:
    return any(sign in argument for sign in "*?[")
