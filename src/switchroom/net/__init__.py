"""Shells around the network: they know bytes, addresses and timers, and no protocol."""
