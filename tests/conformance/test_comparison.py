"""The comparison tells what differs, and only that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from conformance.comparison import Arrived, differences, same_json, same_value
from support.ari import Answer
from support.phone import SipMessage

MESSAGE = SipMessage(
    "MESSAGE sip:carol@127.0.0.1:5091;transport=udp SIP/2.0",
    (("From", "<sip:a@b>;tag=1"), ("To", "<sip:carol@h>"), ("Content-Type", "text/plain;charset=UTF-8")),
    "hi",
)
WIRE = {
    "at": "carol",
    "method": "MESSAGE",
    "uri": "sip:carol@127.0.0.1:5091",
    "headers": {"From": "<sip:a@b>", "To": "sip:carol@h", "Content-Type": "text/plain"},
    "body": "hi",
}


def answer(
    status: int = 202, body: bytes = b"", json: Any = None, headers: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    return Answer(status, headers, body, json)


def test_what_agrees_has_no_differences() -> None:
    assert differences({"status": 202, "json": None, "wire": [WIRE]}, answer(), [Arrived("carol", MESSAGE)]) == []


@pytest.mark.parametrize(
    "change",
    [{"method": "REFER"}, {"uri": "sip:x@h"}, {"body": "ho"}, {"headers": {"From": "<sip:x@b>"}}, {"at": "dave1"}],
)
def test_each_part_of_a_request_is_compared(change: dict[str, Any]) -> None:
    assert differences({"wire": [WIRE | change]}, answer(), [Arrived("carol", MESSAGE)])


@pytest.mark.parametrize("came", [0, 2])
def test_requests_are_counted(came: int) -> None:
    assert differences({"wire": [WIRE]}, answer(), [Arrived("carol", MESSAGE)] * came)


@pytest.mark.parametrize(
    ("want", "got", "agrees"), [(202, 202, True), (202, 404, False), ("4xx", 409, True), ("4xx", 500, False)]
)
def test_the_status_is_compared(want: Any, got: int, agrees: bool) -> None:
    assert (differences({"status": want}, answer(got), []) == []) is agrees


def test_an_error_text_is_free_unless_it_is_named() -> None:
    error = answer(404, b'{"message":"Endpoint not found"}', {"message": "Endpoint not found"})
    assert differences({"json": {"message": "*"}}, error, []) == []
    assert differences({"json": {"message": "Endpoint not found"}}, error, []) == []
    assert differences({"json": {"message": "Else"}}, error, [])
    assert differences({"json": {"message": "*"}}, answer(404), [])


def test_headers_are_compared_by_their_kind() -> None:
    got = answer(401, headers={"allow": "GET, OPTIONS, HEAD", "www-authenticate": 'Basic realm="x"', "x": "1"})
    assert differences({"headers": {"allow": "OPTIONS,GET", "www-authenticate": "Basic", "x": "1"}}, got, []) == []
    assert differences({"headers": {"allow": "PUT"}}, got, [])
    assert differences({"headers": {"x": "2"}}, got, [])
    assert differences({"no-headers": ["x"]}, got, [])


def test_json_agrees_in_any_order_but_only_with_the_same_members() -> None:
    assert same_json([{"a": 1}, {"b": [1, 2]}], [{"b": [2, 1], "timestamp": "t"}, {"a": 1}])
    assert not same_json([{"a": 1}], [{"a": 1}, {"a": 1}])
    assert same_json({"technology": "XMPP", "state": "online"}, {"technology": "XMPP", "state": "unknown"})
    assert not same_json({"technology": "PJSIP", "state": "online"}, {"technology": "PJSIP", "state": "offline"})


def test_values_agree_but_for_brackets_and_free_parameters() -> None:
    assert same_value('"A" <sip:a@b>', '"A" <sip:a@b;transport=tcp>;tag=1')
    assert same_value("sip:a@b", "<sip:a@b>")
    assert not same_value('"A" <sip:a@b>', "<sip:a@b>")
    assert not same_value("sip:a@b", "sip:a@b;user=phone")
