"""The server as people run it: a process of its own, started with a configuration folder."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.config import Address, http_address, sip_address
from support.wait import until

#: Seconds within which the server answers after its start, and ends after SIGTERM.
_START_WITHIN = 30.0
_STOP_WITHIN = 15.0

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r'\[(?:error|critical)\s*\]|"level":\s*"(?:error|critical)"|^Traceback |^\S*(?:Error|Exception):')


class RunningServer:
    """A server that answers."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, http: Address, sip: Address) -> None:
        self._process = process
        self._log = log
        #: ``http://HOST:PORT``, without a path.
        self.base = f"http://{http}"
        #: Where it takes SIP over UDP.
        self.sip = sip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def log(self) -> str:
        """What it has written to standard output and standard error so far, without colours."""
        return _COLOURS.sub("", self._log.read_text(encoding="utf-8", errors="replace"))

    def log_errors(self) -> list[str]:
        """Lines of its log of level error or critical, and the first and last lines of tracebacks."""
        return [line for line in self.log().splitlines() if _ERROR.search(line)]

    async def kill(self) -> None:
        """Ends it without a warning, as a power cut would."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def running_server(config_dir: Path, *, state: Path | None = None) -> AsyncIterator[RunningServer]:
    """Runs ``python -m switchroom run`` on ``config_dir`` until the block is left, then ends it with SIGTERM.

    Args:
        config_dir: what ``write_config`` wrote, or any folder with http.conf and pjsip.conf.
        state: the state folder, ``config_dir/state`` unless given; kept between runs by naming it again.

    Raises:
        AssertionError: it does not answer, or ends otherwise than with status 0.
    """
    log = config_dir / "server.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switchroom", "run"),
            *("--config", str(config_dir), "--state", str(state or config_dir / "state")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )
    server = RunningServer(process, log, http_address(config_dir), sip_address(config_dir))
    try:
        await _answering(server)
        yield server
    except BaseException:
        await _end(process)
        raise
    killed = process.returncode == -signal.SIGKILL
    status = await _end(process)
    assert killed or status == 0, f"the server ended with status {status}:\n{server.log()[-4000:]}"


async def _answering(server: RunningServer) -> None:
    async with aiohttp.ClientSession() as session:

        async def answers() -> bool:
            if not server.alive:
                raise AssertionError(f"the server ended at its start:\n{server.log()[-4000:]}")
            try:
                async with session.get(server.base + "/ari/endpoints"):
                    return True
            except aiohttp.ClientConnectionError:
                return False

        await until(answers, "the server's first answer", _START_WITHIN)


async def _end(process: asyncio.subprocess.Process) -> int:
    """Its exit status; a server that does not end in time is killed, which shows in the status."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_WITHIN)
        except TimeoutError:
            process.kill()
    return await process.wait()
