"""Bounds of the SIP side; each with the reason for its size."""

#: A Contact URI that registers, in characters; Asterisk's bound, and room for any real phone's.
MAX_CONTACT_URI = 511

#: Host part of a Contact URI; the longest name DNS can hold.
MAX_CONTACT_HOST = 255

#: Contacts in one REGISTER; more than any real phone or max_contacts in use.
MAX_CONTACTS_PER_REQUEST = 32

#: All Path values of a registration, in characters: a dozen proxies; they go into every request to the phone.
MAX_PATH = 2048

#: A User-Agent or instance kept with a contact, in characters; nobody reads more, and contacts are many.
MAX_SHOWN = 255

#: Bytes of a text that is taken in; docs/rulings.md 13.
MAX_TEXT = 65_536

#: Request-URI, headers and body that fit a UDP datagram together with what is added when they are sent, in bytes.
MAX_DATAGRAM = 65_000

#: Bytes above which a datagram may be fragmented on its way: 1,300 (RFC 3261 18.1.1), less what Via and CSeq take.
LARGE_REQUEST = 1_100

#: Headers a caller may add to one request; far more than programs set, and it fits a datagram.
MAX_HEADERS = 100

#: Failed authentications of one name from one source in FAILURE_WINDOW seconds before the next are not
#: even tried. A phone with a wrong password repeats 16 times in one go (libre), people mistype.
MAX_FAILURES = 40

#: Characters of a name that failures are counted by: a longer one is no name of a phone.
MAX_COUNTED_NAME = 64

#: Seconds after which failed authentications are forgiven.
FAILURE_WINDOW = 60.0

#: Pairs of source and name whose failures are counted; the oldest is forgotten, so a flood of invented
#: names costs memory no further.
MAX_FAILURE_ENTRIES = 10_000

#: Rounds of 401 or 407 answered for one request.
MAX_CHALLENGES = 2

#: Times a request is sent on by 3xx answers to 3xx answers; Asterisk's bound.
MAX_REDIRECTS = 5

#: Contacts of 3xx answers that are tried for one request; Asterisk's bound.
MAX_REDIRECT_CONTACTS = 20

#: Addresses tried for one request when a name has several.
MAX_ADDRESSES = 8

#: Referral subscriptions that are followed at a time; each is a few hundred bytes for ten minutes.
MAX_SUBSCRIPTIONS = 10_000

#: Seconds a referral's subscription lives when nothing ends it (its Expires).
SUBSCRIPTION_LIFE = 600.0

#: Messages of one connection worked on before others have their turn; a pipeline of thousands waits in its socket.
MESSAGES_PER_TURN = 32

#: Contact URIs that are sent to and remembered as parsed: those of a large installation, a few hundred bytes each.
CONTACT_URIS = 16_384
