"""The headers that SIP elements reason about: names and addresses, Via, CSeq and the small ones (RFC 3261 20)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import (
    AUTH_PARAM,
    AUTH_PARAMS,
    AUTH_SCHEME,
    BLANKS,
    CSEQ,
    DIGITS,
    FLAT_PARAMS,
    LIST_ITEM,
    MEDIA_TYPE,
    NAME_ADDR,
    ONE_PARAM,
    PARAM,
    PARAMS,
    PLAIN_VALUE,
    QUOTED_PAIR,
    TOKEN,
    TOKEN68,
    VIA,
)
from switchroom.wire.sip.limits import MAX_CACHED_LENGTH, MAX_CSEQ, MAX_DELTA_SECONDS, URI_CACHE, VALUE_CACHE
from switchroom.wire.sip.uri import Uri, check_host, check_port, parse_uri

COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact form -> full name, lower-case (the IANA registry of SIP headers)."""

_NAMES: Final = """
    Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info
    Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length
    Content-Type CSeq Date Diversion Error-Info Event Expires Flow-Timer From Geolocation History-Info Identity
    Identity-Info In-Reply-To Info-Package Join Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE
    Organization P-Access-Network-Info P-Asserted-Identity P-Associated-URI P-Preferred-Identity Path Priority
    Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Recv-Info Refer-Sub
    Refer-To Referred-By Reject-Contact Replaces Reply-To Request-Disposition Require Retry-After Route RSeq
    Security-Client Security-Server Security-Verify Server Service-Route Session-Expires SIP-ETag SIP-If-Match
    Subject Subscription-State Supported Target-Dialog Timestamp To Unsupported User-Agent Via Warning
    WWW-Authenticate
"""

CANONICAL: Final[dict[str, str]] = {name.lower(): name for name in _NAMES.split()}
"""Full name, lower-case -> its spelling in the RFCs."""

_SINGLE: Final = """
    call-id content-disposition content-length content-type cseq event expires from join max-breadth max-forwards
    min-expires min-se rack refer-sub refer-to referred-by replaces reply-to rseq session-expires sip-etag
    sip-if-match subscription-state target-dialog to
"""

SINGLE: Final[frozenset[str]] = frozenset(_SINGLE.split())
"""What may stand once only: two of them would let two readers of one message see two different messages."""

_LISTS: Final = """
    accept accept-contact accept-encoding accept-language alert-info allow allow-events call-info contact
    content-encoding content-language diversion error-info geolocation history-info in-reply-to p-asserted-identity
    p-associated-uri p-preferred-identity path proxy-require reason record-route recv-info reject-contact
    request-disposition require route security-client security-server security-verify service-route supported
    unsupported via warning
"""

LISTS: Final[frozenset[str]] = frozenset(_LISTS.split())
"""Headers whose value is a comma-separated list; the credentials and challenges hold commas and are none."""


@dataclass(slots=True)
class NameAddr:
    """A display name, a URI and the parameters behind it: the value of From, To, Contact, Route, Path, Refer-To.

    ``display`` and the values of ``params`` are unescaped and without quotes; a parameter without a value has None.
    """

    display: str
    uri: Uri
    params: dict[str, str | None]

    @property
    def tag(self) -> str | None:
        """The tag of a From or To; None when it has none."""
        return self.params.get("tag")

    def __str__(self) -> str:
        address = f"{quote_string(self.display)} <{self.uri}>" if self.display else f"<{self.uri}>"
        return address + write_params(self.params) if self.params else address


@dataclass(slots=True)
class Via:
    """One hop. ``transport`` is upper-case, ``host`` lower-case and in brackets when IPv6, ``port`` None if unsaid."""

    transport: str
    host: str
    port: int | None
    params: dict[str, str | None]

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The source address that the receiver of the request noted."""
        return self.params.get("received")

    @property
    def wants_rport(self) -> bool:
        """Whether the sender asks for its source port (RFC 3581)."""
        return "rport" in self.params

    @property
    def rport(self) -> int | None:
        """The source port that the receiver of the request noted; None when it is absent or still empty."""
        text = self.params.get("rport")
        if not text:
            return None
        return check_port(_digits(text, "rport"))

    @property
    def sent_by(self) -> str:
        """Host and port as a transaction is matched by them (RFC 3261 17.2.3)."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{write_params(self.params)}"


