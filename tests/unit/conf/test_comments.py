"""Comments, line by line."""

from __future__ import annotations

import pytest

from switchroom.conf.comments import without_comments
from switchroom.conf.limits import MAX_COMMENT_DEPTH
from switchroom.conf.problems import Problem, Problems


def strip(text: str) -> tuple[list[str], list[Problem]]:
    problems = Problems()
    kept = list(without_comments(text.split("\n"), "f.conf", problems))
    return kept, problems.ordered()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a=b", ["a=b"]),
        ("a=b ; c", ["a=b "]),
        (";a=b", [""]),
        (r"a=b\;c", ["a=b;c"]),
        (r"a=b\;c ;d\;e", ["a=b;c "]),
        (r"\;a=b", [";a=b"]),
        ("a ;-- b --; c", ["a  c"]),
        ("a ;-- b --; c ;-- d --; e", ["a  c  e"]),
        ("a;--\nb\n--;c", ["a", "", "c"]),
        (";--\nx ;-- y\n--; z\n--;a=b", ["", "", "", "a=b"]),
        (";--- only this line\na=b", ["", "a=b"]),
        (";--\n;--- inside\n--;a=b", ["", "", "a=b"]),
        ("a=b --; c", ["a=b --"]),
        (";-- x ; y --; a=b", [" a=b"]),
    ],
)
def test_what_is_left(text: str, kept: list[str]) -> None:
    assert strip(text) == (kept, [])


def test_a_block_without_end_is_told_with_its_start() -> None:
    kept, problems = strip("a=b\n;-- x\nc=d\n")
    assert kept == ["a=b", "", "", ""]
    assert [str(p.source) for p in problems] == ["f.conf:2"]
    assert "never ends" in problems[0].text


def test_nesting_without_end_is_bounded() -> None:
    kept, problems = strip(";-- " * 1000 + "--; " * MAX_COMMENT_DEPTH + "a=b")
    assert [line.strip() for line in kept] == ["a=b"]
    assert problems == []


@pytest.mark.parametrize("line", ["contact=sip:a@h;transport=tcp", "outbound_proxy=sips:h;lr"])
def test_a_uri_cut_by_a_comment_is_told(line: str) -> None:
    kept, problems = strip(line)
    assert kept == [line.partition(";")[0]]
    assert "lost" in problems[0].text


@pytest.mark.parametrize("line", ["contact=sip:a@h ;transport=tcp", "a=b;c", "contact=sip:a@h;;;", ";x=sip:a@h;lr"])
def test_an_ordinary_comment_is_not_told(line: str) -> None:
    assert strip(line)[1] == []
