"""SIP, SIPS and other URIs: parsing, writing, comparison (RFC 3261 19.1)."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import BAD_ESCAPE, ESCAPE, OPAQUE, PARAM_NAME, SCHEME, SIP_URI
from switchroom.wire.sip.limits import MAX_CACHED_LENGTH, MAX_PORT, URI_CACHE

SIP_SCHEMES = frozenset({"sip", "sips"})
ROUTABLE_SCHEMES = frozenset({"sip", "sips", "tel"})

# unreserved and user-unreserved of RFC 3261 25.1 beside the letters, the digits and "_.-~", which are always safe
_USER_SAFE = "!*'()&=+$,;?/"
# mark of RFC 3261 25.1: with letters and digits what is equal to its own escape (19.1.4)
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
# Parameters that must match even when one of two URIs does not carry them (RFC 3261 19.1.4)
_COMPARED_PARAMS = frozenset({"user", "ttl", "method", "maddr", "transport"})


class Uri(NamedTuple):
    """A URI, immutable. A sip or sips URI has a ``host``; any other scheme keeps all its text in ``opaque``.

    ``scheme``, ``host`` and the names of ``params`` are lower-case, an IPv6 host stands in brackets. ``user``,
    ``password`` and the values of ``params`` are as written, escapes included; a parameter without a value has None.
    ``headers`` is the raw text after ``?``.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: tuple[tuple[str, str | None], ...] = ()
    headers: str = ""
    opaque: str = ""

    def __str__(self) -> str:
        scheme, user, password, host, port, params, headers, opaque = self
        if not host:
            return f"{scheme}:{opaque}"
        text = scheme + ":"
        if user is not None:
            text += f"{user}@" if password is None else f"{user}:{password}@"
        text += host if port is None else f"{host}:{port}"
        for name, value in params:
            text += f";{name}" if value is None else f";{name}={value}"
        return f"{text}?{headers}" if headers else text

    def param(self, name: str) -> str | None:
        """The value of a parameter (lower-case ``name``), "" when it has none, None when it is absent."""
        for key, value in self.params:
            if key == name:
                return value or ""
        return None

    def without_params(self, *names: str) -> Uri:
        """The same URI without the parameters of these (lower-case) names."""
        kept = tuple(pair for pair in self.params if pair[0] not in names)
        return self if len(kept) == len(self.params) else self._replace(params=kept)

    def replace(self, **changes: Any) -> Uri:
        """The same URI with other fields. They are not checked again: give them as ``parse_uri`` would."""
        return self._replace(**changes)

    @property
    def unescaped_user(self) -> str:
        """The user with its escapes resolved, "" when there is none; SipError 400 when they are no UTF-8."""
        user = self.user
        if not user:
            return ""
        if "%" not in user:
            return user
        try:
            return unquote(user, errors="strict")
        except UnicodeDecodeError:
            raise SipError(400, "The user of a URI is not UTF-8") from None


def parse_uri(text: str) -> Uri:
    """A URI of any scheme that is syntactically valid; SipError 400 when it is none.

    Whether a scheme can be served is for the caller to decide (416).
    """
    if len(text) <= MAX_CACHED_LENGTH:
        return _parse_cached(text)
    return _parse(text)


def _parse(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if not colon or not SCHEME.fullmatch(scheme):
        raise SipError(400, "A URI has no scheme")
    scheme = scheme.lower()
    if scheme not in SIP_SCHEMES:
        if not OPAQUE.fullmatch(rest):
            raise SipError(400, "A URI is malformed")
        return Uri(scheme, opaque=rest)
    match = SIP_URI.fullmatch(rest)
    if match is None:
        raise SipError(400, "A SIP URI is malformed")
    user, password, host, port, params, headers = match.groups()
    if "%" in text and BAD_ESCAPE.search(text):
        raise SipError(400, "A URI holds a percent sign that escapes nothing")
    return Uri(
        scheme,
        user,
        password,
        check_host(host),
        None if port is None else check_port(port),
        _parse_params(params) if params else (),
        headers or "",
    )


_parse_cached = lru_cache(maxsize=URI_CACHE)(_parse)


def check_host(host: str) -> str:
    """A host that has matched the grammar, in lower case; SipError 400 when it is no name and no address.

    The third colon that the grammar of RFC 3261 allows in an IPv6 address is taken out (RFC 5118 4.10).
    """
    if host[0] == "[":
        host = host.replace(":::", "::")
        try:
            IPv6Address(host[1:-1])
        except AddressValueError:
            raise SipError(400, "An IPv6 address is malformed") from None
    elif ".." in host:
        raise SipError(400, "A host name has an empty label")
    return host.lower()


def check_port(digits: str) -> int:
    """A port from its ASCII digits; SipError 400 unless 1 to 65535."""
    port = int(digits) if len(digits) <= 5 else 0
    if not 0 < port <= MAX_PORT:
        raise SipError(400, "A port is out of range")
    return port


def _parse_params(text: str) -> tuple[tuple[str, str | None], ...]:
    params: dict[str, str | None] = {}
    for piece in text[1:].split(";"):
        name, equals, value = piece.partition("=")
        if "%" in name:
            name = unquote(name, errors="replace")
        if not PARAM_NAME.fullmatch(name) or name.lower() in params:
            raise SipError(400, "A parameter of a URI is malformed or stands twice")
        params[name.lower()] = value if equals else None
    return tuple(params.items())


def escape_user(text: str) -> str:
    """Any text as the user of a URI: what may not stand there is %-escaped as UTF-8 (RFC 3261 19.1.2)."""
    try:
        return quote(text, safe=_USER_SAFE, errors="surrogateescape")
    except UnicodeEncodeError:
        raise SipError(400, "A user holds half a surrogate pair") from None


def uri_equal(a: Uri, b: Uri) -> bool:
    """Whether two URIs are equal by RFC 3261 19.1.4 (not transitive: unknown parameters of one side are ignored)."""
    if a.scheme != b.scheme or a.host != b.host or a.port != b.port:
        return False
    if not a.host:
        return _unescape(a.opaque).lower() == _unescape(b.opaque).lower()
    if _optional(a.user) != _optional(b.user) or _optional(a.password) != _optional(b.password):
        return False
    return _params_equal(dict(a.params), dict(b.params)) and _headers(a.headers) == _headers(b.headers)


def _params_equal(a: dict[str, str | None], b: dict[str, str | None]) -> bool:
    for name in a.keys() | b.keys():
        if name in a and name in b:
            if _unescape(a[name] or "").lower() != _unescape(b[name] or "").lower():
                return False
        elif name in _COMPARED_PARAMS:
            return False
    return True


def _headers(text: str) -> list[tuple[str, str]]:
    pairs = (item.partition("=") for item in text.split("&") if item)
    return sorted((_unescape(name).lower(), _unescape(value)) for name, _, value in pairs)


def _optional(text: str | None) -> str | None:
    return text if text is None else _unescape(text)


def _unescape(text: str) -> str:
    """Resolves the escapes of unreserved characters only and spells the other ones alike."""

    def resolve(match: Any) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else str(match[0]).upper()

    return ESCAPE.sub(resolve, text) if "%" in text else text
