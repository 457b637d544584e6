"""From the bytes of one message to a Request or Response (RFC 3261 7 and 18.3).

Only what later readers could disagree about is decided here: where the head ends, where each header begins, what its
name is, what stands once only and how long the body is. A bare CR or LF, a NUL, two Call-IDs or two Content-Lengths
are refused, because another element could take them for something else than we do (smuggling). The values are split
off, unfolded, and understood later, by whoever needs them.
"""

from __future__ import annotations

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import BLANKS, DIGITS, SIP_VERSION, STATUS_LINE, TOKEN
from switchroom.wire.sip.headers import SINGLE, header_key, known_key
from switchroom.wire.sip.limits import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_LINE
from switchroom.wire.sip.message import Field, Request, Response


def parse(data: bytes) -> Request | Response:
    """One whole message: a datagram, a frame, or what the stream framer cut out.

    The body ends after Content-Length bytes, or with the data when there is no such header; what follows it is
    ignored. Raises SipError: 505 for another SIP version, 513 when too large, else 400. The error of a request whose
    lines could be told apart carries that request, so that it can be answered.
    """
    if data[:2] == b"\r\n":
        data = _without_leading_crlfs(data)
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise SipError(400, "The head of the message does not end")
    if len(head) > MAX_HEAD or len(body) > MAX_BODY:
        raise SipError(513, "The message is too large")
    text = head.decode("utf-8", "surrogateescape")
    start_line, *lines = _split_lines(text)

    fields: list[Field] = []
    index: dict[str, str] = {}
    fault: SipError | None = None
    for line in lines:
        name, colon, value = line.partition(":")
        key = known_key(name)
        if key is None or not colon:
            name = name.rstrip(BLANKS)
            try:
                key = header_key(name if colon else "")
            except SipError as error:
                fault = error
                continue
        value = value.strip(BLANKS)
        fields.append((key, name, value))
        if key not in index:
            index[key] = value
        elif key in SINGLE:
            fault = SipError(400, f"The header {key} stands twice")

    length = index.get("content-length")
    if length is not None:
        fault = _length_fault(length, body) or fault
        if fault is None:
            body = body[: int(length)]
    return _finish(start_line, fields, body, index, text.isascii(), fault)


def _split_lines(text: str) -> list[str]:
    """The start line and the unfolded headers of a head that nobody can split in another way."""
    lines = text.split("\r\n")
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise SipError(400, "A bare CR or LF or a NUL stands in the head")
    if "\r\n " in text or "\r\n\t" in text:
        lines = _unfold(lines)
    if len(lines) > MAX_HEADERS + 1 or (len(text) > MAX_LINE and max(map(len, lines)) > MAX_LINE):
        raise SipError(513, "The message has too many or too long headers")
    return lines


def _length_fault(length: str, body: bytes) -> SipError | None:
    if not DIGITS.fullmatch(length):
        return SipError(400, "Content-Length is not a number of one to ten digits")
    if int(length) > len(body):
        return SipError(400, "The body is shorter than its Content-Length")
    return None


def _finish(
    start_line: str, fields: list[Field], body: bytes, index: dict[str, str], is_ascii: bool, fault: SipError | None
) -> Request | Response:
    """Understands the start line and raises what was found on the way, now that it is known who would be answered."""
    if start_line[:4].upper() == "SIP/":
        status, reason = _status_line(start_line)
        if fault is not None:
            raise fault
        return Response(status, reason, fields, body, index, is_ascii)
    method, _, rest = start_line.partition(" ")
    target, _, version = rest.rpartition(" ")
    request = Request(method, target, fields, body, index, is_ascii)
    if version != "SIP/2.0" or " " in target or "\t" in target or not target:
        fault = _request_line_fault(target, version) or fault
    if not TOKEN.fullmatch(method):
        raise SipError(400, "The method is no token")
    if fault is not None:
        fault.request = request
        raise fault
    return request


def _request_line_fault(target: str, version: str) -> SipError | None:
    if not SIP_VERSION.fullmatch(version):
        return SipError(400, "The request line does not end with the SIP version")
    if version.upper() != "SIP/2.0":
        return SipError(505, "SIP version not supported")
    if " " in target or "\t" in target or not target:
        return SipError(400, "The request line is not three words")
    return None


def _status_line(line: str) -> tuple[int, str]:
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise SipError(400, "The status line is malformed")
    version, status, reason = match.groups()
    if version != "2.0":
        raise SipError(505, "SIP version not supported")
    return int(status), reason or ""


def _unfold(lines: list[str]) -> list[str]:
    """Joins each line with its continuations, one blank for each fold (RFC 3261 7.3.1)."""
    groups: list[list[str]] = []
    for line in lines:
        if line[:1] not in (" ", "\t"):
            groups.append([line])
        elif len(groups) > 1:
            groups[-1].append(line)
        else:
            raise SipError(400, "The first header begins with a blank")
    return [group[0] if len(group) == 1 else " ".join(piece.strip(BLANKS) for piece in group) for group in groups]


def _without_leading_crlfs(data: bytes) -> bytes:
    """The data behind the CRLFs that may stand before a start line (RFC 3261 7.5)."""
    rest = data.lstrip(b"\r\n")
    skipped = len(data) - len(rest)
    if data[:skipped] != b"\r\n" * (skipped // 2):
        raise SipError(400, "A bare CR or LF stands before the start line")
    return rest
