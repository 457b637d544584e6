"""Nonces that need no memory until they are used, and can be used with each count only once.

A nonce is 24 characters: base64url of a 4-byte time, a 4-byte serial number and 10 bytes of keyed
BLAKE2s (RFC 7693) over these, the source and the realm. Issuing one stores nothing, so a flood of
unauthenticated requests costs no memory; the short form keeps a challenge smaller than twice the
request it answers. What was counted is kept for the nonces that were used by somebody who knew the
password, at most MAX_COUNTED_NONCES of them; when the oldest are dropped, everything issued before
them becomes stale, so forgetting can never turn into accepting a replay.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from enum import Enum, auto
from hashlib import blake2s
from hmac import compare_digest
from itertools import islice
from typing import Final

from switchroom.wire.sip.table_limits import MAX_COUNTED_NONCES

_STAMP: Final = struct.Struct(">II")
_SEAL_BYTES: Final = 10
_NONCE_CHARACTERS: Final = 24
_WRAP: Final = 0xFFFFFFFF
#: A count no later one can exceed: closes a nonce.
_SPENT: Final = 0xFFFFFFFF


class NonceVerdict(Enum):
    """What to make of a nonce in credentials whose digest is right."""

    OK = auto()
    """Ours, in time, and this count was not used before."""

    STALE = auto()
    """Ours, but too old or used up: challenge again with ``stale=true``."""

    FORGED = auto()
    """Not ours, or given to another source or for another realm: challenge again."""


class Nonces:
    """Issues and checks nonces.

    ``secret`` must be new at each start: counts are kept in memory, so a nonce must not outlive them.
    """

    __slots__ = ("_capacity", "_counts", "_floor", "_key", "_serial")

    def __init__(self, secret: bytes, capacity: int = MAX_COUNTED_NONCES) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of nonces needs at least 16 bytes")
        if capacity < 1:
            raise ValueError("at least one nonce must be counted")
        # Keys of BLAKE2s are 32 bytes at most.
        self._key = blake2s(secret, person=b"nonces").digest()
        self._capacity = capacity
        self._serial = 0
        # Stamp (time << 32 | serial) to the highest count seen, in order of first use.
        self._counts: dict[int, int] = {}
        self._floor = -1

    def issue(self, source: str, realm: str, now: float) -> str:
        """A nonce for ``source`` (a host) and ``realm``; no two are alike.

        ``now`` is seconds on a scale that never goes back (monotonic), the same as given to ``check``.
        """
        self._serial = (self._serial + 1) & _WRAP
        return self._seal(int(now) & _WRAP, self._serial, source, realm)

    def check(self, nonce: str, source: str, realm: str, nc: int | None, now: float, lifetime: float) -> NonceVerdict:
        """Whether a nonce may be used now, with count ``nc`` (None: the RFC 2069 form, good for one use).

        Call it after the digest was verified, never before: it uses the count up, which only somebody who
        knows the password may do, and ``stale=true`` tells a client that its password was right. ``lifetime``
        is seconds, exact to a second.
        """
        stamp = self._open(nonce, source, realm)
        if stamp is None:
            return NonceVerdict.FORGED
        age = (int(now) - (stamp >> 32)) & _WRAP
        if age > lifetime or stamp <= self._floor:
            return NonceVerdict.STALE
        counted = self._counts.get(stamp)
        if counted is None:
            self._make_room()
        elif nc is None or nc <= counted:
            return NonceVerdict.STALE
        if nc is not None and nc < 1:
            return NonceVerdict.STALE
        self._counts[stamp] = _SPENT if nc is None else nc
        return NonceVerdict.OK

    def __len__(self) -> int:
        """How many nonces are being counted."""
        return len(self._counts)

    def _make_room(self) -> None:
        """Drops an eighth at once: looking for the oldest of a dict one by one would cost a walk each time."""
        if len(self._counts) >= self._capacity:
            oldest = list(islice(self._counts, max(1, self._capacity // 8)))
            for stamp in oldest:
                del self._counts[stamp]
            self._floor = max(self._floor, *oldest)

    def _seal(self, seconds: int, serial: int, source: str, realm: str) -> str:
        stamp = _STAMP.pack(seconds, serial)
        bound = f"{len(source)}:{source}{realm}".encode("utf-8", "surrogateescape")
        seal = blake2s(stamp + bound, key=self._key, digest_size=_SEAL_BYTES).digest()
        return urlsafe_b64encode(stamp + seal).decode("ascii")

    def _open(self, nonce: str, source: str, realm: str) -> int | None:
        """The stamp of a nonce of ours. Sealed again and compared as text: no second spelling passes."""
        if len(nonce) != _NONCE_CHARACTERS or not nonce.isascii():
            return None
        try:
            content = a2b_base64(nonce.translate(_FROM_URLSAFE))
        except Base64Error:
            return None
        if len(content) < _STAMP.size:
            return None
        seconds, serial = _STAMP.unpack_from(content)
        if not compare_digest(self._seal(seconds, serial, source, realm), nonce):
            return None
        return int(seconds << 32 | serial)


_FROM_URLSAFE: Final = str.maketrans("-_", "+/")
