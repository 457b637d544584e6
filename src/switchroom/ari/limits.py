"""Every bound of the HTTP and WebSocket edge, with the reason for its size."""

from __future__ import annotations

from typing import Final

#: A text may come in the query string, where each of its bytes can take three.
REQUEST_LINE_BYTES: Final = 65_536

#: One header field; larger than any credential or cookie a client has reason to send.
HEADER_BYTES: Final = 8_190

#: Header fields in one request, as Asterisk.
HEADERS: Final = 100

#: Request body, as Asterisk; a text of 40 KiB is a document, not a message.
BODY_BYTES: Final = 40_960

#: A body that takes longer is an attempt to hold the connection.
BODY_SECONDS: Final = 30.0

#: Whoever does not take a response in this time wants to hold its memory.
RESPONSE_SECONDS: Final = 60.0

#: How long the rest of a refused body is read and forgotten, so that the client sees the answer and no reset.
LINGER_SECONDS: Final = 5.0

#: The first request's head must be whole after this long, and any later one's after its first byte.
HEAD_SECONDS: Final = 10.0

#: A TLS handshake takes a few round trips; who takes longer holds a place for nothing.
HANDSHAKE_SECONDS: Final = 5.0

#: When all connections are taken, one that has not asked for anything in this time makes room for a new one.
SILENT_SECONDS: Final = 1.0

#: Query or form parameters in one request; the operations know fewer than ten.
PARAMETERS: Final = 1_000

#: Nesting of a JSON body; nothing ARI takes is deeper than five.
JSON_DEPTH: Final = 32

#: Values of one comma list, as Asterisk.
LIST_VALUES: Final = 127

#: Bytes of an application's name, as Asterisk.
APPLICATION_NAME_BYTES: Final = 73

#: Applications at a time; beyond it the longest inactive one is forgotten, and without one a new name is refused.
APPLICATIONS: Final = 1_000

#: Subscriptions of one application; whoever wants more wants a technology or all.
SUBSCRIPTIONS: Final = 20_000

#: Entries of one event filter list; there are fewer event types than this.
FILTER_ENTRIES: Final = 100

#: Device states set over ARI (``Stasis:`` names).
DEVICES: Final = 10_000

#: Bytes of a device's name; longer ones are no device of anybody.
DEVICE_NAME_BYTES: Final = 256

#: Events kept for a WebSocket that does not read, before it is closed.
OUTBOX_EVENTS: Final = 1_000

#: And their bytes, whichever is reached first.
OUTBOX_BYTES: Final = 1_048_576

#: A text frame or reassembled message from a client, as Asterisk (65,535 is the largest allowed).
MESSAGE_BYTES: Final = 65_536

#: REST requests of one WebSocket at work at a time; further ones are not read until one is answered.
REST_REQUESTS: Final = 32

#: Characters of the ids a REST request over a WebSocket is answered with.
REST_ID_LENGTH: Final = 256

#: Events kept for an application whose WebSocket broke and that asked for them (``resume=true``).
MEMORY_EVENTS: Final = 1_000

#: How long they are kept; a client that takes longer reads the state anew anyway.
MEMORY_SECONDS: Final = 300.0

#: Bytes of events kept for all applications together; the oldest memory gives way.
MEMORY_BYTES: Final = 67_108_864

#: Applications remembered as having lost their memory, so that they can be told.
FORGOTTEN: Final = 1_000

#: Events and bytes that wait for an outbound WebSocket; the oldest give way, as in an application's memory.
QUEUE_EVENTS: Final = 1_000
QUEUE_BYTES: Final = 1_048_576

#: Longest pause between two tries to open an outbound WebSocket; each pause is twice the one before.
RECONNECT_SECONDS: Final = 30.0

#: Messages of one page of a list: some hundred kilobytes of ordinary texts.
MESSAGES: Final = 1_000

#: And when the client does not say how many.
DEFAULT_MESSAGES: Final = 100

#: Endpoints of one page of a list; whoever wants more asks for the list.
PAGE: Final = 10_000

#: Metrics that everybody may read are the same for so long: making them looks at every endpoint, and nobody is asked
#: who they are.
OPEN_METRICS_SECONDS: Final = 1.0

#: Between pings of the server, so that proxies keep a quiet WebSocket open.
PING_SECONDS: Final = 30.0

#: From the close frame to the end of the connection when the peer does not answer it.
CLOSE_SECONDS: Final = 1.0

#: Wrong credentials from one source for one account, in the time below; more are refused unseen.
FAILURES: Final = 10

#: The time in which failures count.
FAILURE_SECONDS: Final = 60.0

#: Sources remembered for their failures; the oldest is forgotten first.
FAILURE_SOURCES: Final = 4_096

#: Credentials remembered as right, so that a hash is computed once and not for every request.
KNOWN_CREDENTIALS: Final = 1_024

#: Hashes computed at a time; each costs a core for some milliseconds, on purpose.
HASHES: Final = 1

#: Requests that wait for a hash; further ones are refused until it is done.
WAITING_HASHES: Final = 16
