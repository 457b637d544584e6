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
from flood import strangers
from http_load import send_paced
from machine import dropped_datagrams
from sip_load import Crowd, Operation, register, text, user
from subject import BASIC, CREDENTIALS, HOST, Subject, free_port
from xmpp_people import ACCOUNT, Prosody, people

Row = dict[str, Any]

_HERE = Path(__file__).parent
_SIPP = _HERE.parent / "tests/wire/sipp"
#: What the server does after the last answer belongs to the operations, too.
_AFTERMATH = 0.5
#: A small difference of large figures is taken between the cheapest of so many.
_ROUNDS = 3
#: Calls in progress at a time at most, as 64 phones would: a new one begins when one has ended. And those begun a
#: second where the pace is steady, and the server sleeps between two packets.
_CALLS_OPEN = 64
_CALL_RATE = 200
#: Texts a second at a steady pace; those beside a phone that returns, for so many seconds, and what waits for it.
_PACE = 1000
_BESIDE = 300
_BESIDE_SECONDS = 5
_KEPT = 1000
#: Datagrams of strangers a second.
_FLOOD = 50_000
#: Texts that wait when a server starts.
_QUEUED = 100_000
#: Texts on their way to the phone that never answers.
_OPEN_TO_DEAD = 500


#: People on XMPP, each with a text on its way; and how long a text waits for a receipt that never came before.
_PEOPLE = 8
_RECEIPT_WAIT = 3.0
_ONLINE_WITHIN = 20.0


class Missing(Exception):
    """A program a scene needs is not installed."""


