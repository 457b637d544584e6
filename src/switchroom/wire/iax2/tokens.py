"""Call tokens: whoever asks for a call or a registration must first show that it is where its packets say.

A token is 16 characters, base64url of a 4-byte time and 8 bytes of HMAC-SHA-256 over it and the address. Nothing
is kept, so a flood of forged addresses costs no memory, and the answer that carries one stays below twice the
request. Asterisk's tokens have another look; they are opaque to clients.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

from switchroom.wire.iax2.address import Address

_SEAL_BYTES: Final = 8
_CHARACTERS: Final = 16
_WRAP: Final = 0xFFFFFFFF
_FROM_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")


class CallTokens:
    """Issues and checks tokens. ``lifetime`` is seconds, exact to a second."""

    __slots__ = ("_lifetime", "_secret")

    def __init__(self, secret: bytes, lifetime: int) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of call tokens needs at least 16 bytes")
        self._secret = secret
        self._lifetime = lifetime

    def issue(self, address: Address, now: float) -> bytes:
        return self._seal(int(now) & _WRAP, address)

    def check(self, token: bytes, address: Address, now: float) -> bool:
        """Whether the token was issued to this address in time. Sealed again and compared as a whole."""
        if len(token) != _CHARACTERS:
            return False
        try:
            content = a2b_base64(token.translate(_FROM_URLSAFE))
        except Base64Error:
            return False
        seconds = int.from_bytes(content[:4], "big")
        if not hmac.compare_digest(self._seal(seconds, address), token):
            return False
        return (int(now) - seconds) & _WRAP < self._lifetime

    def _seal(self, seconds: int, address: Address) -> bytes:
        stamp = seconds.to_bytes(4, "big")
        bound = b"token%b%d %b" % (stamp, address.port, address.host.encode())
        return urlsafe_b64encode(stamp + hmac.digest(self._secret, bound, "sha256")[:_SEAL_BYTES])
