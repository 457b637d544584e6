"""People on an XMPP server: a Prosody of our own, and clients that ask for a text each and take it.

The clients are plain sockets in a process of their own. Each has a connection to the XMPP server and one to the HTTP
port, and asks for its next text when the last one has come: the server that is measured has as many texts on their
way as there are people.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing.connection
import subprocess
import time
from pathlib import Path
from typing import Any

from figures import spread
from subject import HOST, free_port

Pipe = multiprocessing.connection.Connection

_CONFIG = """\
run_as_root = true
daemonize = false
interfaces = {{ "{host}" }}
c2s_ports = {{ {port} }}
legacy_ssl_ports = {{}}
s2s_ports = {{}}
component_ports = {{}}
http_ports = {{}}
https_ports = {{}}
data_path = "{data}"
pidfile = "{data}/prosody.pid"
log = {{ info = "*console" }}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "smacks", "posix" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "localhost"
"""
#: What xmpp.conf needs to be an account there.
ACCOUNT = "[gateway]\ntype=client\nserverhost={host}\nport={port}\nusetls=no\nusername=gateway@localhost\nsecret=pw\n"
_STREAM = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
)
_START_WITHIN = 10.0


class Prosody:
    """The XMPP server, with the accounts ``gateway`` and ``romeo``."""

    def __init__(self, folder: Path, program: str) -> None:
        self.port = free_port()
        folder.mkdir(exist_ok=True)
        accounts = folder / "localhost" / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        for name in ("gateway", "romeo"):
            (accounts / f"{name}.dat").write_text('return { ["password"] = "pw"; };\n', encoding="utf-8")
        config = folder / "prosody.cfg.lua"
        config.write_text(_CONFIG.format(host=HOST, port=self.port, data=folder), encoding="utf-8")
        with (folder / "output.log").open("wb") as log:
            command = [program, "--config", str(config), "-F"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + _START_WITHIN
        while "Activated service 'c2s'" not in (folder / "output.log").read_text(encoding="utf-8"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("prosody did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def people(pipe: Pipe, port: int, http_port: int, credentials: str, count: int, receipts: bool) -> None:
    """``count`` people; each number that comes through the pipe is so many texts, and answered with how it went."""
    asyncio.run(_people(pipe, port, http_port, credentials, count, receipts))


async def _people(pipe: Pipe, port: int, http_port: int, credentials: str, count: int, receipts: bool) -> None:
    there = [Person(f"p{number}", credentials, receipts) for number in range(count)]
    for person in there:
        await person.come(port, http_port)
    pipe.send("ready")
    while True:
        wanted = await asyncio.to_thread(pipe.recv)
        shares = [wanted // count + (number < wanted % count) for number in range(count)]
        done = await asyncio.gather(*(person.ask(share) for person, share in zip(there, shares, strict=True)))
        waits = [wait for person in done for wait in person]
        result: dict[str, Any] = {"operations": len(waits), "failed": wanted - len(waits), **spread(waits)}
        pipe.send(result)


class Person:
    """One client: an XMPP session of ``romeo``, and a connection for requests."""

    def __init__(self, resource: str, credentials: str, receipts: bool) -> None:
        self._resource = resource
        self._authorization = base64.b64encode(credentials.encode()).decode()
        self._receipts = receipts
        self._unread = ""

    async def come(self, port: int, http_port: int) -> None:
        self._xmpp, self._to_xmpp = await asyncio.open_connection(HOST, port)
        self._http, self._to_http = await asyncio.open_connection(HOST, http_port)
        secret = base64.b64encode(b"\0romeo\0pw").decode()
        self._say(_STREAM)
        await self._until("</stream:features>")
        self._say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        await self._until("<success")
        self._say(_STREAM)
        await self._until("</stream:features>")
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{self._resource}</resource></bind>"
        self._say(f"<iq type='set' id='b'>{bind}</iq>")
        await self._until("</iq>")
        self._say("<presence/>")
        await self._until("<presence")

    async def ask(self, count: int) -> list[float]:
        """Seconds from request to text, of each text that came."""
        waits = []
        for _ in range(count):
            begun = time.monotonic()
            path = f"/ari/endpoints/sendMessage?to=xmpp:romeo@localhost/{self._resource}&from=xmpp:gateway&body=hello"
            head = f"PUT {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {self._authorization}\r\n\r\n"
            self._to_http.write(head.encode())
            answer = await self._http.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 202"):
                return waits
            text = await self._until("</message>")
            waits.append(time.monotonic() - begun)
            if self._receipts:
                stanza_id = _value(text.rpartition("<message ")[2], "id")
                received = f"<received xmlns='urn:xmpp:receipts' id='{stanza_id}'/>"
                self._say(f"<message to='gateway@localhost' type='chat'>{received}</message>")
        return waits

    def _say(self, xml: str) -> None:
        self._to_xmpp.write(xml.encode())

    async def _until(self, text: str) -> str:
        async with asyncio.timeout(10):
            while text not in self._unread:
                data = await self._xmpp.read(65_536)
                if not data:
                    raise ConnectionError("the XMPP server ended the stream")
                self._unread += data.decode()
        found, _, self._unread = self._unread.partition(text)
        return found


def _value(element: str, name: str) -> str:
    """An attribute's value, in whichever quotes."""
    rest = element.partition(f"{name}=")[2]
    return rest[1:].partition(rest[0])[0]
