"""What we write, and what is understood of what comes."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slixmpp.jid import JID

from switchroom.tech.xmpp.limits import MAX_REASON
from switchroom.tech.xmpp.stanza import (
    Kind,
    Text,
    clean,
    greeting_stanza,
    presence_stanza,
    read_message,
    receipt_stanza,
    refusal_stanza,
    text_stanza,
)

NS = "jabber:client"
OWN = JID("gateway@localhost/asterisk-xmpp")
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def message(attributes: str, content: str = "") -> Text | None:
    return read_message(fromstring(f"<message xmlns='{NS}' {attributes}>{content}</message>"), NS, OWN)


def test_a_text() -> None:
    text = message("from='romeo@h/p' to='gateway@localhost' type='chat' id='1'", "<body>hi</body>")
    assert text == Text(Kind.TEXT, JID("romeo@h/p"), JID("gateway@localhost"), "1", "hi", "chat")


@pytest.mark.parametrize(("written", "understood"), [("headline", "headline"), ("odd", "normal"), ("", "normal")])
def test_types(written: str, understood: str) -> None:
    text = message(f"from='r@h' type='{written}'", "<body>hi</body>")
    assert text is not None
    assert (text.kind, text.type) == (Kind.TEXT, understood)


@pytest.mark.parametrize(
    "content", ["", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", "<body xmlns='x'>a</body>"]
)
def test_no_text(content: str) -> None:
    text = message("from='r@h' type='chat'", content)
    assert text is not None
    assert text.kind is Kind.OTHER


def test_texts_of_rooms_are_not_for_us() -> None:
    text = message("from='room@h/nick' type='groupchat'", "<body>hi</body>")
    assert text is not None
    assert text.kind is Kind.OTHER


def test_addresses_a_server_left_out_are_our_own() -> None:
    text = message("type='chat'", "<body>hi</body>")
    assert text is not None
    assert (text.sender, text.to) == (JID(OWN.bare), OWN)


@pytest.mark.parametrize("attributes", ["from='@h'", "from='a@b@c'", "from='r@h' to='/'", "from='a b@h'"])
def test_bad_addresses(attributes: str) -> None:
    assert message(attributes, "<body>hi</body>") is None


def test_a_receipt_is_wanted_or_given() -> None:
    wanted = message("from='r@h' id='1'", "<body>hi</body><request xmlns='urn:xmpp:receipts'/>")
    assert wanted is not None
    assert wanted.receipt_wanted
    nameless = message("from='r@h'", "<body>hi</body><request xmlns='urn:xmpp:receipts'/>")
    assert nameless is not None
    assert not nameless.receipt_wanted
    given_ = message("from='r@h' id='2'", "<received xmlns='urn:xmpp:receipts' id='1'/>")
    assert given_ is not None
    assert (given_.kind, given_.id) == (Kind.RECEIPT, "1")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error>", 480, "service-unavailable"),
        (f"<error type='cancel'><item-not-found xmlns='{STANZAS}'/></error>", 404, "item-not-found"),
        (f"<error type='wait'><recipient-unavailable xmlns='{STANZAS}'/></error>", 503, "recipient-unavailable"),
        (f"<error type='wait'><remote-server-timeout xmlns='{STANZAS}'/></error>", 504, "remote-server-timeout"),
        (f"<error type='cancel'><internal-server-error xmlns='{STANZAS}'/></error>", 480, "internal-server-error"),
        (
            f"<error type='auth'><text xmlns='{STANZAS}'>go\n away</text><forbidden xmlns='{STANZAS}'/></error>",
            403,
            "forbidden: go  away",
        ),
        ("<error><x xmlns='odd'/></error>", 480, "undefined-condition"),
        ("", 480, "undefined-condition"),
    ],
)
def test_errors(error: str, status: int, reason: str) -> None:
    text = message("from='r@h' type='error' id='1'", f"<body>what I said</body>{error}")
    assert text is not None
    assert (text.kind, text.id, text.status, text.reason) == (Kind.ERROR, "1", status, reason)


def test_the_reason_of_an_error_is_bounded() -> None:
    text = message("from='r@h' type='error'", f"<error><text xmlns='{STANZAS}'>{'x' * 5000}</text></error>")
    assert text is not None
    assert len(text.reason) == MAX_REASON


def written(stanza: str) -> Element:
    """A stanza as who gets it reads it."""
    (element,) = fromstring(f"<stream xmlns='{NS}'>{stanza}</stream>")
    return element


def test_a_text_that_is_sent() -> None:
    element = written(text_stanza("id1", "", "romeo@h", "a\x00\x07b\ud800 <&> \n\u202e😀"))
    assert element.attrib == {"type": "chat", "to": "romeo@h", "id": "id1"}
    assert element.findtext(f"{{{NS}}}body") == "ab <&> \n\u202e😀"
    assert element.find("{urn:xmpp:receipts}request") is not None


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_arrives_as_it_was(text: str) -> None:
    assert (written(text_stanza("1", "", "romeo@h", text)).findtext(f"{{{NS}}}body") or "") == clean(text)


@given(*[st.text(st.characters(exclude_categories=()))] * 3)
def test_no_field_breaks_out(stanza_id: str, sender: str, to: str) -> None:
    element = written(text_stanza(stanza_id, sender, to, "hi"))
    assert (element.get("id"), element.get("from", ""), element.get("to")) == tuple(map(clean, (stanza_id, sender, to)))
    assert [child.tag for child in element] == [f"{{{NS}}}body", "{urn:xmpp:receipts}request"]
    receipt = written(receipt_stanza(stanza_id, sender, to, "chat"))
    assert (receipt.get("from", ""), receipt.get("to", "")) == (clean(sender), clean(to))
    assert [child.get("id", "") for child in receipt] == [clean(stanza_id)]


@given(st.text(st.characters(exclude_categories=())))
def test_a_greeting(status: str) -> None:
    element = written(greeting_stanza("away", status, -5))
    found = {child.tag.rpartition("}")[2]: child.text for child in element}
    assert found == {"show": "away", "priority": "-5"} | ({"status": clean(status) or None} if status else {})


def test_a_presence() -> None:
    assert presence_stanza() == "<presence/>"
    assert written(presence_stanza("subscribed", "a@h", "b@h")).attrib == {
        "type": "subscribed",
        "from": "a@h",
        "to": "b@h",
    }


def test_a_refusal() -> None:
    text = Text(Kind.TEXT, JID("r@h/p"), JID("alice@sip.h"), "7", "hi")
    element = written(refusal_stanza(text, "recipient-unavailable", "wait"))
    assert element.attrib == {"type": "error", "to": "r@h/p", "from": "alice@sip.h", "id": "7"}
    back = read_message(element, NS, JID("r@h/p"))
    assert back is not None
    assert (back.status, back.reason) == (503, "recipient-unavailable")
