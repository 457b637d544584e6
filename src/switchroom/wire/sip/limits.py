"""Every bound of the SIP kernel, each with the reason for its value."""

from __future__ import annotations

from typing import Final

MAX_HEAD: Final = 65_536
"""Bytes of start line and headers; the largest real ones (many Vias, certificates, Identity) stay below 20 KiB."""

MAX_BODY: Final = 262_144
"""Bytes of a body; a text is 64 KiB at most, session descriptions and presence documents stay far below this."""

MAX_HEADERS: Final = 256
"""Header lines of a message; a hundred Vias still pass, a table of thousands does not."""

MAX_LINE: Final = 16_384
"""Characters of one header after unfolding; 8 KiB headers are seen in the field, twice that is generous."""

MAX_DIGITS: Final = 10
"""Digits of any number on the wire; 2**32-1 has ten, more can only be an attack on integers."""

MAX_CSEQ: Final = 2**31 - 1
"""RFC 3261 8.1.1.5: the sequence number is less than 2**31."""

MAX_DELTA_SECONDS: Final = 2**32 - 1
"""RFC 3261 20.19: delta-seconds lie between 0 and 2**32-1; what is larger is clamped."""

MAX_FORWARDS: Final = 255
"""RFC 3261 20.22: the hop count fits one byte."""

MAX_PORT: Final = 65_535
"""A port is 16 bits."""

URI_CACHE: Final = 8_192
"""Parsed URIs, addresses and hops that are remembered: 2 MB for honest phones, 40 MB for the most hostile texts."""

VALUE_CACHE: Final = 512
"""Parsed media types and the like that are remembered; there are a few dozen in the field."""

MAX_CACHED_LENGTH: Final = 128
"""Characters of a text that may enter a cache, so that long hostile strings can not fill the memory."""

MAX_SERVER_TRANSACTIONS: Final = 65_536
"""Server transactions held at once: 2 000 new ones a second for the 32 s that each is remembered."""

MAX_CLIENT_TRANSACTIONS: Final = 65_536
"""Client transactions held at once; beyond it a request is refused with 503 rather than queued."""

MAX_ROUTES: Final = 32
"""Record-Route values a dialog may have: they go into each of its requests; real paths have a handful."""

MAX_SDP: Final = 32_768
"""Bytes of a session description that is answered; browsers with video send eight thousand."""

MAX_SDP_MEDIA: Final = 16
"""Media lines of one; a video conference has a few."""

MAX_SDP_ATTRIBUTES: Final = 256
"""Attributes looked at in one medium; browsers send a hundred for video."""

MAX_CPIM_HEADERS: Final = 64
"""Header lines of a message/cpim envelope; phones write about ten."""

MAX_IMDN: Final = 8_192
"""Bytes of a disposition notification; one with two long URIs and a subject has two thousand."""

MAX_IMDN_DEPTH: Final = 8
"""Elements inside each other in one: RFC 5438 nests four, extensions of it hardly more."""
