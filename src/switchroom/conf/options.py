"""Tables of options: what each is called, how its text is understood, which field it sets.

A table also names the options that are accepted without an effect here, so that an unknown one is surely a
mistake. An option that can not be understood leaves its field alone (docs/rulings.md 15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from switchroom.conf.limits import MAX_SHOWN
from switchroom.conf.parse import FALSE, Misread
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Option, Section
from switchroom.model.settings import Source


class Honoured(NamedTuple):
    """An option that has an effect.

    A ``field`` that starts with an underscore is no field of the settings: the reader of the file makes
    fields of it when all options are known.
    """

    field: str
    #: Raises Misread.
    parse: Callable[[str], Any]
    #: Given several times, the values (tuples) add up; else the last one stands.
    repeats: bool = False
    #: Never shown.
    secret: bool = False


class Table(NamedTuple):
    """The options of one kind of section."""

    #: As in "no option of {title}".
    title: str
    honoured: Mapping[str, Honoured]
    #: Known to Asterisk and without an effect here, in silence.
    accepted: frozenset[str] = frozenset()
    #: Known to Asterisk, and somebody would miss the effect: name to what to do instead.
    unsupported: Mapping[str, str] = {}
    #: Names are compared in any case, as all files but pjsip.conf do.
    any_case: bool = False


def words(text: str) -> frozenset[str]:
    """Many names, written as running text."""
    return frozenset(text.split())


class TableReader:
    """Reads the options of sections by a table."""

    def __init__(self, table: Table, problems: Problems) -> None:
        self.table = table
        self._problems = problems
        self._inherited: dict[int, dict[str, Any]] = {}
        self._hints: dict[str, str] = {}

    def read(self, section: Section) -> dict[str, Any]:
        """Field to value. What is inherited is understood, and complained of, once for all heirs."""
        inherited = section.inherited
        if not inherited:
            return self.take(section.own, {})
        known = self._inherited.get(id(inherited))
        if known is None:
            known = self._inherited[id(inherited)] = self.take(inherited, {})
        return self.take(section.own, known.copy())

    def take(self, options: Iterable[Option], values: dict[str, Any]) -> dict[str, Any]:
        """Adds options to ``values`` and returns it. A hot loop: every option of every section."""
        honoured = self.table.honoured
        for name, text, file, line in options:
            option = honoured.get(name)
            if option is None:
                option = self._other(name, text, file, line)
                if option is None:
                    continue
            try:
                value = option.parse(text)
            except Misread as wrong:
                self._misread(name, "" if option.secret else text, wrong, Source(file, line))
                if not wrong.has_value:
                    continue
                value = wrong.value
            if option.repeats and option.field in values:
                value = values[option.field] + value
            values[option.field] = value
        return values

    def _other(self, name: str, text: str, file: str, line: int) -> Honoured | None:
        """An option that is not honoured under exactly this name."""
        table = self.table
        if table.any_case:
            name = name.lower()
            if name in table.honoured:
                return table.honoured[name]
        if name in table.accepted:
            return None
        if name in table.unsupported:
            if text.lower() not in FALSE and text:
                self._problems.warning(
                    Source(file, line), f"{name} of {table.title} is not supported yet", table.unsupported[name]
                )
            return None
        self._problems.warning(
            Source(file, line), f'there is no option "{_shown(name)}" of {table.title}', self._hint(name)
        )
        return None

    def _hint(self, name: str) -> str:
        hint = self._hints.get(name)
        if hint is None:
            hint = self._hints[name] = self._problems.suggest(
                name, (*self.table.honoured, *self.table.accepted, *self.table.unsupported), "Remove the line"
            )
        return hint

    def _misread(self, name: str, text: str, wrong: Misread, source: Source) -> None:
        report = self._problems.warning if wrong.harmless else self._problems.error
        value = f' is "{_shown(text)}", which' if text else ""
        report(
            source, f"{name} of {self.table.title}{value} is not {wrong.expected}", f"{wrong.advice}; {wrong.meanwhile}"
        )


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
