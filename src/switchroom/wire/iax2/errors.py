"""The one error of the kernel."""

from __future__ import annotations


class FrameError(ValueError):
    """A datagram that is no frame, or whose lengths do not hold. There is no answer to it: it is dropped."""
