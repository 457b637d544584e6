"""The XML of a stream: what is read, and what ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.tech.xmpp.limits import MAX_DEPTH, MAX_STANZA
from switchroom.tech.xmpp.parser import Closed, Found, Opened, Stanza, StreamParser

OPEN = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='x'>"
)
TEXT = b"<message from='a@b/c' xml:lang='en'><body>Zo\xc3\xab &amp; <![CDATA[<co>]]></body></message>"


def parse(*parts: bytes) -> tuple[list[Found], str]:
    """What is found in all, and the fault that ended it."""
    parser = StreamParser()
    found: list[Found] = []
    for part in parts:
        more, fault = parser.feed(part)
        found += more
        if fault is not None:
            return found, str(fault)
    return found, ""


def test_a_stream() -> None:
    found, fault = parse(OPEN + TEXT + b" \n <presence/></stream:stream>")
    assert fault == ""
    opened, message, presence, closed = found
    assert isinstance(opened, Opened)
    assert opened.root.get("id") == "x"
    assert opened.root.tag == "{http://etherx.jabber.org/streams}stream"
    assert isinstance(message, Stanza)
    assert message.element.tag == "{jabber:client}message"
    assert message.element.attrib == {"from": "a@b/c", "{http://www.w3.org/XML/1998/namespace}lang": "en"}
    assert message.element.findtext("{jabber:client}body") == "Zoë & <co>"
    assert isinstance(presence, Stanza)
    assert isinstance(closed, Closed)


def test_it_does_not_matter_how_it_is_cut() -> None:
    whole = OPEN + TEXT * 3
    found, fault = parse(*(whole[i : i + 1] for i in range(len(whole))))
    assert fault == ""
    assert [type(item) for item in found] == [Opened, Stanza, Stanza, Stanza]


#: What a tag and a text may hold: a quoted ``>`` and quote, an entity next to a short tag, letters of several bytes.
AWKWARD = (
    b"<message from='a>b@c'><x y=\"it's > that\"/><a>&#x10FFFF;</a><body>\xf0\x9f\x90\x88 &amp; 'more'</body></message>"
)


@pytest.mark.parametrize("cut", range(2, len(AWKWARD)))
def test_a_stanza_is_there_as_soon_as_its_end_has_come(cut: int) -> None:
    """Wherever it is cut, and though nothing comes after it: newer versions of Expat put off what they looked at before
    and could not finish.
    """
    parser = StreamParser()
    parser.feed(OPEN)
    for piece in (AWKWARD[: cut - 1], AWKWARD[cut - 1 : cut]):
        assert parser.feed(piece) == ([], None)
    (stanza,), fault = parser.feed(AWKWARD[cut:])
    assert fault is None
    assert isinstance(stanza, Stanza)
    assert stanza.element[0].get("y") == "it's > that"
    assert [child.text for child in stanza.element] == [None, "\U0010ffff", "\U0001f408 & 'more'"]


def test_white_space_between_stanzas_is_not_kept() -> None:
    parser = StreamParser()
    parser.feed(OPEN)
    for _ in range(2 * MAX_STANZA):
        assert parser.feed(b" ") == ([], None)


@pytest.mark.parametrize("piece", [b"a", b">", b"'>", b"&"])
def test_a_tag_that_never_ends_is_a_stanza_that_is_too_large(piece: bytes) -> None:
    parser = StreamParser()
    parser.feed(OPEN + b"<message to='")
    for _ in range(MAX_STANZA // 1000 + 1):
        _, fault = parser.feed(piece * 1000)
        if fault is not None:
            break
    assert fault is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "document type"),
        (b"<!DOCTYPE stream SYSTEM 'file:///etc/passwd'>", "document type"),
        (OPEN + b"<!-- x -->", "comment"),
        (OPEN + b"<message><!-- x --></message>", "comment"),
        (OPEN + b"<?php x ?>", "processing instruction"),
        (OPEN + b"<message>&lol;</message>", "not well-formed"),
        (OPEN + b"<message>&#1;</message>", "not well-formed"),
        (OPEN + b"<message><body>\xff\xfe</body></message>", "not well-formed"),
        (OPEN + b"<message><body>\xc0\x80</body></message>", "not well-formed"),
        (OPEN + b"<message></presence>", "not well-formed"),
        (OPEN + b"<x:message/>", "not well-formed"),
        (OPEN + b"<message a='1' a='2'/>", "not well-formed"),
        (OPEN + b"<?xml version='1.0'?>", "not well-formed"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not well-formed"),
    ],
)
def test_what_ends_a_stream(data: bytes, why: str) -> None:
    assert why in parse(data)[1]


def test_stanzas_before_a_fault_are_read() -> None:
    found, fault = parse(OPEN + TEXT + b"<!-- x -->")
    assert [type(item) for item in found] == [Opened, Stanza]
    assert fault


def test_depth_is_bounded() -> None:
    deepest = MAX_DEPTH - 1
    assert parse(OPEN + b"<a>" * deepest + b"</a>" * deepest)[1] == ""
    assert "deeper" in parse(OPEN + b"<a>" * (deepest + 1))[1]


@pytest.mark.parametrize("size", [997, 10_000_000])
@pytest.mark.parametrize(
    "stanza",
    [
        b"<message><body>" + b"x" * MAX_STANZA + b"</body></message>",
        b"<message a='" + b"x" * MAX_STANZA + b"'/>",
        b"<message xmlns:" + b"x" * MAX_STANZA + b"='y'/>",
        b"<message>" + b"<a/>" * (MAX_STANZA // 4) + b"</message>",
        b"<" + b"m" * MAX_STANZA,
    ],
)
def test_the_size_of_a_stanza_is_bounded(stanza: bytes, size: int) -> None:
    data = OPEN + TEXT + stanza
    found, fault = parse(*(data[i : i + size] for i in range(0, len(data), size)))
    assert "larger" in fault
    assert [type(item) for item in found] == [Opened, Stanza]


def test_the_head_of_a_stream_is_bounded() -> None:
    assert "larger" in parse(b"<stream a='" + b"x" * MAX_STANZA)[1]


def test_a_large_stanza_after_many_small_ones() -> None:
    large = b"<message><body>" + b"x" * (MAX_STANZA - 100) + b"</body></message>"
    found, fault = parse(OPEN + TEXT * 1000 + b" " * 100_000 + large)
    assert fault == ""
    assert len(found) == 1002


@given(
    st.lists(st.sampled_from([OPEN, TEXT, b"<a>", b"</a>", b" ", b"<", b">", b"&", b"\xff", b"'", b"</stream:stream>"]))
)
def test_fuzz_it_is_read_or_it_is_a_fault(parts: list[bytes]) -> None:
    found, _ = parse(*parts)
    assert all(isinstance(item, (Opened, Stanza, Closed)) for item in found)
