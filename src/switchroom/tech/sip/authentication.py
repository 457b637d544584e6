"""Proof of who sent a request: digest access authentication (RFC 3261 22, RFC 8760).

A stranger and a known endpoint get the same bytes and the same work: a challenge is made and, when
credentials came, a response is computed against a secret nobody knows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Credential, Directory
from switchroom.tech.sip.limits import FAILURE_WINDOW, MAX_FAILURE_ENTRIES, MAX_FAILURES
from switchroom.wire.sip.digest import Credentials, hash_ha1, names_target, parse_credentials, verify, write_challenge
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.nonces import Nonces, NonceVerdict


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

    def __init__(self, directory: Directory, nonces: Nonces, token: Callable[[], str]) -> None:
        self._directory = directory
        self._nonces = nonces
        self._failures = Failures()
        general = directory.general
        self._opaque = token()[:16]
        self._decoys = {
            name: hash_ha1(name, "nobody", general.default_realm, token()) for name in ("MD5", "SHA-256", "SHA-512-256")
        }

    def prove(self, incoming: RequestReceived, endpoint: SipEndpointSettings | None, now: float) -> Proof:
        """Whether the request is the endpoint's own. ``endpoint`` is None for a stranger, ``now`` monotonic."""
        request = incoming.request
        candidates = self._directory.credentials(endpoint) if endpoint is not None else ()
        if endpoint is not None and not endpoint.auth:
            return Proof.PROVEN
        lines = request.lines("authorization")
        if not lines:
            return Proof.UNPROVEN
        source = incoming.flow.host
        found = Proof.UNPROVEN
        for line in lines:
            try:
                credentials = parse_credentials(line)
            except SipError:
                continue
            if self._failures.exhausted(source, credentials.username, now):
                continue
            found = self._examine(request, credentials, candidates, source, now)
            if found is not Proof.UNPROVEN:
                return found
            self._failures.add(source, credentials.username, now)
        return found

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
        secret = None
        for candidate in candidates:
            if candidate.username == credentials.username and candidate.realm == credentials.realm:
                secret = candidate.ha1(algorithm) if algorithm in candidate.algorithms else None
                if secret is not None:
                    matched = candidate
                    break
        # The same digest work is done for a name that does not exist (threats.md S11).
        right = verify(credentials, secret or self._decoys.get(algorithm, ""), request.method, request.body)
        if matched is None or not right or not names_target(credentials, request.uri):
            return Proof.UNPROVEN
        verdict = self._nonces.check(
            credentials.nonce, source, matched.realm, credentials.nc, now, matched.nonce_lifetime
        )
        if verdict is NonceVerdict.OK:
            return Proof.PROVEN
        return Proof.STALE if verdict is NonceVerdict.STALE else Proof.UNPROVEN

    def challenges(
        self, endpoint: SipEndpointSettings | None, source: str, now: float, *, stale: bool
    ) -> list[tuple[str, str]]:
        """WWW-Authenticate headers, one for each algorithm, the preferred first (RFC 8760 2.4)."""
        general = self._directory.general
        realm, algorithms = general.default_realm, general.default_auth_algorithms_uas
        if endpoint is not None:
            credentials = self._directory.credentials(endpoint)
            if credentials:
                realm, algorithms = credentials[0].realm, credentials[0].algorithms
        return [
            (
                "WWW-Authenticate",
                write_challenge(realm, self._nonces.issue(source, realm, now), self._opaque, algorithm, stale),
            )
            for algorithm in algorithms
        ]
