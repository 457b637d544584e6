"""Parameters as they come: query strings, form bodies, JSON bodies, comma lists and boolean words."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

import msgspec

from switchroom.ari.errors import Refusal
from switchroom.ari.limits import JSON_DEPTH, LIST_VALUES, PARAMETERS

#: Words for true, as Asterisk; and their opposites. Anything else is no boolean (docs/rulings.md 1).
_TRUE = frozenset(("yes", "true", "y", "t", "1", "on"))
_FALSE = frozenset(("no", "false", "n", "f", "0", "off", ""))

_decode_json = msgspec.json.Decoder().decode


def segment(raw: str) -> str | None:
    """A path segment, percent-decoded; None when it is not UTF-8. A plus sign is a plus sign."""
    if "%" not in raw and raw.isascii():
        return raw
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        return None


def pairs(text: str) -> list[tuple[str, str]]:
    """A query string or form body, in order; a name without ``=`` has the empty value."""
    if not text:
        return []
    if not text.isascii():
        text = _utf8(text.encode("utf-8", "surrogateescape"))
    items = text.split("&", PARAMETERS)
    if len(items) > PARAMETERS:
        raise Refusal(400, "Too many parameters")
    found = []
    for item in items:
        name, _, value = item.partition("=")
        if name:
            found.append((_unquote(name), _unquote(value)))
    return found


def _unquote(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise Refusal(400, "A parameter is not UTF-8") from None


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refusal(400, "The request is not UTF-8") from None


def form(body: bytes) -> list[tuple[str, str]]:
    """An ``application/x-www-form-urlencoded`` body."""
    return pairs(_utf8(body))


def json(body: bytes) -> Any:
    """A JSON body of any type.

    Raises:
        Refusal: 400; malformed, nested too deep, or with text that is no text (NUL, lone surrogates).
    """
    try:
        value = _decode_json(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "Error parsing request body") from None
    # Only an escape can bring in NUL or a surrogate, and only brackets can nest.
    if b"\\u" in body or body.count(b"[") + body.count(b"{") > JSON_DEPTH:
        _inspect(value, JSON_DEPTH)
    return value


def _inspect(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise Refusal(400, "Error parsing request body")
    elif isinstance(value, dict | list):
        if not depth:
            raise Refusal(400, "The request body is nested too deep")
        if isinstance(value, dict):
            for key in value:
                _inspect(key, depth)
        for item in value.values() if isinstance(value, dict) else value:
            _inspect(item, depth - 1)


def boolean(name: str, text: str) -> bool:
    """A boolean word, in any case."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Refusal(400, f"{name} must be true or false")


def comma_list(name: str, text: str) -> list[str]:
    """Values between commas; quotes, backslashes and brackets protect a comma, quotes and backslashes go."""
    protected = any(c in text for c in '"\\([')
    values = _split_protected(text) if protected else text.split(",", LIST_VALUES + 1)
    return bounded(name, values)


def bounded(name: str, values: list[str]) -> list[str]:
    """The values, when they are not too many."""
    if len(values) > LIST_VALUES:
        raise Refusal(400, f"Too many values for {name}")
    return values


def _split_protected(text: str) -> list[str]:
    values: list[str] = []
    value: list[str] = []
    quoted = escaped = False
    depth = 0
    for c in text:
        if escaped:
            value.append(c)
            escaped = False
        elif c == "\\":
            escaped = True
        elif c == '"':
            quoted = not quoted
        elif c == "," and not quoted and not depth:
            values.append("".join(value))
            value.clear()
        else:
            depth += (c in "([") - (c in ")]" and depth > 0)
            value.append(c)
    values.append("".join(value))
    return values
