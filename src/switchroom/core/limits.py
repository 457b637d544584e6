"""Bounds of the core; each with the reason for its size."""

#: Addresses whose verdict is remembered: as many as contacts of a large installation.
JUDGED_ADDRESSES = 16_384

#: Entries of the schedule below which cancelled ones are not swept out: it would cost more than it frees.
MIN_SWEEP = 256

#: Undelivered messages of one destination that are on their way at a time; the others wait in the journal alone.
#: A contact takes one at a time (RFC 3428 8), so more would cost memory and gain nothing.
WINDOW = 16

#: Messages in the lane of a contact that does not answer while another contact of the endpoint does: about a day's
#: texts of a busy desk. Further ones fail for that contact alone.
MAX_LANE = 256

#: Messages that have not ended, in all: some 150 bytes of memory each.
MAX_MESSAGES = 500_000

#: Characters of a caller's own message id; room for any UUID with a prefix. It is part of a Call-ID.
MAX_MESSAGE_ID = 128

#: Seconds a message may be worth delivering: a year; longer is a mistake in the unit.
MAX_LIFE = 366 * 86_400.0

#: Seconds before the second attempt, the third, and so on; the last one stays. A phone that restarts is back
#: within a minute, one that is off is looked for four times an hour.
RETRY_DELAYS = (5.0, 15.0, 60.0, 300.0, 900.0)

#: Seconds before a journal that could not be read is read again.
READ_RETRY = 1.0

#: Seconds between two looks for finished messages that are to be forgotten.
PURGE_EVERY = 60.0

#: Referrals that are remembered; the oldest is forgotten for a new one. A kilobyte each.
MAX_REFERRALS = 10_000

#: Servers a text may still pass after it went from one technology to another; no real path is longer, and where a
#: protocol on the way does not count them a loop is short.
MAX_CROSSINGS = 10

#: Times the same text may go to the same address within ECHO_WINDOW where servers are not counted: people repeat
#: themselves less often, a loop far more.
MAX_ECHOES = 20

#: Seconds after which a repeated text is a new one.
ECHO_WINDOW = 10.0

#: Texts that echoes are recognised of; the oldest is forgotten, so a flood costs memory no further.
MAX_REMEMBERED_TEXTS = 10_000

#: People beyond an endpoint of whom it is remembered who wrote to them last; some two hundred bytes each.
MAX_CONVERSATIONS = 10_000

#: Messages read back at a time at start: all at once would need memory that is never given back.
RESTORED = 2_000

#: Random bytes drawn from the operating system at a time: 1,024 tokens.
TOKEN_PAGE = 8_192

#: Seconds between two looks at how late the event loop is: often enough to see a stall, too rare to cost anything.
LAG_EVERY = 1.0

#: Security events are written for so many seconds at a time, at most the two numbers below of them.
SECURITY_WINDOW = 60.0

#: Lines of all sources in a window: some 20 KB, 30 MB a day at the worst.
SECURITY_LINES = 100

#: Lines of one source in a window: twice what a filter needs to keep it away.
SECURITY_LINES_PER_SOURCE = 10

#: Characters of a name in a security event; a longer one is nobody's.
MAX_ACCOUNT = 64
