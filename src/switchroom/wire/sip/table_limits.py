"""Bounds of the tables the kernel keeps between packets, beside those of ``limits``, each with its reason."""

from __future__ import annotations

from typing import Final

#: Characters of an Authorization or WWW-Authenticate value; real ones have 300, a longer one is an attack.
MAX_CREDENTIALS: Final = 4096

#: Nonces whose count is remembered: 1,000 authentications a second for two default lifetimes (32 s), 8 MB.
MAX_COUNTED_NONCES: Final = 65_536

#: Server transactions without a final answer, and INVITE ones until their end: each keeps its request, about 5 KB.
MAX_OPEN_TRANSACTIONS: Final = 16_384

#: Bytes of the requests that these keep: those of 64 KiB must not turn their number into a gigabyte.
MAX_OPEN_BYTES: Final = 128 * 1024 * 1024

#: Bytes of our requests that wait for an answer: texts of 64 KiB must not turn MAX_CLIENT_TRANSACTIONS into 4 GiB.
MAX_CLIENT_BYTES: Final = 128 * 1024 * 1024

#: Bytes of final answers kept for retransmissions: a request with 60 KiB of Via, echoed, must not cost that for 32 s.
MAX_ANSWERED_BYTES: Final = 64 * 1024 * 1024

#: Transactions of ours whose late answers are still absorbed (Timer K, 5 s): a key each.
MAX_CONCLUDED: Final = 131_072

#: Heap entries below which dead ones are not swept out: sweeping a small heap costs more than it frees.
MIN_SWEEP: Final = 256

#: Bytes of a discarded packet shown to whoever asks why: enough to recognise a protocol.
MAX_DISCARDED_PREFIX: Final = 64

#: Seconds that fall together in one bucket of finished transactions: they end at most this much late.
BUCKET_SECONDS: Final = 1.0

#: Retry-After of the 503 given while the server table is full: half of Timer J, when half of it has drained.
RETRY_AFTER_SECONDS: Final = 16

#: Bytes out for each byte in, at most, of an answer that may go to a forged source: above it there is silence.
MAX_AMPLIFICATION: Final = 2.0
