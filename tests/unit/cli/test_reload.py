"""``switchroom reload`` when there is nobody to ask; tests/wire/test_runtime_configuration.py asks a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.config import ARI, http_address, write_config
from unit.cli.conftest import Switchroom


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, switchroom: Switchroom) -> None:
    directory = write_config(tmp_path / "config", pjsip="")
    status, _, error = switchroom("reload", "--config", str(directory))
    assert status == 2
    assert error.startswith(f"switchroom: no server answers at 127.0.0.1 port {http_address(directory).port}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "files",
    [
        {"ari.conf": ARI.replace("password = asterisk", "password = x\npassword_format = crypt")},
        {"ari.conf": ARI.replace("password = asterisk", "password = x\nread_only = yes")},
        {"http.conf": "[general]\nenabled=no\n"},
    ],
)
def test_without_a_server_or_a_user_that_may_nothing_is_asked(
    tmp_path: Path, switchroom: Switchroom, files: dict[str, str]
) -> None:
    status, _, error = switchroom("reload", "--config", str(write_config(tmp_path / "config", pjsip="", files=files)))
    assert (status, error.count("\n")) == (2, 1)
    assert "no user with a plain password who may write" in error


def test_files_that_can_not_be_used_are_not_sent_for(tmp_path: Path, switchroom: Switchroom) -> None:
    directory = write_config(tmp_path / "config", pjsip="", files={"pjsip.conf": "[broken\n"})
    status, _, error = switchroom("reload", "--config", str(directory))
    assert status == 2
    assert error.startswith("switchroom: nothing was changed: pjsip.conf:1: error: ")


def test_a_directory_that_does_not_exist_is_one_line(tmp_path: Path, switchroom: Switchroom) -> None:
    status, _, error = switchroom("reload", "--config", str(tmp_path / "none"))
    assert (status, error.count("\n")) == (2, 1)
    assert "No such file or directory" in error
