"""The command line as a person uses it, in a terminal, and as a program does: against a server with phones."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.config import ARI, Address, http_address, user, write_config
from support.phone import phone
from support.server import RunningServer, running_server
from support.wait import until
from switchroom.demo.phone import Phone as CallingPhone

#: Seconds a command may take, which starts an interpreter on a busy machine.
_WITHIN = 30.0

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
COMMAND = (sys.executable, "-m", "switchroom")


class Ended(NamedTuple):
    """A command that ended by itself."""

    status: int
    out: str
    err: str


class Person:
    """Somebody with a configuration folder of their own, who knows the server and its password."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        known = {"SWITCHROOM_URL": url, "SWITCHROOM_USER": "asterisk", "SWITCHROOM_PASSWORD": "asterisk"}
        others = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.environment = others | known | {"XDG_CONFIG_HOME": str(folder / "person"), "TERM": "xterm"}

    async def pipes(self, *words: str, given: bytes = b"", env: Mapping[str, str] | None = None) -> Ended:
        """Runs a command without a terminal, with ``given`` on its standard input."""
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.environment, **(env or {})},
            start_new_session=True,
        )
        async with asyncio.timeout(_WITHIN):
            out, err = await process.communicate(given)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def types(self, *words: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Terminal]:
        """Runs a command in a terminal of its own for as long as the block lasts."""
        ours, theirs = pty.openpty()
        os.set_blocking(ours, False)
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *words),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**self.environment, **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        terminal = Terminal(process, ours)
        try:
            yield terminal
        finally:
            terminal.close()
            if process.returncode is None:
                process.kill()
            await process.wait()


