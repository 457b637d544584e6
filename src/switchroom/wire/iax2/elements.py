"""Information elements: one byte of id, one of length, data (RFC 5456 8.5).

As in Asterisk an element nobody knows is passed over, a number of the wrong length counts as not there, and
the last of several wins. A length that runs past the end makes the whole frame void.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from typing import Final

from switchroom.wire.iax2.errors import FrameError
from switchroom.wire.iax2.limits import MAX_ELEMENT, MAX_ELEMENTS
from switchroom.wire.iax2.numbers import Element

#: Address families as Linux numbers them, in the byte order of the machines this protocol was born on.
_IPV4: Final = b"\x02\x00"
_IPV6: Final = b"\x0a\x00"


class Elements:
    """The elements of one frame."""

    __slots__ = ("_data",)

    def __init__(self, payload: bytes) -> None:
        """Raises FrameError."""
        size = len(payload)
        if size > MAX_ELEMENTS:
            raise FrameError("too many information elements")
        data: dict[int, bytes] = {}
        at = 0
        while at < size:
            if at + 2 > size:
                raise FrameError("half an information element")
            end = at + 2 + payload[at + 1]
            if end > size:
                raise FrameError("an information element longer than its frame")
            data[payload[at]] = payload[at + 2 : end]
            at = end
        self._data = data

    def raw(self, element: Element) -> bytes | None:
        """The bytes as they came; None when there is none."""
        return self._data.get(element)

    def text(self, element: Element) -> str:
        """Text without what follows a NUL, bytes that are no UTF-8 replaced; empty when there is none."""
        data = self._data.get(element)
        return data.partition(b"\0")[0].decode("utf-8", "replace") if data else ""

    def number(self, element: Element, size: int) -> int | None:
        """A number of ``size`` bytes; None when there is none, or of another length."""
        data = self._data.get(element)
        return int.from_bytes(data, "big") if data is not None and len(data) == size else None

    def __contains__(self, element: Element) -> bool:
        return element in self._data


def write_raw(element: Element, data: bytes = b"") -> bytes:
    """Raises ValueError for more than 255 bytes."""
    return bytes((element, len(data))) + data


def write_text(element: Element, text: str) -> bytes:
    """Text, cut between two characters where it is longer than an element; NUL and half characters replaced."""
    data = text.replace("\0", " ").encode("utf-8", "replace")
    if len(data) > MAX_ELEMENT:
        data = data[:MAX_ELEMENT].decode("utf-8", "ignore").encode()
    return bytes((element, len(data))) + data


def write_number(element: Element, number: int, size: int) -> bytes:
    return bytes((element, size)) + number.to_bytes(size, "big")


def write_address(host: str, port: int) -> bytes:
    """APPARENT_ADDRESS: a socket address as it lies in memory (RFC 5456 8.6.17)."""
    address = ip_address(host)
    head = port.to_bytes(2, "big")
    if isinstance(address, IPv4Address):
        return write_raw(Element.APPARENT_ADDRESS, _IPV4 + head + address.packed + bytes(8))
    return write_raw(Element.APPARENT_ADDRESS, _IPV6 + head + bytes(4) + address.packed + bytes(4))


def packed_time(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """DATE_TIME: 32 bits, two seconds fine (RFC 5456 8.6.28)."""
    return (year - 2000 & 0x7F) << 25 | month << 21 | day << 16 | hour << 11 | minute << 5 | second >> 1
