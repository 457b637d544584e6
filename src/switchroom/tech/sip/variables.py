"""The ``variables`` of ARI as SIP headers (docs/rulings.md 2, SECURITY.md S06 and S07)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.limits import MAX_HEADERS
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import header_key, parse_media_type

#: RFC 3261 25.1 token.
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
#: Control characters but the tab, which is LWS; and half a surrogate pair, which no header can carry.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")

#: Never set by a caller: what a request is routed, matched and trusted by. In full; compact forms are known
#: by their full name.
CORE = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "max-forwards", "content-length"}
    | {"request-uri", "allow", "supported", "require", "authorization", "user-agent"}
)
_CORE_OF_REFER = CORE | {"refer-to"}


def headers_from(variables: Mapping[str, str], *, refer: bool = False) -> tuple[list[tuple[str, str]], str | None]:
    """The headers to add, in order, and the media type where one was given.

    A later spelling of the same name replaces the value and keeps the place; an empty value sets nothing.

    Raises:
        InvalidParameter: a name that is no token, a value with a control character, too many, or a
            Content-Type that is no media type.
    """
    if not variables:
        return [], None
    if len(variables) > MAX_HEADERS:
        raise InvalidParameter(f"more than {MAX_HEADERS} variables")
    core = _CORE_OF_REFER if refer else CORE
    found: dict[str, tuple[str, str]] = {}
    media_type = None
    for name, value in variables.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidParameter(f"variable name is no header name: {name!r}")
        if _CONTROL.search(value):
            raise InvalidParameter(f"variable {name} has a control character")
        key = header_key(name)
        if key in core or key.startswith("proxy-"):
            continue
        if key == "content-type":
            media_type = _media_type(value)
            continue
        value = value.strip(" \t")
        if not value:
            found.pop(key, None)
        else:
            found[key] = (found[key][0] if key in found else name, value)
    return list(found.values()), media_type


def _media_type(value: str) -> str | None:
    value = value.strip()
    if not value:
        return None
    try:
        parse_media_type(value)
    except SipError as error:
        raise InvalidParameter(f"Content-Type is no media type: {value}") from error
    return value
