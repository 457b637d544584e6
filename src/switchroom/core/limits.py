"""Bounds of the core; each with the reason for its size."""

#: Addresses whose verdict is remembered: as many as contacts of a large installation.
JUDGED_ADDRESSES = 16_384

#: Entries of the schedule below which cancelled ones are not swept out: it would cost more than it frees.
MIN_SWEEP = 256
