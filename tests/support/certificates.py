"""Certificates for one test each, made by the ``openssl`` program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """A certificate and its key, PEM files."""

    cert: Path
    key: Path


def self_signed(folder: Path, name: str = "server") -> Certificate:
    """A certificate for 127.0.0.1, ::1 and localhost that nobody but itself signed."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(made.key), "-out", str(made.cert), "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return made


def expired(folder: Path, name: str = "expired") -> Certificate:
    """A certificate like ``self_signed`` whose day was in 2020."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    request, config = folder / f"{name}.csr", folder / f"{name}.cnf"
    for file, text in (("index", ""), ("serial", "01\n")):
        (folder / f"{name}.{file}").write_text(text, encoding="ascii")
    config.write_text(
        f"[ca]\ndefault_ca = here\n[here]\ndatabase = {folder / name}.index\nserial = {folder / name}.serial\n"
        f"new_certs_dir = {folder}\ndefault_md = sha256\npolicy = any\nx509_extensions = names\n"
        f"[any]\ncommonName = supplied\n[names]\nsubjectAltName = IP:127.0.0.1,IP:::1,DNS:localhost\n",
        encoding="utf-8",
    )
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key))
    dates = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    ask = ("openssl", "req", "-new", "-batch", *key, "-out", str(request), "-subj", f"/CN={name}")
    sign = ("openssl", "ca", "-config", str(config), "-selfsign", "-keyfile", str(made.key), "-in", str(request))
    for command in (ask, (*sign, "-out", str(made.cert), *dates, "-batch", "-notext")):
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made
