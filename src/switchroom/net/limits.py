"""Every bound of this ring, each with its reason."""

from __future__ import annotations

from typing import Final

#: Bytes of a datagram: the largest that UDP can carry, so that none is ever cut short unnoticed.
MAX_DATAGRAM: Final = 65535

#: Datagrams read in one wake-up: the loop's other work waits no longer than these take.
MAX_BATCH: Final = 64

#: Datagrams that wait for the end of a batch at most: the first of them waits no longer than these take to be made.
MAX_OUTGOING: Final = 16

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

#: Seconds it is remembered at most that a name has no record, whatever its zone says: a new one is found soon.
MAX_NEGATIVE_TTL: Final = 300.0

#: Seconds that NAPTR records are waited for: without them a resolution goes on, and has time left.
POINTERS_TIMEOUT: Final = 2.0

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

#: Connections of all listeners at one time: twice the ten thousand endpoints of a small installation.
MAX_CONNECTIONS: Final = 20_000

#: Connections from one address (one /64 of IPv6): a house of a few thousand phones may share one behind its NAT.
MAX_CONNECTIONS_PER_ADDRESS: Final = 2_500

#: Of those, ones that have not sent a message yet: phones need a moment for that, whoever holds many is no phone.
MAX_UNPROVEN_PER_ADDRESS: Final = 256

#: File descriptors left to HTTP, the store and name servers when connections would take all there are.
RESERVED_DESCRIPTORS: Final = 512

#: Seconds until the first whole message must have come (SECURITY.md S23).
FIRST_MESSAGE_SECONDS: Final = 10.0

#: Seconds a TLS handshake may take.
HANDSHAKE_SECONDS: Final = 5.0

#: Seconds for the goodbyes of TLS and WebSocket, and for connections to end when the server stops.
GOODBYE_SECONDS: Final = 1.0

#: Seconds to open a connection; less than a transaction waits, so that the next address still has its turn.
CONNECT_SECONDS: Final = 5.0

#: Connections being opened at one time: a flood of contacts on silent addresses must not become one of sockets.
MAX_CONNECTING: Final = 256

#: Seconds without use after which a connection we opened is closed: longer than any transaction of 32 s.
OUTGOING_IDLE_SECONDS: Final = 40.0

#: Bytes that wait for a peer that does not read; then it is disconnected (SECURITY.md S22).
MAX_UNSENT: Final = 256 * 1024

#: Connections accepted in one wake-up: the loop's other work waits no longer than these take.
ACCEPT_BATCH: Final = 64

#: Connections that wait in the kernel to be accepted: every phone of a building comes back after a power cut.
BACKLOG: Final = 1024

#: Seconds without accepting after the system ran out of file descriptors or memory.
ACCEPT_PAUSE: Final = 1.0

#: Seconds of silence until the kernel asks whether a peer is still there, between its questions, and how many
#: stay unanswered: a phone whose power was cut is found out within two minutes.
KEEPALIVE_IDLE: Final = 60
KEEPALIVE_INTERVAL: Final = 15
KEEPALIVE_PROBES: Final = 4

#: Milliseconds sent bytes may stay unacknowledged, or unread in a full window, before the kernel ends a connection.
UNACKNOWLEDGED_MILLISECONDS: Final = 30_000

#: Bytes of a WebSocket message; SIP in browsers stays far below, and Asterisk takes no more.
MAX_FRAME: Final = 65_536

#: Seconds between our pings, so that proxies keep a quiet WebSocket open.
PING_SECONDS: Final = 30.0

#: Frames of one WebSocket taken before the loop has its turn, however many have arrived.
MESSAGES_PER_TURN: Final = 32

#: Seconds a datagram has waited in its socket from which on that is behind: a small part of the half second after which
#: phones ask again, and long before a flood of 50,000 a second has filled the buffer.
BEHIND_SECONDS: Final = 0.02
