"""What each torture message meets with: at the parser, and at a server that takes it for its own.

``parser``: ``ACCEPTED``, or the status of the error that ``parse``, ``sanity.check`` or, of a response, the headers
it finds its transaction by are refused with. ``trusted``: the statuses a peer known by its address may get over UDP, or
``SILENCE``. A stranger gets 401, or 407, instead of what is not refused before authentication; see ``stranger``.

"RFC" in a reason is what the RFC's text asks of an element; the rest says how this server answers to it.
"""

from __future__ import annotations

from typing import NamedTuple

ACCEPTED = None
SILENCE = 0


class Verdict(NamedTuple):
    """Expected of one message."""

    parser: int | None
    trusted: frozenset[int]
    why: str
    #: Nothing is wrong with it: it goes to a phone, whose answer never comes.
    passed_on: bool = False

    @property
    def stranger(self) -> frozenset[int]:
        """Expected by a peer that nothing is known of (RFC 3261 8.2: authentication comes first)."""
        if self.parser is not ACCEPTED or (SILENCE in self.trusted and not self.passed_on):
            return self.trusted
        return frozenset({401, 407})  # a proxy asks so, for INVITE (RFC 3261 22.3)


def _verdict(parser: int | None, trusted: int, why: str) -> Verdict:
    return Verdict(parser, frozenset({trusted}), why)


def _passed_on(why: str) -> Verdict:
    """A call that rings on, or is 500 once it is known that the host of the phone has no address (RFC 3261 16.7)."""
    return Verdict(ACCEPTED, frozenset({SILENCE, 500}), why, passed_on=True)


