"""The XML of a stream, read with every bound checked before anything is built (RFC 6120 section 11, SECURITY.md S38).

What RFC 6120 11.1 forbids ends the stream: comments, processing instructions, document types and their entities.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from switchroom.tech.xmpp.limits import MAX_DEPTH, MAX_STANZA


class StreamFault(Exception):
    """Why a stream can not be read on; the text is for the log."""


class Opened(NamedTuple):
    """The stream's own element began; it has no content of ours."""

    root: Element


class Stanza(NamedTuple):
    """A whole child of the stream's element."""

    element: Element


class Closed(NamedTuple):
    """The stream's element ended."""


Found = Opened | Stanza | Closed

#: A whole tag; quoted values may hold a ``>``.
_TAG = re.compile(rb"""<[^>'"]*(?:"[^"]*"[^>'"]*|'[^']*'[^>'"]*)*>""")


class StreamParser:
    """Reads one stream; a new one is needed after each restart (RFC 6120 4.3.3)."""

    def __init__(self) -> None:
        expat_parser = self._expat = expat.ParserCreate("UTF-8", "}")
        expat_parser.StartElementHandler = self._start
        expat_parser.EndElementHandler = self._end
        expat_parser.CharacterDataHandler = self._text
        expat_parser.StartDoctypeDeclHandler = self._document_type
        expat_parser.EntityDeclHandler = self._document_type
        expat_parser.ProcessingInstructionHandler = self._instruction
        expat_parser.CommentHandler = self._comment
        self._builder = TreeBuilder()
        self._found: list[Found] = []
        self._depth = 0
        self._fed = 0
        #: Where the stanza that is being read began, or the last one ended.
        self._boundary = 0
        #: What has come and is not parsed yet; see ``_whole``.
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[list[Found], StreamFault | None]:
        """What is complete by now, and why there will be no more."""
        self._fed += len(data)
        fault: StreamFault | None = None
        try:
            self._expat.Parse(self._whole(data), False)
            if self._fed - self._boundary > MAX_STANZA:
                fault = StreamFault(f"a stanza is larger than {MAX_STANZA} bytes")
        except StreamFault as why:
            fault = why
        except expat.ExpatError as error:
            fault = StreamFault(f"the XML is not well-formed: {expat.ErrorString(error.code)}")
        found, self._found = self._found, []
        return found, fault

    def _whole(self, data: bytes) -> bytes:
        """What can be parsed now: all but a tag whose end is missing, or text in which an entity may be cut.

        Since 2.6, and 2.5 as distributions mend it, Expat looks at a token it got in part again only once it has twice
        as much: the end of a stanza would wait for the next one.
        """
        held = self._held
        held += data
        if b">" not in data and len(held) > len(data):
            return b""
        last = held.rfind(b"<")
        if last < 0:
            end = 0 if b"&" in held else len(held)
        else:
            tag = _TAG.match(held, last)
            end = last if tag is None else len(held) if held.find(b"&", tag.end()) < 0 else tag.end()
        whole = bytes(held[:end])
        del held[:end]
        return whole

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        tag = _braced(name)
        fields = {_braced(key): value for key, value in attributes.items()}
        if depth == 1:
            self._found.append(Opened(Element(tag, fields)))
            self._boundary = self._expat.CurrentByteIndex
            return
        if depth == 2:
            self._builder = TreeBuilder()
            self._boundary = self._expat.CurrentByteIndex
        self._bounded()
        self._builder.start(tag, fields)

    def _end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        if depth == 0:
            self._found.append(Closed())
            return
        self._bounded()
        self._builder.end(_braced(name))
        if depth == 1:
            self._found.append(Stanza(self._builder.close()))
            self._boundary = self._expat.CurrentByteIndex

    def _text(self, text: str) -> None:
        if self._depth > 1:
            self._bounded()
            self._builder.data(text)
        else:
            # Whitespace between stanzas keeps a connection alive (RFC 6120 4.6.1).
            self._boundary = self._expat.CurrentByteIndex

    def _bounded(self) -> None:
        if self._depth > MAX_DEPTH:
            raise StreamFault(f"elements are nested deeper than {MAX_DEPTH}")
        if self._expat.CurrentByteIndex - self._boundary > MAX_STANZA:
            raise StreamFault(f"a stanza is larger than {MAX_STANZA} bytes")

    def _document_type(self, *declaration: object) -> None:
        raise StreamFault("a document type or entity is declared")

    def _instruction(self, target: str, data: str) -> None:
        raise StreamFault("there is a processing instruction")

    def _comment(self, text: str) -> None:
        raise StreamFault("there is a comment")


def _braced(name: str) -> str:
    """``namespace}name`` as ElementTree spells it."""
    return "{" + name if "}" in name else name
