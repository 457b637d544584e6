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
