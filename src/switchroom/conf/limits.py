"""The bounds of this ring, each with its reason."""

from __future__ import annotations

#: Asterisk's own line buffer: a longer line does not work there either.
MAX_LINE = 8190

#: As Asterisk; a deeper chain of ``#include`` is a mistake.
MAX_INCLUDE_DEPTH = 10

#: Includes that fan out at every level would otherwise read the same files for hours.
MAX_FILES = 10_000

#: A file that is no text at all (a device, a disk image) is refused before it fills the memory.
MAX_FILE_BYTES = 256 * 1024 * 1024

#: As Asterisk; deeper nesting of ``;-- --;`` is a forgotten end.
MAX_COMMENT_DEPTH = 128

#: Asterisk's buffers for the host and the whole of a contact's URI.
MAX_HOST = 255
MAX_URI = 511

#: Asterisk's buffer for the prefix of http.conf.
MAX_PREFIX = 79

#: Bytes of an ARI application's name, as Asterisk.
MAX_APPLICATION = 73

#: More of a wrong value than this helps nobody to find it.
MAX_SHOWN = 80

#: Looking for the nearest of ten thousand names takes a tenth of a second: not for ten thousand mistakes.
MAX_SUGGESTIONS = 50

#: Bytes in the name of an object made at run time; Asterisk's own buffers for such names are no longer.
MAX_OBJECT_NAME = 128

#: Seconds a message may live or be kept: a year.
MAX_MESSAGE_LIFE = 31_622_400

#: Messages that may be set to wait for one endpoint; all that the server takes.
MAX_WAITING = 500_000
