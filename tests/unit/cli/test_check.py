"""``switchroom check``: 0, 1 or 2, and every problem with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchroom.demo import CONFIGURATION
from unit.cli.conftest import Switchroom


def test_the_sample_configuration_has_no_problems(switchroom: Switchroom) -> None:
    assert switchroom("check", str(CONFIGURATION)) == (0, f"{CONFIGURATION}: no problems\n", "")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("pjsip.conf", "ari.conf", "http.conf"):
        (tmp_path / name).write_text((CONFIGURATION / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_each_problem_is_a_line_with_file_and_line(switchroom: Switchroom, directory: Path) -> None:
    with (directory / "http.conf").open("a", encoding="utf-8") as file:
        file.write("bindport = 99999\nbindport = many\nsizzle = yes\n")
    lines = (directory / "http.conf").read_text(encoding="utf-8").count("\n")
    status, out, err = switchroom("check", str(directory))
    assert (status, err) == (1, "")
    *problems, summary = out.splitlines()
    assert summary == f"{directory}: 3 problems"
    assert [problem.split(": ")[0] for problem in problems] == [
        f"http.conf:{line}" for line in (lines - 2, lines - 1, lines)
    ]


def test_one_problem_is_counted_as_one(switchroom: Switchroom, directory: Path) -> None:
    with (directory / "http.conf").open("a", encoding="utf-8") as file:
        file.write("sizzle = yes\n")
    assert switchroom("check", str(directory)).out.endswith(f"{directory}: 1 problem\n")


def test_control_characters_of_a_file_do_not_reach_the_terminal(switchroom: Switchroom, directory: Path) -> None:
    (directory / "http.conf").write_bytes(b"[general]\nenabled = yes\n\x1b[2Jsizzle = \x07\xff\n")
    status, out, err = switchroom("check", str(directory))
    assert status == 1
    assert not {"\x1b", "\x07", "\udcff"} & set(out + err)


@pytest.mark.parametrize("command", [["check"], ["run", "--config"]], ids=["check", "run"])
def test_a_directory_that_can_not_be_read_is_one_line(
    switchroom: Switchroom, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "file").touch()
    for name, why in (("missing", "No such file or directory"), ("file", "Not a directory")):
        path = tmp_path / name
        assert switchroom(*command, str(path)) == (2, "", f"switchroom: {path}: {why}\n")
