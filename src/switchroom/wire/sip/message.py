"""A SIP message: split into fields at once, each value understood when it is asked for (RFC 3261 7)."""

from __future__ import annotations

from typing import NoReturn

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import CALL_ID
from switchroom.wire.sip.headers import (
    LISTS,
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_delta_seconds,
    parse_media_type,
    parse_name_addr,
    parse_number,
    parse_via,
    split_list,
)
from switchroom.wire.sip.uri import Uri, parse_uri

Field = tuple[str, str, str]
"""Key (lower-case full name), name as written, value unfolded and without blanks around it."""


class Message:
    """What requests and responses share. Treat it as read-only: the typed values are remembered.

    ``index`` holds the first value of each key. Every accessor gives a value or raises SipError.
    """

    __slots__ = ("_call_id", "_contacts", "_cseq", "_from", "_to", "_via", "body", "fields", "index", "is_ascii")

    def __init__(
        self, fields: list[Field], body: bytes = b"", index: dict[str, str] | None = None, is_ascii: bool = False
    ) -> None:
        self.fields = fields
        self.body = body
        self.index = _index(fields) if index is None else index
        self.is_ascii = is_ascii
        """Known to hold nothing but ASCII in its head, so that nobody has to look again."""
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._via: Via | None = None
        self._cseq: CSeq | None = None
        self._call_id: str | None = None
        self._contacts: list[NameAddr] | None = None

    def first(self, key: str) -> str | None:
        """The first line of a header, unsplit; None when there is none."""
        return self.index.get(key)

    def lines(self, key: str) -> list[str]:
        """The value of each line of a header, unsplit, in order."""
        if key not in self.index:
            return []
        return [value for line_key, _, value in self.fields if line_key == key]

    def all(self, key: str) -> list[str]:
        """Every value of a header in order; the lines of list headers are split at their commas."""
        if key not in LISTS:
            return self.lines(key)
        return [item for line in self.lines(key) for item in split_list(line)]

    @property
    def from_(self) -> NameAddr:
        if self._from is None:
            self._from = parse_name_addr(self.index.get("from") or _missing("from"))
        return self._from

    @property
    def to(self) -> NameAddr:
        if self._to is None:
            self._to = parse_name_addr(self.index.get("to") or _missing("to"))
        return self._to

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            line = self.index.get("via") or _missing("via")
            if "," in line:
                line = next(iter(split_list(line)), "")
            self._via = parse_via(line)
        return self._via

    @property
    def vias_raw(self) -> list[str]:
        """Every Via as written, topmost first."""
        return self.all("via")

    @property
    def cseq(self) -> CSeq:
        if self._cseq is None:
            self._cseq = parse_cseq(self.index.get("cseq") or _missing("cseq"))
        return self._cseq

    @property
    def call_id(self) -> str:
        if self._call_id is None:
            text = self.index.get("call-id") or _missing("call-id")
            if not CALL_ID.fullmatch(text):
                raise SipError(400, "Call-ID is malformed")
            self._call_id = text
        return self._call_id

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact; empty for none and for the wildcard."""
        if self._contacts is None:
            values = self.all("contact")
            self._contacts = [] if values == ["*"] else [parse_name_addr(value) for value in values]
        return self._contacts

    @property
    def wildcard_contact(self) -> bool:
        """Whether it says ``Contact: *`` and no other (RFC 3261 10.2.2)."""
        return self.index.get("contact") == "*" and len(self.lines("contact")) == 1

    @property
    def content_type(self) -> tuple[str, dict[str, str | None]] | None:
        """Media type in lower case and its parameters; None when the message does not say."""
        text = self.index.get("content-type")
        return None if text is None else parse_media_type(text)

    @property
    def max_forwards(self) -> int | None:
        text = self.index.get("max-forwards")
        return None if text is None else parse_number(text, "Max-Forwards")

    @property
    def expires(self) -> int | None:
        """Seconds of the Expires header; None when there is none."""
        text = self.index.get("expires")
        return None if text is None else parse_delta_seconds(text)


class Request(Message):
    """A request. ``method`` is as written (methods are case-sensitive), ``target`` is the text of the Request-URI."""

    __slots__ = ("_uri", "method", "target")

    def __init__(
        self,
        method: str,
        target: str,
        fields: list[Field],
        body: bytes = b"",
        index: dict[str, str] | None = None,
        is_ascii: bool = False,
    ) -> None:
        super().__init__(fields, body, index, is_ascii)
        self.method = method
        self.target = target
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI, of any scheme."""
        if self._uri is None:
            self._uri = parse_uri(self.target)
        return self._uri

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


class Response(Message):
    """A response. ``reason`` may be any text, also none."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        fields: list[Field],
        body: bytes = b"",
        index: dict[str, str] | None = None,
        is_ascii: bool = False,
    ) -> None:
        super().__init__(fields, body, index, is_ascii)
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def _missing(key: str) -> NoReturn:
    raise SipError(400, f"The header {key} is missing or empty")


def _index(fields: list[Field]) -> dict[str, str]:
    index: dict[str, str] = {}
    for key, _, value in fields:
        index.setdefault(key, value)
    return index
