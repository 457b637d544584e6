"""The file format: sections, options, templates, directives."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchroom.conf.limits import MAX_INCLUDE_DEPTH, MAX_LINE
from switchroom.conf.lines import read_sections
from switchroom.conf.problems import Problem, Problems
from switchroom.conf.sections import Section


class Files:
    """A directory of files and what reading one gives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, text: str | bytes, **others: str) -> tuple[list[Section], list[Problem]]:
        data = text.encode() if isinstance(text, str) else text
        (self.directory / "main.conf").write_bytes(data)
        for name, other in others.items():
            (self.directory / f"{name}.conf").write_text(other)
        problems = Problems()
        sections = read_sections(self.directory, "main.conf", problems)
        assert sections is not None
        return sections, problems.ordered()

    def options(self, text: str | bytes, **others: str) -> dict[str, list[tuple[str, str]]]:
        sections, problems = self.read(text, **others)
        assert problems == []
        return {s.name: [(name, value) for name, value, _, _ in s.options()] for s in sections if not s.template}

    def complaint(self, text: str | bytes, **others: str) -> Problem:
        problems = self.read(text, **others)[1]
        assert len(problems) == 1
        return problems[0]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_missing_file(tmp_path: Path) -> None:
    problems = Problems()
    assert read_sections(tmp_path, "none.conf", problems) is None
    assert problems.ordered() == []


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("a=b", ("a", "b")),
        ("  a  =  b c  ", ("a", "b c")),
        ("a => b", ("a", "b")),
        ("a==>b", ("a", "=>b")),
        ("a=b=c", ("a", "b=c")),
        ("a= > b", ("a", "> b")),
        ("a=", ("a", "")),
        (r"\[a]=b", ("[a]", "b")),
        (r"\#a=b", ("#a", "b")),
        (r"\;a=b", (";a", "b")),
        (r"c=sip:a@h\;transport=tcp", ("c", "sip:a@h;transport=tcp")),
        ("a=\u00fc", ("a", "\u00fc")),
    ],
)
def test_options(files: Files, line: str, option: tuple[str, str]) -> None:
    assert files.options(f"[s]\n{line}\n") == {"s": [option]}


def test_byte_order_mark_and_line_ends_of_windows(files: Files) -> None:
    assert files.options(b"\xef\xbb\xbf[s]\r\na=b\r\n") == {"s": [("a", "b")]}


def test_every_value_knows_its_file_and_line(files: Files) -> None:
    sections, _ = files.read("[s]\n\na=b\n#include other.conf\nc=d\n", other=";x\ne=f\n")
    assert sections[0].own == [("a", "b", "main.conf", 3), ("e", "f", "other.conf", 2), ("c", "d", "main.conf", 5)]
    assert str(sections[0].source) == "main.conf:1"
    assert str(sections[0].where("e")) == "other.conf:2"
    assert str(sections[0].where("nothing")) == "main.conf:1"


def test_the_same_name_again_is_another_section(files: Files) -> None:
    sections, _ = files.read("[s]\na=1\n[s]\na=2\n")
    assert [s.own[0][1] for s in sections] == ["1", "2"]


# ---- templates


def test_a_template_gives_its_options_first(files: Files) -> None:
    assert files.options("[t](!)\na=1\nb=2\n[s](t)\na=3\n") == {"s": [("a", "1"), ("b", "2"), ("a", "3")]}


def test_several_bases_in_order_and_a_template_of_templates(files: Files) -> None:
    text = "[t](!)\na=1\n[u](!,t)\nb=2\n[v](!)\nc=3\n[s](v,u)\n[r]( v , u )anything\n"
    assert files.options(text)["s"] == [("c", "3"), ("a", "1"), ("b", "2")]
    assert files.options(text)["r"] == [("c", "3"), ("a", "1"), ("b", "2")]


def test_a_base_may_be_an_ordinary_section_and_is_found_in_any_case(files: Files) -> None:
    assert files.options("[Base]\na=1\n[s](base)\n") == {"Base": [("a", "1")], "s": [("a", "1")]}


def test_what_a_base_gets_later_is_not_inherited(files: Files) -> None:
    text = "[t](!)\na=1\n[u](!)\n[s](t,u)\n[t](+TEMPLATES=include)\nb=2\n[r](t,u)\n"
    assert files.options(text) == {"s": [("a", "1")], "r": [("a", "1"), ("b", "2")]}


def test_heirs_share_what_they_inherit(files: Files) -> None:
    sections, _ = files.read("[t](!)\na=1\n[u](!)\nb=1\n[p](t)\n[q](t)\n[r](t,u)\n[s](t,u)\n")
    by_name = {s.name: s for s in sections}
    assert by_name["p"].inherited is by_name["q"].inherited
    assert by_name["r"].inherited is by_name["s"].inherited


def test_appending_to_a_value(files: Files) -> None:
    assert files.options("[s]\na=1\na=2\na += ,3 \na+=4\n") == {"s": [("a", "1"), ("a", "2 ,34")]}
    assert files.options("[s]\na += 1\n") == {"s": [("a", "1")]}


def test_appending_to_an_inherited_value_leaves_the_template_alone(files: Files) -> None:
    text = "[t](!)\na=1\nb=2\n[s](t)\na+=,3\n[r](t)\n"
    assert files.options(text) == {"s": [("a", "1,3"), ("b", "2")], "r": [("a", "1"), ("b", "2")]}


def test_adding_to_the_first_section_of_the_name(files: Files) -> None:
    sections, problems = files.read("[s]\na=1\n[s]\nb=1\n[s](+)\nc=1\n")
    assert problems == []
    assert [[o[0] for o in s.own] for s in sections] == [["a", "c"], ["b"]]


