"""What a process has cost so far, from Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: Positions after the command's name in /proc/PID/stat: utime, stime, and those of children that ended.
_TIMES = slice(11, 15)


class Costs:
    """CPU and memory of one process."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Seconds of CPU, user and system. The kernel counts in ticks of 10 ms."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[_TIMES])) / _TICKS_PER_SECOND

    def rss(self) -> float:
        """Resident memory in MB."""
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ProcessLookupError(self._folder.name)


def dropped_datagrams(host: str, port: int) -> int:
    """Datagrams the kernel threw away at a UDP socket because its owner was too slow."""
    octets = bytes(map(int, host.split(".")))
    place = f"{int.from_bytes(octets, 'little'):08X}:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if row[1] == place)
