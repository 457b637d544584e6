"""TLS contexts from certificate files: TLS 1.2 and later, and no client certificate asked for unless wanted."""

from __future__ import annotations

import ssl
from typing import NoReturn


def server_context(
    cert_file: str,
    key_file: str = "",
    *,
    ca_file: str = "",
    verify_client: bool = False,
    require_client_cert: bool = False,
) -> ssl.SSLContext:
    """For connections that come in. ``verify_client`` asks for a certificate and takes none for an answer,
    ``require_client_cert`` does not; either way one that is shown must be signed by ``ca_file``, or by an authority
    the system trusts when there is none. Some phones stop and prompt when they are asked, so neither is the default.

    Raises:
        ValueError: a file can not be read or does not hold what it should; the text names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, cert_file, key_file)
    if verify_client or require_client_cert:
        context.verify_mode = ssl.CERT_REQUIRED if require_client_cert else ssl.CERT_OPTIONAL
        _load_authorities(context, ca_file)
    return context


def client_context(
    cert_file: str = "", key_file: str = "", *, ca_file: str = "", verify_server: bool = False
) -> ssl.SSLContext:
    """For connections that we open; our certificate is shown to who asks for it.

    Without ``verify_server`` any certificate will do: the line is encrypted, but its end is not known.

    Raises:
        ValueError: as ``server_context``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify_server:
        _load_authorities(context, ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert_file:
        _load_certificate(context, cert_file, key_file)
    return context


def _load_certificate(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    """The key may stand in the certificate's file."""
    try:
        context.load_cert_chain(cert_file, key_file or None, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"the key {key_file or cert_file} does not belong to {cert_file}") from error
        raise ValueError(f"no PEM certificate with its key in {cert_file} {key_file}".rstrip()) from error
    except OSError as error:
        raise ValueError(f"{cert_file} {key_file}".rstrip() + f": {error.strerror}") from error


def _refuse_password() -> NoReturn:
    """Without this the TLS library would ask on the terminal, and the server would wait for ever."""
    raise ValueError("the private key is locked with a password")


def _load_authorities(context: ssl.SSLContext, ca_file: str) -> None:
    if not ca_file:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"no PEM certificate in {ca_file}") from error
    except OSError as error:
        raise ValueError(f"{ca_file}: {error.strerror}") from error
