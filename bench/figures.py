"""Small arithmetic of measurements."""

from __future__ import annotations

from collections.abc import Sequence


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and worst of so many durations, in milliseconds; empty for none."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    places = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000, 3) for name, part in places.items()
    }
