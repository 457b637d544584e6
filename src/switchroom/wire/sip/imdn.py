"""Instant message disposition notifications (RFC 5438): what became of a text, told by who got it.

The document is a stranger's XML: no document type, no entity, small and shallow, or it says nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.parsers import expat

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.limits import MAX_IMDN, MAX_IMDN_DEPTH

MEDIA_TYPE: Final = "message/imdn+xml"

#: Of the headers of a CPIM envelope (RFC 5438 section 6).
NAMESPACE: Final = "urn:ietf:params:imdn"

#: What a sender may ask to be told (RFC 5438 6.2).
REQUESTS: Final = ("positive-delivery", "negative-delivery", "processing", "display")

_ELEMENTS: Final = "urn:ietf:params:xml:ns:imdn}"
#: RFC 5438 section 11.1.9.
_KINDS: Final = frozenset({"delivery-notification", "display-notification", "processing-notification"})


class Disposition(NamedTuple):
    """``status`` is that of RFC 5438 section 7: delivered, displayed, failed, processed, stored, forbidden, error."""

    message_id: str
    status: str


def parse_imdn(document: bytes) -> Disposition:
    """Raises SipError 400: it is no disposition notification, or larger than any."""
    if len(document) > MAX_IMDN:
        raise SipError(400, "A disposition notification is too large")
    reader = _Reader()
    try:
        reader.parser.Parse(document, True)
    except expat.ExpatError as error:
        raise SipError(400, "A disposition notification is no XML") from error
    message_id = reader.message_id.strip()
    if not message_id or not reader.status:
        raise SipError(400, "A disposition notification lacks what it is about")
    return Disposition(message_id, reader.status)


class _Reader:
    """Walks the elements and keeps the two that matter."""

    def __init__(self) -> None:
        self.message_id = ""
        self.status = ""
        self._path: list[str] = []
        parser = self.parser = expat.ParserCreate("UTF-8", "}")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._declared
        parser.EntityDeclHandler = self._declared

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        path.append(name.removeprefix(_ELEMENTS))
        if len(path) > MAX_IMDN_DEPTH:
            raise SipError(400, "A disposition notification is nested too deep")
        if len(path) == 4 and path[0] == "imdn" and path[1] in _KINDS and path[2] == "status" and not self.status:
            self.status = path[3]

    def _end(self, name: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        if self._path == ["imdn", "message-id"]:
            self.message_id += text

    def _declared(self, *declaration: object) -> None:
        raise SipError(400, "A disposition notification declares a document type or entity")
