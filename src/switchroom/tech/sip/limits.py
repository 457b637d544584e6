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

#: Seconds for which it is worth telling that somebody types: it is told again every two minutes (RFC 3994 3.2).
COMPOSING_LIFE = 120

#: Texts between phones of whose end the sender wants to be told, that are remembered by the name it gave them; 200
#: bytes each. The oldest is forgotten: then its notification passes, and is not kept with the text.
MAX_ASKED = 10_000

#: Characters of such a name that is remembered: RFC 5438 6.3 wants 64 random bits, and programs write UUIDs.
MAX_ASKED_NAME = 255

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

#: Senders of texts that are remembered as parsed: an application writes in the name of few.
SENDERS = 1_024

#: Seconds a phone has to answer a REFER outside a dialog before it is called (``fallback = invite``). Phones that know
#: such a REFER answer at once: RFC 3515 2.4.2 has them not wait for people. Over UDP five seconds are four copies.
FALLBACK_PATIENCE = 5.0

#: Seconds a phone that is called may ring; people are given longer than a mailbox gives them, and less than Timer C.
RING_LIFE = 60.0

#: Seconds what belongs to a call that is over is still recognised: 64*T1, within which all copies have come.
CALL_LINGERS = 32.0

#: 2xx of different phones to one call that are taken and ended; more forks of one contact do not exist.
MAX_FORKS = 10

#: Seconds until our 2xx to an INVITE is sent again, T1, and the most it grows to, T2; seconds after which a call whose
#: ACK never came is ended, 64*T1 (RFC 3261 13.3.1.4).
ACK_REPEATS = (0.5, 4.0)
ACK_LIFE = 32.0

#: Calls at a time, ringing ones included: some 5 KB each, and far more than media could flow for on one site.
MAX_CALLS = 10_000

#: Calls of one endpoint at a time, so that one account can not take the place of all others; a busy trunk has fewer.
MAX_CALLS_OF_ONE = 1_000

#: Dialogs that one INVITE may make (RFC 3261 12.1): forks of forks, as many as the breadth allows.
MAX_LEGS = 60

#: Characters of a Contact, and of a route set, that are kept with a party of a call: all parameters of real phones, and
#: a dozen proxies. With longer ones ten thousand calls would be hundreds of megabytes.
MAX_LEG_TEXT = 2_048

#: Branches that a request may still fork into (RFC 5393 5.3.3.1).
MAX_BREADTH = 60

#: Max-Forwards where the sender gave none (RFC 3261 16.6 step 3).
MAX_HOPS = 70

#: Seconds a call may ring after it was last told of, Timer C (RFC 3261 16.6 step 11: more than three minutes).
TIMER_C = 181.0

#: Seconds between two looks at the calls for those that died without BYE.
WATCH_EVERY = 5.0

#: Seconds a party of a call without a session timer may be silent before it is asked whether it is still there: a
#: channel that is shown wrongly for so long harms nobody, and who is asked once a minute costs next to nothing.
PROBE_AFTER = 60.0

#: Parties asked at one look, so that ten thousand calls that fell silent together do not stop all else.
PROBES_PER_LOOK = 500

#: Seconds a session lasts at least, whatever a phone says (RFC 4028 4).
SHORTEST_SESSION = 90

#: Seconds of a session timer that is relied on, what RFC 4028 4.2 recommends; with a longer one parties are asked.
LONGEST_SESSION = 1_800

#: Seconds without a SUBSCRIBE or NOTIFY after which a subscription that passes through us is forgotten: twice the hour
#: most are refreshed in.
SILENT_SUBSCRIPTION = 7_200.0

#: Seconds a party has to come back after its connection closed: phones and browsers reconnect within half a minute.
FLOW_GRACE = 32.0

#: Retry-After of the 503 while the table of calls is full: about what the shortest calls last.
RETRY_AFTER = 16

#: REFERs outside a dialog that one account may send in REFERRAL_WINDOW seconds: people do it a few times a minute, a
#: program that dials at others' expense far more often.
REFERRALS_PER_WINDOW = 20

#: Seconds after which an account's referrals are counted anew.
REFERRAL_WINDOW = 60.0

#: Accounts of which referrals are counted; the one whose window is oldest is forgotten.
MAX_REFERRERS = 10_000

#: Seconds before its end at which a registration of ours is refreshed, at least, where it lasts long enough.
REFRESH_LEAD = 10.0

#: Seconds between two refreshes of a registration of ours, however short the server keeps it.
MIN_REFRESH = 5.0

#: Seconds a registration of ours lasts at most because a server wants it so (Min-Expires): a week.
MAX_EXPIRATION = 604_800

#: Seconds between two attempts to register when each has taken twice as long as the one before.
MAX_RETRY_PAUSE = 1800.0

#: Seconds between keep-alives on the connection of a registration: it is closed after 40 s without use.
KEEP_ALIVE = 30.0

#: Seconds for all servers to answer that registrations end, when we stop.
UNREGISTER_SECONDS = 2.0

#: Contacts of parties of calls that are remembered as parsed: those of the calls that begin and end now.
CONTACTS_OF_CALLS = 1_024

#: Bits of the filter of addresses that proved themselves: of 20,000 one in fifty others is taken for one of them.
PROVEN_BITS = 1 << 18

#: Seconds they are remembered for, and at most twice: as long as phones register for.
PROVEN_FOR = 3600.0