@dataclass(slots=True)
class CSeq:
    """The number, below 2**31, and the method of a request within its Call-ID."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_name_addr(text: str, bare_params_belong_to_header: bool = True) -> NameAddr:
    """A name-addr, or a bare addr-spec without ``<>``; SipError 400 when it is neither.

    The parameters behind a bare URI are the header's, and it may carry no headers (RFC 3261 20.10); where no header
    is read but an address a user typed, ``bare_params_belong_to_header=False`` gives them to the URI.
    """
    end = text.find(">") + 1
    if end:
        address = _parse_address_cached(text[:end]) if end <= MAX_CACHED_LENGTH else _parse_address(text[:end])
        if address is None:  # that bracket stands in a quoted name or value
            match = NAME_ADDR.match(text)
            if match is not None:
                end = match.end()
                address = _parse_address(text[:end])
        if address is not None:
            display, address_uri = address
            return NameAddr(display, address_uri, parse_params(text, end) if end < len(text) else {})
    if not bare_params_belong_to_header:
        return NameAddr("", parse_uri(text.strip(BLANKS)), {})
    uri, semicolon, rest = text.partition(";")
    if "?" in uri or ("@" in rest and "@" not in uri):
        raise SipError(400, "A URI with headers, or with a semicolon in its user, must stand in angle brackets")
    params = parse_params(text, len(uri)) if semicolon else {}
    return NameAddr("", parse_uri(uri.strip(BLANKS)), params)


def _parse_address(text: str) -> tuple[str, Uri] | None:
    """Display name and URI of a name-addr without its parameters; None when it is none."""
    match = NAME_ADDR.fullmatch(text)
    if match is None:
        return None
    quoted, plain, uri = match.groups()
    if quoted is None:
        return plain.strip(BLANKS), parse_uri(uri)
    return _unquote(quoted), parse_uri(uri)


_parse_address_cached = lru_cache(maxsize=URI_CACHE)(_parse_address)


def parse_via(text: str) -> Via:
    """One Via value; SipError 400 when it is malformed."""
    start = text.find(";")
    if start < 0:
        start = len(text)
    hop = text[:start]
    transport, host, port = _parse_hop_cached(hop) if start <= MAX_CACHED_LENGTH else _parse_hop(hop)
    return Via(transport, host, port, parse_params(text, start))


def _parse_hop(text: str) -> tuple[str, str, int | None]:
    """Transport, host and port of a Via without its parameters."""
    match = VIA.fullmatch(text)
    if match is None:
        raise SipError(400, "A Via is malformed")
    transport, host, port = match.groups()
    return transport.upper(), check_host(host), None if port is None else check_port(port)


_parse_hop_cached = lru_cache(maxsize=URI_CACHE)(_parse_hop)


def parse_cseq(text: str) -> CSeq:
    """A CSeq value; SipError 400 unless a number below 2**31 in ASCII digits and a method."""
    match = CSEQ.fullmatch(text)
    if match is None:
        raise SipError(400, "CSeq is malformed")
    digits, method = match.groups()
    number = int(digits)
    if number > MAX_CSEQ:
        raise SipError(400, "CSeq is out of range")
    return CSeq(number, method)


def parse_params(text: str, start: int = 0) -> dict[str, str | None]:
    """``;name=value;name`` from ``start`` on, names in lower case; SipError 400 when malformed or doubled."""
    if start == len(text):
        return {}
    if match := ONE_PARAM.fullmatch(text, start):
        name, value = match.groups()
        return {name.lower(): value}
    params: dict[str, str | None] = {}
    if FLAT_PARAMS.fullmatch(text, start):
        pieces = text[start + 1 :].split(";")
        for piece in pieces:
            name, equals, value = piece.partition("=")
            params[name.lower()] = value if equals else None
        count = len(pieces)
    elif PARAMS.fullmatch(text, start):
        found = PARAM.findall(text, start)
        for name, equals, value in found:
            if value[:1] == '"':
                value = _unquote(value[1:-1])
            params[name.lower()] = value if equals else None
        count = len(found)
    else:
        raise SipError(400, "A parameter is malformed")
    if len(params) != count:
        raise SipError(400, "A parameter stands twice")
    return params


def write_params(params: dict[str, str | None]) -> str:
    """``;name=value`` of each; quoted where the value needs it, and where it is a feature tag (RFC 3840 9)."""
    text = ""
    for name, value in params.items():
        if value is None:
            text += f";{name}"
        elif name[0] != "+" and PLAIN_VALUE.fullmatch(value):
            text += f";{name}={value}"
        else:
            text += f";{name}={quote_string(value)}"
    return text


def quote_string(text: str) -> str:
    """The text as a quoted-string (RFC 3261 25.1)."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return f'"{text}"'


