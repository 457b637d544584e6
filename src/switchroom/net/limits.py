"""Every bound of this ring, each with its reason."""

from __future__ import annotations

from typing import Final

#: Bytes of a datagram: the largest that UDP can carry, so that none is ever cut short unnoticed.
MAX_DATAGRAM: Final = 65535

#: Datagrams read in one wake-up: the loop's other work waits no longer than these take.
MAX_BATCH: Final = 64

#: Bytes asked of the kernel for each direction: a burst of some thousand requests waits there while a turn runs.
SOCKET_BUFFER: Final = 4 * 1024 * 1024

#: ICMP errors taken from a socket in one go: a flood of them costs no more than a batch of datagrams.
MAX_ERRORS: Final = 64

#: Names a resolver remembers, found or not: about 1 MiB at the most.
MAX_NAMES: Final = 4096

#: Seconds an answer may be kept, whatever its TTL says: a mistake in a zone heals within the hour.
MAX_TTL: Final = 3600.0

#: Seconds a failed look-up is remembered: a dead name server is asked about a name once in this time.
NEGATIVE_TTL: Final = 30.0

#: Look-ups under way at one time: a flood of names must not become a flood of queries.
MAX_LOOKUPS: Final = 64

#: Look-ups that may wait for one of those; more are refused at once.
MAX_WAITING: Final = 1024

#: Threads that ask the operating system for a name; each may hang for as long as its name server does.
MAX_SYSTEM_LOOKUPS: Final = 8

#: Records taken of one answer: a zone with a hundred records does not make a hundred attempts.
MAX_RECORDS: Final = 16

#: Seconds a resolution may take in all, waiting included: less than a caller waits for any answer.
RESOLVE_TIMEOUT: Final = 5.0

#: Peers whose route is remembered; routes change seldom, and a server restart asks anew.
MAX_ROUTES = 1024
