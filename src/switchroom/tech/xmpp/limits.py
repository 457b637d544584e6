"""Bounds of the XMPP side; each with the reason for its size. Times are seconds."""

#: Bytes of one stanza that comes, its start and end included; docs/rulings.md 13 takes texts of that size, and no
#: server passes on more by default.
MAX_STANZA = 65_536

#: Elements in elements, the stream's own included; real stanzas have eight.
MAX_DEPTH = 32

#: Bytes of a text that is sent; as for those that come.
MAX_TEXT = 65_536

#: Bytes of stanzas a server may leave unread before the connection is given up: some seconds of a busy account.
MAX_UNSENT = 4 * 1024 * 1024

#: Stanzas that a server with stream management has not confirmed; it is asked for that after each text, and else
#: after so many.
MAX_UNCONFIRMED = 2_000
CONFIRM_EVERY = 20

#: Characters of a remote error text that are kept with a message.
MAX_REASON = 200

#: Recipients of whom it is remembered whether they send receipts; forgetting one costs a single short wait.
MAX_KNOWN_RECIPIENTS = 10_000

#: Texts without a receipt whose receipt is noted when it comes after all, and seconds for which it is; 300 bytes each.
#: The oldest is forgotten: then its receipt is not noted. Finished messages are kept for a day, unless told otherwise.
MAX_LATE_RECEIPTS = 10_000
LATE_RECEIPT_WAIT = 86_400.0

#: Texts between technologies that are being handed over at a time; a store that takes them needs milliseconds.
MAX_SWITCHING = 100

#: From a connection attempt to a usable session; slow servers need five.
BIND_WAIT = 30.0

#: For the server to take a text; after that the connection counts as dead.
ACK_WAIT = 30.0

#: After a text to somebody who sends receipts, before its server is asked whether it has it; receipts need less.
ASK_AFTER = 1.0

#: For a recipient's receipt or a far server's error, once our server has taken the text.
RECEIPT_WAIT = 2.0

#: Between two looks at whether the server is still there, as Asterisk.
KEEPALIVE = 50.0

#: Before the second connection attempt; it doubles with each further one, up to the longest, and a random part
#: of up to a half is taken off, so that accounts do not all come back at once.
RECONNECT_FIRST = 1.0
RECONNECT_LONGEST = 60.0

#: Before the next attempt when the server said no (wrong password, replaced by another session): trying again at
#: once helps nobody, and gets addresses blocked.
RECONNECT_REFUSED = 60.0

#: A session that lasted this long was a good one: the next attempt is the first of a new row.
STABLE = 30.0

#: Seconds over which the first attempts of many accounts are spread, for each account.
START_SPREAD = 0.01

#: For the streams to be closed in order when the server stops.
CLOSE_WAIT = 1.0
