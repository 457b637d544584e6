"""Bounds of the core; each with the reason for its size."""

#: Addresses whose verdict is remembered: as many as contacts of a large installation.
JUDGED_ADDRESSES = 16_384
