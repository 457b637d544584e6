"""Configuration written as text, read as the server reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from switchroom.conf.directory import read_directory
from switchroom.conf.problems import Problem
from switchroom.model.settings import Configuration

Read: TypeAlias = Callable[..., tuple[Configuration, list[Problem]]]

HTTP = "[general]\nenabled=yes\nbindaddr=127.0.0.1\n"
ARI = "[ann]\ntype=user\npassword=x\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes files (``pjsip`` is pjsip.conf; http.conf and ari.conf are right unless given) and reads the directory."""

    def write_and_read(**files: str | None) -> tuple[Configuration, list[Problem]]:
        for name, text in {"http": HTTP, "ari": ARI, **files}.items():
            if text is not None:
                (tmp_path / f"{name}.conf").write_text(text, encoding="utf-8")
        return read_directory(tmp_path)

    return write_and_read
