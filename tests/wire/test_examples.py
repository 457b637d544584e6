"""The demonstrations of ``examples/`` do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import free_port
from support.programs import need_program
from support.wait import until
from wire.chromium import Tab, chromium
from wire.process import program

EXAMPLE = Path(__file__).parents[2] / "examples/browsers-and-a-phone"

#: The browsers of a machine without a network find each other on the loopback alone.
_LOOPBACK = "--allow-loopback-in-peer-connection"


async def write(sender: Tab, to: str, text: str) -> None:
    await sender.evaluate(f"document.getElementById('to').value = '{to}'")
    await sender.type("#text", text)
    await sender.press("Enter")
    await sender.says(f"to {to}: {text}")


async def call(caller: Tab, to: str) -> None:
    await caller.evaluate(f"document.getElementById('to').value = '{to}'")
    await caller.click("#call")


def test_it_is_one_command() -> None:
    run = EXAMPLE / "run"
    assert os.access(run, os.X_OK)
    subprocess.run(["bash", "-n", str(run)], check=True)
    assert run.read_text(encoding="utf-8").rstrip().endswith('examples/browsers-and-a-phone/demonstration.py "$@"')


async def test_two_browsers_and_a_phone(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need_program("baresip", request)
    path = need_program("chromium", request)
    http, pages = free_port(), free_port()
    ports = ("--http", str(http), "--sip", str(free_port()), "--pages", str(pages), "--no-browser")
    (tmp_path / "run").mkdir()
    async with (
        program(sys.executable, str(EXAMPLE / "demonstration.py"), *ports, folder=tmp_path / "run") as example,
        chromium(path, tmp_path / "anna", _LOOPBACK) as anna,
        chromium(path, tmp_path / "ben", _LOOPBACK) as ben,
        ari_client(f"http://127.0.0.1:{http}") as ari,
    ):
        await example.says("Carl is at this terminal", 60)
        for name, tab in (("anna", anna), ("ben", ben)):
            await tab.open(f"http://127.0.0.1:{pages}/?{name}")
            await tab.says("registered", "#state")
        await until(lambda: ari.is_state("carl", "online"), "carl online")

        await write(anna, "ben", "hello ben")
        await ben.says("anna: hello ben")
        await write(ben, "carl", "hello carl")
        await example.says("hello carl")
        example.tell("on my way")
        await anna.says("carl: on my way")

        await call(anna, "ben")
        await ben.says("anna calls", "#state")
        await ben.click("#answer")
        await anna.says("in a call with ben, who is heard", "#state")
        await ben.says("in a call with anna, who is heard", "#state")
        await anna.click("#hangup")
        await ben.says("registered", "#state")

        # Whether browser and soft phone hear each other depends on the machine's network: test_calls.py sees to that.
        await call(ben, "carl")
        await ben.says("in a call with carl", "#state")
        await ben.click("#hangup")
        await ben.says("registered", "#state")

        example.tell("call anna")
        await anna.says("carl calls", "#state")
        await anna.click("#answer")
        await anna.says("in a call with carl", "#state")
        example.tell("hangup")
        await anna.says("registered", "#state")
        assert anna.complaints == ben.complaints == []
    assert example.process.returncode == 0
