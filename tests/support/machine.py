"""What a process takes of the machine (Linux)."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Memory it has now."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no VmRSS of {pid}")


def open_descriptors(pid: int) -> int:
    """Files and sockets it has open now."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
