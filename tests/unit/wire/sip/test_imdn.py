"""Notifications of what became of a text (RFC 5438)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.imdn import Disposition, parse_imdn
from switchroom.wire.sip.limits import MAX_IMDN, MAX_IMDN_DEPTH


def document(status: str = "<delivery-notification><status><delivered/></status></delivery-notification>") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<imdn xmlns="urn:ietf:params:xml:ns:imdn">'
        "<message-id> 34jk324j\n</message-id><datetime>2008-04-04T12:16:49-05:00</datetime>"
        "<recipient-uri>im:bob@example.com</recipient-uri>"
        f"<original-recipient-uri>im:bob@example.com</original-recipient-uri>{status}</imdn>"
    ).encode()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("delivery", "delivered"),
        ("delivery", "failed"),
        ("display", "displayed"),
        ("display", "forbidden"),
        ("processing", "stored"),
    ],
)
def test_what_became_of_which(kind: str, status: str) -> None:
    told = f"<{kind}-notification><status><{status}/></status></{kind}-notification>"
    assert parse_imdn(document(told)) == Disposition("34jk324j", status)


def test_a_prefix_and_what_others_add_are_no_matter() -> None:
    told = parse_imdn(
        b'<i:imdn xmlns:i="urn:ietf:params:xml:ns:imdn" xmlns:x="urn:x"><x:message-id>no</x:message-id>'
        b"<i:message-id>4&amp;5</i:message-id><i:display-notification><i:status><i:displayed/><x:more/></i:status>"
        b"</i:display-notification></i:imdn>"
    )
    assert told == Disposition("4&5", "displayed")


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"no xml",
        document()[:-3],
        document().replace(b"message-id", b"message"),
        document("<status><delivered/></status>"),
        document("<delivery-notification><status/></delivery-notification>"),
        document().replace(b"xml:ns:imdn", b"xml:ns:other"),
        document().replace(b"?>", b'?><!DOCTYPE imdn SYSTEM "file:///etc/passwd">'),
        document().replace(b"?>", b'?><!DOCTYPE imdn [<!ENTITY a "b">]>').replace(b"34jk324j", b"&a;"),
        document().replace(b"34jk324j", b"&a;"),
        document("<x>" * (MAX_IMDN_DEPTH + 1) + "</x>" * (MAX_IMDN_DEPTH + 1)),
        document() + b" " * MAX_IMDN,
    ],
)
def test_anything_else_says_nothing(hostile: bytes) -> None:
    with pytest.raises(SipError) as refused:
        parse_imdn(hostile)
    assert refused.value.status == 400


@given(
    st.binary(max_size=200)
    | st.builds(lambda a, b: document()[:a] + b + document()[a:], st.integers(0, 400), st.binary())
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(SipError):
        parse_imdn(data)
