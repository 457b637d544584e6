"""How the text of an option becomes a value: booleans, numbers, names, addresses, URIs.

Each function takes the trimmed text and returns the value or raises Misread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from sys import intern
from typing import Any, TypeAlias

from switchroom.conf.limits import MAX_HOST, MAX_URI

Network: TypeAlias = IPv4Network | IPv6Network

#: Asterisk's words, in any case. It takes everything but the true ones as false.
TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
FALSE = frozenset({"no", "false", "n", "f", "0", "off"})

_UNSET: Any = object()

_WHOLE = re.compile(r"[0-9]{1,10}")
_DECIMAL = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")
_HOST = re.compile(r"(?=.*[A-Za-z_])[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_SIP_URI = re.compile(
    r'sips?:(?:[^\s<>"@]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?([;?][^\s<>"]*)?', re.IGNORECASE
)
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_ALGORITHMS = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}


class Misread(ValueError):
    """A text that is not what the option takes.

    ``expected`` completes "this is not ..."; ``meanwhile`` says what holds until it is corrected, and
    ``value`` is that, when it is not the default; ``harmless`` when Asterisk would take it in silence.
    """

    def __init__(
        self,
        expected: str,
        *,
        advice: str = "",
        meanwhile: str = "until then its default holds",
        value: Any = _UNSET,
        harmless: bool = False,
    ) -> None:
        super().__init__(expected)
        self.expected = expected
        self.advice = advice or f"Write {expected}"
        self.meanwhile = meanwhile
        self.has_value = value is not _UNSET
        self.value = value
        self.harmless = harmless


# ---- words and numbers


def boolean(text: str) -> bool:
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise Misread("yes or no", meanwhile="until then it counts as no", value=False, harmless=True)


def cautious_boolean(text: str) -> bool:
    """A boolean that takes rights away: a slip of the pen must not hand them out."""
    word = text.lower()
    if word not in TRUE and word not in FALSE:
        raise Misread("yes or no", meanwhile="until then it counts as yes", value=True)
    return word in TRUE


def plain(text: str) -> str:
    return text


def shared(text: str) -> str:
    """A text that many sections have in common."""
    return intern(text)


def word(text: str) -> str:
    """A text that becomes a part of a header: no blanks, quotes or angle brackets."""
    if any(sign.isspace() or sign in '<>"' for sign in text):
        raise Misread("a word without blanks, quotes or angle brackets")
    return intern(text)


def names(text: str) -> tuple[str, ...]:
    """A comma list; empty items are left out."""
    if "," not in text:
        return (intern(text),) if text else ()
    return tuple(intern(name) for part in text.split(",") if (name := part.strip()))


def whole(least: int, most: int) -> Callable[[str], int]:
    expected = f"a whole number from {least} to {most}"

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise Misread(expected)
        return int(text)

    return parse


def decimal(least: float, most: float) -> Callable[[str], float]:
    expected = f"a number from {least:g} to {most:g}"

    def parse(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not least <= float(text) <= most:
            raise Misread(expected)
        return float(text)

    return parse


def milliseconds(least: int, most: int) -> Callable[[str], float]:
    """Written in milliseconds, kept in seconds."""
    number = whole(least, most)

    def parse(text: str) -> float:
        try:
            return number(text) / 1000
        except Misread as wrong:
            raise Misread(f"{wrong.expected} (milliseconds)") from None

    return parse


def choice(*words: str) -> Callable[[str], str]:
    expected = "one of " + ", ".join(words)

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise Misread(expected)
        return intern(text.lower())

    return parse


def choices(*words: str) -> Callable[[str], tuple[str, ...]]:
    expected = "a list of " + ", ".join(words)

    def parse(text: str) -> tuple[str, ...]:
        found = names(text.lower())
        if not set(found) <= set(words):
            raise Misread(expected)
        return tuple(dict.fromkeys(found))

    return parse


# ---- addresses


def network(text: str) -> Network:
    """An address or network, its mask in bits or as an address. Raises ValueError."""
    address, slash, mask = text.partition("/")
    address = address.strip().removeprefix("[").removesuffix("]")
    found = ip_network(f"{address}{slash}{mask.strip()}", strict=False)
    if isinstance(found, IPv6Network):
        if found.network_address.scope_id is not None:
            raise ValueError("a zone has no place in a network")
        mapped = found.network_address.ipv4_mapped
        if mapped is not None and found.prefixlen >= 96:
            # Packets from such addresses show as IPv4.
            return IPv4Network((mapped, found.prefixlen - 96))
    return found


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(network(name) for name in names(text))
    except ValueError:
        raise Misread("a list of networks, as 10.0.0.0/8", meanwhile="until then it is left out") from None


def is_host(text: str) -> bool:
    """A host name or a literal address without brackets. Digits and dots alone are an address or nothing."""
    try:
        ip_address(text)
    except ValueError:
        return len(text) <= MAX_HOST and _HOST.fullmatch(text) is not None and ".." not in text
    return True


def host(text: str) -> str:
    bare = text.removeprefix("[").removesuffix("]")
    if text and not is_host(bare):
        raise Misread("a host name or address")
    return bare


def split_port(text: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare v6 address. Raises ValueError."""
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("unbalanced brackets")
        IPv6Address(address)
        return address, _port(rest[1:]) if rest else None
    if text.count(":") > 1:
        IPv6Address(text)
        return text, None
    address, colon, port = text.partition(":")
    return address, _port(port) if colon else None


