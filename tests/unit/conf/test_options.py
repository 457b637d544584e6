"""Reading by a table: what adds up, what is inherited, what is complained of."""

from __future__ import annotations

from switchroom.conf.limits import MAX_SUGGESTIONS
from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import boolean, names, plain, whole
from switchroom.conf.problems import Problem, Problems
from switchroom.conf.sections import Option, Section

TABLE = Table(
    "a thing",
    {
        "count": Honoured("count", whole(0, 9)),
        "flag": Honoured("flag", boolean),
        "list": Honoured("list", names, repeats=True),
        "last": Honoured("last", names),
        "key": Honoured("key", whole(0, 9), secret=True),
        "text": Honoured("text", plain),
    },
    accepted=frozenset({"codec"}),
    unsupported={"later": "Wait"},
)


def options(*pairs: tuple[str, str]) -> list[Option]:
    return [(name, text, "f.conf", line) for line, (name, text) in enumerate(pairs, 1)]


def take(*pairs: tuple[str, str], table: Table = TABLE) -> tuple[dict[str, object], list[Problem]]:
    problems = Problems()
    values = TableReader(table, problems).take(options(*pairs), {})
    return values, problems.ordered()


def test_the_last_stands_or_all_add_up() -> None:
    values, problems = take(("list", "a"), ("list", "b,c"), ("last", "a"), ("last", "b"))
    assert values == {"list": ("a", "b", "c"), "last": ("b",)}
    assert problems == []


def test_a_wrong_value_leaves_the_field_alone() -> None:
    values, problems = take(("count", "3"), ("count", "many"))
    assert values == {"count": 3}
    assert str(problems[0]) == (
        'f.conf:2: error: count of a thing is "many", which is not a whole number from 0 to 9. '
        "Write a whole number from 0 to 9; until then its default holds."
    )


def test_a_garbled_boolean_is_false_with_a_warning() -> None:
    values, problems = take(("flag", "maybe"))
    assert values == {"flag": False}
    assert [p.severity for p in problems] == ["warning"]


def test_a_secret_is_not_shown() -> None:
    _, problems = take(("key", "hunter2"))
    assert "hunter2" not in str(problems[0])


def test_a_long_value_is_cut() -> None:
    _, problems = take(("count", "9" * 5000))
    assert len(str(problems[0])) < 300


def test_names_that_are_not_honoured() -> None:
    values, problems = take(
        ("codec", "x"), ("cuont", "1"), ("zzz", "1"), ("later", "yes"), ("later", "no"), ("Count", "1")
    )
    assert values == {}
    assert [(p.source.line, p.severity) for p in problems] == [
        (2, "warning"),
        (3, "warning"),
        (4, "warning"),
        (6, "warning"),
    ]
    assert '"count"' in problems[0].advice
    assert problems[1].advice == "Remove the line"
    assert problems[2].advice == "Wait"


def test_names_in_any_case_where_the_file_says_so() -> None:
    values, problems = take(("COUNT", "1"), ("Codec", "x"), table=TABLE._replace(any_case=True))
    assert values == {"count": 1}
    assert problems == []


def test_what_is_inherited_is_complained_of_once_and_shared() -> None:
    problems = Problems()
    reader = TableReader(TABLE, problems)
    inherited = tuple(options(("list", "a"), ("count", "x"), ("text", "t")))
    heirs = [Section(name, "f.conf", 9, False, inherited) for name in "pq"]
    heirs[0].own.append(("list", "b", "f.conf", 10))
    assert [reader.read(heir) for heir in heirs] == [{"list": ("a", "b"), "text": "t"}, {"list": ("a",), "text": "t"}]
    assert len(problems.ordered()) == 1


def test_many_mistakes_do_not_take_for_ever() -> None:
    _, problems = take(*((f"count{n}", "1") for n in range(MAX_SUGGESTIONS * 2)))
    assert len(problems) == MAX_SUGGESTIONS * 2
    assert sum("Did you mean" in p.advice for p in problems) == MAX_SUGGESTIONS
