"""Every bound of the IAX2 kernel, each with the reason for its value."""

from __future__ import annotations

from typing import Final

MAX_ELEMENTS: Final = 4096
"""Bytes of information elements in a frame; Asterisk's buffer, and forty times the largest real frame."""

MAX_ELEMENT: Final = 255
"""Bytes in an element: its length is one byte (RFC 5456 8.5)."""

MAX_CALLS: Final = 32_768
"""Calls at a time, of all addresses, pokes included; about a kilobyte each."""

MAX_CALL_NUMBER: Final = 32_767
"""The highest call number: 15 bits (RFC 5456 8.1.1)."""

FIRST_DERIVED: Final = 16_384
"""Numbers from here up belong to registrations, which are not kept; those of calls are below."""

STATELESS_NUMBER: Final = 1
"""The number in answers that begin nothing; calls start at 2."""

NUMBER_TRIES: Final = 32
"""Attempts to find a number that is free towards an address; with half of them taken all fail once in 2**32."""

RETRIES: Final = (2.0, 10.0, 10.0, 10.0)
"""Seconds after which a frame that is not acknowledged is sent again; after the last of them it is lost."""

POKE_RETRIES: Final = (0.5, 5.0, 10.0, 60.0)
"""The same for a POKE, as Asterisk does it; its answer has a time limit of its own."""

CALL_SECONDS: Final = 40.0
"""Seconds a call of ours that brings a text may take; its frames are lost after 32."""

MAX_INCOMING_SECONDS: Final = 3600.0
"""Seconds a peer's call may last: it carries texts alone, and nobody types for longer without a new call."""

PING_SECONDS: Final = 21.0
"""Seconds between PINGs to a peer that called us, as in Asterisk: so a call whose peer died ends."""

CHALLENGE_SECONDS: Final = 16
"""Seconds in which a registration gets the same challenge; it may be answered for one to two times as long."""

MAX_SPENT: Final = 32_768
"""Registrations of the last half minute that are remembered, half a kilobyte each; a thousand a second."""

MAX_ANSWERS_PER_SECOND: Final = 2_000
"""Datagrams a second to one host that has proven nothing; a gateway with a hundred thousand peers stays below."""

MAX_COUNTED_HOSTS: Final = 16_384
"""Hosts whose answers of this second are counted. With more, no single one of them can be much of a victim."""

MAX_UNACKNOWLEDGED: Final = 64
"""Frames of a call that wait for their acknowledgement; a peer that asks and asks and never listens is cut off."""

MAX_TOKENS: Final = 3
"""Call tokens taken for one call: one is usual, another when it was too late."""

UNPROVEN_SECONDS: Final = 10.0
"""Seconds a caller has to prove who it is."""
