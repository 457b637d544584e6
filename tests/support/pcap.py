"""Datagrams as a capture file that dissectors read."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

from switchroom.wire.iax2.address import Address

#: Raw IP without a link layer.
_LINKTYPE_RAW = 101


def write_pcap(file: Path, datagrams: Iterable[tuple[bytes, Address, Address]]) -> None:
    """Writes (data, source, destination), IPv4, one a millisecond."""
    content = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _LINKTYPE_RAW)
    for number, (data, source, to) in enumerate(datagrams):
        udp = struct.pack(">HHHH", source.port, to.port, 8 + len(data), 0) + data
        addresses = IPv4Address(source.host).packed + IPv4Address(to.host).packed
        packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0) + addresses + udp
        content += struct.pack("=IIII", number // 1000, number % 1000 * 1000, len(packet), len(packet)) + packet
    file.write_bytes(content)