VERDICTS = {
    # ---- RFC 4475 3.1.1, valid
    "wsinv": _verdict(
        ACCEPTED, 481, "RFC: all elements treat it as well-formed. To has a tag and there is no such dialog."
    ),
    "intmeth": _verdict(
        400,
        SILENCE,
        "RFC: endpoints answer 501. Deviation: a NUL in the header block, here as a quoted-pair, is refused as"
        " smuggling (threats S05), and an answer would have to repeat it in To.",
    ),
    "esc01": _verdict(ACCEPTED, 404, "RFC: a parser must accept it. Nobody here is called so."),
    "escnull": _verdict(
        ACCEPTED, 404, "RFC: parsers must accept it and not shorten the user at %00. That user is no AOR of the peer."
    ),
    "esc02": _verdict(ACCEPTED, 501, "RFC: RE%47IST%45R is not REGISTER; an endpoint rejects it with 501."),
    "lwsdisp": _verdict(ACCEPTED, 200, "RFC: no LWS before < is a bug of the grammar; accept as well-formed."),
    "longreq": _verdict(ACCEPTED, 480, "RFC: well-formed, with long values. Who is called is not registered."),
    "dblreq": _verdict(
        ACCEPTED, 404, "RFC: handle the REGISTER, ignore the octets behind it. j.user is no AOR of the peer."
    ),
    "semiuri": _verdict(
        ACCEPTED, 404, "RFC: accept; the user part is user;par=u@example.net. Nobody here is called so."
    ),
    "transports": _verdict(ACCEPTED, 200, "RFC: accept every transport in the lower Via values."),
    "mpart01": _verdict(ACCEPTED, 415, "RFC: parsers accept it. Texts are text/plain here; RFC 3428 7: else 415."),
    "unreason": _verdict(ACCEPTED, SILENCE, "RFC: a parser must accept it. A response that answers no request."),
    "noreason": _verdict(ACCEPTED, SILENCE, "RFC: a parser must accept it. A response that answers no request."),
    # ---- RFC 4475 3.1.2, invalid
    "badinv01": _verdict(
        400, SILENCE, "RFC: 400. Without a Via that can be understood there is nobody to answer (silence)."
    ),
    "clerr": _verdict(400, 400, "RFC: 400 over UDP for a Content-Length beyond the datagram."),
    "ncl": _verdict(400, 400, "RFC: an error for a negative Content-Length."),
    "scalar02": _verdict(400, SILENCE, "RFC: 400 for a CSeq above 2**32-1; an answer would have to repeat it."),
    "scalarlg": _verdict(400, SILENCE, "RFC: a response with such a CSeq is discarded."),
    "quotbal": _verdict(400, SILENCE, "RFC: 400 for the open quote in To; an answer would have to repeat it."),
    "ltgtruri": _verdict(400, 400, "RFC: reasonable always to reject <> around the Request-URI with 400."),
    "lwsruri": _verdict(400, 400, "RFC: 400 for LWS within the Request-URI."),
    "lwsstart": _verdict(400, 400, "RFC: acceptable to reject several SP in the start line as malformed."),
    "trws": _verdict(400, 400, "RFC: acceptable to reject SP at the end of the start line as malformed."),
    "escruri": _verdict(
        ACCEPTED, 480, "RFC: an element may ignore the headers in the Request-URI. Who is called is not registered."
    ),
    "baddate": _verdict(ACCEPTED, 480, "RFC: no reason to reject unless Date matters. Not registered."),
    "regbadct": _verdict(
        ACCEPTED, 400, "RFC: 400 is reasonable for a Contact with escaped headers and no <>; the registrar finds it."
    ),
    "badaspec": _verdict(400, SILENCE, "RFC: 400 is reasonable for spaces inside To's <>; parsers must not break."),
    "baddn": _verdict(400, SILENCE, "RFC: reasonable always to reject commas in an unquoted display name."),
    "badvers": _verdict(505, 505, "RFC: 505 for SIP/7.0."),
    "mismatch01": _verdict(400, 400, "RFC: any element answers 400 when start line and CSeq differ."),
    "mismatch02": _verdict(400, 400, "RFC: 501, 400 is also acceptable; CSeq is looked at before the method here."),
    "bigcode": _verdict(400, SILENCE, "RFC: drop a response with a code above 699."),
    # ---- RFC 4475 3.2, transactions
    "badbranch": _verdict(ACCEPTED, 200, "RFC: may fall back to RFC 2543 transaction matching."),
    # ---- RFC 4475 3.3, application
    "insuf": _verdict(400, SILENCE, "RFC: ideally 400; an answer needs the Call-ID, From and To that are missing."),
    "unkscm": _verdict(416, 416, "RFC: 416 for a Request-URI scheme nobody knows."),
    "novelsc": _verdict(416, 416, "RFC: 416 for a scheme that is never accepted."),
    "unksm2": _verdict(400, 400, "RFC: a registrar rejects a To that is no SIP URI with 400."),
    "bext01": _verdict(ACCEPTED, 420, "RFC: 420, with what Require lists in Unsupported."),
    "invut": _verdict(ACCEPTED, 480, "RFC: 415 from an endpoint; a proxy does not look at bodies. Not registered."),
    "regaut01": _verdict(
        ACCEPTED, 404, "RFC: a registrar that asks no credentials ignores the scheme. j.user is no AOR of the peer."
    ),
    "multi01": _verdict(400, 400, "RFC: 400 for several Call-ID, To, From, Max-Forwards and CSeq."),
    "mcl01": _verdict(400, 400, "RFC: an error for several Content-Length."),
    "bcast": _verdict(ACCEPTED, SILENCE, "RFC: discard; never send towards 255.255.255.255."),
    "zeromf": _verdict(ACCEPTED, 200, "RFC: an endpoint handles Max-Forwards 0 as any other; 483 is for proxies."),
    "cparam01": _verdict(ACCEPTED, 200, "RFC: should succeed; unknownparam is a parameter of the Contact."),
    "cparam02": _verdict(ACCEPTED, 200, "RFC: should succeed; unknownparam is a parameter of the URI."),
    "regescrt": _verdict(ACCEPTED, 200, "RFC: should succeed; the binding keeps its escaped Route."),
    "sdp01": _passed_on("RFC: 406 or 400 from an endpoint, which is for the phone to say."),
    # ---- RFC 4475 3.4, RFC 2543
    "inv2543": _verdict(
        ACCEPTED, 404, "RFC: should be accepted without branch, From tag and Max-Forwards. Nobody is called."
    ),
    # ---- RFC 5118
    "ipv6-good": _verdict(ACCEPTED, 200, "RFC: well-formed. The registrar takes its AOR from To."),
    "ipv6-bad": _verdict(400, 400, "RFC: 400 for an IPv6 address without brackets."),
    "port-ambiguous": _verdict(ACCEPTED, 200, "RFC: 5070 is a part of the address, well-formed."),
    "port-unambiguous": _verdict(ACCEPTED, 200, "RFC: 5070 is the port."),
    "via-received-param-with-delim": _verdict(ACCEPTED, 481, "RFC: accept brackets in received. No such dialog."),
    "via-received-param-no-delim": _verdict(ACCEPTED, 200, "RFC: accept received without brackets."),
    "ipv6-in-sdp": _verdict(
        400, 400, "RFC: valid but for its own slip: Content-Length goes beyond the datagram (RFC 3261 18.3: 400)."
    ),
    "mult-ip-in-header": _verdict(ACCEPTED, 481, "RFC: well-formed. No such dialog."),
    "mult-ip-in-sdp": _passed_on("RFC: well-formed."),
    "ipv4-mapped-ipv6": _passed_on("RFC: well-formed."),
    "ipv6-bug-abnf-3-colons": _verdict(ACCEPTED, 200, "RFC: must tolerate the third colon of RFC 3261's grammar."),
    "ipv6-correct-abnf-2-colons": _verdict(ACCEPTED, 200, "RFC: well-formed."),
}
