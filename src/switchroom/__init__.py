"""Switchroom: an ARI Endpoints server that is its own SIP registrar and message switch."""

__version__ = "0.1.0"
