"""What the documentation says is what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from switchroom.cli import main
from switchroom.cli.application import application

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
COMMANDS = ["", *sorted(command.callback.__name__ for command in application.registered_commands if command.callback)]
COMMANDS += ["messages", *(f"messages {name}" for name in ("list", "show", "cancel", "export"))]
COMMANDS += ["profile", *(f"profile {name}" for name in ("save", "list", "delete"))]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command or "switchroom")
def test_each_command_stands_in_the_documentation_as_it_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*command.split(), "--help"]
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(arguments)
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert f"```\n$ switchroom {' '.join(arguments)}\n{capsys.readouterr().out.strip()}\n```" in page


def test_each_option_explains_itself() -> None:
    group = typer.main.get_command(application)
    commands = [group, *group.commands.values()]  # type: ignore[attr-defined]
    for command in commands:
        assert command.help
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{command.name}: {parameter.name}"


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    broken = [target for target in links(page) if not (page.parent / target).exists()]
    assert not broken


def test_each_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")) == records
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))


def test_each_runtime_dependency_has_a_decision() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, flags=re.DOTALL | re.MULTILINE)
    assert listed
    records = " ".join(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    for name in re.findall(r'"([a-z0-9-]+)', listed[1]):
        assert f"-{name}.md" in records, name


def test_each_security_test_is_in_the_list_of_threats() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(tests/security/(test_\w+\.py)\) \|$", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "tests" / "security").glob("test_*.py"))


def test_each_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony
    for target in phony[1].split():
        assert re.search(rf"^{target}:.* ## \S", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "requirements-fuzz.lock", "requirements-peers.lock"]
)
def test_each_locked_package_has_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)
    assert pinned
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, flags=re.MULTILINE))
    assert "://" not in text
