"""What the console keeps of what the server tells it, without a browser: ``state.mjs`` in Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import switchroom
from support.programs import need_program

HERE = Path(__file__).parent
CONSOLE = Path(switchroom.__file__).parent / "console"


def test_the_state_of_the_console(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    node = need_program("node", request)
    # Older Nodes, as Debian's 18, are told by this file that a .js is a module; browsers are told by index.html.
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    console = shutil.copytree(CONSOLE, tmp_path / "console")
    done = subprocess.run(
        [node, str(HERE / "state.mjs"), Path(console).as_uri()], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
