"""The wheel in an environment of its own: everything is in it, and it serves. What puts it on a machine fits it."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.config import free_port
from support.programs import need_program
from switchroom import __version__

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "switchroom"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = ROOT / "contrib" / "systemd" / "switchroom.service"

#: Seconds for a command that starts a server.
_WITHIN = 20.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what the build reads, so that an earlier build leaves nothing in it."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(SOURCE, folder / "src" / "switchroom", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel, and with the dependencies of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder of a .pth file is a plain entry of the path: what links this environment to the source is not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    return folder / "bin"


def environment(**more: str) -> dict[str, str]:
    """Without what would lead to the source tree."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | more


def said(program: Path, *arguments: str) -> str:
    """What a command prints that ends by itself."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment(), cwd="/", check=True)
    return done.stdout


@contextmanager
def running(*command: str | Path, until: str) -> Iterator[None]:
    """A server for as long as the block lasts, from when it has said that it is there; SIGTERM ends it with 0."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(PYTHONUNBUFFERED="1")
    )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if until in line:
                break
        assert process.poll() is None, "".join(lines)
        yield
        process.terminate()
        assert process.wait(_WITHIN) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def got(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=_WITHIN) as answer:
        return answer.status, answer.read()


def test_it_holds_all_that_is_no_python_source(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix("switchroom/") for name in archive.namelist() if name.startswith("switchroom/")}
        assert archive.read("switchroom/console/vendor/LICENSES.txt")
        metadata = archive.read(f"switchroom-{__version__}.dist-info/METADATA").decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    there = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.is_file() and path.parent.name[:2] != "__"
    }
    assert held == there
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata


def test_the_version_comes_from_one_place(installed: Path) -> None:
    assert said(installed / "switchroom", "--version") == f"switchroom {__version__}\n"
    where = said(installed / "python", "-c", "import switchroom; print(switchroom.__file__)")
    assert str(installed.parent) in where
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_demo_runs_from_it_and_the_console_is_served(installed: Path) -> None:
    http, sip = free_port(), free_port()
    with running(
        installed / "switchroom", "demo", "--http-port", str(http), "--sip-port", str(sip), until="Control-C ends"
    ):
        status, page = got(f"http://127.0.0.1:{http}/")
        assert status == 200
        named = re.findall(r'(?:src|href)="([\w./-]+)"', page.decode())
        assert "main.js" in named
        for name in named:
            assert got(f"http://127.0.0.1:{http}/{name}")[1]


# ---- the container


def copied() -> list[str]:
    """What is copied from the build context."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    return [name for line in lines for name in line.split()[:-1]]


def test_the_dockerfile_copies_what_is_there_and_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    for name in copied():
        source = ROOT / name
        assert source.exists(), name
        assert any(source.is_relative_to(ROOT / allowed) for allowed in let_in), name


def test_the_container_has_what_the_build_reads() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {"pyproject.toml", "src", "requirements.lock"} <= set(copied())
    for name in re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', project, re.MULTILINE):
        assert name in copied()


def test_the_container_does_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER switchroom$", last, re.MULTILINE)
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")


def test_the_command_and_the_health_check_of_the_container_work(installed: Path, tmp_path: Path) -> None:
    entry = re.search(r'^ENTRYPOINT \["(\w+)"\]\nCMD \[(.*)\]$', DOCKERFILE, re.MULTILINE)
    assert entry
    config = tmp_path / "etc"
    port = free_port()
    shutil.copytree(SOURCE / "demo" / "config", config)
    for name, theirs in (("http.conf", "8088"), ("pjsip.conf", "5060")):
        text = (config / name).read_text(encoding="utf-8")
        (config / name).write_text(text.replace(theirs, str(port)), encoding="utf-8")
    places = {"/etc/switchroom": str(config), "/var/lib/switchroom": str(tmp_path / "state")}
    words = [places.get(word, word) for word in re.findall(r'"([^"]+)"', entry[2])]
    assert set(places.values()) <= set(words)
    check = [sys.executable, str(ROOT / "contrib" / "docker" / "healthy")]
    told = environment(SWITCHROOM_URL=f"http://127.0.0.1:{port}")
    with running(installed / entry[1], *words, until="switchroom is ready"):
        assert subprocess.run(check, env=told, check=False).returncode == 0
        assert (tmp_path / "state" / "switchroom.db").exists()
    gone = subprocess.run(check, env=told, check=False, capture_output=True, text=True)
    assert gone.returncode == 1
    assert "refused" in gone.stderr


# ---- systemd


def test_the_unit_runs_the_command_on_the_folders_that_systemd_makes() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT, encoding="utf-8")
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == "switchroom"
    assert words == [
        *("run", "--config", f"/etc/{service['ConfigurationDirectory']}"),
        *("--state", f"/var/lib/{service['StateDirectory']}"),
    ]
    # What the guide and the jail of fail2ban call it, and who it runs as.
    assert UNIT.name == "switchroom.service"
    assert f"u {service['User']} " in UNIT.with_name("switchroom.sysusers").read_text(encoding="utf-8")


def test_systemd_understands_the_unit_and_finds_it_closed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    analyze = need_program("systemd-analyze", request)
    program = tmp_path / "switchroom"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/switchroom/bin/switchroom", str(program)), encoding="utf-8")
    checked = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=20", str(unit)], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout
