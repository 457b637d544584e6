"""Streams against servers that do as they are told: the handshakes, what is answered, and what is not put up with."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from slixmpp.xmlstream import xmlstream

from support.wait import until
from support.xmpp_server import MECHANISMS, PLAIN, SASL, SM, TLS, Connection, Script, Server, xmpp_server
from support.xmpp_world import client, component
from switchroom.model.xmpp_settings import XmppAccountSettings
from switchroom.tech.xmpp import stream as stream_module
from switchroom.tech.xmpp.limits import CONFIRM_EVERY
from switchroom.tech.xmpp.stanza import presence_stanza, text_stanza
from switchroom.tech.xmpp.stream import Stream, open_stream

SCRAM_AND_PLAIN = MECHANISMS.format("<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>")


class Recorder:
    """See ``tech.xmpp.stream.Watcher``."""

    def __init__(self) -> None:
        self.bindings: list[bool] = []
        self.losses: list[tuple[str, bool]] = []
        self.messages: list[Element] = []
        self.presences: list[Element] = []
        self.answers: list[str] = []

    def bound(self, stream: Stream, *, resumed: bool) -> None:
        self.bindings.append(resumed)

    def lost(self, stream: Stream, reason: str, *, refused: bool) -> None:
        self.losses.append((reason, refused))

    def message(self, stream: Stream, element: Element) -> None:
        self.messages.append(element)

    def presence(self, stream: Stream, element: Element) -> None:
        self.presences.append(element)

    def answered(self, stream: Stream, stanza_id: str) -> None:
        self.answers.append(stanza_id)

    async def until_bound(self, times: int = 1) -> None:
        await until(lambda: len(self.bindings) >= times, f"bound {times} times", 5)

    async def loss(self) -> tuple[str, bool]:
        """The first loss: why, and whether the server refused."""
        await until(lambda: bool(self.losses), "a loss", 5)
        return self.losses[0]


Connected = tuple[Stream, Recorder, Server]
Connect = Callable[..., Awaitable[Connected]]


@asynccontextmanager
async def connected(
    *scripts: Script, make: Callable[..., XmppAccountSettings] = client, **options: Any
) -> AsyncIterator[Connected]:
    recorder = Recorder()
    async with xmpp_server(*scripts) as server:
        settings = make(**{"port": server.port, "use_tls": False, **options})
        stream = open_stream(settings, recorder)
        stream.open()
        try:
            yield stream, recorder, server
        finally:
            await stream.close(0.1)
            assert server.faults == []


# ---- handshakes


async def test_a_component_proves_that_it_knows_the_secret() -> None:
    async with connected(Connection.accept_component, make=component) as (_, recorder, server):
        await recorder.until_bound()
        proof = hashlib.sha1(b"abcpw", usedforsecurity=False).hexdigest()
        assert f"<handshake>{proof}</handshake>" in server.connections[0].said.replace(
            ' xmlns="jabber:component:accept"', ""
        )
        assert 'to="sip.localhost"' in server.connections[0].said


async def test_a_client() -> None:
    async with connected(Connection.accept_client, show="away", priority=5, status_message="in & out") as made:
        stream, recorder, server = made
        await recorder.until_bound()
        assert recorder.bindings == [False]
        assert stream.boundjid.full == "gateway@localhost/asterisk-xmpp"
        stream.greet()
        await until(lambda: "</presence>" in server.connections[0].said, "a presence")
        presence = server.connections[0].said
        for part in ("<show>away</show>", "<status>in &amp; out</status>", "<priority>5</priority>"):
            assert part in presence


async def test_stanzas_reach_who_watches() -> None:
    async def script(connection: Connection) -> None:
        await connection.accept_client()
        connection.send("<message from='r@h'><body>hi</body></message><presence from='r@h'/> \n")
        connection.send("<iq type='result' id='q1'/><iq type='error' id='q2'/>")

    async with connected(script) as (_, recorder, _server):
        await until(lambda: recorder.answers[-2:] == ["q1", "q2"], "answers")
        assert [m.findtext("{jabber:client}body") for m in recorder.messages] == ["hi"]
        assert len(recorder.presences) == 1


@pytest.mark.parametrize(
    ("accept", "make", "own"),
    [
        (Connection.accept_client, client, "localhost"),
        (Connection.accept_component, component, "sip.localhost"),
    ],
)
async def test_nobody_else_answers_for_the_server(accept: Script, make: Callable[..., Any], own: str) -> None:
    """The numbers of questions are easily guessed, and an answer says that texts have arrived."""

    async def script(connection: Connection) -> None:
        await accept(connection)
        for number in range(20):
            for sender in ("mallory@h/x", "h", f"mallory@{own}", f"{own}.h"):
                connection.send(f"<iq type='result' id='sr-{number}' from='{sender}'/>")
        connection.send(f"<iq type='result' id='q1' from='{own}'/><iq type='error' id='q2'/>")

    async with connected(script, make=make) as (_, recorder, _server):
        await until(lambda: recorder.answers[-2:] == ["q1", "q2"], "answers")
        assert [answer for answer in recorder.answers if answer.startswith("sr-")] == []


# ---- what is answered


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("<iq type='get' id='1' from='h'><ping xmlns='urn:xmpp:ping'/></iq>", 'type="result"'),
        (
            "<iq type='get' id='1' from='h'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            '<feature var="urn:xmpp:receipts"',
        ),
        ("<iq type='get' id='1' from='h'><query xmlns='jabber:iq:version'/></iq>", "service-unavailable"),
        ("<iq type='set' id='1' from='h'><query xmlns='jabber:iq:roster'/></iq>", "service-unavailable"),
        ("<iq type='get' id='1' from='h'/>", "service-unavailable"),
    ],
)
async def test_questions_are_answered(query: str, answer: str) -> None:
    answered = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.accept_component()
        connection.send("<iq type='odd' id='0' from='h'/>" + query)
        await connection.until(answer)
        answered.set()

    async with connected(script, make=component) as (_, _recorder, server):
        await asyncio.wait_for(answered.wait(), 5)
        assert 'id="1"' in server.connections[0].said
        assert 'id="0"' not in server.connections[0].said


async def test_no_stranger_is_remembered() -> None:
    async def script(connection: Connection) -> None:
        await connection.accept_component()
        for number in range(200):
            connection.send(f"<presence from='p{number}@h/x' to='a@sip.localhost'/>")
            connection.send(f"<message from='m{number}@h/x' to='a@sip.localhost'><body>x</body></message>")

    async with connected(script, make=component) as (stream, recorder, server):
        await until(lambda: len(recorder.messages) == 200, "all of them")
        stream.post(presence_stanza("", "a@sip.localhost", "p1@h/x"))
        await until(lambda: 'to="p1@h/x"' in server.connections[0].said, "the presence")
        assert set(stream.roster) == {"sip.localhost"}
        assert len(stream.roster["sip.localhost"].keys()) == 0


# ---- what is not put up with


async def test_without_tls_nothing_is_said() -> None:
    async with connected(partial(Connection.head, features=PLAIN), use_tls=True) as (_, recorder, server):
        assert await recorder.loss() == ("the server offers no TLS, and usetls is yes", True)
        assert "<auth" not in server.connections[0].said


async def test_a_server_that_demands_tls() -> None:
    features = f"<starttls xmlns='{TLS}'><required/></starttls>"
    async with connected(partial(Connection.head, features=features)) as (_, recorder, _server):
        assert await recorder.loss() == ("the server demands TLS, and usetls is no", True)


async def test_what_comes_with_the_word_to_begin_tls_is_not_believed() -> None:
    async def script(connection: Connection) -> None:
        await connection.head(features=f"<starttls xmlns='{TLS}'/>")
        await connection.until("starttls")
        connection.send(f"<proceed xmlns='{TLS}'/><stream:features>{SCRAM_AND_PLAIN}</stream:features>")
        said = await connection._reader.read(100)
        assert said[:1] == b"\x16", "no TLS handshake"

    async with connected(script, use_tls=True) as (_, _recorder, server):
        await until(lambda: bool(server.connections) and "starttls" in server.connections[0].said, "starttls")
        await asyncio.sleep(0)
        assert "<auth" not in server.connections[0].said


async def test_a_wrong_password_is_told_once() -> None:
    async def script(connection: Connection) -> None:
        await connection.head(features=SCRAM_AND_PLAIN)
        assert "SCRAM-SHA-1" in await connection.until("</auth>")
        connection.send(f"<failure xmlns='{SASL}'><not-authorized/></failure>")
        await connection.closed()

    async with connected(script) as (_, recorder, server):
        assert await recorder.loss() == ("the server refuses name or password: not-authorized", True)
        await asyncio.sleep(0)
        assert server.connections[0].said.count("<auth") == 1


async def test_a_password_is_not_said_where_others_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "is_loopback", lambda host: False)
    async with connected(partial(Connection.head, features=PLAIN)) as (_, recorder, server):
        assert await recorder.loss() == ("the server offers no way to log in that is safe enough", True)
        assert "<auth" not in server.connections[0].said


@pytest.mark.parametrize(
    ("xml", "reason", "refused"),
    [
        ("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", "conflict", True),
        (
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>127.0.0.1:1</see-other-host>"
            "</stream:error>",
            "see-other-host",
            False,
        ),
        ("</stream:stream>", "the server closed the stream", False),
        ("<!-- -->", "there is a comment", False),
    ],
)
async def test_the_end_of_a_stream(xml: str, reason: str, refused: bool) -> None:
    async def script(connection: Connection) -> None:
        await connection.accept_component()
        connection.send(xml)
        await connection.closed()

    async with connected(script, make=component) as (_, recorder, server):
        loss = await recorder.loss()
        assert reason in loss[0]
        assert loss[1] is refused
        assert len(server.connections) == 1


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        recorder = Recorder()
        stream = open_stream(client(port=taken.getsockname()[1], use_tls=False), recorder)
        stream.open()
        assert "can not be reached" in (await recorder.loss())[0]
        assert len(recorder.losses) == 1
        stream.discard()


class FakeDns:
    """What slixmpp asks of aiodns: SRV records of one domain; every name is this machine's."""

    def __init__(self, records: Mapping[str, Sequence[tuple[int, str, int]]]) -> None:
        self._records = records
        self.asked: set[str] = set()

    async def query_dns(self, name: str, kind: str) -> Any:
        assert kind == "SRV"
        self.asked.add(name)
        answer = [
            SimpleNamespace(data=SimpleNamespace(priority=priority, weight=0, target=target, port=port))
            for priority, target, port in self._records.get(name, ())
        ]
        return SimpleNamespace(answer=answer)

    async def getaddrinfo(self, host: str, family: int) -> Any:
        self.asked.add(host)
        addresses = [b"127.0.0.1"] if family == socket.AF_INET and host else []
        return SimpleNamespace(nodes=[SimpleNamespace(addr=(address, 0)) for address in addresses])


