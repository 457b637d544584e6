"""The commands that the tutorial and README.md show do what is said there: each block is copied and run, in order.

A page says in comments what a reader does besides: ``<!-- terminal: NAME -->`` before what keeps running in a terminal
of its own, ``<!-- type: NAME -->`` before what is typed there, ``<!-- browser: STEP -->`` for the browser.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from support.ari import ari_client
from support.config import free_port
from support.programs import need_program
from wire.chromium import Tab, chromium
from wire.console import log_in
from wire.process import Program, program

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "src" / "switchroom" / "demo" / "config"

#: The user of the sample configuration.
DEMO = ("demo", "demo")
#: What a machine needs only once and for all; the tests have it already.
_INSTALLS = ("sudo apt-get ", "git clone ")
#: What each command that keeps running says when it is up.
_UP = {
    "make run": "Control-C ends",
    "switchroom run": "switchroom is ready",
    "baresip": "200 OK",
    "listen.py": "listening",
}
#: Seconds for a command, and for what one causes elsewhere.
_WITHIN = 30.0


class Step(NamedTuple):
    """A block of commands, or something to do; ``where`` is the comment before it."""

    where: str
    text: str


def steps(page: str) -> Iterator[Step]:
    """What a page shows to do, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    comment = r"^<!-- (\w+: \w+) -->\n"
    block = r"^```(sh|text)\n(.*?)^```$"
    for found in re.finditer(rf"(?:{comment}\n?)?{block}|{comment}", text, re.MULTILINE | re.DOTALL):
        where, kind, body, alone = found.groups()
        if kind == "sh" or (where or "").startswith("type"):
            yield Step(where or "", body)
        elif where or alone:
            yield Step(where or alone, "")


class Reader:
    """Somebody who copies what a page shows, in a folder that has what the project's folder has."""

    def __init__(self, folder: Path, closing: AsyncExitStack) -> None:
        """``closing`` closes all terminals."""
        self.folder = folder
        self.http, self.sip = free_port(), free_port()
        self._closing = closing
        self._exports: list[str] = []
        self._terminals: dict[str, tuple[AsyncExitStack, Program]] = {}
        (folder / "src").symlink_to(ROOT / "src")
        (folder / ".venv").symlink_to(sys.prefix)
        #: What the administrator of the page has already.
        shutil.copytree(SAMPLE, folder / "etc")
        self._move_ports(folder / "etc")

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    async def copies(self, step: Step) -> str:
        """Runs a block of commands, in a terminal of its own where the page says so; what the others have said."""
        lines = [line for line in step.text.splitlines(keepends=True) if not line.startswith(_INSTALLS)]
        text = self._moved("".join(lines)).strip()
        if not text:
            return ""
        if step.where:
            await self._keeps_running(step.where.partition(": ")[2], text)
            return ""
        self._exports += [line for line in lines if line.startswith("export ")]
        said = await self._run(text)
        for directory in self.folder.glob("my-*"):
            self._move_ports(directory)
        return said

    async def types(self, step: Step) -> None:
        """A line and Enter."""
        self.terminal(step.where.partition(": ")[2]).tell(step.text.strip())

    def terminal(self, name: str) -> Program:
        return self._terminals[name][1]

    async def _run(self, text: str) -> str:
        # A refusal ends curl as any other command.
        text = text.replace("curl ", "curl --silent --show-error --fail-with-body ")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", "".join(self._exports) + text),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(),
        )
        async with asyncio.timeout(_WITHIN):
            said = (await process.communicate())[0].decode()
        assert process.returncode == 0, f"{text}\n{said}"
        return said

    async def _keeps_running(self, name: str, text: str) -> None:
        if name in self._terminals:
            await self._ends(name)
        demo = f".venv/bin/switchroom demo --http-port {self.http} --sip-port {self.sip}"
        command = f"cd '{self.folder}' && exec {text.replace('make run', demo)}"
        # The phone reads keys, which takes a terminal.
        terminal = ("script", "--quiet", "--flush", "--command", command, "/dev/null")
        words = terminal if name == "phone" else ("bash", "-c", command)
        folder = self.folder / "terminals" / name
        folder.mkdir(parents=True, exist_ok=True)
        closing = AsyncExitStack()
        running = await closing.enter_async_context(program(*words, folder=folder, env=self._environment()))
        self._closing.push_async_callback(closing.aclose)
        self._terminals[name] = closing, running
        await running.says(next(sign for command, sign in _UP.items() if command in text))

    async def _ends(self, name: str) -> None:
        """Control-C."""
        closing, running = self._terminals.pop(name)
        running.process.send_signal(signal.SIGINT)
        assert await running.process.wait() in (0, 130), running.output()
        await closing.aclose()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONUNBUFFERED": "1", "SWITCHROOM_URL": self.base, "TERM": "dumb"}

    def _moved(self, text: str) -> str:
        """With free ports, and folders below this one."""
        text = re.sub(r"\b8088\b", str(self.http), text)
        text = re.sub(r"\b5060\b", str(self.sip), text)
        return text.replace("/etc/asterisk", "etc").replace("/var/lib/switchroom", "state")

    def _move_ports(self, directory: Path) -> None:
        for file in directory.glob("*.conf"):
            file.write_text(self._moved(file.read_text(encoding="utf-8")), encoding="utf-8")


