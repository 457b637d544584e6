"""TLS with XMPP servers: whom to believe, and what to say when that fails."""

from __future__ import annotations

import ssl
from functools import lru_cache


@lru_cache(maxsize=64)
def tls_context(verify: bool, ca_file: str) -> ssl.SSLContext:
    """TLS as a client, 1.2 or newer; loading who is known takes some 20 ms, so accounts share it."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_fault(error: ssl.SSLError) -> str:
    """What is wrong with a server's TLS, for the administrator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        believed = "(tls_ca_file and tls_verify say whom to believe)"
        return f"the server's certificate is refused: {error.verify_message} {believed}"
    return f"TLS with the server failed: {error.reason or error}"
