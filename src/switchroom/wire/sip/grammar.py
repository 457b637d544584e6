"""The grammar of SIP in one place: the RFC rule stands above each expression.

Three rules keep every expression linear in the length of its input, whatever the input: a repeated character class is
possessive (``++``, ``*+``: it never gives a character back), two neighbours that can match the same character never
both repeat, and nothing is searched for that begins with a repetition. Blanks are spelled out: ``\\s``, ``\\d``,
``\\w`` and ``str.strip()`` know Unicode, SIP does not.

Liberal where a text is only carried: parameter values, user names and unquoted display names may hold more than the
RFC allows, as far as it can not be mistaken for a delimiter.
"""

from __future__ import annotations

import re
from typing import Final

from switchroom.wire.sip.limits import MAX_DIGITS

# Without ASCII the long s of old prints would be an s
_NO_CASE = re.IGNORECASE | re.ASCII

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")                    RFC 3261 25.1
_TCHAR = r"[A-Za-z0-9\-.!%*_+`'~]"
TOKEN: Final = re.compile(_TCHAR + "++")

# LWS = [*WSP CRLF] 1*WSP; unfolding has made every one of them blanks                                 RFC 3261 25.1
BLANKS: Final = " \t"
_SWS = r"[ \t]*+"
_LWS = r"[ \t]++"

# quoted-string = SWS DQUOTE *(qdtext / quoted-pair) DQUOTE                                            RFC 3261 25.1
_QUOTED_TEXT = r'[^"\\]*+(?:\\.[^"\\]*+)*'
_QUOTED = f'"{_QUOTED_TEXT}"'
QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)

# 1*DIGIT, the ten digits of ASCII and ten of them at the most
DIGITS: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")

# host = hostname / IPv4address / IPv6reference                                                        RFC 3261 25.1
# Underscores are let through, names of containers and Windows machines have them; an IPv6 address is checked later.
_HOST = r"\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9_][A-Za-z0-9_.\-]*+"

# scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )                                                  RFC 3261 25.1
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+")

# absoluteURI = scheme ":" ( hier-part / opaque-part ); the characters of uric and what escapes should have hidden
OPAQUE: Final = re.compile(r"[!#-;=?-\[\]^_`a-~]++")

# SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]                                    RFC 3261 25.1
# Liberal in two places: "#" may stand in a user, phones dial it unescaped; a parameter is any visible ASCII but the
# delimiters " < > ? @ and backslash.
_USERINFO = r"([A-Za-z0-9\-_.!~*'()&=+$,;?/%#]++)(?::([A-Za-z0-9\-_.!~*'()&=+$,%]*+))?@"
SIP_URI: Final = re.compile(rf"(?:{_USERINFO})?({_HOST})(?::([0-9]++))?(;[!#-;=A-\[\]-~]*+)?(?:\?([!#-;=?-\[\]-~]*+))?")

# escaped = "%" HEXDIG HEXDIG; this finds a percent sign that begins none                              RFC 3261 25.1
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")

# pname = 1*paramchar; what an escaped parameter name may turn into                                    RFC 3261 25.1
PARAM_NAME: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$]++")

# generic-param = token [ EQUAL gen-value ], gen-value = token / host / quoted-string                  RFC 3261 25.1
# An unquoted value runs to the next delimiter or control: tags and branches with "=" or "/" are seen in the field.
_VALUE = r'[^\x00- \x7f;,"<>]*+'
_PARAM = rf";{_SWS}({_TCHAR}++)(?:{_SWS}(=){_SWS}({_QUOTED}|{_VALUE}))?"
PARAM: Final = re.compile(_PARAM, re.DOTALL)
# The same without quotes and blanks, as nearly all are written: a lone one (a tag), and what can be split at ";"
ONE_PARAM: Final = re.compile(rf";({_TCHAR}++)=({_VALUE})")
FLAT_PARAMS: Final = re.compile(rf"(?:;{_TCHAR}++(?:={_VALUE})?)+")
PARAMS: Final = re.compile(rf"(?:{_SWS}{_PARAM})*{_SWS}", re.DOTALL)

