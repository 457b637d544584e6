-- Marks the file as Switchroom's ("SwRm"), so that no other program's database is ever touched.
PRAGMA application_id = 0x5377526d;

-- One row a message, its deliveries within: an accept is one INSERT, a change one UPDATE of one page.
-- Texts that are not valid Unicode are kept as BLOB (packing.py).
CREATE TABLE message (
    sequence INTEGER PRIMARY KEY,       -- order of acceptance
    id NOT NULL UNIQUE,
    technology NOT NULL,
    endpoint NOT NULL,
    state TEXT NOT NULL,
    ended REAL,                         -- wall-clock seconds; NULL while something of it is open
    record BLOB NOT NULL                -- the whole MessageRecord, MessagePack
);

-- Unfinished ones in order (NULL), finished ones by age. Both ends grow in order, so few pages change.
CREATE INDEX message_ended ON message (ended);

-- Messages of an endpoint, in runs of 256: an index by endpoint alone would change a page of its own for
-- each message, which costs as much as the rest of the write. A search walks the runs, newest first.
CREATE INDEX message_endpoint ON message (sequence >> 8, endpoint);

-- What operators look for and what is rare; a message that is delivered never enters it.
CREATE INDEX message_trouble ON message (state)
    WHERE state = 'failed' OR state = 'expired' OR state = 'cancelled';

CREATE TABLE contact (
    technology NOT NULL,
    aor NOT NULL,
    uri NOT NULL,
    expires REAL NOT NULL,              -- wall-clock seconds
    contact BLOB NOT NULL,              -- Contact, MessagePack
    PRIMARY KEY (technology, aor, uri)
) WITHOUT ROWID;

CREATE TABLE object (
    position INTEGER PRIMARY KEY,       -- order in which they were first put
    kind NOT NULL,
    id NOT NULL,
    fields BLOB NOT NULL,               -- list of (name, value), MessagePack
    UNIQUE (kind, id)
);
