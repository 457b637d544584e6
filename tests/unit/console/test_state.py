"""What the console keeps of what the server tells it, without a browser: ``state.mjs`` in Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import switchroom
from support.programs import need_program

HERE = Path(__file__).parent
CONSOLE = Path(switchroom.__file__).parent / "console"


def test_the_state_of_the_console(request: pytest.FixtureRequest) -> None:
    node = need_program("node", request)
    done = subprocess.run(
        [node, str(HERE / "state.mjs"), CONSOLE.as_uri()], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
