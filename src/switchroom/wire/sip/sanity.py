"""Whether what a request is routed by can be relied on (RFC 3261 8.1.1, 8.2, 16.3)."""

from __future__ import annotations

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.grammar import DIGITS
from switchroom.wire.sip.limits import MAX_FORWARDS
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import ROUTABLE_SCHEMES, SIP_SCHEMES

ROUTED_BY = frozenset({"via", "from", "to", "call-id", "cseq", "contact", "route", "path", "record-route"})
"""Headers that decide where a message goes and who is meant: they must be UTF-8."""


def check(request: Request) -> SipError | None:
    """None when the request is fit to be worked on, else the error it is to be answered with.

    Via, From, To, Call-ID and CSeq are there and understood, CSeq names the method, Max-Forwards is 0 to 255 if it is
    there, Request-URI, From and To are sip, sips or tel URIs (416; the To of a REGISTER no tel, 400), their users and
    all that routes are UTF-8. What was understood is remembered by the request.
    """
    try:
        # First what an answer needs: Via, From, To, Call-ID, CSeq.
        request.via  # noqa: B018  for its error
        request.call_id  # noqa: B018  for its error
        sender, to = request.from_.uri, request.to.uri
        if request.cseq.method != request.method:
            return SipError(400, "CSeq names another method")
        if request.method == "REGISTER" and to.scheme not in SIP_SCHEMES:
            return SipError(400, "An address of record is a SIP or SIPS URI")  # RFC 3261 10.2
        for uri in (sender, to, request.uri):
            if uri.scheme not in ROUTABLE_SCHEMES:
                return SipError(416, "Unsupported URI Scheme")
            if uri.user is not None and "%" in uri.user:
                uri.unescaped_user  # noqa: B018  for its error
        hops = request.index.get("max-forwards")
        if hops is not None and (not DIGITS.fullmatch(hops) or int(hops) > MAX_FORWARDS):
            return SipError(400, "Max-Forwards is no number from 0 to 255")
        if not request.is_ascii:
            _check_utf8(request)
    except SipError as error:
        return error
    return None


def _check_utf8(request: Request) -> None:
    for key, _, value in request.fields:
        if key in ROUTED_BY and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise SipError(400, f"The header {key} is not UTF-8") from None
