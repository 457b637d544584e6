"""From methods, headers and bodies to bytes: the only place that makes a CRLF (RFC 3261 7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import RECEIVED, TOKEN
from switchroom.wire.sip.headers import header_key, known_key, parse_via, split_list
from switchroom.wire.sip.message import Request, Response

REASONS: Final[dict[int, str]] = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    424: "Bad Location Information",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    436: "Bad Identity-Info",
    437: "Unsupported Certificate",
    438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    469: "Bad Info Package",
    470: "Consent Needed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}
"""Status code -> standard reason phrase (the IANA registry of SIP response codes)."""


def write_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request. Content-Length is written last; one that is given is left out.

    Raises SipError 400 for CR, LF or NUL anywhere, a name that is no token, or a target that is no single word.
    """
    if not TOKEN.fullmatch(method) or not target or " " in target or "\t" in target:
        raise SipError(400, "The method is no token or the Request-URI no single word")
    lines = [f"{method} {target} SIP/2.0"]
    _add_headers(lines, headers)
    return _encode(lines, body)


def write_response(
    request: Request,
    status: int,
    reason: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    to_tag: str = "",
    received: tuple[str, int] | None = None,
) -> bytes:
    """The answer to a request: its Vias, From, To, Call-ID and CSeq as they came, ``headers``, Content-Length.

    ``received`` (host without brackets, port) is written into the topmost Via (RFC 3581); ``to_tag`` is added to a To
    that has none. An empty ``reason`` means the standard one. Raises SipError 400 when the request lacks what an
    answer needs, or for CR, LF or NUL anywhere.
    """
    if not 100 <= status <= 699:
        raise SipError(400, "A status is 100 to 699")
    index = request.index
    try:
        via, sender, to, call_id, cseq = index["via"], index["from"], index["to"], index["call-id"], index["cseq"]
    except KeyError as missing:
        raise SipError(400, f"The header {missing.args[0]} is missing") from None
    if received is not None:
        via = _received_via(request, via, *received)
    lines = [f"SIP/2.0 {status} {reason or REASONS.get(status, '')}", f"Via: {via}"]
    lines += [f"Via: {other}" for other in request.lines("via")[1:]]
    if to_tag and request.to.tag is None:
        to = f"{to};tag={to_tag}"
    lines += (f"From: {sender}", f"To: {to}", f"Call-ID: {call_id}", f"CSeq: {cseq}")
    _add_headers(lines, headers)
    return _encode(lines, body)


def received_vias(request: Request, host: str, port: int) -> list[str]:
    """The Via lines of a request as a proxy passes them on: its source is written into the topmost one.

    Raises SipError 400 when there is no sound Via.
    """
    top, *others = request.lines("via") or [""]
    return [_received_via(request, top, host, port), *others]


def write_forwarded(
    response: Response,
    vias: Iterable[str],
    *,
    extra: Iterable[tuple[str, str]] = (),
    without: frozenset[str] = frozenset(),
) -> bytes:
    """A response that a proxy passes on (RFC 3261 16.7 step 9): every header as it came and in its order but for Via,
    then those of ``extra``. ``without`` are keys of headers that go no further.

    ``vias`` are those of the request it answers, as they came to us: the response goes back by them, whatever
    it says itself. Raises SipError 400 for CR, LF or NUL in them.
    """
    lines = [f"SIP/2.0 {response.status} {response.reason}"]
    lines += [f"Via: {via}" for via in vias]
    dropped = _REWRITTEN | without if without else _REWRITTEN
    lines += [f"{name}: {value}" for key, name, value in response.fields if key not in dropped]
    lines += [f"{name}: {value}" for name, value in extra]
    return _encode(lines, response.body)


_REWRITTEN: Final = frozenset({"via", "content-length"})


def _received_via(request: Request, line: str, host: str, port: int) -> str:
    """The first line of Vias with the source of the request in the topmost one (RFC 3261 18.2.1, RFC 3581 4)."""
    request.via  # noqa: B018  raises when there is no sound Via to write to
    top, *others = split_list(line) if "," in line else (line,)
    if '"' in top:
        via = parse_via(top)
        via.params.pop("received", None)
        via.params.pop("rport", None)
        top = str(via)
    else:
        top = RECEIVED.sub("", top)
    return ", ".join((f"{top};received={host};rport={port}", *others))


def _add_headers(lines: list[str], headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        key = known_key(name) or header_key(name)
        if key != "content-length":
            lines.append(f"{name}: {value}")


def _encode(lines: list[str], body: bytes) -> bytes:
    """Joins the head. One count over all of it finds a line break that no line was meant to have."""
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    text = "\r\n".join(lines)
    breaks = len(lines) + 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise SipError(400, "CR, LF or NUL in a header")
    try:
        return text.encode("utf-8", "surrogateescape") + body
    except UnicodeEncodeError:
        raise SipError(400, "Half a surrogate pair in a header") from None
