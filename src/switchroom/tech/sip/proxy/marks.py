"""The end of our Via branches: what we know a request by that has been here before (RFC 3261 16.6 step 8).

It is signed with a secret of this process: nobody else can make it, and it tells nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2s
from typing import Final

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import parse_via
from switchroom.wire.sip.message import Request

#: 96 bits; their Base64 has no padding.
_BYTES: Final = 12


class Marks:
    """Signs with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = blake2s(secret, person=b"proxy").digest()

    def loop(self, request: Request) -> str:
        """The end of our branch (RFC 3261 16.6 step 8, RFC 5393 4.2.1): all that decides where a request goes. It
        comes back the same when a request loops, and another when it spirals, as its Request-URI has changed.
        """
        parts = (
            request.target,
            *request.lines("route"),
            request.call_id,
            request.from_.tag or "",
            request.to.tag or "",
            str(request.cseq.number),
        )
        data = "".join(f"{len(part)} {part}" for part in parts).encode("utf-8", "surrogateescape")
        return "-" + urlsafe_b64encode(blake2s(data, key=self._secret, digest_size=_BYTES).digest()).decode()

    def has_looped(self, request: Request, mark: str) -> bool:
        """Whether a Via of ours says that this very request has been here (RFC 3261 16.3 step 4)."""
        vias = request.vias_raw
        if len(vias) < 2:
            return False
        try:
            return any((parse_via(via).branch or "").endswith(mark) for via in vias)
        except SipError:
            return False
