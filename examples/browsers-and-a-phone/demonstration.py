"""A server, two browser pages and a soft phone that write to and call each other on this machine; see README.md.

Ends with Ctrl-C. Everything it writes is in a temporary folder that goes with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import AsyncExitStack, suppress
from importlib.resources import files
from pathlib import Path

import aiohttp
from aiohttp import web

HERE = Path(__file__).parent
HOST = "127.0.0.1"

#: Seconds for the server and the phone to come up, and for a program to end by itself.
START, STOP = 30.0, 10.0

#: baresip as a robot: it sends a tone and plays nothing. ``mediaenc`` and ``medianat`` are how
#: browsers talk; without ``outbound`` its texts would not take the way it registered.
ACCOUNT = (
    "<sip:carl@{sip};transport=udp>;auth_user=carl;auth_pass=carlpw;regint=60"
    ';outbound="sip:{sip};transport=udp";mediaenc=dtls_srtp;medianat=ice\n'
)
PHONE = """\
poll_method epoll
module_path {modules}
sip_listen {host}:{port}
net_interface {media}
rtcp_mux yes
ring_aufile none
ringback_aufile none
audio_source ausine,440
ausrc_srate 48000
ausrc_channels 2
module_tmp account.so
module_app contact.so
module_app menu.so
module stdio.so
module ausine.so
module g711.so
module ice.so
module srtp.so
module dtls_srtp.so
module ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
"""

HELP = "Carl is at this terminal: `call anna`, `call ben`, `hangup`, or a text for Anna."


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def media_address() -> str:
    """This machine's address in its network, which browsers use even among themselves; the loopback without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])
    return HOST


def configure(folder: Path, http: int, sip: int) -> None:
    """The configuration beside this file, with these ports."""
    shutil.copytree(HERE / "config", folder)
    for name, old, new in (
        ("http.conf", "bindport = 8088", f"bindport = {http}"),
        ("pjsip.conf", f"bind = {HOST}:5060", f"bind = {HOST}:{sip}"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")


async def end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP)
        except TimeoutError:
            process.kill()


async def serve(stack: AsyncExitStack, folder: Path, http: int, sip: int) -> None:
    """Starts the server and returns when it answers."""
    configure(folder / "config", http, sip)
    command = ("-m", "switchroom", "run", "--config", str(folder / "config"), "--state", str(folder / "state"))
    server = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=DEVNULL)
    stack.push_async_callback(end, server)
    async with aiohttp.ClientSession() as session, asyncio.timeout(START):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get(f"http://{HOST}:{http}/readyz") as answer:
                    if answer.status == 200:
                        return
            if server.returncode is not None:
                raise SystemExit("the server did not start; is another one running on these ports?")
            await asyncio.sleep(0.1)


async def show_pages(stack: AsyncExitStack, http: int, sip: int, port: int) -> None:
    """Serves the pages, with the JsSIP that comes with the console."""
    app = web.Application()

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "pages/index.html")

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "pages/page.js")

    async def library(_: web.Request) -> web.Response:
        text = (files("switchroom.console") / "vendor/jssip.js").read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/javascript")

    async def server(_: web.Request) -> web.Response:
        return web.json_response({"host": f"{HOST}:{sip}", "socket": f"ws://{HOST}:{http}/ws"})

    app.router.add_get("/", page)
    app.router.add_get("/page.js", script)
    app.router.add_get("/jssip.js", library)
    app.router.add_get("/server.json", server)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, HOST, port).start()


class Phone:
    """baresip, by its control protocol: netstrings of JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def do(self, command: str, parameters: str = "") -> None:
        sent = json.dumps({"command": command, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(sent), sent))

    async def answer_calls(self) -> None:
        """Takes every call, until the connection ends."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = int((await self._reader.readuntil(b":"))[:-1])
                told = json.loads((await self._reader.readexactly(size + 1))[:-1])
                if told.get("type") == "CALL_INCOMING":
                    self.do("accept")


def configure_phone(folder: Path, program: Path, control: int, sip: str) -> None:
    folder.mkdir()
    modules = program.resolve().parent.parent / "lib/baresip/modules"
    for name, text in (
        ("config", PHONE.format(modules=modules, host=HOST, port=free_port(), media=media_address(), control=control)),
        ("accounts", ACCOUNT.format(sip=sip)),
        ("contacts", f'"Anna" <sip:anna@{sip}>\n'),
        ("current_contact", f"sip:anna@{sip}"),
    ):
        (folder / name).write_text(text, encoding="utf-8")


async def start_phone(stack: AsyncExitStack, folder: Path, sip: str) -> Phone | None:
    """Starts baresip and returns when it is up; None where it is not installed."""
    program = shutil.which("baresip")
    if program is None:
        print("There is no soft phone: baresip is not installed (Debian: baresip-core).")
        return None
    control = free_port()
    configure_phone(folder, Path(program), control, sip)
    running = await asyncio.create_subprocess_exec(program, "-f", str(folder), stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    stack.push_async_callback(end, running)
    assert running.stdout is not None
    async with asyncio.timeout(START):
        while b"baresip is ready" not in (line := await running.stdout.readline()):
            if not line:
                raise SystemExit("baresip did not start")
    telling = asyncio.create_task(tell(running.stdout))
    stack.callback(telling.cancel)
    reader, writer = await asyncio.open_connection(HOST, control)
    stack.callback(writer.close)
    phone = Phone(reader, writer)
    answering = asyncio.create_task(phone.answer_calls())
    stack.callback(answering.cancel)
    return phone


async def tell(output: asyncio.StreamReader) -> None:
    """Shows what the phone says."""
    while line := await output.readline():
        if text := line.decode(errors="replace").replace("\r", "").strip():
            print(f"carl's phone: {text}", flush=True)


async def listen(phone: Phone, sip: str) -> None:
    """Does what is typed, until the end of it."""
    typed = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(typed), sys.stdin)
    while line := (await typed.readline()).decode(errors="replace"):
        command, _, rest = line.strip().partition(" ")
        if command == "call":
            phone.do("dial", f"sip:{rest}@{sip}")
        elif command == "hangup":
            phone.do("hangup")
        elif line.strip():
            phone.do("message", line.strip())


async def demonstrate(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sip = f"{HOST}:{options.sip}"
        await serve(stack, folder, options.http, options.sip)
        await show_pages(stack, options.http, options.sip, options.pages)
        phone = await start_phone(stack, folder / "phone", sip)
        addresses = [f"http://{HOST}:{options.pages}/?{name}" for name in ("anna", "ben")]
        print(
            "Ready. The pages:",
            *addresses,
            f"The console: http://{HOST}:{options.http}/ (asterisk, asterisk)",
            sep="\n  ",
        )
        if phone is not None:
            print(HELP, flush=True)
            listening = asyncio.create_task(listen(phone, sip))
            stack.callback(listening.cancel)
        if options.browser:
            for address in addresses:
                webbrowser.open(address)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Two browser pages and a soft phone, at one server.")
    for name, port, what in (
        ("--http", 8088, "the server's HTTP port"),
        ("--sip", 5060, "its SIP port"),
        ("--pages", 8089, "the port of the pages"),
    ):
        parser.add_argument(name, type=int, default=port, help=f"{what} ({port})")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="open no pages")
    asyncio.run(demonstrate(parser.parse_args()))


if __name__ == "__main__":
    main()