@pytest.mark.parametrize("condition", ["type=aor", "type=aor&max_.*=^[12]$", "ty.e=^aor$"])
def test_adding_by_a_filter(files: Files, condition: str) -> None:
    text = f"[s]\ntype=endpoint\n[s]\ntype=aor\nmax_contacts=1\n[s](+{condition})\nc=1\n"
    sections, problems = files.read(text)
    assert problems == []
    assert sections[1].own[-1][:2] == ("c", "1")


def test_adding_sees_templates_only_when_asked(files: Files) -> None:
    assert "to add to" in files.complaint("[t](!)\n[t](+)\na=1\n").text
    assert "to add to" in files.complaint("[t]\n[t](+TEMPLATES=restrict)\na=1\n").text
    assert files.read("[t](!)\n[t](+TEMPLATES=restrict)\na=1\n")[0][0].own[0][0] == "a"


def test_adding_bases(files: Files) -> None:
    assert files.options("[t](!)\nb=1\n[s]\na=1\n[s](+,t)\nc=1\n") == {"s": [("a", "1"), ("b", "1"), ("c", "1")]}


# ---- mistakes


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[s\na=b\n", 1, "closing ]"),
        ("[s](t\na=b\n", 1, "closing )"),
        ("\na=b\nc=d\n[s]\n", 2, "before any section"),
        ("[s]\n#include none.conf\n", 2, "no file"),
        ("[s]\n#include main.conf\n", 2, "includes itself"),
        ("[s]\n#include\n", 2, "names no file"),
    ],
)
def test_what_makes_a_file_useless_is_fatal(files: Files, text: str, line: int, words: str) -> None:
    problem = files.complaint(text)
    assert problem.fatal
    assert problem.source == ("main.conf", line)
    assert words in problem.text


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[s]\njust words\n", 2, "no ="),
        ("[s](none)\na=b\n", 1, '"none"'),
        ("[s](+)\na=b\n", 1, '"s"'),
        ("[s]\n[s](+a)\n", 2, "name=pattern"),
        ("[s]\n[s](+a=()\n", 2, "regular expression"),
        ("[]\na=b\n", 1, "no name"),
        ("[s] (t)\n", 1, "not read"),
        ("[s]\n#exec date\n", 2, "not run"),
        ("[s]\n#inclde x\n", 2, "no directive"),
        ("[s]\n#include none*.conf\n", 2, "no file matches"),
        ("[s]\na=b\x00c\n", 2, "control characters"),
        ("[s]\na=" + "x" * MAX_LINE + "\n", 2, "longer than"),
        (b"[s]\na=\xff\n", 2, "not UTF-8"),
    ],
)
def test_what_hits_one_line_only(files: Files, text: str | bytes, line: int, words: str) -> None:
    problem = files.complaint(text)
    assert not problem.fatal
    assert problem.source == ("main.conf", line)
    assert words in problem.text


def test_a_section_that_can_not_be_opened_takes_no_other_with_it(files: Files) -> None:
    sections, _ = files.read("[good]\na=1\n[bad](none)\nb=2\n[next]\nc=3\n")
    assert [(s.name, len(s.own)) for s in sections] == [("good", 1), ("next", 1)]


def test_a_line_without_equals_is_not_quoted(files: Files) -> None:
    assert "hunter2" not in str(files.complaint("[s]\npassword hunter2\n"))


# ---- including


@pytest.mark.parametrize("argument", ["other.conf", '"other.conf"', "<other.conf>", "oth*.conf", "o[t]her.conf"])
def test_including(files: Files, argument: str) -> None:
    assert files.options(f"[s]\n#include {argument}\n", other="a=1\n[r]\nb=2\n") == {
        "s": [("a", "1")],
        "r": [("b", "2")],
    }


def test_an_included_file_continues_and_may_change_the_section(files: Files) -> None:
    assert files.options("[s]\n#include other.conf\nc=3\n", other="[r]\n") == {"s": [], "r": [("c", "3")]}


def test_several_files_of_a_pattern_in_order(files: Files) -> None:
    assert files.options("[s]\n#include x*.conf\n", x2="a=2\n", x1="a=1\n") == {"s": [("a", "1"), ("a", "2")]}


def test_an_absolute_path(files: Files, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.conf").write_text("a=1\n")
    sections, _ = files.read(f"[s]\n#include {tmp_path}/deep/*.conf\n")
    assert sections[0].own == [("a", "1", "deep/x.conf", 1)]


def test_trying_to_include_what_is_missing(files: Files) -> None:
    assert files.options("[s]\n#tryinclude none.conf\n#tryinclude none*.conf\na=1\n") == {"s": [("a", "1")]}


def test_a_chain_of_includes_is_bounded(files: Files) -> None:
    chain = {f"f{n}": f"#include f{n + 1}.conf\n" for n in range(MAX_INCLUDE_DEPTH + 1)}
    problem = files.complaint("#include f0.conf\n", **chain)
    assert problem.fatal
    assert "too deeply" in problem.text


def test_files_that_include_each_other_end(files: Files) -> None:
    each = {f"f{n}": "#include f*.conf\n" for n in range(9)}
    problem = files.complaint("#include f0.conf\n", **each)
    assert problem.fatal
    assert "includes itself" in problem.text


def test_a_directory_is_no_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "dir.conf").mkdir()
    problem = files.complaint("[s]\n#include dir.conf\n")
    assert problem.fatal
    assert "regular file" in problem.text
