"""The server's own command line is read without typer, and means the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from switchroom.cli import plain_run


@pytest.mark.parametrize(
    ("line", "folders"),
    [
        ("run --config a", (Path("a"), None)),
        ("run --config a --state b", (Path("a"), Path("b"))),
        ("run --state b --config a", (Path("a"), Path("b"))),
        ("run --config a --config b", None),
        ("run --state b", None),
        ("run --config a --help", None),
        ("run --help", None),
        ("run --config", None),
        ("run --config a --other b", None),
        ("check a", None),
        ("", None),
    ],
)
def test_only_the_plain_line_is_taken(line: str, folders: tuple[Path, Path | None] | None) -> None:
    assert plain_run(line.split()) == folders


def test_it_does_not_load_what_only_command_lines_need(tmp_path: Path) -> None:
    """A folder without files serves nothing and is refused, after everything was imported."""
    program = (
        "import sys\nfrom switchroom.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "assert 'switchroom.server' in sys.modules\n"
        "assert not {'typer', 'pydantic', 'slixmpp', 'dns', 'rich'} & set(sys.modules)\n"
    )
    (tmp_path / "ari.conf").mkdir()  # not readable as a file: the server is loaded, and says so
    ended = subprocess.run(
        [sys.executable, "-c", program, "run", "--config", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
