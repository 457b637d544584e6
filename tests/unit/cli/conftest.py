"""The command line called in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from switchroom.cli import main


class Result(NamedTuple):
    """What a command did."""

    status: object
    out: str
    err: str


Switchroom = Callable[..., Result]


@pytest.fixture
def switchroom(capsys: pytest.CaptureFixture[str]) -> Switchroom:
    def call(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = capsys.readouterr()
        return Result(ended.value.code, written.out, written.err)

    return call
