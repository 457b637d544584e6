"""Content codings of HTTP (RFC 9110 8.4.1): gzip for what is worth it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

#: Header lines of what was compressed, and what a cache must know.
GZIP_LINES: Final = b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"

#: How Accept-Encoding refuses what it names (RFC 9110 12.4.2).
_NEVER: Final = ("q=0", "q=0.0", "q=0.00", "q=0.000")

#: The frame of gzip, and a window of 8 KiB; with the level below a compressor takes 64 KiB of memory and not 256, which
#: the process would keep, for a twentieth more in bytes.
_WINDOW: Final = 16 + 13
_MEMORY_LEVEL: Final = 6


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not only to refuse it (RFC 9110 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.strip() not in _NEVER
    return False


def gzip(pieces: Iterable[bytes], level: int = zlib.Z_BEST_SPEED) -> bytes:
    """The pieces after each other, which need not be in memory together; the same bytes for the same pieces."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, _WINDOW, _MEMORY_LEVEL)
    return b"".join([*(compressor.compress(piece) for piece in pieces), compressor.flush()])
