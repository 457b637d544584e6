"""TLS contexts: what is asked for, and mistakes that are named."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from support.certificates import Certificate, self_signed
from switchroom.net.certificates import client_context, server_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_nobody_is_asked_for_a_certificate_by_default(certificate: Certificate) -> None:
    context = server_context(str(certificate.cert), str(certificate.key))
    assert context.verify_mode is ssl.CERT_NONE
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("verify", "require", "mode"),
    [(True, False, ssl.CERT_OPTIONAL), (False, True, ssl.CERT_REQUIRED), (True, True, ssl.CERT_REQUIRED)],
)
def test_clients_are_asked_when_it_is_wanted(
    certificate: Certificate, verify: bool, require: bool, mode: ssl.VerifyMode
) -> None:
    context = server_context(
        str(certificate.cert),
        str(certificate.key),
        ca_file=str(certificate.cert),
        verify_client=verify,
        require_client_cert=require,
    )
    assert context.verify_mode is mode
    assert len(context.get_ca_certs()) == 1


def test_the_key_may_stand_in_the_certificates_file(certificate: Certificate, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.key.read_bytes() + certificate.cert.read_bytes())
    server_context(str(both))


def test_servers_are_checked_when_it_is_wanted(certificate: Certificate) -> None:
    assert client_context().verify_mode is ssl.CERT_NONE
    checking = client_context(ca_file=str(certificate.cert), verify_server=True)
    assert (checking.verify_mode, checking.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert client_context(verify_server=True).verify_mode is ssl.CERT_REQUIRED


def test_mistakes_name_the_file(certificate: Certificate, tmp_path: Path) -> None:
    cert, key = str(certificate.cert), str(certificate.key)
    garbage, missing = tmp_path / "garbage.pem", tmp_path / "missing.pem"
    garbage.write_text("not PEM")
    with pytest.raises(ValueError, match=r"missing\.pem: No such file"):
        server_context(cert, str(missing))
    with pytest.raises(ValueError, match=r"no PEM certificate with its key in .*garbage"):
        server_context(str(garbage), key)
    with pytest.raises(ValueError, match=r"no PEM certificate in .*garbage"):
        client_context(ca_file=str(garbage), verify_server=True)
    with pytest.raises(ValueError, match=r"missing\.pem: No such file"):
        client_context(ca_file=str(missing), verify_server=True)
    other = self_signed(tmp_path, "other")
    with pytest.raises(ValueError, match=r"other\.key does not belong to .*server\.pem"):
        server_context(cert, str(other.key))


def test_a_locked_key_is_an_error_and_no_prompt(certificate: Certificate, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", certificate.key, "-aes128", "-passout", "pass:secret", "-out", locked],
        check=True,
        capture_output=True,
        timeout=30,
    )
    with pytest.raises(ValueError, match="locked with a password"):
        server_context(str(certificate.cert), str(locked))