class Terminal:
    """What a command shows on its terminal, and what is typed there."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._written = b""
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last process has closed it
            data = b""
        if data:
            self._written += data
        else:
            asyncio.get_running_loop().remove_reader(self._descriptor)

    @property
    def raw(self) -> str:
        """Everything until now, as it came."""
        return self._written.decode(errors="replace").replace("\r\n", "\n")

    @property
    def text(self) -> str:
        """The same without colours."""
        return _ESCAPE.sub("", self.raw)

    async def shows(self, text: str) -> None:
        try:
            await until(lambda: text in self.text, repr(text), _WITHIN)
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.text}") from None

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    async def status(self) -> int:
        """Waits until it ends by itself and all it wrote is read."""
        async with asyncio.timeout(_WITHIN):
            status = await self._process.wait()
        self._read()
        return status

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)


class World(NamedTuple):
    server: RunningServer
    person: Person
    folder: Path


CONFIGURATION = user("alice") + user("bob") + user("carol")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = write_config(tmp_path, pjsip=CONFIGURATION)
    async with running_server(folder) as server:
        yield World(server, Person(tmp_path, server.base), folder)


async def test_a_list_for_people_and_one_for_programs(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        piped = await world.person.pipes("endpoints")
        assert piped == (
            0,
            "ENDPOINT     STATE    CHANNELS\nPJSIP/alice  online\nPJSIP/bob    offline\nPJSIP/carol  offline\n",
            "",
        )
        online = await world.person.pipes("endpoints", "pjsip", "--state", "online", "--json")
        assert [json.loads(line) for line in online.out.splitlines()] == [
            {"technology": "PJSIP", "resource": "alice", "state": "online", "channel_ids": []}
        ]
        async with world.person.types("endpoints") as terminal:
            assert await terminal.status() == 0
            assert "\x1b[32monline\x1b[0m" in terminal.raw
            assert terminal.text == f"{piped.out}3 endpoints, 1 online\n"
        async with world.person.types("endpoints", env={"NO_COLOR": "1"}) as terminal:
            assert await terminal.status() == 0
            assert "\x1b" not in terminal.raw
        async with world.person.types("endpoint", "PJSIP/alice") as terminal:
            assert await terminal.status() == 0
            assert "PJSIP/alice is online.\n" in terminal.text
            assert f"{alice.contact}  " in terminal.text
    nobody = await world.person.pipes("endpoint", "PJSIP/dave")
    assert nobody == (2, "", "switchroom: Endpoint not found\n")


async def test_who_watches_sees_a_phone_come_and_the_server_go(tmp_path: Path) -> None:
    folder = write_config(tmp_path, pjsip=CONFIGURATION)
    person = Person(tmp_path, f"http://{http_address(folder)}")
    async with contextlib.AsyncExitStack() as stack:
        async with running_server(folder) as server:
            terminal = await stack.enter_async_context(person.types("endpoints", "--watch"))
            await terminal.shows("3 endpoints, 0 online")
            async with phone("alice", server.sip) as alice:
                await alice.register(password="alicepw")
                await terminal.shows("  PJSIP/alice  offline -> online\n")
        await terminal.shows("connecting again in")
        write_config(tmp_path / "next", pjsip=CONFIGURATION + user("dave"))
        added = (tmp_path / "next" / "pjsip.conf").read_text(encoding="utf-8")
        bind = re.search(r"^bind=.*$", (folder / "pjsip.conf").read_text(encoding="utf-8"), re.MULTILINE)
        assert bind
        text = re.sub(r"^bind=.*$", bind[0], added, flags=re.MULTILINE)
        (folder / "pjsip.conf").write_text(text, encoding="utf-8")
        async with running_server(folder):
            await terminal.shows("switchroom: connected again\n")
            await terminal.shows("meanwhile  PJSIP/dave  new -> offline\n")
            terminal.type("\x03")
            assert await terminal.status() == 130
            assert terminal.text.endswith("^C")
            assert "Traceback" not in terminal.text


async def test_a_watch_for_programs(world: World) -> None:
    sip = world.server.sip
    async with phone("alice", sip) as alice, phone("bob", sip) as bob, phone("carol", sip) as carol:
        await carol.register(password="carolpw")
        async with world.person.types("endpoints", "PJSIP", "--watch", "--json", "--state", "online") as terminal:
            await terminal.shows('"resource": "carol", "state": "online"')  # from here on it watches
            await bob.register(password="bobpw")
            await terminal.shows('{"technology": "PJSIP", "resource": "bob", "state": "online", "channel_ids": []}\n')
            await bob.register(password="bobpw", expires=0)
            await terminal.shows('"resource": "bob", "state": "offline"')
            await alice.register(password="alicepw")
            await terminal.shows('"resource": "alice", "state": "online"')
            terminal.type("\x03")
            assert await terminal.status() == 130


async def test_a_text_is_sent_and_its_end_awaited(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw")
        words = (
            "send",
            "PJSIP/alice",
            "Grüße",
            "--from",
            "bob",
            "--header",
            "X-Order: 4711",
            "--id",
            "order",
            "--wait",
        )
        sent = await world.person.pipes(*words)
        message = await alice.next("MESSAGE")
        assert (message.body, message.first("X-Order")) == ("Grüße", "4711")
        assert "bob@" in message.first("From")
        assert sent == (0, f"order  delivered\n  {alice.contact}: delivered, 200 Scripted, 1 attempt\n", "")
        again = await world.person.pipes(*words, "--json")
        assert (again.status, json.loads(again.out)["state"]) == (0, "delivered")
        other = await world.person.pipes("send", "PJSIP/alice", "other", "--from", "bob", "--id", "order")
        assert (other.status, other.out, other.err.count("\n")) == (2, "", 1)

        alice.answers["MESSAGE"] = 603
        refused = await world.person.pipes("send", "pjsip:alice", "-", "--wait", given=b"from a pipe")
        assert (await alice.next("MESSAGE")).body == "from a pipe"
        assert refused.status == 1
        assert re.fullmatch(rf"\w+  failed\n  {alice.contact}: failed, 603 Scripted, 1 attempt\n", refused.out)
        async with world.person.types("send", "PJSIP/alice", "no", "--within", "20") as terminal:
            assert await terminal.status() == 1
            assert "\x1b[31mfailed\x1b[0m" in terminal.raw

        accepted = await world.person.pipes("send", "PJSIP/alice", "maybe")
        assert (accepted.status, accepted.err) == (0, "")
        assert re.fullmatch(r"\w+  accepted\n", accepted.out)


async def test_a_text_that_waits(world: World) -> None:
    refused = await world.person.pipes("send", "PJSIP/alice", "Later")
    assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "--offline store" in refused.err
    stored = ("send", "PJSIP/alice", "Later", "--offline", "store")
    open_ = await world.person.pipes(*stored, "--within", "0")
    assert (open_.status, open_.out.split()[1:]) == (5, ["queued"])
    expired = await world.person.pipes(*stored, "--expires", "1", "--wait")
    assert (expired.status, expired.out.split()[1:]) == (3, ["expired"])
    async with world.person.types(*stored, "--id", "mine", "--wait") as terminal:
        await terminal.shows("queued")  # the line that tells how long it has been waiting
        cancelled = await world.person.pipes("messages", "cancel", "mine")
        assert cancelled == (0, "mine: cancelled\n", "")
        assert await terminal.status() == 4
    assert [line.split()[2] for line in (await world.person.pipes("messages", "list")).out.splitlines()[1:]] == [
        "cancelled",
        "expired",
        "queued",
    ]


async def test_who_waits_waits_for_a_server_that_is_started_again(tmp_path: Path) -> None:
    folder = write_config(tmp_path, pjsip=CONFIGURATION)
    person = Person(tmp_path, f"http://{http_address(folder)}")
    words = ("send", "PJSIP/alice", "Later", "--offline", "store", "--id", "mine", "--wait")
    async with contextlib.AsyncExitStack() as stack:
        async with running_server(folder) as server:
            terminal = await stack.enter_async_context(person.types(*words))
            await terminal.shows("queued")
            await server.kill()
        await terminal.shows(f"switchroom: no server answers at {server.base}")
        async with running_server(folder) as server, phone("alice", server.sip) as alice:
            await alice.register(password="alicepw")
            assert await terminal.status() == 0
            assert "mine  delivered\n" in terminal.text
            assert terminal.text.count("still waiting") == 1


async def test_a_referral_and_its_end(world: World) -> None:
    async with phone("alice", world.server.sip) as alice:
        await alice.register(password="alicepw", expires=60)
        alice.answers["REFER"] = 603
        refused = await world.person.pipes("refer", "PJSIP/alice", "sip:carol@example.org", "--wait")
        assert (refused.status, refused.out.split()[1:]) == (1, ["failed,", "603", "Scripted"])
        alice.answers["REFER"] = 202
        words = ("refer", "PJSIP/alice", "pjsip:alice", "--from", "carol", "--to-self")
        accepted = await world.person.pipes(*words, "--within", "0.2")
        assert (accepted.status, accepted.out.split()[1:]) == (5, ["accepted,", "202", "Scripted"])
    bob = CallingPhone("bob", "bobpw", world.server.sip, lambda line: None)
    await bob.start()
    try:
        answered = await world.person.pipes("refer", "PJSIP/bob", "PJSIP/bob", "--wait", "--json")
        assert answered.status == 0
        assert {"state": "answered", "status_code": 200, "refer_to": "pjsip:bob"}.items() <= json.loads(
            answered.out
        ).items()
    finally:
        bob.close()


async def test_events_and_what_was_missed(tmp_path: Path) -> None:
    folder = write_config(tmp_path, pjsip=CONFIGURATION)
    async with contextlib.AsyncExitStack() as stack:
        async with running_server(folder) as server, line_to(http_address(folder)) as line:
            person = Person(tmp_path, f"http://{line.address}")
            words = ("events", "--app", "mine", "--subscribe", "endpoint:PJSIP/alice", "--subscribe", "message:")
            program = await stack.enter_async_context(person.types(*words, "--json"))
            people = await stack.enter_async_context(person.types("events"))
            await program.shows("switchroom: listening as mine\n")
            await people.shows("switchroom: listening as switchroom-events-")
            alice = await stack.enter_async_context(phone("alice", server.sip))
            await alice.register(password="alicepw")
            await program.shows('"type": "EndpointStateChange"')
            await people.shows("EndpointStateChange  PJSIP/alice  online\n")
            line.cut()
            for terminal in (program, people):
                await terminal.shows("was lost; connecting again in")
            assert (await alice.register(password="alicepw", expires=0)).status == 200
            line.mend()
            for terminal in (program, people):
                await terminal.shows("connected again: what happened meanwhile follows\n")
            await people.shows("EndpointStateChange  PJSIP/alice  offline\n")
            events = [json.loads(each) for each in program.text.splitlines() if each.startswith("{")]
            assert {event["application"] for event in events} == {"mine"}
            await until(lambda: '"state": "offline"' in program.text, "what was missed")
            taken = await stack.enter_async_context(person.types("events", "--app", "mine"))
            assert await program.status() == 2
            assert "another client listens as mine now" in program.text
            taken.type("\x03")
            assert await taken.status() == 130
        await people.shows("connecting again in")
        (folder / "http.conf").write_text(
            re.sub(
                r"^bindport=.*$",
                f"bindport={line.address.port}",
                (folder / "http.conf").read_text(encoding="utf-8"),
                flags=re.MULTILINE,
            ),
            encoding="utf-8",
        )
        async with running_server(folder):
            await people.shows("connected again: what happened meanwhile is lost\n")


class Line:
    """TCP connections to a server, through a port of ours, that can be cut."""

    def __init__(self, address: Address, to: Address) -> None:
        self.address = address
        self._to = to
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection of a client."""
        if not self._open:
            writer.close()
            return
        there, beyond = await asyncio.open_connection(*self._to)
        self._writers |= {writer, beyond}
        await asyncio.gather(self._copy(reader, beyond), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    def cut(self) -> None:
        self._open = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        self._open = True


@asynccontextmanager
async def line_to(to: Address) -> AsyncIterator[Line]:
    tasks: set[asyncio.Task[None]] = set()
    made: list[Line] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(made[0].carry(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.append(Line(Address(*listening.sockets[0].getsockname()), to))
    try:
        yield made[0]
    finally:
        listening.close()
        made[0].cut()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_password_is_asked_for_and_not_shown(world: World) -> None:
    del world.person.environment["SWITCHROOM_PASSWORD"]
    async with world.person.types("endpoints") as terminal:
        await terminal.shows("Password of asterisk: ")
        terminal.type("asterisk\n")
        assert await terminal.status() == 0
        assert terminal.text.startswith("Password of asterisk: \nENDPOINT")
    async with world.person.types("endpoints") as terminal:
        await terminal.shows("Password of asterisk: ")
        terminal.type("hidden\n")
        assert await terminal.status() == 2
        assert "switchroom: wrong password" in terminal.text
        assert "hidden" not in terminal.raw
    async with world.person.types("endpoints") as terminal:
        await terminal.shows("Password of asterisk: ")
        terminal.type("\x03")
        assert await terminal.status() == 130
        assert "Traceback" not in terminal.text
    silent = await world.person.pipes("endpoints")
    assert (silent.status, silent.out, silent.err.count("\n")) == (2, "", 1)
    assert "--password-file" in silent.err
    from_pipe = await world.person.pipes("endpoints", "--password-file", "-", given=b"asterisk\n")
    assert from_pipe.status == 0


async def test_a_profile_with_its_password(world: World) -> None:
    environment = world.person.environment
    url = environment.pop("SWITCHROOM_URL")
    for name in ("SWITCHROOM_USER", "SWITCHROOM_PASSWORD"):
        del environment[name]
    words = ("profile", "save", "home", "--url", url, "--user", "asterisk", "--keep-password")
    async with world.person.types(*words) as terminal:
        await terminal.shows("Password: ")
        terminal.type("asterisk\n")
        assert await terminal.status() == 0
        assert "asterisk\n" not in terminal.text
    assert (await world.person.pipes("endpoints")).status == 0
    listed = await world.person.pipes("profile", "list")
    assert listed.out.splitlines()[1].split() == ["*", "home", url, "asterisk", "kept"]


async def test_a_hash_that_the_server_takes(tmp_path: Path) -> None:
    person = Person(tmp_path, "http://localhost")
    async with person.types("mkpasswd") as terminal:
        for asked in ("Password: ", "Again: "):
            await terminal.shows(asked)
            terminal.type("a b:ü\n")
        assert await terminal.status() == 0
        assert "a b" not in terminal.text
        made = terminal.text.splitlines()[-1]
    async with person.types("mkpasswd") as terminal:
        for asked, typed in (("Password: ", "one\n"), ("Again: ", "two\n")):
            await terminal.shows(asked)
            terminal.type(typed)
        assert await terminal.status() == 2
    assert (await person.pipes("mkpasswd", given=b"\n")).status == 2
    ari = ARI + f"[hashed]\ntype = user\npassword_format = crypt\npassword = {made}\n"
    folder = write_config(tmp_path / "config", pjsip=user("alice"), ari=ari)
    async with running_server(folder) as server:
        hashed = {"SWITCHROOM_URL": server.base, "SWITCHROOM_USER": "hashed", "SWITCHROOM_PASSWORD": "a b:ü"}
        assert (await person.pipes("endpoints", env=hashed)).status == 0


async def test_rights(world: World) -> None:
    reader = {"SWITCHROOM_USER": "reader", "SWITCHROOM_PASSWORD": "readpw"}
    assert (await world.person.pipes("endpoints", env=reader)).status == 0
    for words in (("send", "PJSIP/alice", "no"), ("events", "--subscribe", "message:")):
        refused = await world.person.pipes(*words, env=reader)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert '"reader" may only read' in refused.err
    async with world.person.types("events", env=reader) as terminal:
        await terminal.shows("listening as")
        terminal.type("\x03")
        assert await terminal.status() == 130


async def test_a_reader_that_has_enough_ends_a_command_quietly(world: World) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "endpoints"), stdout=writing, stderr=asyncio.subprocess.PIPE, env=world.person.environment
        )
    finally:
        os.close(writing)
    async with asyncio.timeout(_WITHIN):
        _, err = await process.communicate()
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion(tmp_path: Path, shell: str) -> None:
    person = Person(tmp_path, "http://localhost")
    words = {"COMP_WORDS": "switchroom endp", "COMP_CWORD": "1"}
    asked = {"_TYPER_COMPLETE_ARGS": "switchroom endp", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    completed = await person.pipes(env={**words, **asked, "_SWITCHROOM_COMPLETE": f"complete_{shell}"})
    assert completed.status == 0
    assert {"endpoint", "endpoints"} <= set(re.findall(r"\w+", completed.out))


async def test_endpoints_are_completed(world: World) -> None:
    async def completed(words: str, **env: str) -> list[str]:
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        found = await world.person.pipes(env={**asked, "_SWITCHROOM_COMPLETE": "complete_bash", **env})
        assert found.err == ""
        return found.out.split()

    assert await completed("switchroom endpoint PJSIP/") == ["PJSIP/alice", "PJSIP/bob", "PJSIP/carol"]
    assert await completed("switchroom send PJSIP/a") == ["PJSIP/alice"]
    assert await completed("switchroom refer P") == ["PJSIP/alice", "PJSIP/bob", "PJSIP/carol"]
    assert await completed("switchroom send XMPP/") == []
    assert await completed("switchroom send P", SWITCHROOM_PASSWORD="wrong") == []
    del world.person.environment["SWITCHROOM_PASSWORD"]
    assert await completed("switchroom send P") == []
