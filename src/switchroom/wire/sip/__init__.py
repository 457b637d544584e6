"""The SIP kernel: bytes in, bytes out, time and randomness handed in (RFC 3261)."""