@pytest.mark.parametrize("use_tls", [True, False])
async def test_a_server_is_looked_up_in_dns(monkeypatch: pytest.MonkeyPatch, use_tls: bool) -> None:
    features = f"<starttls xmlns='{TLS}'/>" if use_tls else SCRAM_AND_PLAIN
    reached = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head(features=features)
        await connection.until("<starttls" if use_tls else "</auth>")
        reached.set()

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with xmpp_server(script) as server:
            dns = FakeDns(
                {
                    # RFC 6120 3.2.1: a target "." says that there is no such service.
                    "_xmpps-client._tcp.example.org": [(0, ".", 0)],
                    "_xmpp-client._tcp.example.org": [
                        (20, "second.example.org.", server.port),
                        (10, "first.example.org.", closed.getsockname()[1]),
                    ],
                }
            )
            for module in (stream_module, xmlstream):
                monkeypatch.setattr(module, "default_resolver", lambda loop: dns)
            stream = open_stream(client(username="gateway@example.org", server_host="", use_tls=use_tls), Recorder())
            stream.open()
            await asyncio.wait_for(reached.wait(), 5)
            await stream.close(0.1)
            assert server.faults == []
    assert "to='example.org'" in server.connections[0].said
    names = {"_xmpp-client._tcp.example.org", "first.example.org", "second.example.org"}
    assert dns.asked - {""} == names | ({"_xmpps-client._tcp.example.org"} if use_tls else set())


