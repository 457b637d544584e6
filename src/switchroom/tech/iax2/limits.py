"""Bounds of the IAX2 side; each with the reason for its size."""

#: Bytes of a text that is sent: it goes in one frame, and Asterisk reads frames of 4096 bytes.
MAX_TEXT = 4000

#: Texts of peers that are being handed over to others at a time; a store that hangs must not fill the memory.
MAX_CROSSING = 1000

#: Failed attempts of one name from one host in FAILURE_WINDOW seconds before the next are not even tried.
MAX_FAILURES = 40

#: Seconds after which failed attempts are forgiven.
FAILURE_WINDOW = 60.0

#: Pairs of host and name whose failures are counted; the oldest is forgotten, so a flood of invented names costs
#: memory no further.
MAX_FAILURE_ENTRIES = 10_000

#: Characters of a name that failures are counted by: a longer one is no name of a peer.
MAX_COUNTED_NAME = 64

#: Refusals that are logged in a second: enough to see what goes on, and a flood does not fill the disk.
MAX_LOGGED_REFUSALS = 10

#: Seconds a registration holds longer than was granted, as in Asterisk: its refresh may be on the way.
GRACE = 10.0

#: Seconds over which the first questions to so many peers are spread, so that their answers do not come at once.
FIRST_POKE_SECONDS = 0.002

#: Seconds before a registration of ours that failed is tried again.
REGISTER_RETRY = 60.0

#: Seconds a registration of ours asks for; the other side grants what it likes.
REGISTER_SECONDS = 300
