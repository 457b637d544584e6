"""message/cpim (RFC 3862): a text in an envelope of its own, which says from whom, to whom and when.

The envelope is what its sender wrote: nothing in it is proven by the SIP request around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import parse_media_type
from switchroom.wire.sip.limits import MAX_CPIM_HEADERS

MEDIA_TYPE: Final = "message/cpim"

#: The namespace of headers without a prefix (RFC 3862 section 4.1).
CORE: Final = "urn:ietf:params:cpim-headers:"

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
#: RFC 3862 3.6: a name, perhaps with a prefix and parameters, and a value after one blank, which not everybody writes.
_HEADER: Final = re.compile(r"(?:([^.:;\s]+)\.)?([^:;\s]+)(?:;[^:]*)?:[ \t]*(.*)")
#: RFC 3862 section 4.1: a prefix and the namespace it stands for; without a prefix the default.
_NAMESPACE: Final = re.compile(r"(\S*)[ \t]*<([^<>]+)>")
#: RFC 3862 3.2.
_ESCAPED: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "r": "\r"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
#: RFC 2045 section 6: what is not encoded at all.
_UNENCODED: Final = ("7bit", "8bit", "binary")


class Header(NamedTuple):
    """One of the envelope's; ``name`` in the case it has, which counts (RFC 3862 2.3)."""

    namespace: str
    name: str
    value: str


class Envelope(NamedTuple):
    """A message and its headers, in order."""

    headers: tuple[Header, ...]
    #: Of the content, lower-case, with its parameters.
    media_type: str
    parameters: dict[str, str | None]
    content: bytes

    def find(self, name: str, namespace: str = CORE) -> str:
        """The value of the first header of a name; empty when there is none."""
        return next((h.value for h in self.headers if h.name == name and h.namespace == namespace), "")


def parse_envelope(body: bytes) -> Envelope:
    """Raises SipError 400: it is no message/cpim, or has too many headers, or content in an encoding of MIME."""
    parts = _END_OF_HEAD.split(body, maxsplit=2)
    if len(parts) != 3:
        raise SipError(400, "A message/cpim has no headers or no content")
    lines = _lines(parts[0])
    mime = {name.lower(): value for _, name, value in map(_split, _lines(parts[1]))}
    if mime.get("content-transfer-encoding", "8bit").lower() not in _UNENCODED:
        raise SipError(400, "The content of a message/cpim is encoded")
    media_type, parameters = parse_media_type(mime.get("content-type", "text/plain"))
    return Envelope(tuple(_named(lines)), media_type, parameters, parts[2])


def _lines(head: bytes) -> list[str]:
    lines = head.decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_CPIM_HEADERS:
        raise SipError(400, "A message/cpim has too many headers")
    return lines


def _split(line: str) -> tuple[str, str, str]:
    """Prefix, name and value."""
    match = _HEADER.fullmatch(line)
    if match is None:
        raise SipError(400, "A header of a message/cpim is malformed")
    return match[1] or "", match[2], match[3].rstrip()


def _named(lines: Sequence[str]) -> list[Header]:
    """The headers with their namespaces, which hold from where they are declared."""
    namespaces = {"": CORE}
    found = []
    for line in lines:
        prefix, name, value = _split(line)
        if name == "NS" and not prefix:
            if (declared := _NAMESPACE.fullmatch(value)) is not None:
                namespaces[declared[1]] = declared[2]
            continue
        # A prefix that was never declared says nothing: the name is as it stands.
        known = prefix in namespaces
        namespace = namespaces[prefix] if known else ""
        found.append(Header(namespace, name if known else f"{prefix}.{name}", _ESCAPED.sub(_unescaped, value)))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])


def write_envelope(headers: Sequence[tuple[str, str]], content_type: str, content: bytes) -> bytes:
    """A message/cpim. Raises SipError 400: a value has a control character."""
    if any(_CONTROL.search(value) for _, value in headers) or _CONTROL.search(content_type):
        raise SipError(400, "A header of a message/cpim has a control character")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    mime = f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n{mime}\r\n".encode("utf-8", "replace") + content
