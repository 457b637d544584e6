"""Stanzas: what we write, and what is understood of those that come (RFC 6121, XEP-0184).

They are written as text at once: a tree that is built, walked and turned into text costs ten times as much. What a
stream is opened with declares the namespace of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple
from xml.etree.ElementTree import Element

from slixmpp.jid import JID

from switchroom.tech.xmpp.limits import MAX_REASON

RECEIPTS = "urn:xmpp:receipts"
PING = "urn:xmpp:ping"
DISCO = "http://jabber.org/protocol/disco#info"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

#: What no XML document can hold (XML 1.0 section 2.2); docs/rulings.md 17.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: What stands for a sign that would mean something else; line ends and tabs only where a parser would make them spaces,
#: or a carriage return a line end (XML 1.0 2.11 and 3.3.3).
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_MARKUP = re.compile(f'[&<>"\t\n\r]|{_ILLEGAL.pattern}')
_CHANGED = re.compile(f"[&<>\r]|{_ILLEGAL.pattern}")

#: What would do harm in a line of a log or a reason phrase.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

#: RFC 6120 8.3.3 to the status that SIP gives the same thing. None of these passes by itself: a failure that
#: may pass is marked so by its type, which decides first.
_STATUS = {
    "bad-request": 400,
    "jid-malformed": 400,
    "not-authorized": 401,
    "subscription-required": 401,
    "registration-required": 401,
    "forbidden": 403,
    "policy-violation": 403,
    "item-not-found": 404,
    "remote-server-not-found": 404,
    "not-allowed": 405,
    "not-acceptable": 406,
    "gone": 410,
    "redirect": 410,
    "feature-not-implemented": 501,
}
#: There, and not to be had now.
_UNAVAILABLE = 480


def clean(text: str) -> str:
    """The text without what XML can not hold."""
    return _ILLEGAL.sub("", text)


def jid(text: str | None) -> JID | None:
    """An address of a stanza; None when there is none, or it is no JID."""
    if not text:
        return None
    try:
        return JID(text)
    except ValueError:
        return None


def text_stanza(stanza_id: str, sender: str, to: str, body: str) -> str:
    """A chat text that asks for a receipt; ``sender`` is empty for a client, whose server knows it."""
    origin = f' from="{_value(sender)}"' if sender else ""
    return (
        f'<message type="chat" to="{_value(to)}" id="{_value(stanza_id)}"{origin}>'
        f'<body>{_content(body)}</body><request xmlns="{RECEIPTS}"/></message>'
    )


def receipt_stanza(received_id: str, sender: str, to: str, kind: str) -> str:
    """The receipt for a text (XEP-0184 section 5.4)."""
    received = _tag("received", {"xmlns": RECEIPTS, "id": received_id}, "")
    return _tag("message", {"to": to, "type": kind, "from": sender}, received)


def refusal_stanza(text: Text, condition: str, kind: str) -> str:
    """The error that tells a sender that a text was not taken (RFC 6120 8.3)."""
    fields = {"type": "error", "to": text.sender.full, "from": text.to.full, "id": text.id}
    return _tag("message", fields, error_child(condition, kind))


def error_child(condition: str, kind: str) -> str:
    """What an error stanza says (RFC 6120 8.3.2)."""
    return _tag("error", {"type": kind}, _tag(condition, {"xmlns": STANZAS}, ""))


def ping_stanza(stanza_id: str, sender: str, to: str) -> str:
    """XEP-0199. Any answer, an error too, tells that the server has done all that came before."""
    return _tag("iq", {"type": "get", "to": to, "id": stanza_id, "from": sender}, _tag("ping", {"xmlns": PING}, ""))


def answer_stanza(kind: str, stanza_id: str, sender: str, to: str, content: str = "") -> str:
    """The answer to a query (RFC 6120 8.2.3); ``kind`` is ``result`` or ``error``."""
    return _tag("iq", {"type": kind, "id": stanza_id, "to": to, "from": sender}, content)


def features_child(category: str, kind: str) -> str:
    """What we are and can do (XEP-0030 3.1)."""
    identity = _tag("identity", {"category": category, "type": kind, "name": "Switchroom"}, "")
    features = "".join(_tag("feature", {"var": feature}, "") for feature in (DISCO, PING, RECEIPTS))
    return _tag("query", {"xmlns": DISCO}, identity + features)


def presence_stanza(kind: str = "", sender: str = "", to: str = "") -> str:
    """``kind`` is empty for plainly available."""
    return _tag("presence", {"type": kind, "from": sender, "to": to}, "")


def greeting_stanza(show: str, status: str, priority: int) -> str:
    """A client's first presence (RFC 6121 4.2)."""
    content = "".join(
        f"<{name}>{_content(text)}</{name}>"
        for name, text in (("show", show), ("status", status), ("priority", str(priority)))
        if text
    )
    return _tag("presence", {}, content)