async def test_a_server_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_UNSENT", 100_000)

    async def script(connection: Connection) -> None:
        await connection.accept_component()
        await asyncio.get_running_loop().create_future()

    async with connected(script, make=component) as (stream, recorder, _):
        await recorder.until_bound()
        for _number in range(5000):
            stream.post(text_stanza("1", "", "r@h", "x" * 10_000))
            await asyncio.sleep(0)
            if recorder.losses:
                break
        assert recorder.losses[0][0] == "the server does not read"


async def test_a_session_goes_on_after_the_connection_is_lost() -> None:
    async def first(connection: Connection) -> None:
        await connection.accept_client(f"<sm xmlns='{SM}'/>")
        await connection.until("<enable")
        connection.send(f"<enabled xmlns='{SM}' id='session1' resume='true'/>")
        await connection.until("unconfirmed")
        connection.writer.transport.abort()

    async def second(connection: Connection) -> None:
        await connection.head(features=PLAIN)
        await connection.until("</auth>")
        connection.send(f"<success xmlns='{SASL}'/>")
        await connection.head(features=f"<sm xmlns='{SM}'/>")
        assert 'previd="session1"' in await connection.until("/>")
        connection.send(f"<resumed xmlns='{SM}' h='0' previd='session1'/>")
        await connection.until("unconfirmed")

    async with connected(first, second) as (stream, recorder, server):
        await recorder.until_bound()
        await until(lambda: stream.resumable, "stream management")
        stream.post(text_stanza("1", "", "r@h", "unconfirmed"))
        await recorder.loss()
        stream.open()
        await recorder.until_bound(2)
        assert recorder.bindings == [False, True]
        await until(lambda: "unconfirmed" in server.connections[1].said, "what was lost")


