"""Bounds of the store; each with the reason for its size."""

#: Operations that may wait for the writer before new messages are refused: ten seconds of the largest load measured.
MAX_WAITING = 10_000

#: Changes that may be owed to a store that fails before further ones are dropped and counted: more than twice the
#: messages one installation keeps (100,000), so that each may change state once and again. About 150 MB.
MAX_OWED = 250_000

#: Operations in one transaction: longer ones make the first message wait for the last without saving CPU.
MAX_BATCH = 1_000

#: Rows one purge step deletes: a few milliseconds, in which accepting waits.
PURGE_STEP = 500

#: Seconds a message may wait for its commit before the caller is told that the disk does not answer: well below
#: the timeouts of HTTP clients.
PATIENCE = 2.0

#: Seconds another program's lock on the file is waited for; operators look into it with the sqlite3 shell.
LOCK_PATIENCE = 1.0

#: Seconds between attempts to write while the store fails: the disk is spared, recovery is noticed at once for people.
RETRY_DELAY = 0.5

#: Seconds a stop waits for the last commit: the whole server has five.
CLOSE_PATIENCE = 4.0

#: Pages (of 4 KiB) in the write-ahead log before they move to the database. A page that changes often moves once
#: for all its changes: measured, 10 us less of CPU a message than with SQLite's 1,000, for 16 MB of disk.
CHECKPOINT_PAGES = 4_000

#: Page cache of the writer, in KiB as SQLite wants it: the index pages of 100,000 messages.
CACHE_KIB = 8_000

#: Bytes the write-ahead log is cut to after a burst.
LOG_BYTES = 64 * 1024 * 1024

#: Distinct texts shared between messages that are read back: the endpoints and senders of a large installation.
MAX_SHARED = 16_384

#: Bytes of a database that is read through for damage when it is opened: a quarter of a second. Damage in a larger
#: one shows when the place is read.
MAX_CHECKED = 256 * 1024 * 1024

#: Messages that have ended and are still known without a state folder: an hour of a busy installation, 5 MB.
MAX_ENDED = 10_000

#: Open messages that are held unpacked without a state folder: those of a busy second; each takes four times the room.
MAX_HELD = 1_024

#: Seconds that a change nobody waits for may be handed over later, to share the commit of the next that somebody
#: waits for. A crash within them repeats what was just delivered, under its Message-ID.
WRITE_BEHIND = 0.01
