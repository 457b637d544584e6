"""Digest authentication: RFC 7616 as RFC 8760 brings it to SIP, and the RFC 2069 form phones still use.

Pure functions over text. Who may use which algorithm, realm and account is the caller's to decide;
which nonce may be used how often is decided in ``nonces``. The order that leaks and counts nothing:
parse, look the account up, ``verify`` (with any HA1 when there is no account, so that it takes as
long), ``names_target``, and last ``Nonces.check``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import parse_auth_params, quote_string
from switchroom.wire.sip.table_limits import MAX_CREDENTIALS
from switchroom.wire.sip.uri import Uri, parse_uri


def _md5(data: bytes) -> str:
    # RFC 3261 phones know nothing else; the choice of algorithm is the configuration's.
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha_256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha_512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


#: RFC 8760 2.1, by the names of its registry.
_HASHES: Final[dict[str, Callable[[bytes], str]]] = {"MD5": _md5, "SHA-256": _sha_256, "SHA-512-256": _sha_512_256}
_HEX_LENGTHS: Final = {name: len(digest(b"")) for name, digest in _HASHES.items()}
ALGORITHMS: Final = tuple(_HASHES)
_LOWER_HEX: Final = frozenset("0123456789abcdef")
_NC_LENGTH: Final = 8


class Credentials(NamedTuple):
    """An Authorization or Proxy-Authorization value (RFC 7616 3.4), its texts without quotes."""

    username: str
    """Never empty."""

    realm: str
    nonce: str

    uri: str
    """What the client says it asked for; compare with ``names_target``, never as text."""

    response: str
    """Lower-case hex, of the algorithm's length."""

    algorithm: str
    """One of ALGORITHMS; ``MD5`` when the client named none."""

    qop: str
    """``auth``, ``auth-int``, or empty: the RFC 2069 form."""

    nc: int | None
    """The count, at least 1; None exactly when ``qop`` is empty."""

    nc_text: str
    """The count as written, as the digest covers it."""

    cnonce: str
    opaque: str

    def __repr__(self) -> str:
        """Without nonce and response: credentials end up in logs, and these could be replayed."""
        return f"Credentials(username={self.username!r}, realm={self.realm!r}, algorithm={self.algorithm!r})"


class Challenge(NamedTuple):
    """A WWW-Authenticate or Proxy-Authenticate value (RFC 7616 3.3)."""

    realm: str
    nonce: str

    opaque: str | None
    """To be sent back as it came; None when there was none."""

    algorithm: str
    """One of ALGORITHMS; ``MD5`` when the server named none."""

    qop: tuple[str, ...]
    """What is offered, lower-case; empty: the RFC 2069 form."""

    stale: bool
    """The credentials were right but for their nonce."""


def hash_ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """H(A1) in hex: what may be kept instead of a password (RFC 7616 3.4.2).

    Raises:
        SipError: 400, unknown algorithm.
    """
    return _HASHES[_algorithm(algorithm)](_bytes(f"{user}:{realm}:{password}"))


@lru_cache(maxsize=1)  # whoever passes a request on looks at what was just verified
def parse_credentials(value: str) -> Credentials:
    """Reads an Authorization or Proxy-Authorization value. What it returns is complete and unambiguous.

    Raises:
        SipError: 400: not Digest, a parameter missing, empty, malformed, or of an algorithm unknown here.
    """
    params = _digest_params(value)
    algorithm = _algorithm(params.get("algorithm", "MD5"))
    response = _required(params, "response")
    if len(response) != _HEX_LENGTHS[algorithm] or not _LOWER_HEX.issuperset(response):
        raise SipError(400, "digest response is not the hex of its algorithm")
    qop = params.get("qop", "")
    nc_text = params.get("nc", "")
    cnonce = params.get("cnonce", "")
    if "qop" in params:
        if qop not in ("auth", "auth-int"):
            raise SipError(400, "digest qop is neither auth nor auth-int")
        nc = _count(nc_text)
        if not cnonce:
            raise SipError(400, "digest qop without cnonce")
    elif "nc" in params or "cnonce" in params:
        # RFC 7616 3.4: neither may be there without qop. Half of one form and half of the other is a downgrade.
        raise SipError(400, "digest nc or cnonce without qop")
    else:
        nc = None
    return Credentials(
        username=_required(params, "username"),
        realm=_required(params, "realm"),
        nonce=_required(params, "nonce"),
        uri=_required(params, "uri"),
        response=response,
        algorithm=algorithm,
        qop=qop,
        nc=nc,
        nc_text=nc_text,
        cnonce=cnonce,
        opaque=params.get("opaque", ""),
    )


def verify(credentials: Credentials, ha1: str, method: str, body: bytes = b"") -> bool:
    """Whether whoever made ``credentials`` knows the password behind ``ha1``, and made them for this request.

    ``ha1`` is hex, for the credentials' algorithm, username and realm. Takes as long for a right as for a
    wrong one. Says nothing about the nonce and the URI.
    """
    expected = _response(
        credentials.algorithm,
        ha1,
        credentials.nonce,
        method,
        credentials.uri,
        credentials.qop,
        credentials.nc_text,
        credentials.cnonce,
        body,
    )
    return hmac.compare_digest(expected, credentials.response)