async def test_a_server_that_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_UNCONFIRMED", 20)

    async def script(connection: Connection) -> None:
        await connection.accept_client(f"<sm xmlns='{SM}'/>")
        await connection.until("<enable")
        connection.send(f"<enabled xmlns='{SM}' id='session1' resume='true'/>")

    async with connected(script) as (stream, recorder, _):
        await recorder.until_bound()
        await until(lambda: stream.resumable, "stream management")
        for number in range(30):
            stream.post(text_stanza(str(number), "", "r@h", "x"))
        assert (await recorder.loss())[0] == "the server confirms nothing"
        assert not stream.resumable


def managed(then: Script) -> Script:
    """A server that counts stanzas."""

    async def script(connection: Connection) -> None:
        await connection.accept_client(f"<sm xmlns='{SM}'/>")
        await connection.until("<enable")
        connection.send(f"<enabled xmlns='{SM}' id='session1' resume='true'/>")
        await then(connection)

    return script


async def test_a_server_that_counts_is_asked_by_its_count() -> None:
    async def script(connection: Connection) -> None:
        await connection.until('<r xmlns="urn:xmpp:sm:3"/>')
        connection.send(f"<a xmlns='{SM}' h='1'/>")
        await connection.until("second")
        # Two were sent before the second question.
        connection.send(f"<a xmlns='{SM}' h='1'/>")
        await connection.until("third")
        connection.send(f"<a xmlns='{SM}' h='2'/>")

    async with connected(managed(script)) as (stream, recorder, server):
        await recorder.until_bound()
        stream.post(text_stanza("1", "", "r@h", "first"))
        stream.ask("q1")
        await until(lambda: recorder.answers[-1:] == ["q1"], "the first answer")
        stream.post(text_stanza("2", "", "r@h", "second"))
        stream.ask("q2")
        stream.post(text_stanza("3", "", "r@h", "third"))
        await until(lambda: recorder.answers[-2:] == ["q1", "q2"], "the second answer")
        assert "<iq" not in server.connections[0].said.partition("<enable")[2]
        assert stream.management is not None
        assert stream.management.unconfirmed == 1


