"""Content codings of HTTP (RFC 9110 8.4.1): gzip for what is worth it."""

from __future__ import annotations

import zlib
from typing import Final

#: Header lines of what was compressed, and what a cache must know.
GZIP_LINES: Final = b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"

#: How Accept-Encoding refuses what it names (RFC 9110 12.4.2).
_NEVER: Final = ("q=0", "q=0.0", "q=0.00", "q=0.000")

#: zlib's way of saying: with the frame of gzip.
_FRAME: Final = 16 + zlib.MAX_WBITS


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not only to refuse it (RFC 9110 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.strip() not in _NEVER
    return False


def gzip(content: bytes, level: int = zlib.Z_BEST_SPEED) -> bytes:
    """The content compressed; the same bytes for the same content."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, _FRAME)
    return compressor.compress(content) + compressor.flush()
