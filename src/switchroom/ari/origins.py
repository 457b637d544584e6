"""Which web pages may use ARI from a browser (``allowed_origins`` of ari.conf).

A listed origin may read answers and send the browser's credentials. ``*`` lets every page read, with
credentials it was given and sets itself, but never with those the browser keeps.
"""

from __future__ import annotations

import re

_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]*")


class Origins:
    """The list, and the header lines that follow from it."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._listed = frozenset(origin.strip() for origin in allowed)
        self._all = "*" in self._listed

    def headers(self, origin: str) -> bytes:
        """Lines for an answer to a request from this origin; exact comparison, as browsers send it."""
        vary = b"Vary: Origin\r\n"
        if origin in self._listed and origin != "*":
            credentials = b"Access-Control-Allow-Credentials: true\r\n"
        elif self._all:
            credentials = b""
        else:
            return vary
        name = origin.encode("utf-8", "surrogateescape")
        return b"Access-Control-Allow-Origin: %b\r\n%b%b" % (name, credentials, vary)

    def allows(self, origin: str, host: str | None) -> bool:
        """Whether a page of this origin may change things or listen: it is listed, or our own."""
        if origin in self._listed or self._all:
            return True
        scheme, _, authority = origin.partition("://")
        return scheme in ("http", "https") and host is not None and authority.lower() == host.lower()


def preflight(methods: str, requested: str | None, names: str | None) -> bytes:
    """Lines that answer a preflight: methods when the one asked for is among them, and the names asked for."""
    if requested not in methods.split(","):
        return b""
    lines = b"Access-Control-Allow-Methods: %b\r\n" % methods.encode()
    if names and _NAMES.fullmatch(names):
        lines += b"Access-Control-Allow-Headers: %b\r\n" % names.encode()
    return lines