async def test_a_server_that_counts_is_told_what_came() -> None:
    async def script(connection: Connection) -> None:
        connection.send("<message from='r@h'><body>hi</body></message><presence from='r@h'/><iq type='odd'/>")
        connection.send(f"<r xmlns='{SM}'/><a xmlns='{SM}' h='0'/>")
        await connection.until('<a xmlns="urn:xmpp:sm:3" h="3"/>')

    async with connected(managed(script)) as (_, recorder, server):
        await recorder.until_bound()
        await until(lambda: 'h="3"' in server.connections[0].said, "the count")


async def test_a_server_that_counts_is_asked_now_and_then() -> None:
    async with connected(managed(Connection.farewell)) as (stream, recorder, server):
        await recorder.until_bound()
        for _ in range(CONFIRM_EVERY * 2 + 1):
            stream.post(presence_stanza())
        stream.post(presence_stanza("", "", "last@h"))
        await until(lambda: "last@h" in server.connections[0].said, "all of it")
        assert server.connections[0].said.count("<r ") == 2


@pytest.mark.parametrize("count", ["1", "-1", "x", ""])
async def test_a_server_that_confirms_what_was_never_sent(count: str) -> None:
    async def script(connection: Connection) -> None:
        connection.send(f"<a xmlns='{SM}' h='{count}'/>")
        await connection.closed()

    async with connected(managed(script)) as (stream, recorder, _):
        assert (await recorder.loss())[0] == "the server confirms what was never sent"
        assert not stream.resumable


async def test_a_server_that_does_not_count_after_all() -> None:
    async def script(connection: Connection) -> None:
        await connection.accept_client(f"<sm xmlns='{SM}'/>")
        await connection.until("<enable")
        connection.send(f"<failed xmlns='{SM}'/>")
        question = await connection.until("</iq>")
        stanza_id = question.rpartition(' id="')[2].partition('"')[0]
        connection.send(f"<iq type='result' id='{stanza_id}'/>")

    async with connected(script) as (stream, recorder, _):
        await recorder.until_bound()
        stream.post(text_stanza("1", "", "r@h", "hi"))
        stream.ask("q1")
        await until(lambda: recorder.answers[-1:] == ["q1"], "the answer")
        assert not stream.resumable


async def test_a_component_asks_itself() -> None:
    async def script(connection: Connection) -> None:
        await connection.accept_component()
        question = await connection.until("</iq>")
        connection.send("<iq type='get' from='mallory@h' to='sip.localhost' id='q1'><ping xmlns='urn:xmpp:ping'/></iq>")
        await connection.until('type="result"')
        connection.send(question[question.index("<iq") :])

    async with connected(script, make=component) as (stream, recorder, server):
        await recorder.until_bound()
        stream.ask("q1")
        await until(lambda: recorder.answers == ["q1"], "its own question")
        said = server.connections[0].said
        assert '<iq type="get" to="sip.localhost" id="q1" from="sip.localhost">' in said
        assert said.count("<iq") == 2


async def test_nobody_hears_of_a_stream_that_was_discarded() -> None:
    gone = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.closed()
        gone.set()

    async with connected(script) as (stream, recorder, server):
        await until(lambda: bool(server.connections), "a connection")
        stream.discard()
        await asyncio.wait_for(gone.wait(), 5)
        assert recorder.losses == []
