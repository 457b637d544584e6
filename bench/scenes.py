"""The scenes: each does one thing many times and says what it cost the server.

A scene is a method of ``Scenes``; its docstring says what one operation is, its result is a row of the table.
``cpu_us`` is the server's CPU per operation in microseconds, ``lost`` counts operations that were answered and yet had
no effect, or were never answered.
"""

from __future__ import annotations

import csv
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from far_ends import FarEnd, applications, open_events, phones
from machine import dropped_datagrams
from sip_load import Crowd, Operation, register, text, user
from subject import BASIC, CREDENTIALS, HOST, Subject, free_port

Row = dict[str, Any]

_HERE = Path(__file__).parent
_REGISTER = _HERE.parent / "tests/wire/sipp/register.xml"
#: What the server does after the last answer belongs to the operations, too.
_AFTERMATH = 0.5
#: A small difference of large figures is taken between the cheapest of so many.
_ROUNDS = 3
#: Texts on their way to the phone that never answers.
_OPEN_TO_DEAD = 500


class Missing(Exception):
    """A program a scene needs is not installed."""


class Scenes:
    """All scenes on one server, in the order they build on each other.

    Args:
        seconds: how long scenes driven by wrk last.
        operations: how many operations those driven by ourselves have, at most one a user.
    """

    ORDER = (
        *("register", "memory", "refresh", "get", "list", "send", "inbound", "fanout", "fanout_1000"),
        *("dead_phone", "stalled_socket", "memory_after"),
    )

    def __init__(self, subject: Subject, seconds: int, operations: int) -> None:
        self._subject = subject
        self._seconds = seconds
        self._operations = min(operations, subject.users)
        self._phones = FarEnd(phones, HOST, True)

    def close(self) -> None:
        self._phones.close()

    def register(self) -> Row:
        """One user registers for the first time: REGISTER, 401, REGISTER, 200, played by SIPp."""
        row = self._measured(self._subject.users, self._sipp_register)
        states = [endpoint["state"] for endpoint in json.loads(self._subject.get("/ari/endpoints"))]
        row["lost"] = self._subject.users - states.count("online")
        return row

    def memory(self) -> Row:
        """Resident memory, all users registered."""
        return {"rss_mb": round(self._subject.costs.rss(), 1)}

    #: The same when all is done.
    memory_after = memory

    def refresh(self) -> Row:
        """One registered user registers again, challenge included."""
        crowd = self._crowd()
        operations = [register(number, self._phones.ready) for number in range(self._operations)]
        return self._done(crowd, operations)

    def get(self) -> Row:
        """GET of one endpoint, over 16 connections."""
        return self._wrk("/ari/endpoints/PJSIP/u00000", 16)

    def list(self) -> Row:
        """GET of all endpoints, over 2 connections."""
        return self._wrk("/ari/endpoints", 2)

    def send(self) -> Row:
        """PUT sendMessage, over 16 connections, until the phone has answered the text."""
        self._phones.report()
        arrived: Row = {}

        def work() -> Row:
            sent = self._run_wrk("/", 16, self._seconds, str(self._subject.users))
            arrived.update(self._phones.report(sent["operations"] - sent["failed"]))
            return sent

        row = self._measured(None, work)
        # wrk leaves its last requests, one a connection, unanswered and uncounted.
        return row | {"lost": max(0, row["operations"] - row["failed"] - arrived["texts"]), "arrived": arrived}

    def inbound(self) -> Row:
        """MESSAGE, 401, MESSAGE, 202, and the event at one WebSocket."""
        return self._inbound([text(number, "desk") for number in range(self._operations)], window=32)

    def fanout(self) -> Row:
        """One event at one of 100 WebSockets: what 100 sockets cost more than one, a registration at a time."""
        return self._fanned(100, 1000)

    def fanout_1000(self) -> Row:
        """The same with 1,000 WebSockets."""
        return self._fanned(1000, 200)

    def _fanned(self, most: int, turns: int) -> Row:
        cheapest, deliveries = {}, {}
        for sockets in (1, most):
            rounds = [self._fan_out(sockets, turns) for _ in range(_ROUNDS)]
            cheapest[sockets] = min(cpu for cpu, _ in rounds)
            deliveries[sockets] = min(events for _, events in rounds)
        cpu, operations = (of[most] - of[1] for of in (cheapest, deliveries))
        return {
            "operations": operations,
            "cpu_s": round(cpu, 3),
            "cpu_us": round(cpu / max(1, operations) * 1e6, 2),
            "lost": max(0, most * deliveries[1] - deliveries[most]),
        }

    def _fan_out(self, sockets: int, turns: int) -> tuple[float, int]:
        """CPU seconds and events delivered while a second phone of one user comes and goes."""
        heard = FarEnd(applications, HOST, self._subject.http_port, CREDENTIALS, sockets)
        crowd = self._crowd()
        heard.report()
        row = self._done(crowd, [register(0, "127.0.0.1:9", 3600 * (turn % 2 == 0)) for turn in range(turns)], window=1)
        events = heard.report()["events"]
        heard.close()
        return row["cpu_s"], events

    def dead_phone(self) -> Row:
        """PUT sendMessage to live phones, one connection, while hundreds to a phone that never answers are open."""
        dead = FarEnd(phones, HOST, False)
        last = self._subject.users - 1
        crowd = self._crowd()
        crowd.do([register(last, "*", 0)])
        crowd.do([register(last, dead.ready)])
        self._phones.report()
        try:
            for _ in range(_OPEN_TO_DEAD):
                self._subject.put(f"/ari/endpoints/PJSIP/{user(last)}/sendMessage?from=sip:bench@example.org&body=x")
            row = self._measured(None, lambda: self._run_wrk("/", 1, self._seconds, str(last)))
            arrived = self._phones.report(row["operations"] - row["failed"])
            crowd.do([register(last, "*", 0)])
        finally:
            dead.close()
            crowd.close()
        lost = max(0, row["operations"] - row["failed"] - arrived["texts"])
        return row | {"lost": lost, "arrived": arrived}

    def stalled_socket(self) -> Row:
        """Texts of 900 bytes, 500 a second, at a healthy WebSocket beside one that never reads."""
        stalled = open_events(HOST, self._subject.http_port, CREDENTIALS, "stalled", receive_buffer=2048)
        before = self._subject.costs.rss()
        try:
            count = 4000
            operations = [text(number % self._subject.users, "desk", padding=900) for number in range(count)]
            row = self._inbound(operations, rate=500)
            grown = self._subject.costs.rss() - before
            return row | {"grown_mb": round(grown, 1), "stalled_closed": _was_closed(stalled)}
        finally:
            stalled.close()

    # ---- how it is done

    def _crowd(self) -> Crowd:
        return Crowd(HOST, self._subject.sip_port)

    def _measured(self, count: int | None, work: Callable[[], Row]) -> Row:
        """What ``work`` says, and what it cost the server; ``count`` operations, or as many as it says."""
        drops = dropped_datagrams(HOST, self._subject.sip_port)
        begun = self._subject.costs.cpu()
        row = work()
        time.sleep(_AFTERMATH)
        cpu = self._subject.costs.cpu() - begun
        operations = count or row["operations"]
        dropped = dropped_datagrams(HOST, self._subject.sip_port) - drops
        measured = {
            "operations": operations,
            "cpu_s": round(cpu, 3),
            "cpu_us": round(cpu / max(1, operations) * 1e6, 1),
        }
        return {"lost": row.get("failed", 0), **row, **measured, "dropped_datagrams": dropped}

    def _done(self, crowd: Crowd, operations: Sequence[Operation], **how: Any) -> Row:
        try:
            return self._measured(len(operations), lambda: crowd.do(operations, **how))
        finally:
            crowd.close()

    def _inbound(self, operations: Sequence[Operation], **how: Any) -> Row:
        heard = FarEnd(applications, HOST, self._subject.http_port, CREDENTIALS, 1)
        crowd = self._crowd()
        seen: Row = {}

        def work() -> Row:
            row = crowd.do(operations, **how)
            seen.update(heard.report(len(operations) - int(str(row["lost"]))))
            return row

        try:
            row = self._measured(len(operations), work)
        finally:
            crowd.close()
            heard.close()
        accepted = row["answers"].get("202", 0)
        return row | {"lost": len(operations) - min(accepted, seen["texts"]), "arrived": seen}

    def _wrk(self, path: str, connections: int) -> Row:
        return self._measured(None, lambda: self._run_wrk(path, connections, self._seconds))

    def _run_wrk(self, path: str, connections: int, seconds: int, *users: str) -> Row:
        """``users`` is how many are sent texts, or nothing to get the path; see texts.lua."""
        command = [_find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command += ["-s", str(_HERE / "texts.lua"), self._subject.base + path, "--", BASIC, *users]
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
        said: Row = json.loads(next(line for line in reversed(run.stdout.splitlines()) if line.startswith("{")))
        return said

    def _sipp_register(self) -> Row:
        subject = self._subject
        statistics = subject.folder / "register.csv"
        command = [_find("sipp"), f"{HOST}:{subject.sip_port}", "-sf", str(_REGISTER), "-i", HOST]
        command += ["-inf", str(subject.folder / "users.csv"), "-key", "contact", self._phones.ready]
        command += [
            "-m",
            str(subject.users),
            "-r",
            "3000",
            "-l",
            "32",
            "-buff_size",
            "4000000",
            "-nostdin",
            "-p",
            str(free_port()),
        ]
        command += ["-trace_stat", "-stf", str(statistics), "-deadcall_wait", "0"]
        begun = time.monotonic()
        # Its exit status says no more than the statistics do.
        with (subject.folder / "sipp.log").open("wb") as log:
            subprocess.run(command, cwd=subject.folder, stdout=log, stderr=log, timeout=300, check=False)
        with statistics.open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return {
            "operations": int(last["SuccessfulCall(C)"]),
            "retransmitted": int(last["Retransmissions(C)"]),
            "wall_s": round(time.monotonic() - begun, 3),
        }


def _was_closed(sock: socket.socket) -> bool:
    """Whether the other end has closed the connection: reads what is left, and then for an end."""
    sock.settimeout(2)
    try:
        while sock.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def _find(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Missing(name)
    return path
