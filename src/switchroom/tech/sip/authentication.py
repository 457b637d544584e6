"""Proof of who sent a request: digest access authentication (RFC 3261 22, RFC 8760).

A stranger and a known endpoint get the same bytes and the same work: a challenge is made and, when
credentials came, a response is computed against a secret nobody knows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from hashlib import blake2s

from switchroom.core.security import Offence
from switchroom.model.settings import AuthSettings, SipEndpointSettings, Source
from switchroom.tech.sip.directory import Credential, Directory
from switchroom.tech.sip.limits import FAILURE_WINDOW, MAX_COUNTED_NAME, MAX_FAILURE_ENTRIES, MAX_FAILURES
from switchroom.wire.sip.digest import (
    ALGORITHMS,
    Credentials,
    names_target,
    parse_credentials,
    verify,
    write_challenge,
)
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.nonces import Nonces, NonceVerdict

#: Tells of an offence: what, the source, the name that was used.
Tell = Callable[[Offence, str, str], None]


class Proof(Enum):
    """What authentication found."""

    PROVEN = "proven"
    #: No usable credentials, or wrong ones: challenge.
    UNPROVEN = "unproven"
    #: The credentials are right, their nonce is used up: challenge with ``stale=true``.
    STALE = "stale"


class Failures:
    """Counts failed attempts by source and name, so that guessing is slow and bounded in memory."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def exhausted(self, source: str, name: str, now: float) -> bool:
        """Whether this source has guessed this name too often of late."""
        if not self._counts:
            return False
        since, count = self._counts.get((source, name), (now, 0))
        return count >= MAX_FAILURES and now - since < FAILURE_WINDOW

    def add(self, source: str, name: str, now: float) -> None:
        key = (source, name)
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= FAILURE_WINDOW:
            since, count = now, 0
        self._counts[key] = (since, count + 1)
        if len(self._counts) > MAX_FAILURE_ENTRIES:
            self._counts.popitem(last=False)


class Authenticator:
    """Verifies requests and writes challenges."""

    def __init__(self, directory: Directory, nonces: Nonces, token: Callable[[], str], tell: Tell) -> None:
        self._directory = directory
        self._nonces = nonces
        self._tell = tell
        self._failures = Failures()
        general = directory.general
        self._opaque = token()[:16]
        self._faces = _faces(directory)
        self._faces_of = directory.revision
        self._digest, self._digest_of = False, -1
        nobody = AuthSettings(name="nobody", source=Source("", 0), username="nobody", password=token())
        self._decoy = Credential(nobody, general.default_realm, ALGORITHMS)

    def prove(self, incoming: RequestReceived, endpoint: SipEndpointSettings | None, now: float) -> Proof:
        """Whether the request is the endpoint's own. ``endpoint`` is None for a stranger, ``now`` monotonic."""
        request = incoming.request
        candidates = self._directory.credentials(endpoint) if endpoint is not None else ()
        if endpoint is not None and not endpoint.auth:
            return Proof.PROVEN
        lines = [*request.lines("authorization"), *request.lines("proxy-authorization")]
        source = incoming.flow.host
        if not lines:
            if endpoint is None and not self._names_by_digest():
                self._tell(Offence.UNKNOWN_USER, source, request.from_.uri.user or "")
            return Proof.UNPROVEN
        found = Proof.UNPROVEN
        for line in lines:
            try:
                credentials = parse_credentials(line)
            except SipError:
                continue
            name = credentials.username[:MAX_COUNTED_NAME]
            if self._failures.exhausted(source, name, now):
                self._tell(Offence.TOO_MANY_FAILURES, source, name)
                continue
            found = self._examine(request, credentials, candidates, source, now)
            if found is not Proof.UNPROVEN:
                return found
            self._failures.add(source, name, now)
        return found

    def _names_by_digest(self) -> bool:
        """Whether somebody may be nobody until their credentials name them."""
        if self._digest_of != self._directory.revision:
            self._digest_of = self._directory.revision
            self._digest = any("auth_username" in e.identify_by for e in self._directory.endpoints.values())
        return self._digest

    def _examine(
        self,
        request: Request,
        credentials: Credentials,
        candidates: tuple[Credential, ...],
        source: str,
        now: float,
    ) -> Proof:
        algorithm = credentials.algorithm
        matched = None
        tried = False
        for candidate in candidates:
            if candidate.username != credentials.username or candidate.realm != credentials.realm:
                continue
            secret = candidate.ha1(algorithm) if algorithm in candidate.algorithms else None
            if secret is not None:
                tried = True
                if verify(credentials, secret, request.method, request.body):
                    matched = candidate
                    break
        if not tried:
            # The same digest work is done for a name that does not exist.
            verify(credentials, self._decoy.ha1(algorithm) or "", request.method, request.body)
        if matched is None:
            # Not so when only the nonce is unknown: after a restart every phone comes with an old one.
            offence = Offence.FAILED_AUTHENTICATION if candidates else Offence.UNKNOWN_USER
            self._tell(offence, source, credentials.username)
            return Proof.UNPROVEN
        if not names_target(credentials, request.uri):
            return Proof.UNPROVEN
        verdict = self._nonces.check(
            credentials.nonce, source, matched.realm, credentials.nc, now, matched.nonce_lifetime
        )
        if verdict is NonceVerdict.OK:
            return Proof.PROVEN
        return Proof.STALE if verdict is NonceVerdict.STALE else Proof.UNPROVEN

    def challenges(
        self,
        endpoint: SipEndpointSettings | None,
        incoming: RequestReceived,
        now: float,
        *,
        stale: bool,
        header: str = "WWW-Authenticate",
    ) -> list[tuple[str, str]]:
        """WWW-Authenticate or Proxy-Authenticate headers, one for each algorithm, the preferred first (RFC 8760 2.4).

        A stranger is shown what some endpoint would be, always the same for one name: a realm or algorithm
        of its own would else tell who exists (SECURITY.md S10).
        """
        source = incoming.flow.host
        credentials = self._directory.credentials(endpoint) if endpoint is not None else ()
        if not credentials and self._faces_of != self._directory.revision:
            self._faces, self._faces_of = _faces(self._directory), self._directory.revision
        if credentials:
            realm, algorithms = credentials[0].realm, credentials[0].algorithms
        elif len(self._faces) == 1:
            realm, algorithms = self._faces[0]
        else:
            name = str(incoming.request.from_.uri.user).encode("utf-8", "surrogateescape")
            digest = blake2s(name, key=self._opaque.encode(), digest_size=8).digest()
            realm, algorithms = self._faces[int.from_bytes(digest) % len(self._faces)]
        return [
            (
                header,
                write_challenge(realm, self._nonces.issue(source, realm, now), self._opaque, algorithm, stale),
            )
            for algorithm in algorithms
        ]


def _faces(directory: Directory) -> list[tuple[str, tuple[str, ...]]]:
    """Realm and algorithms that each endpoint with a secret is challenged with: one when all are alike."""
    general = directory.general
    shown = [
        (credentials[0].realm, credentials[0].algorithms)
        for endpoint in directory.endpoints.values()
        if (credentials := directory.credentials(endpoint))
    ]
    return shown if len(set(shown)) > 1 else shown[:1] or [(general.default_realm, general.default_auth_algorithms_uas)]
