"""What must agree between a recorded answer and ours, and what may differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from support.ari import Answer
from support.phone import SipMessage

#: Expected text of an error when any text will do.
ANY_TEXT = "*"
#: Filled in by the server at its own will.
_OWN_KEYS = {"timestamp", "asterisk_id"}
#: Their state depends on peers that were running when the cases were recorded.
_OTHER_PEERS = {"XMPP", "IAX2"}
_FREE_PARAMETERS = re.compile(
    r';\s*(?:transport|lr|ob|tag|charset)(?:=(?:"[^"]*"|[^;>\s]*))?(?=[;>\s]|$)', re.IGNORECASE
)
_LIST = re.compile(r"\s*,\s*")


class Arrived(NamedTuple):
    """A SIP request and the phone it came to."""

    at: str
    request: SipMessage


def differences(expect: Mapping[str, Any], answer: Answer, arrived: Sequence[Arrived]) -> list[str]:
    """Each way in which what came differs from a case's ``expect``, for people; empty when all agrees."""
    found = [*_status(expect, answer), *_body(expect, answer), *_headers(expect, answer)]
    if "wire" in expect:
        found += _wire(expect["wire"], arrived)
    return found


def same_json(want: Any, got: Any) -> bool:
    """Whether two JSON values agree: lists in any order, the server's own keys and the state of unplayed
    technologies left out.
    """
    return bool(_plain_json(want) == _plain_json(got))


def same_value(want: str, got: str) -> bool:
    """Whether two URIs or header values agree but for brackets, ``transport``, ``charset`` and tags."""
    return _plain_value(want) == _plain_value(got)


def _status(expect: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    want = expect.get("status")
    if want is None or want == answer.status or (want == "4xx" and 400 <= answer.status < 500):
        return
    yield f"status {answer.status}, not {want}: {answer.body[:200]!r}"


def _body(expect: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    if "json" not in expect:
        return
    want = expect["json"]
    if isinstance(want, dict) and want.get("message") == ANY_TEXT:
        agrees = bool(answer.body) and isinstance((answer.json or {"message": ""}).get("message"), str)
    elif want is None:
        agrees = not answer.body.strip()
    else:
        agrees = same_json(want, answer.json)
    if not agrees:
        yield f"body {answer.body[:300]!r}, not {want}"


def _headers(expect: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    for name, want in expect.get("headers", {}).items():
        got = answer.headers.get(name, "")
        if name == "allow":
            agrees = set(_LIST.split(want)) <= set(_LIST.split(got))
        elif name == "www-authenticate":
            agrees = got.startswith(want)
        else:
            agrees = got == want
        if not agrees:
            yield f"header {name}: {got!r}, not {want!r}"
    for name in expect.get("no-headers", ()):
        if name in answer.headers:
            yield f"header {name}: {answer.headers[name]!r} should not be there"


def _wire(want: Sequence[Mapping[str, Any]], arrived: Sequence[Arrived]) -> Iterator[str]:
    if len(want) != len(arrived):
        came = ", ".join(f"{request.method} {request.uri} at {at}" for at, request in arrived)
        yield f"{len(arrived)} SIP requests came, not {len(want)}: {came}"
    for expected in want:
        at = expected["at"]
        request = next((request for name, request in arrived if name == at), None)
        if request is None:
            yield f"nothing came to {at}"
            continue
        pairs = [("method", expected["method"], request.method), ("URI", expected["uri"], request.uri)]
        pairs += [(name, value, request.first(name)) for name, value in expected["headers"].items()]
        yield from (f"{at}: {what} {got!r}, not {value!r}" for what, value, got in pairs if not same_value(value, got))
        if request.body != expected["body"]:
            yield f"{at}: body {request.body[:80]!r}, not {expected['body'][:80]!r}"


def _plain_json(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_plain_json(item) for item in value), key=repr)
    if isinstance(value, dict):
        plain = {key: _plain_json(value[key]) for key in sorted(value.keys() - _OWN_KEYS)}
        if plain.get("technology") in _OTHER_PEERS:
            plain.pop("state", None)
        return plain
    return value


def _plain_value(value: str) -> tuple[str, str]:
    """Display name and the rest."""
    name, bracket, uri = _FREE_PARAMETERS.sub("", value).strip().partition("<")
    if not bracket:
        return "", name
    return name.strip().removeprefix('"').removesuffix('"').strip(), uri.partition(">")[0]
