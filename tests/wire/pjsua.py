"""pjsua2, the library inside many soft phones, told what to do in a process of its own: ``pjsua2_phone.py``."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.config import Address
from support.wait import until
from wire.process import Program, program

PHONE = Path(__file__).parent / "pjsua2_phone.py"


class Pjsua2:
    """A running phone; what it tells is waited for in the order it comes."""

    def __init__(self, run: Program) -> None:
        self.run = run
        self._read = 0

    def do(self, *what: str | int) -> None:
        self.run.tell(json.dumps(what))

    async def tells(self, *what: object, within: float = 10.0) -> None:
        """Waits until it tells what begins with this; forgets it and what it told before."""

        def told() -> bool:
            lines = self.run.output().splitlines()
            for number, line in enumerate(lines[self._read :], self._read + 1):
                if line.startswith("[") and json.loads(line)[: len(what)] == list(what):
                    self._read = number
                    return True
            return False

        try:
            await until(told, str(what), within)
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.run.output()[-2000:]}") from None


@asynccontextmanager
async def pjsua2(folder: Path, name: str, server: Address, transport: str, *more: str) -> AsyncIterator[Pjsua2]:
    """A phone that has registered, with the password that ``support.config.user`` gives."""
    _make(folder)
    account = (name, f"{name}pw", str(server), transport, *more)
    async with program(sys.executable, str(PHONE), *account, folder=folder) as run:
        phone = Pjsua2(run)
        await phone.tells("registered", 200)
        yield phone


def _make(folder: Path) -> None:
    folder.mkdir()
