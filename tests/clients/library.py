"""Programs on ARI client libraries of others, unmodified: each takes commands and tells what it hears."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.programs import LEFT_OUT, need_program

HERE = Path(__file__).parent
#: Where ``tests/clients/install`` puts each library.
_INSTALLED = HERE.parent.parent / ".cache"

#: Seconds for a program to carry out a command, and to tell of an event.
_WITHIN = 15.0
#: Bytes of one line a program may write; an event of the largest text fits.
_LONGEST_LINE = 1 << 20


class Library(NamedTuple):
    """A client library and the program on it. ``folder`` is that of the cache; ``command`` starts within it."""

    name: str
    folder: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def home(self) -> Path:
        return _INSTALLED / self.folder


NODE_ARI_CLIENT = Library("ari-client 2.2.0 of npm", "clients-node", ("node", str(HERE / "node/ari_client.js")))
AIOARI = Library("aioari 0.10.2 of PyPI", "clients-aioari", ("bin/python", str(HERE / "python/aioari_program.py")))
ARI_CLIENT = Library(
    "ari-client 0.9.0 of PyPI", "clients-ari-client", ("bin/python", str(HERE / "python/ari_client_program.py"))
)
LIBRARIES = (NODE_ARI_CLIENT, AIOARI, ARI_CLIENT)
#: Those that read api-docs, build their operations from it, and make objects of what events are about.
READ_DOCS = (NODE_ARI_CLIENT, AIOARI)


class Failed(Exception):
    """A command came to nothing; the text is what the library gave the program to show."""


class Heard(NamedTuple):
    """An event as the library handed it over, and the endpoint object it made for it, if it makes such."""

    event: dict[str, Any]
    endpoint: dict[str, Any] | None


class Client:
    """A running program on a library."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._answers: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._events: asyncio.Queue[Heard] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            kind, *rest = json.loads(line)
            if kind == "event":
                self._events.put_nowait(Heard(*rest))
            else:
                self._answers.put_nowait((kind, rest[0]))
        self._answers.put_nowait(("ended", None))

    async def do(self, command: str, *arguments: object) -> Any:
        """Has a command carried out; its result.

        Raises:
            Failed: the library raised an error.
            AssertionError: the program ended or does not answer.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, *arguments]).encode() + b"\n")
        kind, result = await self._wait(self._answers, f"an answer to {command}")
        if kind == "failed":
            raise Failed(result)
        assert kind == "done", f"the program ended at {command}:\n{self._complaints()}"
        return result

    async def connect(
        self, base: str, *, user: str = "asterisk", password: str = "asterisk", everything: bool = False
    ) -> None:
        """Has it connect to the server at ``base`` as the application ``shop``, which hears ``everything`` or nothing
        yet.
        """
        await self.do("connect", base, user, password, "shop", everything)

    async def hears(self) -> Heard:
        """The next event of those it listens to."""
        heard: Heard = await self._wait(self._events, "an event")
        return heard

    async def _wait(self, queue: asyncio.Queue[Any], what: str) -> Any:
        try:
            return await asyncio.wait_for(queue.get(), _WITHIN)
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {_WITHIN:g} s:\n{self._complaints()}") from None

    def _complaints(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _WITHIN)
        except TimeoutError:
            self._process.kill()
            raise AssertionError(f"the program does not end:\n{self._complaints()}") from None
        finally:
            await self._process.wait()
            await self._listening


def need_library(library: Library, request: pytest.FixtureRequest) -> None:
    """Skips the test where the library, or what runs it, is not installed."""
    if library.command[0] == "node":
        need_program("node", request)
    if not (library.home / "installed").exists():
        LEFT_OUT[library.name].add(request.node.nodeid)
        pytest.skip(f"{library.name} is not installed: tests/clients/install could not do it or was not run")


@asynccontextmanager
async def client(library: Library, folder: Path) -> AsyncIterator[Client]:
    """Runs the program on ``library``, which is to end before the server does: what libraries make of a server that
    goes away is not looked at here, and one of them spins for ever.

    Args:
        folder: where what the program writes to standard error is kept.
    """
    log = folder / "client.log"
    program, *arguments = library.command
    own = library.home / program
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            *(str(own) if own.exists() else program, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            limit=_LONGEST_LINE,
            env={**os.environ, "NODE_PATH": str(library.home / "node_modules")},
        )
    running = Client(process, log)
    try:
        yield running
    finally:
        await running.end()
