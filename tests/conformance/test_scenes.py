"""The recorded SIP scenes, step by step, with the events two applications hear."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from conformance.comparison import same_json, same_value
from conformance.rulings import by_the_rulings
from conformance.world import DATA, World, recorded_world
from support.ari import Answer
from support.events import Event, Events, events
from support.phone import Phone, SipMessage
from support.wait import until

STEPS: list[dict[str, Any]] = json.loads((DATA / "scenes.json").read_text(encoding="utf-8"))
PLAYED = [by_the_rulings(step) for step in STEPS]

#: Of received texts: made anew for each request, compared by their presence.
_OF_ONE_REQUEST = {"Via", "Call-ID", "CSeq"}
_BODY = "Watson, come here."


@dataclass
class Stage:
    """The world and the applications ``all``, subscribed to everything, and ``mine``, to what the steps say."""

    world: World
    applications: AsyncExitStack
    all: Events
    mine: Events

    @property
    def alice(self) -> Phone:
        return self.world.phones["alice"]

    @property
    def oldphone(self) -> Phone:
        return self.world.phones["oldphone"]

    @property
    def carol(self) -> Phone:
        return self.world.phones["carol"]

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        sent = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return await self.world.ari.ask(method, "/ari/" + path, headers=headers, body=sent)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with recorded_world(tmp_path_factory.mktemp("scenes")) as world, AsyncExitStack() as applications:
        everything = await applications.enter_async_context(events(world.server.base, "all", subscribe_all=True))
        mine = await applications.enter_async_context(events(world.server.base, "mine"))
        yield Stage(world, applications, everything, mine)


Reply = SipMessage | Answer | None
STEP: dict[str, Callable[[Stage], Awaitable[Reply]]] = {}


def step(name: str) -> Callable[[Callable[[Stage], Awaitable[Reply]]], Callable[[Stage], Awaitable[Reply]]]:
    """Marks what a step of the recording does."""

    def mark(action: Callable[[Stage], Awaitable[Reply]]) -> Callable[[Stage], Awaitable[Reply]]:
        STEP[name] = action
        return action

    return mark


def at(*ports: int) -> list[str]:
    """Contacts of alice at so many ports, none of which is rung here."""
    return [f"<sip:alice@127.0.0.1:{port}>" for port in ports]


def registers(**how: Any) -> Callable[[Stage], Awaitable[Reply]]:
    return lambda stage: stage.alice.register(**{"password": "alicepw", **how})


def texts(to: str = "asterisk", body: str = _BODY, kind: str = "text/plain") -> Callable[[Stage], Awaitable[Reply]]:
    """A text from carol, who needs no password."""
    return lambda stage: stage.carol.request("MESSAGE", to, headers=[f"Content-Type: {kind}"], body=body)


def asks(method: str, path: str, body: Any = None) -> Callable[[Stage], Awaitable[Reply]]:
    return lambda stage: stage.ask(method, path, body)


STEP |= {
    "register alice without credentials": registers(password=None),
    "register alice with a wrong password": registers(password="wrong"),
    "register alice": registers(),
    "get alice": asks("GET", "endpoints/PJSIP/alice"),
    "refresh alice": registers(),
    "register alice from a second device": registers(contacts=at(5089)),
    "register alice with two contacts": registers(contacts=at(5088, 5087)),
    "query alice's bindings": registers(contacts=[], expires=None),
    "remove one contact of alice": registers(contacts=at(5089), expires=0),
    "register too many contacts": registers(contacts=at(5080, 5081, 5082)),
    "register with a too short expiry": registers(expires=1),
    "register with a huge expiry": registers(expires=999999),
    "register for another's address": registers(to="bob"),
    "wildcard with an expiry": registers(contacts=["*"]),
    "register with a tel contact": registers(contacts=["<tel:+15551234>"]),
    "remove all contacts of alice": registers(contacts=["*"], expires=0),
    "get alice when gone": asks("GET", "endpoints/PJSIP/alice"),
    "message from carol": texts(),
    "message from alice without credentials": lambda stage: stage.alice.message("asterisk", _BODY),
    "message from alice": lambda stage: stage.alice.message("asterisk", _BODY, password="alicepw"),
    "message from alice to bob who is offline": lambda stage: stage.alice.message("bob", _BODY, password="alicepw"),
    "message of html": texts(kind="text/html"),
    "message of json": texts(kind="application/json"),
    "message of a picture": texts(kind="image/png"),
    "message with charset": texts(body="Zoë 漢", kind="text/plain;charset=UTF-8"),
    "message empty": texts(body=""),
    "message without content type": lambda stage: stage.carol.request("MESSAGE", "asterisk", body=_BODY),
    "subscribe app mine to carol": asks("POST", "applications/mine/subscription?eventSource=endpoint:PJSIP/carol"),
    "message from carol for two apps": texts(body="for two"),
    "filter app mine": asks("PUT", "applications/mine/eventFilter", {"disallowed": [{"type": "TextMessageReceived"}]}),
    "message from carol, filtered for mine": texts(body="filtered"),
    "unsubscribe app mine": asks("DELETE", "applications/mine/subscription?eventSource=endpoint:PJSIP/carol"),
    "unknown method": lambda stage: stage.carol.request("FROB", "asterisk"),
    "publish": lambda stage: stage.carol.request("PUBLISH", "asterisk", headers=["Event: presence"]),
    "get oldphone": asks("GET", "endpoints/SIP/oldphone"),
    "message from oldphone": lambda stage: stage.oldphone.message("asterisk", _BODY, password="oldpw"),
    "message to oldphone": asks("PUT", "endpoints/SIP/oldphone/sendMessage?from=sip:me@example.org&body=hi"),
    "old phone unregisters": lambda stage: stage.oldphone.register(expires=0, password="oldpw"),
    "get dave dark": asks("GET", "endpoints/PJSIP/dave"),
    "message dave dark": asks("PUT", "endpoints/PJSIP/dave/sendMessage?from=sip:a@127.0.0.1&body=dark"),
    "message dave with one phone": asks("PUT", "endpoints/PJSIP/dave/sendMessage?from=sip:a@127.0.0.1&body=hi"),
    "list applications": asks("GET", "applications"),
    "user event": asks(
        "POST", f"events/user/Hello?application=all&source={quote('endpoint:PJSIP/carol')}", {"variables": {"k": "v"}}
    ),
}


@step("old phone registers")
async def _old_registers(stage: Stage) -> Reply:
    """It is heard of again when it answers the question that follows."""
    answer = await stage.oldphone.register(password="oldpw")
    await _heard(stage, 5)
    return answer


@step("register a stranger")
async def _stranger(stage: Stage) -> Reply:
    sender = f"<sip:mallory@{stage.alice.server.host}>"
    return await stage.alice.request(
        "REGISTER",
        "mallory",
        uri=f"sip:{stage.alice.server}",
        sender=sender,
        headers=[f"Contact: <{stage.alice.contact}>"],
        password="x",
    )


@step("register alice for 60 s with header param")
async def _register_by_parameter(stage: Stage) -> Reply:
    return await stage.alice.register(
        contacts=[f"<{stage.alice.contact}>;expires=60"], expires=None, password="alicepw"
    )


@step("message from alice with a display name and headers")
async def _message_with_headers(stage: Stage) -> Reply:
    return await stage.alice.request(
        "MESSAGE",
        "support",
        sender='"Alice A" <sip:alice@127.0.0.1>',
        headers=[
            "Content-Type: text/plain",
            "X-One: 1",
            "Subject: greetings",
            "P-Asserted-Identity: <sip:a@b>",
            "Date: Mon, 23 Nov 2026 04:00:00 GMT",
        ],
        body=_BODY,
        password="alicepw",
    )


@step("message from a stranger")
async def _message_from_a_stranger(stage: Stage) -> Reply:
    return await stage.alice.request(
        "MESSAGE",
        "asterisk",
        sender="<sip:mallory@127.0.0.1>",
        headers=["Content-Type: text/plain"],
        body=_BODY,
        password="x",
    )


@step("out-of-dialog options")
async def _options(stage: Stage) -> Reply:
    return await stage.carol.request("OPTIONS", "asterisk", uri=f"sip:{stage.carol.server}")


@step("both of dave's phones go dark")
async def _dark(stage: Stage) -> Reply:
    """The second phone, which the recording saw first, goes once the first is known to be dark."""
    for count, name in ((1, "dave2"), (5, "dave1")):
        stage.world.phones[name].answers = {"OPTIONS": None, "MESSAGE": None}
        await _heard(stage, count)
    return None


@step("one of dave's phones is back")
async def _back(stage: Stage) -> Reply:
    stage.world.phones["dave2"].answers = {}
    await _heard(stage, 4)
    return None


async def _heard(stage: Stage, count: int) -> None:
    await until(lambda: len(stage.all.heard) >= count, f"{count} events of dave", within=15)


@step("a second socket takes app mine")
async def _replace(stage: Stage) -> Reply:
    first = stage.mine
    stage.mine = await stage.applications.enter_async_context(events(stage.world.server.base, "mine"))
    replaced = await first.next_of("ApplicationReplaced")
    assert replaced["application"] == "mine"
    assert first.heard == []
    return None


@step("list applications after the sockets close")
async def _closed(stage: Stage) -> Reply:
    await stage.applications.aclose()

    async def none_left() -> bool:
        return bool((await stage.ask("GET", "applications")).json == [])

    await until(none_left, "the applications to go with their sockets")
    return await stage.ask("GET", "applications")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("recorded", PLAYED, ids=lambda recorded: recorded["step"])
async def test_step(stage: Stage, recorded: dict[str, Any]) -> None:
    recorded = json.loads(stage.world.here(json.dumps(recorded, ensure_ascii=False)))
    reply = await STEP[recorded["step"]](stage)
    _compare_reply(recorded.get("answer"), reply)
    if "events" in recorded and recorded["step"] != "list applications after the sockets close":
        _compare_events(recorded["events"], await stage.all.settled(stage.world.ari))
        _compare_events(recorded.get("mine", ()), await stage.mine.settled(stage.world.ari))
    for want in recorded.get("wire", ()):
        request = await stage.world.phones[want["at"]].next("MESSAGE")
        while request.body == "dark":  # sent while nobody answered, and sent again since
            request = await stage.world.phones[want["at"]].next("MESSAGE")
        assert (request.body, request.uri) == (want["body"], want["uri"])
        assert all(same_value(value, request.first(name)) for name, value in want["headers"].items()), request


def test_nothing_is_left_out() -> None:
    assert [recorded["step"] for recorded in PLAYED if recorded["step"] not in STEP] == []
    assert len(STEP) == len(PLAYED) == len(STEPS)


def _compare_reply(want: Mapping[str, Any] | None, reply: Reply) -> None:
    if want is None:
        assert reply is None
    elif isinstance(reply, SipMessage):
        assert reply.status == want["code"], reply
        bindings = reply.all("Contact") if reply.first("CSeq").endswith("REGISTER") else []
        assert sorted(re.sub(r"expires=\d+", "expires=N", contact) for contact in bindings) == sorted(want["contacts"])
    else:
        assert isinstance(reply, Answer)
        assert reply.status == want["status"], reply
        assert same_json(want["json"], reply.json), reply.json


def _compare_events(want: Sequence[Event], heard: Sequence[Event]) -> None:
    """The same events, each once; only changes of one endpoint's state have an order."""
    assert sorted(map(_plain, heard)) == sorted(map(_plain, want))
    kinds = [event["type"] for event in heard]
    if "PeerStatusChange" in kinds:
        assert kinds.index("EndpointStateChange") < kinds.index("PeerStatusChange")


def _plain(event: Event) -> str:
    """What of an event must agree, as sortable text."""
    plain = {key: value for key, value in event.items() if key not in ("timestamp", "asterisk_id")}
    if event["type"] == "TextMessageReceived":
        variables = dict(plain["message"]["variables"])
        for name in _OF_ONE_REQUEST & variables.keys():
            variables[name] = "*"
        variables["From"] = variables["From"].partition(";tag=")[0]
        plain["message"] = plain["message"] | {"variables": variables}
    if event["type"] == "ContactStatusChange" and event["contact_info"]["contact_status"] == "Reachable":
        assert int(event["contact_info"]["roundtrip_usec"]) > 0
        plain["contact_info"] = plain["contact_info"] | {"roundtrip_usec": "*"}
    if "time" in plain.get("peer", {}):
        assert int(plain["peer"]["time"]) > 0
        plain["peer"] = plain["peer"] | {"time": "*"}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)
