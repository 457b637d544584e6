"""Why a server was not reached or did not do it: one line that says what to do."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException, IncompleteRead

from switchroom.cli.terminal import Refused, Unreachable, reason

#: OpenSSL's X509_V_ERR_*: what ails a certificate, and what helps.
_CERTIFICATES = {
    9: "is not valid yet: see to the clocks here and there",
    10: "has expired: renew it and restart the server (tlscertfile of http.conf)",
    18: "is signed by itself: name its file with --ca-file",
    19: "is of an authority that is not known here: name the authority's file with --ca-file",
    20: "is of an authority that is not known here: name the authority's file with --ca-file",
    21: "is of an authority that is not known here: name the authority's file with --ca-file",
    62: "is for another name: use the name it was made for in --url",
    64: "is for another address: use the name it was made for in --url",
}


def unreachable(url: str, error: Exception) -> Refused:
    """What an exception of a connection to ``url`` means: an Unreachable, unless another attempt is bound to fail."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _CERTIFICATES.get(error.verify_code, f"is refused ({error.verify_message})")
        return Refused(f"the certificate of {url} {what}")
    if isinstance(error, ssl.SSLError):
        return Refused(f"no TLS is spoken at {url}: name the TLS port (tlsbindaddr of http.conf), or write http://")
    if isinstance(error, socket.gaierror | UnicodeError):  # a name that can be none of a host is a UnicodeError
        return Unreachable(f"the host of {url} is not known: see to its name in --url, and to the network")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{url} does not answer in time: see to the network, and to the server's log")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"no server answers at {url}: start it there, or name its place with --url")
    if isinstance(error, ConnectionError | IncompleteRead):
        return Unreachable(f"the server at {url} was lost: ask again, and see its log")
    if isinstance(error, HTTPException):
        return Refused(f"what answers at {url} is no HTTP server: see to its port, or write https://")
    if isinstance(error, OSError):
        return Unreachable(f"no server answers at {url}: {reason(error)}")
    return Refused(f"{url}: {error or type(error).__name__}")


def denied(url: str, user: str, status: int, message: str | None) -> Refused:
    """What an answer of 300 or more means."""
    said = message or f"the server answers {status}"
    if status == 401:
        return Refused(
            f'wrong password, or no user "{user}" at {url}: see ari.conf there '
            "(after ten wrong ones it refuses for a minute)",
            status,
        )
    if status == 403 and "origin" in said:
        return Refused(f"{said}: a proxy before {url} adds an Origin; list it in allowed_origins of ari.conf", status)
    if status == 403 and "Write" in said:
        return Refused(f'{said}: "{user}" may only read; use a user without read_only in ari.conf', status)
    if status == 403 and "ACL" in said:
        return Refused(f'{said}: "{user}" may not come from here; see to the permit and deny of ari.conf', status)
    if message is None:
        return Refused(f"what answers at {url} is no ARI ({status}): see to --url, and to prefix of http.conf", status)
    if status == 503:
        return Refused(f"{said}: ask again in a moment", status)
    return Refused(said, status)
