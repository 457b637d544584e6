"""Recorded behaviour of Asterisk, played against Switchroom."""