# A value that needs no quotes when it is written: token / host                                        RFC 3261 25.1
PLAIN_VALUE: Final = re.compile(rf"(?:{_TCHAR}|[\[\]:/=])++")

# name-addr = [ display-name ] LAQUOT addr-spec RAQUOT; display-name = *(token LWS) / quoted-string    RFC 3261 25.1
# An unquoted name may hold anything but the delimiters of URIs, parameters and lists.
NAME_ADDR: Final = re.compile(rf'{_SWS}(?:"({_QUOTED_TEXT})"{_SWS}|([^<>"\\:;,=@?]*+))<([^<>"]++)>', re.DOTALL)

# via-parm = sent-protocol LWS sent-by *( SEMI via-params )                                            RFC 3261 25.1
# sent-protocol = protocol-name SLASH protocol-version SLASH transport; blanks may stand around SLASH and COLON
VIA: Final = re.compile(
    rf"{_TCHAR}++{_SWS}/{_SWS}{_TCHAR}++{_SWS}/{_SWS}({_TCHAR}++){_LWS}({_HOST})(?:{_SWS}:{_SWS}([0-9]++))?{_SWS}"
)

# The parameters of a topmost Via that the receiver of the request sets (RFC 3261 18.2.1, RFC 3581 4)
RECEIVED: Final = re.compile(rf";{_SWS}(?:received|rport){_SWS}(?:={_SWS}{_VALUE})?(?=[; \t]|\Z)", _NO_CASE)

# CSeq = 1*DIGIT LWS Method                                                                            RFC 3261 25.1
CSEQ: Final = re.compile(rf"([0-9]{{1,{MAX_DIGITS}}}){_LWS}({_TCHAR}++)")

# callid = word [ "@" word ]: visible ASCII                                                            RFC 3261 25.1
CALL_ID: Final = re.compile(r"[!-~]++")

# media-type = m-type SLASH m-subtype *(SEMI m-parameter)                                              RFC 3261 25.1
MEDIA_TYPE: Final = re.compile(rf"({_TCHAR}++){_SWS}/{_SWS}({_TCHAR}++)")

# credentials = auth-scheme LWS auth-param *(COMMA auth-param); token68 of RFC 7235 for schemes we do not know
_AUTH_PARAM = rf'({_TCHAR}++){_SWS}={_SWS}({_QUOTED}|[^ \t,"]*+)'
AUTH_SCHEME: Final = re.compile(rf"({_TCHAR}++)(?:{_LWS}|\Z)")
AUTH_PARAM: Final = re.compile(_AUTH_PARAM, re.DOTALL)
AUTH_PARAMS: Final = re.compile(rf"(?:{_AUTH_PARAM}{_SWS}(?:,[ \t,]*+|\Z))*", re.DOTALL)
TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")

# One element of a comma-separated list: commas in quotes and in <> do not part (RFC 3261 7.3.1)
LIST_ITEM: Final = re.compile(rf'(?:[^,"<]++|{_QUOTED}|<[^>]*+>)*', re.DOTALL)

# Status-Line = SIP-Version SP Status-Code SP Reason-Phrase; the last SP may be missing                RFC 3261 25.1
STATUS_LINE: Final = re.compile(r"SIP/([0-9]++\.[0-9]++) ([1-6][0-9]{2})(?: (.*+))?", _NO_CASE | re.DOTALL)
SIP_VERSION: Final = re.compile(r"SIP/[0-9]++\.[0-9]++", _NO_CASE)

# Content-Length of a head of bytes, long or compact, folded or not: the framing of a stream (RFC 3261 18.3)
CONTENT_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:((?:[^\r\n]++|\r\n[ \t])*)(?=\r\n|\Z)", re.IGNORECASE
)
