"""Sections of a configuration file and how they inherit from each other.

``[name]`` opens a section, ``[name](!)`` a template, ``[name](base1,base2)`` one that starts with a copy of
what its bases hold at that point, and ``[name](+)`` goes on with the first section of that name, or with the
first that a filter selects: ``[name](+type=aor&max_contacts=[12])``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from switchroom.model.settings import Source

#: Name, value, file, line. A plain tuple: a large configuration has hundreds of thousands.
Option: TypeAlias = tuple[str, str, str, int]


class Section:
    """A section with its options in the order written, those of its bases first.

    ``inherited`` is one tuple shared by all sections of the same bases, so that it can be understood once.
    """

    __slots__ = ("_snapshot", "file", "inherited", "line", "name", "own", "template")

    def __init__(self, name: str, file: str, line: int, template: bool, inherited: tuple[Option, ...]) -> None:
        self.name = name
        self.file = file
        self.line = line
        self.template = template
        self.inherited = inherited
        self.own: list[Option] = []
        self._snapshot: tuple[Option, ...] | None = None

    @property
    def source(self) -> Source:
        return Source(self.file, self.line)

    def options(self) -> tuple[Option, ...]:
        """All options; the same tuple again until one is added."""
        snapshot = self._snapshot
        if snapshot is None or len(snapshot) != len(self.inherited) + len(self.own):
            snapshot = self._snapshot = self.inherited + tuple(self.own)
        return snapshot

    def backwards(self) -> Iterator[Option]:
        """All options, the last written first."""
        yield from reversed(self.own)
        yield from reversed(self.inherited)

    def last(self, name: str) -> Option | None:
        """The option of this exact name that was written last."""
        return next((option for option in self.backwards() if option[0] == name), None)

    def where(self, *names: str) -> Source:
        """Where the last of these options was written, else where the section was."""
        for name, _, file, line in self.backwards():
            if name in names:
                return Source(file, line)
        return self.source

    @property
    def kind(self) -> str:
        """The ``type`` written last, in lower case; empty when there is none."""
        return next((text.lower() for name, text, _, _ in self.backwards() if name.lower() == "type"), "")

    def append(self, name: str, text: str, file: str, line: int) -> None:
        """``name += text``: adds to the value of the last option of that name, else is a new option."""
        if not any(option[0] == name for option in self.own) and any(option[0] == name for option in self.inherited):
            self.own[:0] = self.inherited
            self.inherited = ()
        for index in range(len(self.own) - 1, -1, -1):
            if self.own[index][0] == name:
                self.own[index] = (name, (self.own[index][1] + text).strip(), file, line)
                self._snapshot = None
                return
        self.own.append((name, text.strip(), file, line))


class HeaderError(ValueError):
    """A section header that names what does not exist, or is malformed; the text says which."""


class _Qualifier(NamedTuple):
    """What stands in the parentheses of a section header, understood."""

    template: bool
    bases: tuple[Section, ...]
    #: None: no ``+``.
    extends: _Filter | None


class _Filter(NamedTuple):
    """Which sections ``(+...)`` may extend: option name and value patterns, all of which must be found."""

    patterns: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
    templates: bool
    others: bool

    def selects(self, section: Section) -> bool:
        if not (self.templates if section.template else self.others):
            return False
        options = section.options()
        return all(any(key.search(o[0]) and value.search(o[1]) for o in options) for key, value in self.patterns)


class Sections:
    """All sections of a file and those it includes, in order."""

    def __init__(self) -> None:
        self.all: list[Section] = []
        self._by_name: dict[str, list[Section]] = {}
        self._indexed = 0
        self._qualifiers: dict[str, _Qualifier] = {}
        self._joined: dict[str, tuple[list[tuple[Option, ...]], tuple[Option, ...]]] = {}

    def open(self, name: str, qualifier: str | None, file: str, line: int) -> Section:
        """The section a header opens; ``qualifier`` is the text in its parentheses. Raises HeaderError."""
        if not name:
            raise HeaderError("the section has no name")
        if qualifier is None:
            section = Section(name, file, line, False, ())
        else:
            meant = self._qualifiers.get(qualifier)
            if meant is None:
                # What it names does not change later: names are looked up from the start of the file.
                meant = self._qualifiers[qualifier] = self._understand(qualifier)
            if meant.extends is not None:
                return self._extend(name, meant)
            section = Section(name, file, line, meant.template, self._inherited(qualifier, meant.bases))
        self.all.append(section)
        return section

    def _understand(self, qualifier: str) -> _Qualifier:
        template = False
        bases = []
        extends = None
        for word in qualifier.split(","):
            word = word.strip()
            if word == "!":
                template = True
            elif word.startswith("+"):
                extends = _filter(word[1:])
            elif word:
                base = next(iter(self._named(word)), None)
                if base is None:
                    raise HeaderError(f'there is no section "{word}" before this one to inherit from')
                bases.append(base)
        return _Qualifier(template, tuple(bases), extends)

    def _extend(self, name: str, qualifier: _Qualifier) -> Section:
        assert qualifier.extends is not None
        section = next((found for found in self._named(name) if qualifier.extends.selects(found)), None)
        if section is None:
            raise HeaderError(f'there is no section "{name}" before this one to add to')
        section.template = section.template or qualifier.template
        for base in qualifier.bases:
            section.own.extend(base.options())
        return section

    def _inherited(self, qualifier: str, bases: tuple[Section, ...]) -> tuple[Option, ...]:
        if not bases:
            return ()
        if len(bases) == 1:
            return bases[0].options()
        parts = [base.options() for base in bases]
        known = self._joined.get(qualifier)
        if known is None or any(new is not old for new, old in zip(parts, known[0], strict=True)):
            known = self._joined[qualifier] = (parts, tuple(option for part in parts for option in part))
        return known[1]

    def _named(self, name: str) -> list[Section]:
        """Sections of a name in any case, first to last. The index grows only when someone asks."""
        for section in self.all[self._indexed :]:
            self._by_name.setdefault(section.name.lower(), []).append(section)
        self._indexed = len(self.all)
        return self._by_name.get(name.lower(), [])


def _filter(text: str) -> _Filter:
    patterns = []
    templates, others = False, True
    for condition in text.split("&"):
        key, equals, value = condition.partition("=")
        if not condition.strip():
            continue
        if not equals:
            raise HeaderError('a filter is written "name=pattern"')
        if key.strip() == "TEMPLATES":
            templates, others = True, value.strip() != "restrict"
            continue
        try:
            patterns.append((re.compile(key.strip()), re.compile(value.strip())))
        except re.error as wrong:
            raise HeaderError(f"the filter is no regular expression ({wrong})") from wrong
    return _Filter(tuple(patterns), templates, others)
