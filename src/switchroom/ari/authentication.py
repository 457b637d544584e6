"""Who asks: HTTP Basic, or ``api_key`` in the query, against the users of ari.conf.

Credentials that were right once are known again by their text, so a request costs a dictionary look-up
and a hash is computed once. Wrong ones are counted by source and account; beyond the bound further ones
are refused without a look, which touches neither other sources nor credentials that are known already.
"""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from switchroom.ari.errors import Refusal
from switchroom.ari.limits import (
    FAILURE_SECONDS,
    FAILURE_SOURCES,
    FAILURES,
    HASHES,
    KNOWN_CREDENTIALS,
    WAITING_HASHES,
)
from switchroom.core.ports import Clock
from switchroom.core.security import Offence
from switchroom.model.settings import AriSettings, AriUser

if TYPE_CHECKING:
    from passlib.context import CryptContext

_log = structlog.get_logger("switchroom.ari.authentication")

#: What security events call this edge.
SERVICE = "ARI"

Credentials = tuple[str, str]

#: Tells of an offence: what, the source, the name that was used.
Tell = Callable[[Offence, str, str], None]

_HASHED = "crypt"


def basic(authorization: str | None) -> Credentials | None:
    """User and password of an Authorization header; None when it is not usable Basic (RFC 7617)."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = b64decode(token.strip(), validate=True).decode()
    except ValueError:
        return None
    return _split(text)


def api_key(query: Sequence[tuple[str, str]]) -> Credentials | None:
    """User and password of the first ``api_key`` parameter; None when there is none or it has no colon."""
    for name, value in query:
        if name == "api_key":
            return _split(value)
    return None


def _split(text: str) -> Credentials | None:
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _untold(offence: Offence, source: str, account: str) -> None:
    """Nobody wants to know."""


class Authenticator:
    """Checks credentials against the users of one configuration."""

    def __init__(self, settings: AriSettings, clock: Clock, tell: Tell = _untold) -> None:
        self._users = settings.users
        self._tell = tell
        self._known: OrderedDict[str | Credentials, AriUser] = OrderedDict()
        self._failures = Failures(clock)
        self._hashing = asyncio.Semaphore(HASHES)
        self._waiting = 0
        hashed = [user for user in settings.users.values() if user.password_format == _HASHED]
        #: Hashed against for a user nobody knows, so that the time does not tell.
        self._decoy = hashed[0].password if hashed else ""
        self._context = _crypt_context() if hashed else None
        realm = settings.auth_realm.replace("\\", "\\\\").replace('"', '\\"')
        self._challenge = f'WWW-Authenticate: Basic realm="{realm}"\r\n'.encode("latin-1", "replace")

    def recall(self, authorization: str | None) -> AriUser | None:
        """The user whose header was exactly this when it was last checked."""
        return self._known.get(authorization) if authorization is not None else None

    async def identify(self, authorization: str | None, query: Sequence[tuple[str, str]], source: str) -> AriUser:
        """The user. A usable Basic header is final: ``api_key`` is not tried after it.

        Raises:
            Refusal: 401 for wrong or no credentials, 503 when too many hashes wait.
        """
        key: str | Credentials | None = authorization
        credentials = basic(authorization)
        if credentials is None:
            key = credentials = api_key(query)
        if key is None or credentials is None:
            raise self.refusal()
        known = self._known.get(key)
        if known is not None:
            return known
        user = self._users.get(credentials[0])
        account = user.name if user is not None else ""
        if self._failures.blocked(source, account):
            self._tell(Offence.TOO_MANY_FAILURES, source, credentials[0])
            raise self.refusal()
        if await self._matches(user, credentials[1]) and user is not None:
            if len(self._known) >= KNOWN_CREDENTIALS:
                self._known.popitem(last=False)
            self._known[key] = user
            return user
        self._failures.add(source, account)
        self._tell(Offence.FAILED_AUTHENTICATION if user is not None else Offence.UNKNOWN_USER, source, credentials[0])
        raise self.refusal()

    def local(self, name: str) -> AriUser:
        """The user whose rights somebody has without logging in; refused as a login when it is gone."""
        user = self._users.get(name)
        if user is None:
            raise self.refusal()
        return user

    def refusal(self) -> Refusal:
        return Refusal(401, "Authentication required", self._challenge)

    async def _matches(self, user: AriUser | None, password: str) -> bool:
        """Whether the password is the user's; an empty one never is."""
        if user is None:
            if self._decoy:
                await self._verify(self._decoy, password)
            return False
        if not password or not user.password:
            return False
        if user.password_format == _HASHED:
            return await self._verify(user.password, password)
        return hmac.compare_digest(password.encode(), user.password.encode())

    async def _verify(self, hashed: str, password: str) -> bool:
        """Against a crypt(3) hash, in a thread: it takes milliseconds."""
        assert self._context is not None
        if self._waiting >= WAITING_HASHES:
            raise Refusal(503, "Too many logins at a time", b"Retry-After: 1\r\n")
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(self._context.verify, password, hashed)
        except ValueError as error:
            _log.error("a password hash of ari.conf is not understood", reason=type(error).__name__)
            return False
        finally:
            self._waiting -= 1


class Failures:
    """Wrong credentials by source and account, bounded in number and forgotten in time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def blocked(self, source: str, account: str) -> bool:
        """Whether this source had its tries for this account."""
        count, since = self._counts.get((_network(source), account), (0, 0.0))
        return count >= FAILURES and self._clock.monotonic() - since < FAILURE_SECONDS

    def add(self, source: str, account: str) -> None:
        key = (_network(source), account)
        now = self._clock.monotonic()
        count, since = self._counts.pop(key, (0, now))
        if now - since >= FAILURE_SECONDS:
            count, since = 0, now
        elif not count and len(self._counts) >= FAILURE_SOURCES:
            self._counts.popitem(last=False)
        self._counts[key] = (count + 1, since)


def _network(source: str) -> str:
    """An IPv6 host has a whole /64 to come from; it counts as one."""
    return ":".join(source.split(":")[:4]) if ":" in source else source


def _crypt_context() -> CryptContext:
    # Imported here: it takes a while, and most installations have no hashes.
    from passlib.context import CryptContext

    return CryptContext(schemes=["sha512_crypt", "sha256_crypt", "md5_crypt", "des_crypt"])
