"""Query strings, bodies, comma lists and boolean words."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.ari import parameters
from switchroom.ari.errors import Refusal
from switchroom.ari.limits import JSON_DEPTH, LIST_VALUES, PARAMETERS


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("alice", "alice"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Fb", "a/b"),
        ("%zz%2", "%zz%2"),
        ("car%00ol", "car\0ol"),
        ("Zo%C3%AB", "Zoë"),
        ("Zoë", "Zoë"),
        ("%FF", None),
        ("\udcff", None),
    ],
)
def test_segment(raw: str, decoded: str | None) -> None:
    assert parameters.segment(raw) == decoded


def test_pairs_are_decoded_and_keep_their_order() -> None:
    assert parameters.pairs("to=foo:x&to=pjsip%3Acarol&body=a+b%2Bc&flag&=x&") == [
        ("to", "foo:x"),
        ("to", "pjsip:carol"),
        ("body", "a b+c"),
        ("flag", ""),
    ]


@pytest.mark.parametrize("text", ["a=%FF", "%FF=a", "a=\udcff", "&" * PARAMETERS])
def test_pairs_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parameters.pairs(text)
    assert refused.value.status == 400


@given(st.text())
def test_pairs_are_read_or_refused(text: str) -> None:
    with suppress(Refusal):
        parameters.pairs(text)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{} x",
        b"NaN",
        b"\xef\xbb\xbf{}",
        b'"\\ud800"',
        b'{"a":"\\udc00x"}',
        b'{"\\ud800x":1}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'"\xff"',
        b"1e999",
        b"",
        b"[" * 40_000,
        b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1),
        b'{"a":' * (JSON_DEPTH + 1) + b"1" + b"}" * (JSON_DEPTH + 1),
    ],
)
def test_json_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parameters.json(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'"\\\\u0000"', "\\u0000"),
        (b"[" + b"[]," * 50 + b"[]]", [[]] * 51),
        (b" 5 ", 5),
    ],
)
def test_json_read(body: bytes, value: object) -> None:
    assert parameters.json(body) == value


@given(st.binary(max_size=200))
def test_json_is_read_or_refused(body: bytes) -> None:
    with suppress(Refusal):
        parameters.json(body)


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "Y", "t", "1", "on"])
def test_words_for_true(word: str) -> None:
    assert parameters.boolean("to_self", word)


@pytest.mark.parametrize("word", ["false", "False", "no", "N", "f", "0", "off", ""])
def test_words_for_false(word: str) -> None:
    assert not parameters.boolean("to_self", word)


@pytest.mark.parametrize("word", ["junk", "2", "-1", " true", "yes!"])
def test_words_for_nothing(word: str) -> None:
    with pytest.raises(Refusal, match="to_self must be true or false"):
        parameters.boolean("to_self", word)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        ("a,,b", ["a", "", "b"]),
        ('"a,b",c', ["a,b", "c"]),
        ("a\\,b,c", ["a,b", "c"]),
        ("f(a,b),c[d,e]", ["f(a,b)", "c[d,e]"]),
        ("a),(b", ["a)", "(b"]),
    ],
)
def test_comma_list(text: str, values: list[str]) -> None:
    assert parameters.comma_list("only", text) == values


def test_comma_list_is_bounded() -> None:
    assert len(parameters.comma_list("only", "," * (LIST_VALUES - 1))) == LIST_VALUES
    for text in ("," * LIST_VALUES, "(),".ljust(3 + LIST_VALUES, ",")):
        with pytest.raises(Refusal, match="Too many values for only"):
            parameters.comma_list("only", text)