def _unquote(text: str) -> str:
    """What stands between the quotes of a quoted-string, its escapes resolved."""
    return QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def split_list(value: str) -> list[str]:
    """The elements of a list, parted at commas outside quotes and ``<>``; empty ones are left out.

    SipError 400 when a quote or an angle bracket is never closed.
    """
    if "," not in value:
        value = value.strip(BLANKS)
        return [value] if value else []
    if '"' not in value and "<" not in value:
        return [item for piece in value.split(",") if (item := piece.strip(BLANKS))]
    items: list[str] = []
    position, end = 0, len(value)
    while position <= end:
        match = LIST_ITEM.match(value, position)
        assert match is not None  # the expression matches the empty text
        position = match.end()
        if position < end and value[position] != ",":
            raise SipError(400, "A quote or an angle bracket is not closed")
        position += 1
        if item := match[0].strip(BLANKS):
            items.append(item)
    return items


def parse_delta_seconds(text: str) -> int:
    """Seconds, clamped to 2**32-1; SipError 400 unless one to ten ASCII digits (RFC 3261 20.19)."""
    return min(int(_digits(text, "A number of seconds")), MAX_DELTA_SECONDS)


def parse_number(text: str, what: str) -> int:
    """A plain number of one to ten ASCII digits; SipError 400 that names ``what`` it was to be."""
    return int(_digits(text, what))


def _digits(text: str, what: str) -> str:
    if not DIGITS.fullmatch(text):
        raise SipError(400, f"{what} is not a number of one to ten digits")
    return text


def parse_media_type(text: str) -> tuple[str, dict[str, str | None]]:
    """``("text/plain", {"charset": "utf-8"})``: the type lower-case, its parameters; SipError 400 when malformed."""
    if len(text) <= MAX_CACHED_LENGTH:
        media_type, params = _parse_media_type_cached(text)
        return media_type, dict(params)
    return _parse_media_type(text)


def _parse_media_type(text: str) -> tuple[str, dict[str, str | None]]:
    match = MEDIA_TYPE.match(text)
    if match is None:
        raise SipError(400, "A media type is malformed")
    return f"{match[1]}/{match[2]}".lower(), parse_params(text, match.end())


_parse_media_type_cached = lru_cache(maxsize=VALUE_CACHE)(_parse_media_type)


def parse_auth_params(text: str) -> tuple[str, dict[str, str]]:
    """Scheme and parameters of credentials or of a challenge, scheme and names lower-case, values without quotes.

    A scheme with one opaque token instead of parameters gives no parameters. SipError 400 when it is malformed or a
    parameter stands twice.
    """
    match = AUTH_SCHEME.match(text)
    if match is None:
        raise SipError(400, "Credentials without a scheme")
    scheme, start = match[1].lower(), match.end()
    if not AUTH_PARAMS.fullmatch(text, start):
        if TOKEN68.fullmatch(text, start):
            return scheme, {}
        raise SipError(400, "Credentials are malformed")
    found = AUTH_PARAM.findall(text, start)
    params: dict[str, str] = {}
    for name, value in found:
        params[name.lower()] = _unquote(value[1:-1]) if value[:1] == '"' else value
    if len(params) != len(found):
        raise SipError(400, "A parameter of credentials stands twice")
    return scheme, params


def _name_table() -> dict[str, str]:
    table: dict[str, str] = {}
    for key, name in CANONICAL.items():
        table[key] = table[name] = table[name.upper()] = table[name.title()] = key
    for short, key in COMPACT.items():
        table[short] = table[short.upper()] = key
    return table


_KEYS: Final = _name_table()

known_key: Final = _KEYS.get
"""The key of a name in one of its usual spellings, else None: ``header_key`` for those in a hurry."""


def header_key(name: str) -> str:
    """The key of a header: its full name in lower case, whatever its spelling; SipError 400 when it is no token."""
    key = _KEYS.get(name)
    if key is not None:
        return key
    if not TOKEN.fullmatch(name):
        raise SipError(400, "A header has no name that is a token, or no colon")
    key = name.lower()
    return _KEYS.get(key, key)