class Scenes:
    """All scenes on one server, in the order they build on each other.

    Args:
        seconds: how long scenes driven by wrk last.
        operations: how many operations those driven by ourselves have, at most one a user.
    """

    ORDER = (
        *("register", "memory", "refresh", "get", "list", "send", "inbound", "relay", "fanout", "fanout_1000"),
        *("calls", "calls_paced", "xmpp", "xmpp_receipts", "paced", "returning_phone", "dead_phone"),
        *("stalled_socket", "flood", "memory_after", "queued"),
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

    def relay(self) -> Row:
        """MESSAGE, 401, MESSAGE of one user to another one, until that one's phone has answered it."""
        count, users = self._operations, self._subject.users
        operations = [text(number, user((number * 7 + 1) % users)) for number in range(count)]
        self._phones.report()
        arrived: Row = {}

        def work() -> Row:
            done = crowd.do(operations, window=32)
            arrived.update(self._phones.report(count))
            return done

        crowd = self._crowd()
        row = self._measured(count, work)
        crowd.close()
        return row | {"lost": max(row["lost"], count - arrived["texts"]), "arrived": arrived}

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

    def calls(self) -> Row:
        """One call through the proxy, played by SIPp: INVITE, 407, ACK, INVITE, 100, 180, 200, ACK, BYE, 200."""
        return self._calls(self._operations)

    def calls_paced(self) -> Row:
        """The same, 200 a second."""
        return self._calls(_CALL_RATE)

    def _calls(self, rate: int) -> Row:
        called = self._subject.users - 1
        phone = f"{HOST}:{free_port()}"
        calls = min(self._operations, called)
        lines = [
            f"{user(n)};{user(called)};[authentication username={user(n)} password=pw{user(n)}]\n" for n in range(calls)
        ]
        (self._subject.folder / "calls.csv").write_text("SEQUENTIAL\n" + "".join(lines), encoding="utf-8")
        crowd = self._crowd()
        crowd.do([register(called, "*", 0)])
        crowd.do([register(called, phone)])
        answering = self._sipp_begin("calls/plain-called", "-p", phone.rpartition(":")[2])
        try:
            return self._measured(calls, lambda: self._sipp_call(called, calls, rate))
        finally:
            answering.terminate()
            answering.wait()
            crowd.do([register(called, "*", 0)])
            crowd.close()

    def xmpp(self) -> Row:
        """PUT sendMessage to people on XMPP who send no receipts, until their server has said that it has the text."""
        return self._xmpp(receipts=False)

    def xmpp_receipts(self) -> Row:
        """The same to people who send receipts, until theirs has come."""
        return self._xmpp(receipts=True)

    def _xmpp(self, *, receipts: bool) -> Row:
        subject = self._subject
        prosody = Prosody(subject.folder / "prosody", _find("prosody"))
        try:
            subject.write("xmpp.conf", ACCOUNT.format(host=HOST, port=prosody.port))
            subject.put("/ari/asterisk/reload")
            end = time.monotonic() + _ONLINE_WITHIN
            while json.loads(subject.get("/ari/endpoints/XMPP/gateway"))["state"] != "online":
                if time.monotonic() > end:
                    raise RuntimeError("the account does not come online")
                time.sleep(0.05)
            there = FarEnd(people, prosody.port, subject.http_port, CREDENTIALS, _PEOPLE, receipts)
            try:
                # Who sends no receipts is waited for once.
                there.ask(_PEOPLE)
                time.sleep(_RECEIPT_WAIT)
                return self._measured(None, lambda: there.ask(self._operations))
            finally:
                there.close()
        finally:
            subject.write("xmpp.conf", "")
            subject.put("/ari/asterisk/reload")
            prosody.stop()

    def paced(self) -> Row:
        """PUT sendMessage, 1,000 a second, until the 202."""
        self._phones.report()
        arrived: Row = {}

        def work() -> Row:
            row = self._send_paced(_PACE * self._seconds, _PACE, self._subject.users)
            arrived.update(self._phones.report(row["operations"]))
            return row

        row = self._measured(None, work)
        return row | {"lost": row["failed"] + row["operations"] - arrived["texts"], "at_phones": arrived}

    def returning_phone(self) -> Row:
        """PUT sendMessage to other phones, 300 a second, while 1,000 texts wait for one phone and go to it at once."""
        back = FarEnd(phones, HOST, True)
        last = self._subject.users - 1
        crowd = self._crowd()
        crowd.do([register(last, "*", 0)])
        for number in range(_KEPT):
            path = f"/ari/endpoints/PJSIP/{user(last)}/sendMessage?from=sip:bench@example.org&offline=store"
            self._subject.put(f"{path}&body=T{time.time_ns():019d}.{number}.")
        self._phones.report()
        came: Row = {}

        def work() -> Row:
            crowd.do([register(last, back.ready)])
            row = self._send_paced(int(_BESIDE * _BESIDE_SECONDS), _BESIDE, last)
            came.update(self._phones.report(row["operations"]))
            return row

        try:
            row = self._measured(None, work)
            flushed = back.report(_KEPT)["texts"]
            crowd.do([register(last, "*", 0)])
        finally:
            back.close()
            crowd.close()
        lost = row["failed"] + row["operations"] - came["texts"] + _KEPT - flushed
        return row | {"lost": lost, "arrived": came, "flushed": flushed}

    def _send_paced(self, count: int, rate: float, users: int) -> Row:
        def path(number: int) -> str:
            mark = f"T{time.time_ns():019d}.{number}."
            return f"/ari/endpoints/sendMessage?to=pjsip:{user(number % users)}&from=sip:bench@example.org&body={mark}"

        return send_paced(HOST, self._subject.http_port, BASIC, path, count, rate)

    def queued(self) -> Row:
        """A start with 100,000 texts that wait for phones, and what they take of memory; a server of its own."""
        folder = self._subject.folder / "queued"
        folder.mkdir()
        subject = Subject(folder, _QUEUED // 500)
        empty = subject.start()
        try:
            before = subject.costs.rss()

            def path(number: int) -> str:
                to = user(number % subject.users)
                kept = f"from=sip:bench@example.org&offline=store&body=hello+{number}"
                return f"/ari/endpoints/PJSIP/{to}/sendMessage?{kept}"

            # Faster than it can: it takes as long as it takes.
            row = send_paced(HOST, subject.http_port, BASIC, path, _QUEUED, 1e6)
            held = subject.costs.rss()
            subject.stop()
            wall = subject.start()
            grown = subject.costs.rss() - before
        finally:
            subject.stop()
        return {
            "operations": row["operations"],
            "lost": row["failed"],
            "wall_s": round(wall - empty, 3),
            "held_mb": round(held - before, 1),
            "grown_mb": round(grown, 1),
        }

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

    def flood(self) -> Row:
        """A refresh of a registered phone, 100 a second, while strangers send 50,000 REGISTER and INVITE a second."""
        crowd = self._crowd()
        crowd.do([register(number, self._phones.ready) for number in range(100)])
        before = self._subject.costs.rss()
        flood = FarEnd(strangers, HOST, self._subject.sip_port, _FLOOD, self._seconds + 1.0)
        try:
            count = 100 * self._seconds
            operations = [register(number % 100, self._phones.ready) for number in range(count)]
            row = self._measured(count, lambda: crowd.do(operations, rate=100))
            sent = flood.told()
            calm = crowd.do([register(number, self._phones.ready) for number in range(100)], rate=100)
        finally:
            flood.close()
            crowd.close()
        grown = round(self._subject.costs.rss() - before, 1)
        return row | {"strangers": sent, "grown_mb": grown, "after": {"p99_ms": calm["p99_ms"], "lost": calm["lost"]}}

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
        users = self._subject.users
        options = (
            "-inf",
            "users.csv",
            "-key",
            "contact",
            self._phones.ready,
            "-m",
            str(users),
            "-r",
            "3000",
            "-l",
            "32",
        )
        return self._sipp("register", *options)

    def _sipp_call(self, called: int, calls: int, rate: int) -> Row:
        row = self._sipp(
            "calls/plain-caller",
            *("-inf", "calls.csv", "-auth_uri", f"{user(called)}@{HOST}:{self._subject.sip_port}"),
            *("-m", str(calls), "-r", str(rate), "-l", str(_CALLS_OPEN)),
        )
        return row | {"failed": calls - row["operations"]}

    def _sipp(self, scenario: str, *options: str) -> Row:
        """Plays a scenario to its end; the calls that succeeded."""
        statistics = self._subject.folder / f"{Path(scenario).name}.csv"
        begun = time.monotonic()
        trace = ("-trace_stat", "-stf", str(statistics), "-p", str(free_port()))
        # Its exit status says no more than the statistics do.
        self._sipp_begin(scenario, *trace, *options).wait(300)
        with statistics.open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return {
            "operations": int(last["SuccessfulCall(C)"]),
            "retransmitted": int(last["Retransmissions(C)"]),
            "wall_s": round(time.monotonic() - begun, 3),
        }

    def _sipp_begin(self, scenario: str, *options: str) -> subprocess.Popen[bytes]:
        folder = self._subject.folder
        command = [_find("sipp"), f"{HOST}:{self._subject.sip_port}", "-sf", str(_SIPP / f"{scenario}.xml"), "-i", HOST]
        command += ["-buff_size", "4000000", "-nostdin", "-deadcall_wait", "0", *options]
        with (folder / f"{Path(scenario).name}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


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