async def test_the_tutorial(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for needed in ("baresip", "curl", "script"):
        need_program(needed, request)
    browser = need_program("chromium", request)
    async with AsyncExitStack() as closing:
        (tmp_path / "project").mkdir()
        reader = Reader(tmp_path / "project", closing)
        tab = await closing.enter_async_context(chromium(browser, tmp_path / "browser"))
        done = [await follows(step, reader, tab) for step in steps("docs/tutorial.md")]
        assert "browser: read" in done
        assert "terminal: program" in done
        async with ari_client(reader.base) as ari:
            waiting = await ari.ask("GET", "/ari/messages?endpoint=PJSIP/erin&state=queued", user=DEMO)
            assert [text["body"] for text in waiting.json] == ["Welcome"]


async def follows(step: Step, reader: Reader, tab: Tab) -> str:
    """One step of the tutorial, and what the reader sees after it."""
    if step.where.startswith("browser"):
        await BROWSER[step.where.partition(": ")[2]](reader, tab)
    elif step.where.startswith("type"):
        await reader.types(step)
    else:
        said = await reader.copies(step)
        if "switchroom endpoints" in step.text:
            assert re.search(r"alice +online", said), said
        if step.text.startswith("curl -i"):
            assert said.startswith("HTTP/1.1 202"), said
        if "--wait" in step.text:
            assert "delivered" in said, said
    if "listening?" in step.text:
        listener = reader.terminal("program")
        await listener.says('"type":"TextMessageReceived"')
        assert await listener.process.wait() == 0, listener.output()
    return step.where


async def registers(reader: Reader, tab: Tab) -> None:
    await log_in(tab, reader.base, *DEMO)
    await tab.go("#/phone")
    await tab.type("input[name=user]", "dave")
    await tab.type("input[name=password]", "daisychain")
    await tab.press("Enter")
    await tab.says("registered", ".device")


async def writes(reader: Reader, tab: Tab) -> None:
    await tab.type("input[name=peer]", "carol")
    await tab.type("textarea[name=text]", "Hello, soft phone")
    await tab.press("Enter")
    await reader.terminal("phone").says('sip:dave@127.0.0.1: "Hello, soft phone"')


async def reads(reader: Reader, tab: Tab) -> None:
    await tab.says("Hello, browser", ".theirs")


BROWSER: dict[str, Callable[[Reader, Tab], Awaitable[None]]] = {"register": registers, "write": writes, "read": reads}


async def test_the_front_page(tmp_path: Path) -> None:
    shown = list(steps("README.md"))
    assert shown[0].text.splitlines()[-1] == "make run"
    async with AsyncExitStack() as closing:
        reader = Reader(tmp_path, closing)
        for step in shown:
            await reader.copies(step)
        assert (tmp_path / "state" / "switchroom.db").exists()
        async with ari_client(reader.base) as ari:
            assert (await ari.ask("GET", "/ari/endpoints/PJSIP/carol", user=DEMO)).status == 200
