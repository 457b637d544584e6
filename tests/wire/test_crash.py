"""202 means kept: the server is killed at random moments under load and started again, round after round.

A phone that records everything is the witness. Twelve rounds here; ``CRASH_ROUNDS=200`` for the long run.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp

from support.ari import ASTERISK, ari_client
from support.config import sip_address, user, write_config
from support.phone import Phone, SipMessage, phone
from support.server import running_server
from support.wait import until

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "12"))
#: Clients that send without pause, and seconds until the server is killed.
_CLIENTS = 6
_LIVES = (0.02, 0.6)
_PHONES = ("one", "two", "three")


class Receipt(NamedTuple):
    """A MESSAGE a phone saw, retransmissions left out."""

    at: float
    message_id: str
    body: str


class Witness:
    """What the phones saw, and what the server promised and had on disk."""

    def __init__(self) -> None:
        #: Body by the id that a 202 named.
        self.promised: dict[str, str] = {}
        self.to: dict[str, str] = {}
        self.seen: dict[str, list[Receipt]] = defaultdict(list)
        #: Ids whose delivery was on disk when the server died, with the time.
        self.committed: dict[str, float] = {}
        self._count = 0

    def watch(self, made: Phone) -> None:
        """Takes note of each new MESSAGE of this phone."""
        take = made._take

        def noting(message: SipMessage, source: tuple[str, int]) -> None:
            before = len(made.received)
            take(message, source)
            for request in made.received[before:]:
                self.seen[made.name].append(Receipt(time.monotonic(), request.first("Message-ID"), request.body))
            made.received.clear()

        made._take = noting  # type: ignore[method-assign]

    async def load(self, base: str) -> None:
        """Sends until the server is gone."""

        async def client(session: aiohttp.ClientSession) -> None:
            while True:
                self._count += 1
                to, body = random.choice(_PHONES), f"text {self._count}"
                own = f"&message_id=own-{self._count}" if self._count % 2 else ""
                url = f"{base}/ari/endpoints/PJSIP/{to}/sendMessage?from=crash&body={body}{own}"
                try:
                    async with session.put(url) as answer:
                        if answer.status != 202:
                            assert answer.status == 409, await answer.text()
                            await asyncio.sleep(0.01)
                            continue
                        message_id = answer.headers["Location"].rpartition("/")[2]
                except aiohttp.ClientError:
                    return
                assert message_id not in self.promised
                self.promised[message_id] = body
                self.to[message_id] = to

        credentials = aiohttp.encode_basic_auth(*ASTERISK)
        async with aiohttp.ClientSession(headers={"Authorization": credentials}) as session:
            await asyncio.gather(*(client(session) for _ in range(_CLIENTS)))

    def read_disk(self, state: Path, copy: Path) -> None:
        """What a server that starts now will find; read from a copy, so that nothing is done to the files."""
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(state, copy)
        with sqlite3.connect(copy / "switchroom.db") as database:
            now = time.monotonic()
            for (message_id,) in database.execute("SELECT id FROM message WHERE state = 'delivered'"):
                self.committed.setdefault(message_id, now)
        database.close()

    def faults(self) -> list[str]:
        found = []
        had: dict[str, list[Receipt]] = defaultdict(list)
        for name, receipts in self.seen.items():
            for receipt in receipts:
                had[receipt.message_id].append(receipt)
                body = self.promised.get(receipt.message_id, receipt.body)
                if body != receipt.body or self.to.get(receipt.message_id, name) != name:
                    found.append(f"{name} got {receipt}, which is another's")
                committed = self.committed.get(receipt.message_id)
                if committed is not None and receipt.at > committed:
                    found.append(f"{name} got {receipt} after its delivery was on disk at {committed}")
        found += [f"{message_id} is lost" for message_id in self.promised if message_id not in had]
        # A body never comes under two ids: a repeat is known by its id.
        ids: dict[str, set[str]] = defaultdict(set)
        for receipts in had.values():
            for receipt in receipts:
                ids[receipt.body].add(receipt.message_id)
        found += [f"{body} came under {names}" for body, names in ids.items() if len(names) > 1]
        return found

    def repeats(self) -> int:
        """How often a phone got what it had answered already."""
        counts = Counter(r.message_id for receipts in self.seen.values() for r in receipts)
        return sum(count - 1 for count in counts.values())


async def test_what_got_202_is_delivered_whenever_the_server_dies(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    config = write_config(
        tmp_path / "etc",
        pjsip="".join(user(name) for name in _PHONES),
        files={"switchroom.conf": "[general]\nmax_waiting = 100000\nlog_level = error\n"},
    )
    state, server_at = tmp_path / "state", sip_address(config)
    witness = Witness()
    async with AsyncExitStack() as stack:
        phones = [await stack.enter_async_context(phone(name, server_at)) for name in _PHONES]
        for number in range(ROUNDS):
            async with running_server(config, state=state) as server:
                if not number:
                    for made in phones:
                        assert (await made.register(password=f"{made.name}pw")).status == 200
                        witness.watch(made)
                else:
                    async with ari_client(server.base) as ari:
                        # Registered once, in the first round: the contacts are on disk too.
                        assert [e["state"] for e in (await ari.ask("GET", "/ari/endpoints")).json] == ["online"] * 3
                load = asyncio.create_task(witness.load(server.base))
                await asyncio.sleep(random.uniform(*_LIVES))
                await server.kill()
                await load
            witness.read_disk(state, tmp_path / "copy")
        async with running_server(config, state=state) as server, ari_client(server.base) as ari:

            async def nothing_open() -> bool:
                pages = [await ari.ask("GET", f"/ari/messages?limit=1&state={s}") for s in ("queued", "sending")]
                return all(page.json == [] for page in pages)

            await until(nothing_open, "the end of every message", 60.0)
            for message_id in random.sample(sorted(witness.promised), min(50, len(witness.promised))):
                message = (await ari.ask("GET", f"/ari/messages/{message_id}")).json
                assert (message["state"], message["body"]) == ("delivered", witness.promised[message_id])
    assert witness.faults() == []
    assert len(witness.promised) > ROUNDS
    record_property("messages", len(witness.promised))
    record_property("repeats", witness.repeats())
    print(f"{ROUNDS} rounds, {len(witness.promised)} messages, {witness.repeats()} repeats")  # noqa: T201
