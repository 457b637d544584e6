"""Files of certificates and keys."""

from __future__ import annotations

from pathlib import Path

from switchroom.conf.certificates import expect_readable
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section


def test_each_file_that_can_not_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "there.pem").touch()
    section = Section("general", "http.conf", 1, False, ())
    files = {"certificate": str(tmp_path / "there.pem"), "key": str(tmp_path / "none.pem"), "authorities": ""}
    for line, (option, path) in enumerate(files.items(), 2):
        section.append(option, path, "http.conf", line)
    problems = Problems()
    expect_readable(section, files, problems)
    (problem,) = problems.ordered()
    assert (str(problem.source), problem.text) == ("http.conf:3", "key names no file that can be read")
    assert not problem.fatal
