"""What the documentation says is what there is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from switchroom.ari.routes import TABLE, Route
from switchroom.cli import main
from switchroom.cli.application import application
from switchroom.core.storage import StoreUnavailable
from switchroom.model.errors import DomainError

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
        if not target.startswith(("http://", "https://")):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    broken = [target for target in links(page) if not leads_somewhere(page, target)]
    assert not broken


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether the file is there, and the heading in it when one is named."""
    name, _, heading = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not heading or heading in anchors(file))


def anchors(page: Path) -> set[str]:
    """Of each heading, as code hosts and Sphinx make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_can_be_copied_are_commands(page: Path) -> None:
    for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE):
        parsed = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        # A name in angle brackets is for the reader to fill in.
        assert parsed.returncode == 0 or re.search(r"<[a-z ]+>", block), parsed.stderr


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "how-to").glob("*.md")), ids=lambda page: page.stem)
def test_guides_set_options_there_are(page: Path) -> None:
    reference = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"`(\w+)`", reference)) | {"type"}
    for block in re.findall(r"^```ini\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE):
        if "[Service]" not in block:  # that is systemd's
            assert set(re.findall(r"^(\w+) *=", block, flags=re.MULTILINE)) <= known


def test_each_page_is_in_the_list_of_pages() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / target).resolve() for target in links(index)}
    decisions = ROOT / "docs" / "decisions"
    assert {page for page in PAGES if page != index and page.parent != decisions} <= listed
    assert decisions / "README.md" in listed


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
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-docs.lock",
        "requirements-fuzz.lock",
        "requirements-peers.lock",
    ],
)
def test_each_locked_package_has_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)
    assert pinned
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, flags=re.MULTILINE))
    assert "://" not in text


# ---- operations and errors


def test_the_page_of_operations_is_made_of_the_routes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / ".ci" / "reference"), str(tmp_path)], check=True)
    made = (tmp_path / "operations.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "reference" / "operations.md").read_text(encoding="utf-8")
    assert page == made, ".ci/reference writes it anew"


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_the_table_of_operations_says_what_is_required_and_answered(route: Route) -> None:
    page = (ROOT / "docs" / "ari.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {route.method} \| `{re.escape(route.path)}` \|(.*)\|$", page, flags=re.MULTILINE)
    assert row
    _, parameters, success, errors = row[1].split("|")
    for parameter in route.parameters:
        if parameter.place != "path":
            assert f"`{parameter.name}`" in parameters
            assert (f"`{parameter.name}`\\*" in parameters) == parameter.required
    assert success.split()[0].rstrip(",") == str(route.status)
    assert ("`Location`" in success) == ("Location" in route.headers)
    assert {int(status) for status in re.findall(r"\d+", errors)} == {status for status, _ in route.errors}


def refusals() -> set[tuple[int, str]]:
    """Status and message of every refusal in the source of the ARI edge; what a message is about is ``...``."""
    found = set()
    for file in (ROOT / "src" / "switchroom" / "ari").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Refusal"), args=[ast.Constant(value=int(status)), said, *_]):
                    parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in parts)
                    if text != "\0":
                        found.add((status, re.sub("\0(?::?\0)*", "...", text)))
    return found


def test_each_refusal_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| `([^`]+)` \| (.+) \|$", page, flags=re.MULTILINE)
    table = [(int(status), message) for status, message, _ in rows if " " in message]
    assert len(set(table)) == len(table)
    assert set(table) == refusals()


def test_each_error_of_the_domain_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")

    def kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
        for below in kind.__subclasses__():
            if not below.__name__.startswith("_"):
                yield below
            yield from kinds(below)

    ours = {
        kind.__name__ for kind in (*kinds(DomainError), StoreUnavailable) if kind.__module__.startswith("switchroom")
    }
    named = re.findall(r"^\| \d{3} \| (`\w+`(?:, `\w+`)*) \|", page, flags=re.MULTILINE)
    assert {name for names in named for name in re.findall(r"\w+", names)} == ours