def names_target(credentials: Credentials, target: Uri) -> bool:
    """Whether the digest URI names the user and host of the Request-URI; phones differ in port and parameters."""
    try:
        uri = parse_uri(credentials.uri)
        if target.host:
            return uri.host == target.host and uri.unescaped_user == target.unescaped_user
    except SipError:
        return False
    return uri == target


def write_challenge(realm: str, nonce: str, opaque: str = "", algorithm: str = "MD5", stale: bool = False) -> str:
    """A WWW-Authenticate value that offers qop ``auth``; short, because an attacker may have it sent to others."""
    value = f'Digest realm={quote_string(realm)},nonce="{nonce}"'
    if opaque:
        value += f",opaque={quote_string(opaque)}"
    value += f',algorithm={algorithm},qop="auth"'
    return value + ",stale=true" if stale else value


def parse_challenge(value: str) -> Challenge:
    """Reads a WWW-Authenticate or Proxy-Authenticate value.

    Raises:
        SipError: 400: not Digest, realm or nonce missing, an algorithm or qop unknown here.
    """
    params = _digest_params(value)
    qop = tuple(option for option in (part.strip().lower() for part in params.get("qop", "").split(",")) if option)
    if qop and "auth" not in qop and "auth-int" not in qop:
        raise SipError(400, "challenge offers no known qop")
    return Challenge(
        realm=params.get("realm", ""),
        nonce=_required(params, "nonce"),
        opaque=params.get("opaque"),
        algorithm=_algorithm(params.get("algorithm", "MD5")),
        qop=qop,
        stale=params.get("stale", "").lower() == "true",
    )


def answer(
    challenge: Challenge, *, method: str, uri: str, username: str, ha1: str, cnonce: str, nc: int = 1, body: bytes = b""
) -> str:
    """The Authorization or Proxy-Authorization value for a challenge, with the qop ``auth`` where offered.

    ``ha1`` is ``hash_ha1(challenge.algorithm, username, challenge.realm, password)``; ``cnonce`` is fresh and
    random; ``nc`` counts the requests sent with this nonce, from 1.
    """
    qop = ("auth" if "auth" in challenge.qop else "auth-int") if challenge.qop else ""
    nc_text = f"{nc:08x}"
    response = _response(challenge.algorithm, ha1, challenge.nonce, method, uri, qop, nc_text, cnonce, body)
    value = (
        f"Digest username={quote_string(username)}, realm={quote_string(challenge.realm)},"
        f" nonce={quote_string(challenge.nonce)}, uri={quote_string(uri)},"
        f' response="{response}", algorithm={challenge.algorithm}'
    )
    if qop:
        value += f", qop={qop}, nc={nc_text}, cnonce={quote_string(cnonce)}"
    if challenge.opaque is not None:
        value += f", opaque={quote_string(challenge.opaque)}"
    return value


def _response(
    algorithm: str, ha1: str, nonce: str, method: str, uri: str, qop: str, nc: str, cnonce: str, body: bytes
) -> str:
    """RFC 7616 3.4.1; without qop the form of RFC 2069."""
    digest = _HASHES[algorithm]
    if not qop:
        return digest(_bytes(f"{ha1}:{nonce}:{digest(_bytes(f'{method}:{uri}'))}"))
    a2 = f"{method}:{uri}:{digest(body)}" if qop == "auth-int" else f"{method}:{uri}"
    return digest(_bytes(f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{digest(_bytes(a2))}"))


def _digest_params(value: str) -> dict[str, str]:
    if len(value) > MAX_CREDENTIALS:
        raise SipError(400, "authentication header too long")
    scheme, params = parse_auth_params(value)
    if scheme != "digest":
        raise SipError(400, "authentication scheme is not Digest")
    return params


def _algorithm(token: str) -> str:
    """The registered name of an algorithm; tokens are case-insensitive (RFC 3261 7.3.1)."""
    name = token.upper()
    if name not in _HASHES:
        raise SipError(400, "unknown digest algorithm")
    return name


def _required(params: dict[str, str], name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise SipError(400, f"digest without {name}")
    return value


def _count(text: str) -> int:
    """``nc-value`` is exactly eight hex digits (RFC 7616 3.4), and counting starts at 1."""
    if len(text) != _NC_LENGTH or not _LOWER_HEX.issuperset(text.lower()):
        raise SipError(400, "digest nc is not eight hex digits")
    count = int(text, 16)
    if not count:
        raise SipError(400, "digest nc is zero")
    return count


def _bytes(text: str) -> bytes:
    """The bytes that came in, or that go out: the digest is over those."""
    return text.encode("utf-8", "surrogateescape")
