"""A program of somebody else, run for as long as a block lasts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from support.wait import until

#: Seconds for a program to end by itself once it was asked to.
_END_WITHIN = 10.0


class Program:
    """A running program whose output is kept in a file."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self._output = output

    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    async def says(self, text: str, within: float = 15.0) -> None:
        """Waits until ``text`` stands in its output."""

        def said() -> bool:
            if text in self.output():
                return True
            if self.process.returncode is not None:
                raise AssertionError(f"it ended before it said {text!r}:\n{self.output()[-3000:]}")
            return False

        try:
            await until(said, repr(text), within)
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.output()[-3000:]}") from None

    def tell(self, line: str) -> None:
        """Writes a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def program(*command: str, folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
    """Starts ``command`` in ``folder`` and ends it, by its own process id, when the block is left."""
    output = folder / "output.log"
    with output.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    try:
        yield Program(process, output)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_WITHIN)
            except TimeoutError:
                process.kill()
        await process.wait()