def _port(text: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > 0xFFFF:
        raise ValueError("no port")
    return int(text)


def bind(text: str) -> tuple[str, int | None]:
    """A literal address to listen on, and the port when one is written."""
    try:
        address, port = split_port(text)
        ip_address(address)
    except ValueError:
        raise Misread(
            "an address with or without a port, as 0.0.0.0:5060 or [::]:5060",
            meanwhile="until then it is as if not written",
        ) from None
    return address, port


def host_and_port(text: str) -> tuple[str, int | None]:
    """As ``bind``, host names too."""
    try:
        address, port = split_port(text)
    except ValueError:
        address, port = "", None
    if not is_host(address):
        raise Misread("an address with or without a port, as 127.0.0.1:8088")
    return address, port


# ---- SIP


def sip_uri(text: str) -> str:
    found = _SIP_URI.fullmatch(text)
    if found is None or len(found[1]) > MAX_HOST or len(text) > MAX_URI:
        raise Misread(f"a sip: or sips: URI of at most {MAX_URI} characters, without blanks or angle brackets")
    return intern(text)


def proxy_uri(text: str) -> str:
    """A URI that becomes a Route (RFC 3261 16.12): a proxy that is not marked ``lr`` rewrites the target."""
    if not text:
        return ""
    uri = sip_uri(text)
    parameters = uri.partition("?")[0].lower().split(";")[1:]
    if not any(parameter.partition("=")[0] == "lr" for parameter in parameters):
        raise Misread(
            "marked as a loose router",
            advice=f"Write {uri}\\;lr",
            meanwhile="until then requests are sent by strict routing",
            value=uri,
            harmless=True,
        )
    return uri


def sip_uris(text: str) -> tuple[str, ...]:
    found = []
    for name in names(text):
        try:
            found.append(sip_uri(name))
        except Misread as wrong:
            raise Misread(
                f"a list of URIs ({wrong.expected})",
                advice="Write sip:user@host",
                meanwhile="until then this contact is left out",
                value=tuple(found),
            ) from None
    return tuple(found)


def algorithms(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(names(text.upper())))
    if not _ALGORITHMS.keys() >= set(found):
        raise Misread("a list of " + ", ".join(_ALGORITHMS))
    return found


def digests(text: str) -> tuple[tuple[str, str], ...]:
    """``ALGORITHM:hex[,ALGORITHM:hex]``: pairs of algorithm and HA1."""
    found: list[tuple[str, str]] = []
    for item in names(text):
        algorithm, _, value = item.partition(":")
        algorithm = algorithm.strip().upper()
        value = value.strip().lower()
        length = _ALGORITHMS.get(algorithm)
        if length is None or not re.fullmatch(f"[0-9a-f]{{{length}}}", value):
            raise Misread(
                "ALGORITHM:hash, with 32 hexadecimal digits for MD5 and 64 for SHA-256 and SHA-512-256",
                meanwhile="until then this digest is left out",
                value=tuple(found),
            )
        found.append((algorithm, value))
    return tuple(found)


def md5_digest(text: str) -> tuple[tuple[str, str], ...]:
    if text and not re.fullmatch("[0-9a-fA-F]{32}", text):
        raise Misread("an MD5 hash of 32 hexadecimal digits", meanwhile="until then this digest is left out")
    return (("MD5", text.lower()),) if text else ()


def display_name(text: str) -> str:
    """The name of ``"Name" <number>``, ``Name <number>`` or ``Name``; a bare number is no name."""
    name, bracket, _ = text.partition("<")
    name = name.strip()
    if name[:1] == '"':
        name = name[1:].removesuffix('"')
    elif not bracket and re.fullmatch(r"[+*#0-9().\s-]*", name):
        name = ""
    return name


def header_match(text: str) -> tuple[str, str]:
    """``Name: value`` or ``Name: /regex/``."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not value or not _TOKEN.fullmatch(name):
        raise Misread("a header, as Name: value", meanwhile="until then it matches nothing")
    return name, pattern(value)


def pattern(text: str) -> str:
    """A text, or a regular expression between slashes."""
    if len(text) > 1 and text[0] == "/" and text[-1] == "/":
        try:
            re.compile(text[1:-1])
        except re.error:
            raise Misread("a regular expression between slashes", meanwhile="until then it matches nothing") from None
    return text


def matches(text: str) -> tuple[tuple[Network, int] | str, ...]:
    """Where requests come from: networks with a port (0: any), and host names with or without a port."""
    found: list[tuple[Network, int] | str] = []
    for item in names(text):
        try:
            found.append(_match(item))
        except ValueError:
            raise Misread(
                "a list of addresses, networks and host names",
                advice="Write 192.0.2.0/24, 192.0.2.1:5060 or host.example",
                meanwhile="until then it matches nothing",
                value=tuple(found),
            ) from None
    return tuple(found)


def _match(item: str) -> tuple[Network, int] | str:
    address, slash, mask = item.partition("/")
    name, port = split_port(address.strip())
    try:
        ip_address(name)
    except ValueError:
        if slash or not is_host(name):
            raise
        return item
    return network(f"{name}{slash}{mask}"), port or 0
