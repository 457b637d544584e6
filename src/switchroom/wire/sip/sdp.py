"""Session descriptions (RFC 8866) for calls without media: offers and answers in which nothing is sent (RFC 3264).

An address of zeros and port 9, which nobody listens on, would be enough for a line that is inactive; a browser sets no
call up without the words it needs for encryption and NAT (RFC 8829), so it gets them, made up.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Final

from switchroom.wire.sip.limits import MAX_SDP, MAX_SDP_ATTRIBUTES, MAX_SDP_MEDIA

MEDIA_TYPE: Final = "application/sdp"

#: The discard port (RFC 8866 5.14, RFC 8829 5.2.1).
_DISCARD: Final = 9

#: Codecs every phone has, in the order of preference; the first is dynamic and needs its map.
_PHONE_CODECS: Final = ("0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000")
_BROWSER_CODECS: Final = ("111 opus/48000/2", *_PHONE_CODECS)

#: Attributes of an offered line that its answer repeats: what names the line and its formats.
_REPEATED: Final = ("mid:", "rtpmap:", "fmtp:")

_HEX_PAIRS: Final = 32


class Session:
    """Our side of one call: the same origin and secrets in each description, a version that counts (RFC 3264 8)."""

    def __init__(self, host: str, token: Callable[[], str]) -> None:
        """``host`` is our address, in brackets for IPv6; ``token`` gives 64 random bits in 16 letters and digits."""
        literal = host.strip("[]")
        self._host = f"IP6 {literal}" if ":" in literal else f"IP4 {literal}"
        self._zero = "IP6 ::" if ":" in literal else "IP4 0.0.0.0"
        secret = token()
        self._id = int.from_bytes(secret.encode()[:4], "big")
        self._version = 0
        self._ufrag = token()[:8]
        self._password = token() + token()
        # No certificate has it: there is nothing to encrypt, and nobody is let in by it.
        self._fingerprint = ":".join(f"{byte:02X}" for byte in (secret + token() + token()).encode()[:_HEX_PAIRS])

    def offer(self, *, browser: bool) -> bytes:
        """One audio line that is inactive; ``browser``: for a peer that knows encrypted media alone (RFC 8827)."""
        codecs = _BROWSER_CODECS if browser else _PHONE_CODECS
        formats = " ".join(codec.partition(" ")[0] for codec in codecs)
        profile = "UDP/TLS/RTP/SAVPF" if browser else "RTP/AVP"
        lines = [f"m=audio {_DISCARD} {profile} {formats}", f"c=IN {self._zero}"]
        if browser:
            lines += [*self._secured("actpass"), "a=mid:0"]
        lines += [f"a=rtpmap:{codec}" for codec in codecs]
        lines.append("a=inactive")
        return self._describe(["a=group:BUNDLE 0"] if browser else [], lines)

    def answer(self, offer: bytes) -> bytes | None:
        """The answer to an offer: its first audio line is taken, inactive; the others are refused by port 0.

        None when it is no offer: there is nothing to take, or it is beyond all measure.
        """
        media = _media(offer)
        if not media:
            return None
        taken = next((index for index, lines in enumerate(media) if _is_audio(lines[0])), None)
        lines: list[str] = []
        group: list[str] = []
        for index, (line, *attributes) in enumerate(media):
            kind, _, profile, formats = line[2:].split(" ", 3)
            if index != taken:
                lines.append(f"m={kind} 0 {profile} {formats}")
                continue
            lines += [f"m={kind} {_DISCARD} {profile} {formats}", f"c=IN {self._zero}"]
            if "TLS" in profile:
                lines += self._secured("active")
            lines += [self._keyed(text) for text in attributes if text.startswith("a=crypto:")][:1]
            lines += [text for text in attributes if text.removeprefix("a=").startswith(_REPEATED)]
            lines.append("a=inactive")
            group = [f"a=group:BUNDLE {text[6:]}" for text in attributes if text.startswith("a=mid:")]
        bundled = any(line.startswith("a=group:BUNDLE") for line in _lines(offer))
        return self._describe(group[:1] if bundled else [], lines)

    def _describe(self, session: Iterable[str], media: Iterable[str]) -> bytes:
        self._version += 1
        head = ("v=0", f"o=- {self._id} {self._version} IN {self._host}", "s=-", f"c=IN {self._zero}", "t=0 0")
        return "".join(f"{line}\r\n" for line in (*head, *session, *media)).encode("utf-8", "surrogateescape")

    def _keyed(self, offered: str) -> str:
        """The suite that is offered first with a key of ours as long as the offered one (RFC 4568 5.1.2)."""
        suite, _, parameters = offered.partition(" inline:")
        length = len(parameters.partition("|")[0].partition(" ")[0].rstrip("=")) * 3 // 4
        key = (self._password + self._fingerprint).encode()[:length]
        return f"{suite} inline:{b64encode(key).decode()}"

    def _secured(self, setup: str) -> list[str]:
        """What DTLS-SRTP and ICE ask for (RFC 5763, RFC 8839); without a candidate nobody tries to connect."""
        return [
            "a=rtcp-mux",
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self._password}",
            f"a=fingerprint:sha-256 {self._fingerprint}",
            f"a=setup:{setup}",
        ]


def _lines(description: bytes) -> list[str]:
    return description[:MAX_SDP].decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")


def _media(description: bytes) -> list[list[str]]:
    """The lines of each medium, the first of each an ``m=``; empty when there is none, or more than can be honest."""
    found: list[list[str]] = []
    if len(description) > MAX_SDP:
        return found
    for line in _lines(description):
        if "\r" in line or "\0" in line:
            return []
        if line.startswith("m="):
            if line.count(" ") < 3 or len(found) >= MAX_SDP_MEDIA:
                return []
            found.append([line])
        elif found and line.startswith("a=") and len(found[-1]) <= MAX_SDP_ATTRIBUTES:
            found[-1].append(line)
    return found


def _is_audio(line: str) -> bool:
    """Whether it is an audio line that is wanted: one with port 0 was refused already."""
    kind, port, _ = line[2:].split(" ", 2)
    return kind == "audio" and port != "0"
