"""Who somebody is: challenges answered with MD5 or a password (RFC 5456 6.1.3, 8.6.13 to 8.6.16)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import md5
from typing import NamedTuple

from switchroom.wire.iax2.elements import Elements, write_text
from switchroom.wire.iax2.numbers import MD5, PLAINTEXT, Element


class Credentials(NamedTuple):
    """What we show to a peer that asks. ``methods``: those we may use, bits of AUTH_METHODS."""

    username: str = ""
    secret: str = ""
    methods: int = MD5

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, secret=***)"

    def answer(self, asked: Elements) -> bytes | None:
        """The element that answers a REGAUTH or AUTHREQ; None when we can not, or may not as it asks."""
        methods = (asked.number(Element.AUTH_METHODS, 2) or 0) & self.methods
        challenge = asked.raw(Element.CHALLENGE)
        if methods & MD5 and challenge:
            return write_text(Element.MD5_RESULT, _md5(challenge, self.secret))
        if methods & PLAINTEXT:
            return write_text(Element.PASSWORD, self.secret)
        return None


#: For peers that ask nobody who they are.
NOBODY = Credentials()


class Proof(NamedTuple):
    """What a peer shows. ``challenges``: those it may have been given, the last first."""

    challenges: tuple[str, ...]
    md5_result: str = ""
    password: str = ""

    @classmethod
    def of(cls, elements: Elements, challenges: tuple[str, ...]) -> Proof:
        return cls(challenges, elements.text(Element.MD5_RESULT).lower(), elements.text(Element.PASSWORD))

    def __repr__(self) -> str:
        return "Proof(***)"

    def shows(self, secrets: Iterable[str], methods: int) -> bool:
        """Whether it knows any of the secrets, by a method that is allowed. An empty result shows nothing."""
        proven = False
        for secret in secrets:
            if methods & MD5 and self.md5_result:
                for challenge in self.challenges:
                    proven |= _equal(_md5(challenge.encode(), secret), self.md5_result)
            if methods & PLAINTEXT and self.password and secret:
                proven |= _equal(secret, self.password)
        return proven


def has_proof(elements: Elements) -> bool:
    """Whether a REGREQ or REGREL answers a challenge."""
    return any(e in elements for e in (Element.MD5_RESULT, Element.PASSWORD, Element.RSA_RESULT))


def _md5(challenge: bytes, secret: str) -> str:
    return md5(challenge + secret.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _equal(first: str, second: str) -> bool:
    return hmac.compare_digest(first.encode("utf-8", "replace"), second.encode("utf-8", "replace"))