def _tag(name: str, fields: Mapping[str, str], content: str) -> str:
    """An element; fields without a value are left out, ``content`` is XML."""
    written = "".join(f' {field}="{_value(value)}"' for field, value in fields.items() if value)
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _value(text: str) -> str:
    """Text as the value of an attribute."""
    return _MARKUP.sub(_reference, text)


def _content(text: str) -> str:
    """Text as the content of an element, without what XML can not hold."""
    return _CHANGED.sub(_reference, text)


def _reference(sign: re.Match[str]) -> str:
    return _REFERENCES.get(sign[0], "")


class Kind(Enum):
    """What a message stanza is to us."""

    TEXT = "text"
    RECEIPT = "receipt"
    ERROR = "error"
    #: Chat states, rooms, and whatever else has no text for us.
    OTHER = "other"


class Text(NamedTuple):
    """A message stanza that came. ``id`` is that of the text a receipt or an error is about."""

    kind: Kind
    sender: JID
    to: JID
    id: str
    body: str = ""
    #: ``chat``, ``normal`` or ``headline``.
    type: str = "normal"
    #: The sender asks for a receipt.
    receipt_wanted: bool = False
    status: int = 0
    reason: str = ""


def read_message(element: Element, namespace: str, own: JID) -> Text | None:
    """What a message says; None when it has no usable addresses. ``own`` stands for those a server left out."""
    sender = jid(element.get("from", own.bare))
    to = jid(element.get("to", own.full))
    if sender is None or to is None:
        return None
    kind = element.get("type", "normal")
    stanza_id = element.get("id", "")
    if kind == "error":
        status, reason = _failure(element.find(f"{{{namespace}}}error"))
        return Text(Kind.ERROR, sender, to, stanza_id, status=status, reason=reason)
    receipt = element.find(f"{{{RECEIPTS}}}received")
    if receipt is not None:
        return Text(Kind.RECEIPT, sender, to, receipt.get("id", ""))
    body = element.find(f"{{{namespace}}}body")
    # RFC 6121 5.2.2: a type that is not known counts as normal. A room's texts are not for us alone.
    if body is None or kind == "groupchat":
        return Text(Kind.OTHER, sender, to, stanza_id)
    return Text(
        Kind.TEXT,
        sender,
        to,
        stanza_id,
        "".join(body.itertext()),
        kind if kind in ("chat", "headline") else "normal",
        bool(stanza_id) and element.find(f"{{{RECEIPTS}}}request") is not None,
    )


def _failure(error: Element | None) -> tuple[int, str]:
    """Status and reason of an error stanza."""
    if error is None:
        return _UNAVAILABLE, "undefined-condition"
    condition = "undefined-condition"
    explanation = ""
    for child in error:
        namespace, _, name = child.tag[1:].partition("}")
        if namespace != STANZAS:
            continue
        if name == "text":
            explanation = "".join(child.itertext())
        else:
            condition = name
    if error.get("type") == "wait":
        status = 504 if condition == "remote-server-timeout" else 503
    else:
        status = _STATUS.get(condition, _UNAVAILABLE)
    reason = f"{condition}: {explanation}" if explanation else condition
    return status, _CONTROL.sub(" ", reason)[:MAX_REASON]
